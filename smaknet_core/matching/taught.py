"""
What embeddings are matched against: taught demonstrations, and the scale of their distances.

Half of the arrow `Embedding -> Match`; `filter`, `warping` and `nearest` are the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import ConfigError
from smaknet_core.types import Match, Vector

Floats = NDArray[np.float64]

# A match counts as right when it is within this of the truth; confidence is about this window.
WINDOW_S = 0.25
# Timesteps nearer than this to the match are not rivals of it, for the margin.
ADJACENT_S = 0.5


@dataclass(frozen=True)
class Calibration:
    """
    How far apart embeddings of the same moment are, measured on validation recordings.

    Distances are Euclidean, in the unit of the embedding.
    """

    sigma: float  # root mean square distance of true matches
    outlier: float  # at this distance `elsewhere` explains a frame as well as a timestep does
    # How telling a distance is: the log-likelihood is -sharpness * (distance / sigma)^2 / 2. As
    # many as the independent directions in which true matches differ.
    sharpness: float = 1.0
    # True matches of the very camera that was taught are nearer, by this factor.
    same_view: float = 1.0
    temperature: float = 1.0  # divides the log-odds of the confidence; > 1 means less sure
    basis: str = ''  # one sentence: from what this was measured

    def __post_init__(self) -> None:
        scales = (self.sigma, self.outlier, self.sharpness, self.temperature, self.same_view)
        if not all(np.isfinite(n) and n > 0 for n in scales) or self.outlier < self.sigma:
            raise ConfigError(
                'calibration: expected 0 < sigma <= outlier and positive sharpness, same_view and '
                f'temperature, got {self}'
            )


@dataclass(frozen=True, eq=False)
class Taught:
    """One demonstration as the trackers see it."""

    name: str
    embeddings: NDArray[np.float32]  # T x V x D
    times_s: Floats  # T, strictly increasing, from 0
    cameras: tuple[str, ...]  # V names
    sigma: float | None = None  # this demonstration's own scale, where it has >= 2 views

    def __post_init__(self) -> None:
        shape, steps = self.embeddings.shape, len(self.times_s)
        if len(shape) != 3 or shape[:2] != (steps, len(self.cameras)) or 0 in shape:
            raise ValueError(
                f'{self.name}: expected embeddings of {steps} timesteps x {len(self.cameras)} '
                f'cameras x D, got {shape}'
            )
        if np.any(np.diff(self.times_s) <= 0) or self.times_s[0] != 0:
            raise ValueError(f'{self.name}: times must start at 0 and increase')

    def __len__(self) -> int:
        return len(self.times_s)

    @cached_property
    def views(self) -> NDArray[np.float32]:
        """The embeddings as V x T x D, contiguous."""
        return np.ascontiguousarray(self.embeddings.swapaxes(0, 1), np.float32)

    @property
    def duration_s(self) -> float:
        """Seconds from the first timestep to the last."""
        return float(self.times_s[-1])


class Tracker(Protocol):
    """What turns a stream of embeddings into matches."""

    def update(self, stamp_ns: int, embeddings: Mapping[str, Vector]) -> Match:
        """Take the embeddings (camera -> D) of one set, captured at `stamp_ns`."""
        ...

    def reset(self) -> None:
        """Forget the stream: the next set is the first."""
        ...

    @property
    def elsewhere(self) -> float:
        """How likely the scene is in no demonstration after the last set, 0 ... 1."""
        ...


def scales(taught: Sequence[Taught], calibration: Calibration) -> tuple[Floats, Floats]:
    """
    Give sigma and the outlier level of each timestep of all demonstrations in a row, N each.

    A demonstration whose own views are farther apart than those of the validation recordings is
    judged by its own scale. Nearer ones change nothing: they are views of one single run.
    """
    wider = np.array([max(1.0, (demo.sigma or 0.0) / calibration.sigma) for demo in taught])
    factors = np.repeat(wider, [len(demo) for demo in taught])
    return calibration.sigma * factors, calibration.outlier * factors
