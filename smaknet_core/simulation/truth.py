"""True correspondence of two recordings of one task, through the progress in their labels."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.recording_folder import read_description
from smaknet_core.errors import DataError

Floats = NDArray[np.float64]

# What is further than so many usual steps beyond a reference's ends is not in it.
BEYOND_STEPS = 5


class Progress(NamedTuple):
    """A recording's truth over time."""

    stamps_ns: NDArray[np.int64]  # T, increasing
    progress: Floats  # T, 0 ... 1; goes back where something is done again

    def at(self, stamps_ns: NDArray[np.int64]) -> Floats:
        """Progress at any stamps, interpolated."""
        origin = self.stamps_ns[0]  # epoch nanoseconds do not fit a float exactly
        progress: Floats = np.interp(stamps_ns - origin, self.stamps_ns - origin, self.progress)
        return progress


# Standing still for less than this is how a script is always run through.
LONG_PAUSE_S = 1.0
# Progress that grows by more than this share of the script between two rows has been skipped.
SKIPPED = 0.08


class Correspondence(NamedTuple):
    """For N query moments, the true timesteps in the other recording; NaN: not in it."""

    timestep: Floats  # N, fractional; the middle where the other one pauses
    first: Floats  # N, where the scene begins to look like that
    last: Floats  # N, where it ends to

    def error(self, timesteps: NDArray[np.int64] | NDArray[np.float64]) -> Floats:
        """How many timesteps off an answer is, N; 0 anywhere within a pause."""
        return np.maximum(0, np.maximum(self.first - timesteps, timesteps - self.last))


def load_progress(recording: Path) -> Progress:
    """Read stamps and progress from a recording's labels.csv; DataError when it has no such."""
    path = recording / 'labels.csv'
    try:
        with path.open(encoding='utf-8', newline='') as file:
            rows = [(int(row['stamp_ns']), float(row['progress'])) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as err:
        raise DataError(f'{path}: no stamps and progress to read ({err!r})') from err
    if not rows:
        raise DataError(f'{path}: no stamps and progress to read (it has no rows)')
    stamps, progress = zip(*rows, strict=True)
    read = Progress(np.array(stamps, dtype=np.int64), np.array(progress, dtype=np.float64))
    if not (np.isfinite(read.progress).all() and (np.diff(read.stamps_ns) > 0).all()):
        raise DataError(f'{path}: stamps have to increase, and progress to be a number')
    return read


def correspond(progress: Floats, reference: Floats) -> Correspondence:
    """
    Find where in the reference each progress is.

    Args:
        progress: N, 0 ... 1, of the query moments, in any order.
        reference: T, non-decreasing, of the other recording's timesteps.

    Returns:
        Timesteps of the reference. Just before its first and after its last frame they are those;
        a moment further away (it begins in the middle of the script, say) is not in it.

    Raises:
        DataError: the reference goes back, so that one progress is at several places of it.
    """
    backwards = np.flatnonzero(np.diff(reference) < 0)
    if len(backwards):
        step = int(backwards[0]) + 1
        raise DataError(
            f'progress of the reference goes back at timestep {step} ({reference[step - 1]:.3f} to'
            f' {reference[step]:.3f}): what is done twice has no one true timestep; take it as the'
            ' query'
        )
    # Where the reference pauses, one progress fills a stretch; a hair's breadth finds both ends.
    hair = 1e-6
    steps = np.arange(len(reference), dtype=np.float64)
    rising = reference + hair * 1e-3 * steps / len(reference)  # np.interp wants it increasing
    first = np.interp(progress - hair, rising, steps)
    last = np.interp(progress + hair, rising, steps)
    margin = BEYOND_STEPS * (reference[-1] - reference[0]) / len(reference) + hair
    absent = (progress < reference[0] - margin) | (progress > reference[-1] + margin)
    first[absent] = last[absent] = np.nan
    return Correspondence((first + last) / 2, first, last)


def true_timesteps(query: Path, reference: Path) -> Correspondence:
    """
    Find, for each row of one recording's labels, the true timestep among the other's rows.

    Raises:
        DataError: a recording has no labels, or the reference does something twice.
    """
    rows, of_reference = load_progress(query), load_progress(reference)
    try:
        return correspond(rows.progress, of_reference.progress)
    except DataError as err:
        raise DataError(f'{reference}: {err}') from err


def calm_from_ns(recording: Path) -> int | None:
    """
    Give the stamp at which what is odd about an episode is over; None when nothing was.

    Odd is a long pause, going back (until it goes on), a short cut, and a hidden camera, of which
    episode.json tells the stamps.
    """
    hidden = read_description(recording).get('hidden_stamps_ns')
    if isinstance(hidden, list) and len(hidden) == 2 and all(type(n) is int for n in hidden):
        return int(hidden[1])
    rows = load_progress(recording)
    steps = np.diff(rows.progress)
    odd = (steps < 0) | (steps > SKIPPED) | _in_long_pause(rows)
    return int(rows.stamps_ns[np.flatnonzero(odd)[-1] + 1]) if odd.any() else None


def _in_long_pause(rows: Progress) -> NDArray[np.bool_]:
    """T - 1: whether progress stands still from one row to the next, and for long."""
    still = np.diff(rows.progress) == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still, [0]])))
    long = np.zeros(len(still), bool)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        long[begin:end] = rows.stamps_ns[end] - rows.stamps_ns[begin] >= LONG_PAUSE_S * 1e9
    return long
