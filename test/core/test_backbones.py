"""
The trunks that other people's weights fit: names, shapes and arithmetic of those networks.

The figures frozen here were computed by torchvision 0.28.0 (Inception-v3, ResNet-18) and by
efficientnet_lite_pytorch 0.1.0 from the same made-up weights and image; `digest` is that of our
names and shapes, each of which those networks have.
"""

from __future__ import annotations

import hashlib
import math

import pytest
from smaknet_core.model.efficientnet import EfficientNetLite0
from smaknet_core.model.inception import InceptionV3
from smaknet_core.model.resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet18
import torch

torch.set_num_threads(1)

FROZEN = [
    (InceptionV3, '0e520eae6ef11162', [(6689.88086, 21398.55664, 6708.84082)]),
    (
        ResNet18,
        '435ce4d0dc2a262a',
        [(8.997, 26.25801, 2.4405), (5773.82178, 10561.99512, 0.0)],
    ),
    (
        EfficientNetLite0,
        'a514ae11ea75bea4',
        [
            (-0.07513, 2.58438, -3.19585),
            (-0.21674, 4.00302, -6.26462),
            (-0.08202, 3.63983, 4.61348),
        ],
    ),
]


def fill(network):
    """Give every tensor values that depend on its name and shape alone."""
    state = network.state_dict()
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        wave = (torch.arange(value.numel(), dtype=torch.float64) * 0.7 + len(name)).cos()
        if value.dim() > 1:
            wave = wave * math.sqrt(3 / value[0].numel())
        elif name.endswith(('running_var', 'weight')):
            wave = 1 + wave / 2
        else:
            wave = wave / 10
        value.copy_(wave.view(value.shape))
    network.load_state_dict(state)
    return network.eval()


def image():
    ramp = torch.arange(3 * 96 * 80, dtype=torch.float64).view(1, 3, 96, 80)
    return (ramp * 0.013).sin().float()


def maps(network, images):
    with torch.no_grad():
        found = network(images)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize(('kind', 'digest', 'figures'), FROZEN)
def test_what_others_compute_from_the_same_weights(kind, digest, figures):
    network = kind()
    layout = sorted((name, tuple(value.shape)) for name, value in network.state_dict().items())
    assert hashlib.sha256(repr(layout).encode()).hexdigest()[:16] == digest
    for found, expected in zip(maps(fill(network), image()), figures, strict=True):
        told = [found.mean().item(), found.std().item(), found[0, 3, 2, 1].item()]
        assert told == pytest.approx(expected, rel=1e-4, abs=2e-4)


@pytest.mark.parametrize(
    ('kind', 'channels', 'strides'),
    [(InceptionV3, [288], [8]), (ResNet18, [64, 128], [4, 8])]
    + [(EfficientNetLite0, [24, 40, 112], [4, 8, 16])],
)
@pytest.mark.parametrize(('height', 'width'), [(96, 128), (75, 101)])
def test_maps_of_any_size(kind, channels, strides, height, width):
    found = maps(kind().eval(), torch.zeros(2, 3, height, width))
    assert [m.shape[1] for m in found] == channels
    for m, stride in zip(found, strides, strict=True):
        # Inception does not pad its first layers
        assert abs(m.shape[2] - height / stride) < 4
        assert abs(m.shape[3] - width / stride) < 4


def test_inception_has_35_places_at_299_pixels():
    assert maps(InceptionV3().eval(), torch.zeros(1, 3, 299, 299))[0].shape == (1, 288, 35, 35)


def test_resnet_sees_what_its_weights_expect():
    seen = []
    network = ResNet18().eval()
    network.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))  # 0 ... 1
    maps(network, pixels * 2 - 1)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    expected = (pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-5)
    assert not {name for name in network.state_dict() if name.startswith('_')}
