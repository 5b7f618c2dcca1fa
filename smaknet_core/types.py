"""
What travels along the line; every other module refers to these records.

Letters: T timesteps, V views (cameras), H x W pixels, D embedding size (32), B batch.

Clocks: `stamp_ns` is always integer nanoseconds of the *capture* clock: `header.stamp` where a
topic's header stamps are set and monotonic, else the time the bag (or the node) received the
message; decided once per recording, never mixed. Durations in seconds end in `_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import enum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # H x W x 3, RGB, contiguous
Size = tuple[int, int]  # height and width, pixels
Vector = NDArray[np.float32]  # D


@dataclass(frozen=True)
class Stamped:
    """One decoded frame of one camera."""

    stamp_ns: int
    camera: str
    image: Image


@dataclass(frozen=True)
class FrameSet:
    """
    Concurrent frames of different cameras, at most one per camera.

    `frames` maps camera name to frame, in the order the cameras were declared.
    """

    frames: Mapping[str, Stamped]

    @property
    def stamp_ns(self) -> int:
        """The oldest frame's stamp: what is known is not newer than this."""
        return min(frame.stamp_ns for frame in self.frames.values())

    @property
    def spread_s(self) -> float:
        """Seconds between the oldest and the newest frame."""
        stamps = [frame.stamp_ns for frame in self.frames.values()]
        return (max(stamps) - min(stamps)) / 1e9

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras present."""
        return tuple(self.frames)


@dataclass(frozen=True)
class Clip:
    """One recording, synchronised and resized: what training and evaluation read."""

    name: str  # the recording's folder or file name
    task: str  # from episode.json, '' when unknown
    stamps_ns: NDArray[np.int64]  # T, strictly increasing
    views: Mapping[str, NDArray[np.uint8]]  # camera -> T x H x W x 3 RGB, usually a memmap

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the views, in order."""
        return tuple(self.views)


class State(str, enum.Enum):
    """What a match is worth (DESIGN section 6)."""

    INIT = 'INIT'  # not yet locked since start or reset
    TRACKING = 'TRACKING'  # the match can be acted on
    AMBIGUOUS = 'AMBIGUOUS'  # in the demonstration, but two places explain the scene
    LOST = 'LOST'  # the scene is not in the demonstration
    STALE = 'STALE'  # no valid camera set for `stale_s`
    DONE = 'DONE'  # the demonstration's end is reached

    @property
    def actionable(self) -> bool:
        """Whether a consumer may act on the match; only then `~/match` is published."""
        return self in (State.TRACKING, State.DONE)


@dataclass(frozen=True)
class Match:
    """Where in which demonstration the scene is, and how sure that is."""

    stamp_ns: int  # capture stamp of the set this speaks of
    demonstration: str  # name of the demonstration
    timestep: int  # index into the demonstration, 0 ... timesteps - 1
    timesteps: int  # length of the demonstration
    time_s: float  # demonstration time: seconds since its first set
    progress: float  # 0 ... 1, time_s over the demonstration's duration
    rate: float  # demonstration seconds per second of the stream, smoothed; 1 = as taught
    distance: float  # embedding distance to the matched timestep
    confidence: float  # 0 ... 1, calibrated probability to be within 0.25 s of the truth
    margin: float  # distance of the best non-adjacent timestep minus `distance`
    interval_s: tuple[float, float]  # central 90 % of the posterior, demonstration time
    state: State
