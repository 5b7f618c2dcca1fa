"""Frames to network input: resizing against a slow reference, augmentation by its promises."""

from __future__ import annotations

from clip_maker import frames
import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import AugmentConfig
from smaknet_core.data.noise import Noise
from smaknet_core.data.transforms import Augment, resize, resize_into, to_input
import torch
from torch.nn import functional as F

FIELDS = ('shift', 'brightness', 'contrast', 'saturation', 'patch', 'background')


def still(**more):
    """Augmentation that does nothing but what is said."""
    return AugmentConfig(**{'zoom': (1, 1), **dict.fromkeys(FIELDS, 0.0), **more})


def slow_weights(inputs, outputs):
    """Triangle filter, as wide as a step of the result in pixels of the source."""
    scale = inputs / outputs
    width = max(scale, 1.0)
    rows = np.zeros((outputs, inputs))
    for i in range(outputs):
        centre = (i + 0.5) * scale
        for j in range(inputs):
            rows[i, j] = max(0.0, 1 - abs(j + 0.5 - centre) / width)
        rows[i] /= rows[i].sum()
    return rows


def slow_resize(image, height, width):
    down, across = slow_weights(image.shape[0], height), slow_weights(image.shape[1], width)
    return np.einsum('ij,jkc,lk->ilc', down, image.astype(float), across)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize('size', [(48, 64), (33, 100), (20, 20), (128, 96)])
def test_resizing_is_an_antialiased_triangle(size):
    found = resize(noise(*size), 32, 40)
    assert found.shape == (32, 40, 3)
    assert found.dtype == np.uint8
    assert np.abs(found - slow_resize(noise(*size), 32, 40)).max() <= 2


def test_agrees_with_area_averaging_where_that_is_exact():
    image = cv2.GaussianBlur(noise(128, 128), (0, 0), 3)
    area = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(resize(image, 32, 32).astype(int) - area).max() <= 8


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_size_and_one_colour_stays_that_colour(height, width):
    image = np.full((height, width, 3), (10, 128, 250), np.uint8)
    found = resize(image, 32, 48)
    assert found.shape == (32, 48, 3)
    assert np.abs(found.astype(int) - (10, 128, 250)).max() <= 1


@pytest.mark.parametrize('size', [(480, 640), (48, 64), (33, 100), (20, 20), (1, 7), (32, 40)])
def test_resizing_into_a_batch_gives_the_pixels_of_interpolate(size):
    batch = np.zeros((3, 32, 40, 3), np.uint8)
    image = noise(*size)
    resize_into(image, batch[1])
    planes = torch.from_numpy(image.copy())[None].permute(0, 3, 1, 2)
    expected = F.interpolate(planes, (32, 40), mode='bilinear', antialias=True)
    assert np.array_equal(batch[1], expected[0].permute(1, 2, 0).numpy())
    assert np.array_equal(batch[1], resize(image, 32, 40))
    assert not batch[[0, 2]].any()


def test_at_size_it_is_the_identity():
    image = noise(32, 48)
    assert np.array_equal(resize(image, 32, 48), image)


def test_frames_that_are_read_only_mirrored_or_cut_out():
    image = noise(40, 50)
    expected = resize(image.copy(), 32, 32)
    locked = image.copy()
    locked.flags.writeable = False
    assert np.array_equal(resize(locked, 32, 32), expected)
    swapped = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    assert np.array_equal(resize(swapped, 32, 32), expected)
    padded = np.zeros((40, 60, 3), np.uint8)
    padded[:, :50] = image
    assert np.array_equal(resize(padded[:, :50], 32, 32), expected)
    assert resize(image[..., ::-1], 40, 50).flags.c_contiguous


def test_network_input():
    images = torch.tensor([[[[0, 127, 255]]]], dtype=torch.uint8)  # 1 x 1 x 1 x 3
    found = to_input(images)
    assert found.shape == (1, 3, 1, 1)
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == pytest.approx([-1, -0.5 / 127.5, 1])


def inputs(count=6):
    return to_input(torch.from_numpy(frames(count)))


def augmented(config, images, seed=0):
    return Augment(config)(images, Noise(seed))


def test_augmentation_follows_its_generator_alone():
    images, config = inputs(), AugmentConfig(patch=0.3)
    once = augmented(config, images)
    torch.rand(5)
    assert torch.equal(augmented(config, images), once)
    assert not torch.equal(augmented(config, images, seed=1), once)


