"""Where a demonstration stands still: stretches whose timesteps nothing tells apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from smaknet_core.distances import pairwise
from smaknet_core.matching.taught import Taught

Steps = NDArray[np.intp]

# Timesteps compared at once, so that memory does not grow with the square of the length.
ROWS = 256


def stretches(taught: Taught, radius: float, reach_s: float = np.inf) -> tuple[Steps, Steps]:
    """
    Find how far one can go from each timestep without leaving its neighbourhood.

    Args:
        taught: T timesteps.
        radius: embedding distance (mean over the views) that still counts as the same.
        reach_s: seconds to look before and after.

    Returns:
        First and last + 1 of the timesteps joined to each by ones within `radius` of it, T each.
    """
    times_s, steps = taught.times_s, np.arange(len(taught))
    first = np.searchsorted(times_s, times_s - reach_s - 1e-9, side='left')
    last = np.searchsorted(times_s, times_s + reach_s + 1e-9, side='right')
    low, high = np.empty(len(taught), np.intp), np.empty(len(taught), np.intp)
    for start in range(0, len(taught), ROWS):
        rows = steps[start : start + ROWS]
        columns = steps[first[rows[0]] : last[rows[-1]]]
        far = _distances(taught, rows, columns) > radius
        before, after = columns < rows[:, None], columns > rows[:, None]
        low[rows] = np.where(far & before, columns + 1, first[rows, None]).max(axis=1)
        high[rows] = np.where(far & after, columns, last[rows, None]).min(axis=1)
    return low, high


def _distances(taught: Taught, rows: Steps, columns: Steps) -> NDArray[np.float32]:
    """Give rows x columns distances, the mean over the views."""
    tables = [pairwise(view[rows], view[columns]) for view in taught.views]
    return np.asarray(np.mean(tables, axis=0), np.float32)
