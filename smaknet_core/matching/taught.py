"""
What embeddings are matched against: taught demonstrations, and the scale of their distances.

Half of the arrow `Embedding -> Match`; `filter` and `nearest` are the other half.
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
    temperature: float = 1.0  # divides the log-odds of the confidence; > 1 means less sure
    basis: str = ''  # one sentence: from what this was measured

    def __post_init__(self) -> None:
        numbers = (self.sigma, self.outlier, self.sharpness, self.temperature)
        if not all(np.isfinite(n) and n > 0 for n in numbers) or self.outlier < self.sigma:
            raise ConfigError(
                'calibration: expected 0 < sigma <= outlier, sharpness and temperature > 0, got '
                f'{self.sigma}, {self.outlier}, {self.sharpness} and {self.temperature}'
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

    @cached_property
    def squares(self) -> NDArray[np.float32]:
        """V x T squared lengths of the embeddings."""
        return np.asarray(np.einsum('vtd,vtd->vt', self.views, self.views))

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


def scales(taught: Sequence[Taught], calibration: Calibration) -> tuple[Floats, Floats]:
    """
    Give sigma and the outlier level of each timestep of all demonstrations in a row, N each.

    A demonstration that knows its own scale uses it, and its outlier level moves along by the
    square root: it stays between its true matches and non-matches, which are as far as ever.
    """
    sigmas = np.array([demo.sigma or calibration.sigma for demo in taught])
    outliers = calibration.outlier * np.sqrt(sigmas / calibration.sigma)
    lengths = [len(demo) for demo in taught]
    outliers = np.maximum(outliers, sigmas)
    return np.repeat(sigmas, lengths), np.repeat(outliers, lengths)


def distances_to(taught: Taught, embeddings: Mapping[str, Vector]) -> Floats:
    """
    Measure one set against every timestep.

    Args:
        taught: T timesteps.
        embeddings: camera -> D, at least one camera.

    Returns:
        T distances: the mean over the live cameras of the distance to the taught view of the
        same name; a camera that was not taught counts with the nearest of all taught views.
    """
    total = np.zeros(len(taught))
    for camera, vector in embeddings.items():
        if camera in taught.cameras:
            total += _distances(taught, taught.cameras.index(camera), vector)
        else:
            views = range(len(taught.cameras))
            total += np.min([_distances(taught, view, vector) for view in views], axis=0)
    return total / len(embeddings)


def _distances(taught: Taught, view: int, vector: Vector) -> NDArray[np.float32]:
    """T distances, as `distances.pairwise` would give, with what does not change kept."""
    squares = taught.squares[view] + vector @ vector - 2 * (taught.views[view] @ vector)
    return np.asarray(np.sqrt(np.maximum(squares, 0)))
