"""
What needs no learning: the answers that smaknet has to beat, in the same units.

A clock that counts since the start, and the nearest raw image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.transforms import resize
from smaknet_core.distances import pairwise
from smaknet_core.types import FrameSet, Image

RAW_PIXELS = 32  # side of the thumbnails that are compared


def thumbnail(image: Image) -> NDArray[np.float32]:
    """Shrink a frame to 3,072 numbers in 0 ... 1: the embedding anybody has for free."""
    small = resize(image, RAW_PIXELS, RAW_PIXELS).ravel().astype(np.float32)
    small /= 255
    return small


def clock_only(stamps_ns: Sequence[int], times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """
    Count seconds since the first set, as if every execution kept the demonstration's tempo.

    Args:
        stamps_ns: N stamps of the sets to follow.
        times_s: T times of the demonstration, from 0.

    Returns:
        N timesteps.
    """
    elapsed_s = (np.asarray(stamps_ns, np.int64) - stamps_ns[0]) / 1e9
    steps: NDArray[np.int64] = np.abs(elapsed_s[:, None] - times_s[None]).argmin(axis=1)
    return steps


def nearest_raw_image(
    sets: Sequence[FrameSet], taught: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.int64]:
    """
    Find the taught timestep whose thumbnails are nearest, camera by camera of the same name.

    A camera that was not taught is compared with every taught one.

    Args:
        sets: N sets to follow.
        taught: camera -> T x 3072 thumbnails of the demonstration.

    Returns:
        N timesteps.
    """
    return np.array([_nearest(frames, taught) for frames in sets], np.int64)


def _nearest(frames: FrameSet, taught: Mapping[str, NDArray[np.float32]]) -> int:
    distances = []
    for camera, frame in frames.frames.items():
        views = [taught[camera]] if camera in taught else list(taught.values())
        query = thumbnail(frame.image)[None]
        distances.append(np.min([pairwise(query, view)[0] for view in views], axis=0))
    return int(np.mean(distances, axis=0).argmin())
