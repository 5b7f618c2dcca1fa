import numpy as np
from smaknet_core.baselines import clock_only, nearest_raw_image, thumbnail
from smaknet_core.types import FrameSet, Stamped


def _frame(camera: str, level: int) -> Stamped:
    return Stamped(level, camera, np.full((48, 64, 3), level, np.uint8))


def test_the_clock_counts_demonstration_seconds_since_the_first_set() -> None:
    times_s = np.arange(10) * 0.5
    stamps = [10**18, 10**18 + 10**9, 10**18 + 2_200_000_000, 10**18 + 60 * 10**9]
    assert clock_only(stamps, times_s).tolist() == [0, 2, 4, 9]


def test_a_thumbnail_has_3072_numbers_whatever_the_frame() -> None:
    small = thumbnail(np.full((480, 640, 3), 255, np.uint8))
    assert small.shape == (3072,)
    assert small.dtype == np.float32
    assert np.allclose(small, 1)


def test_raw_images_are_compared_with_the_camera_of_the_same_name() -> None:
    levels = np.array([10, 100, 200])
    taught = {
        'front': np.stack([thumbnail(_frame('front', n).image) for n in levels]),
        'side': np.stack([thumbnail(_frame('side', n).image) for n in levels[::-1]]),
    }
    sets = [FrameSet({'front': _frame('front', n + 3)}) for n in levels]
    assert nearest_raw_image(sets, taught).tolist() == [0, 1, 2]
    sets = [FrameSet({'side': _frame('side', n + 3)}) for n in levels]
    assert nearest_raw_image(sets, taught).tolist() == [2, 1, 0]


def test_a_camera_that_was_not_taught_is_compared_with_every_view() -> None:
    taught = {
        'front': np.stack([thumbnail(_frame('front', n).image) for n in (10, 20)]),
        'side': np.stack([thumbnail(_frame('side', n).image) for n in (150, 250)]),
    }
    assert nearest_raw_image([FrameSet({'new': _frame('new', 249)})], taught).tolist() == [1]
