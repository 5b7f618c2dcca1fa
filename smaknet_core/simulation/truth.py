"""True correspondence of two recordings of one task, through the progress in their labels."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import DataError

Floats = NDArray[np.float64]


class Progress(NamedTuple):
    """A recording's truth over time."""

    stamps_ns: NDArray[np.int64]  # T, increasing
    progress: Floats  # T, 0 ... 1, non-decreasing

    def at(self, stamps_ns: NDArray[np.int64]) -> Floats:
        """Progress at any stamps, interpolated."""
        origin = self.stamps_ns[0]  # epoch nanoseconds do not fit a float exactly
        progress: Floats = np.interp(stamps_ns - origin, self.stamps_ns - origin, self.progress)
        return progress


class Correspondence(NamedTuple):
    """For N query moments, the true timesteps in the other recording."""

    timestep: Floats  # N, fractional; the middle where the other one pauses
    first: Floats  # N, where the scene begins to look like that
    last: Floats  # N, where it ends to

    def error(self, timesteps: NDArray[np.int64] | NDArray[np.float64]) -> Floats:
        """How many timesteps off an answer is, N; 0 anywhere within a pause."""
        return np.maximum(0, np.maximum(self.first - timesteps, timesteps - self.last))


def load_progress(recording: Path) -> Progress:
    """Read stamps and progress from a recording's labels.csv; DataError when there are none."""
    path = recording / 'labels.csv'
    try:
        with path.open(encoding='utf-8', newline='') as file:
            rows = [(int(row['stamp_ns']), float(row['progress'])) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as err:
        raise DataError(f'{path}: no stamps and progress to read ({err!r})') from err
    if not rows:
        raise DataError(f'{path}: no stamps and progress to read (it has no rows)')
    stamps, progress = zip(*rows, strict=True)
    return Progress(np.array(stamps, dtype=np.int64), np.array(progress, dtype=np.float64))


def correspond(progress: Floats, reference: Floats) -> Correspondence:
    """
    Find where in the reference each progress is.

    Args:
        progress: N, 0 ... 1, of the query moments.
        reference: T, non-decreasing, of the other recording's timesteps.
    """
    # Where the reference pauses, one progress fills a stretch; a hair's breadth finds both ends.
    hair = 1e-6
    steps = np.arange(len(reference), dtype=np.float64)
    rising = reference + hair * 1e-3 * steps / len(reference)  # np.interp wants it increasing
    first = np.interp(progress - hair, rising, steps)
    last = np.interp(progress + hair, rising, steps)
    return Correspondence((first + last) / 2, first, last)


def true_timesteps(query: Path, reference: Path) -> Correspondence:
    """For each row of one recording's labels, the true timestep among the other's rows."""
    return correspond(load_progress(query).progress, load_progress(reference).progress)