def test_every_image_meets_its_own_changes():
    same = inputs()[2:3].repeat(6, 1, 1, 1)
    for config in (AugmentConfig(), *(still(**{name: 0.5}) for name in FIELDS)):
        changed = augmented(config, same)
        assert all(not torch.equal(changed[i], changed[j]) for i in range(6) for j in range(i)), (
            config
        )


def test_the_given_images_stay_as_they_were():
    images = inputs()
    before = images.clone()
    changed = augmented(AugmentConfig(patch=0.5), images)
    assert torch.equal(images, before)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert changed.abs().max() <= 1


def test_no_amount_changes_nothing():
    torch.testing.assert_close(augmented(still(), inputs()), inputs(), atol=1e-5, rtol=0)


def test_zoom_below_one_shows_less_and_shift_moves():
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)  # brighter to the right
    nearer = augmented(still(zoom=(0.5, 0.5)), ramp)
    assert (nearer[0, 0, 0, -1] - nearer[0, 0, 0, 0]).item() == pytest.approx(1, abs=0.05)
    moved = [augmented(still(shift=0.1), ramp, seed)[0, 0, 16, 16].item() for seed in range(50)]
    assert max(moved) <= 0.2 + 0.05  # a tenth of the frame, whose brightness spans 2
    assert max(moved) > 0.1
    assert min(moved) < -0.1


def test_brightness_shifts_contrast_spreads_saturation_colours():
    images = inputs() * 0.5
    shift = augmented(still(brightness=0.1), images) - images
    assert shift.std(dim=(1, 2, 3)).max() < 1e-5
    assert 0 < shift.abs().max() <= 0.2 + 1e-5
    spread = augmented(still(contrast=0.3), images).std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert 0.7 <= spread.min() < 1 < spread.max() <= 1.3
    coloured = augmented(still(saturation=0.5), images)
    torch.testing.assert_close(coloured.mean(1), images.mean(1), atol=1e-5, rtol=0)


def test_patches_are_grey_and_no_larger_than_said():
    covered = augmented(still(patch=0.5), torch.ones(20, 3, 32, 32))
    share = (covered == 0).float().mean(dim=(1, 2, 3))
    assert (share > 0).any()
    assert share.max() <= 0.5 * 0.5 + 0.05


def test_a_foreign_background_is_mixed_in_up_to_its_share():
    grey = torch.zeros(40, 3, 96, 96)
    mixed = augmented(still(background=0.5), grey)
    strongest = mixed.abs().amax(dim=(1, 2, 3))
    assert strongest.max() <= 0.5 + 1e-5
    assert strongest.max() > 0.3
    assert strongest.min() < 0.1  # another share for each image
    rough = (mixed[..., 1:] - mixed[..., :-1]).abs().amax(dim=(1, 2, 3))
    assert (rough < 0.6 * strongest).all(), 'patches are soft'
    white = augmented(still(background=1.0), torch.ones(40, 3, 32, 32))
    assert white.max() <= 1 + 1e-5  # a mean of the image and the pattern, not a sum


def slow_augment(config, images, noise):
    """One step after the other, as they are defined."""
    count = len(images)
    low, high = config.zoom
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = low + (high - low) * noise.rand(count)
    theta[:, :, 2] = (noise.rand(count, 2) * 2 - 1) * config.shift * 2
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode='border', align_corners=False)
    saturation, contrast, brightness = (
        amount * (noise.rand(count, 1, 1, 1) * 2 - 1)
        for amount in (config.saturation, config.contrast, config.brightness)
    )
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (1 + saturation)
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    images = centre + (images - centre) * (1 + contrast)
    return (images + 2 * brightness).clamp(-1, 1)


@pytest.mark.parametrize('size', [(32, 48), (33, 33)])
def test_augments_as_one_step_after_the_other_does(size):
    images = to_input(torch.from_numpy(np.stack([noise(*size, seed) for seed in range(5)])))
    given_images = images.clone()
    found = Augment(AugmentConfig())(images, Noise(3))
    expected = slow_augment(AugmentConfig(), images, Noise(3))
    assert torch.equal(images, given_images)
    # rounding moves a place by 1e-5 of a pixel, next to which the colour may be another
    assert torch.allclose(found, expected, atol=1e-3)
    assert (found - expected).abs().mean() < 1e-5
