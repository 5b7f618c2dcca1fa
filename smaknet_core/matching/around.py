"""The largest and the smallest around each timestep, within its demonstration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.taught import Taught

_Places = slice | NDArray[np.intp]

# Short demonstrations are put together up to this many timesteps: what the cache holds.
TOGETHER = 8192


class Around:
    """
    Extremes within some seconds of each of the N timesteps, demonstrations in a row.

    Args:
        taught: the demonstrations; what is near never lies in another one.
        seconds: how far to look, before and after.
        choose: which of two values, np.minimum or np.maximum.
    """

    def __init__(self, taught: Sequence[Taught], seconds: float, choose: np.ufunc) -> None:
        self._choose = choose
        self._groups: list[_Group] = []
        first = 0
        for demonstration in taught:
            reach, length = _steps(demonstration, seconds), len(demonstration)
            last = self._groups[-1] if self._groups else None
            if last is None or last.reach != reach or last.length + length > TOGETHER:
                last = _Group(reach, first)
                self._groups.append(last)
            last.append(length)
            first += length
        worst = np.inf if choose is np.minimum else -np.inf
        for group in self._groups:
            group.fill(worst)

    def around(self, values: Singles) -> Singles:
        """Give the chosen one around each of N values; good until the next call."""
        if len(self._groups) == 1:
            return self._groups[0].extreme(self._choose, values)
        found = np.empty_like(values)
        for group in self._groups:
            found[group.steps] = group.extreme(self._choose, values[group.steps])
        return found


class _Group:
    """Demonstrations in a row of one reach, from the timestep `first` of all."""

    def __init__(self, reach: int, first: int) -> None:
        self.reach = reach
        self.steps = slice(first, first)
        self._starts: list[int] = []

    @property
    def length(self) -> int:
        """Timesteps."""
        return self.steps.stop - self.steps.start

    def append(self, length: int) -> None:
        """Take in one more demonstration."""
        self._starts.append(self.length)
        self.steps = slice(self.steps.start, self.steps.stop + length)

    def fill(self, worst: float) -> None:
        """Make room around each demonstration, of what is never chosen."""
        before = np.zeros(self.length, np.intp)
        before[self._starts] = self.reach
        places = np.arange(self.length) + before.cumsum()
        self._padded = np.full(places[-1] + 1 + self.reach, worst, np.float32)
        # Where each value goes in the padded ones, and what is around it among the extremes.
        whole = len(self._starts) == 1
        self._there: _Places = slice(self.reach, self.reach + self.length) if whole else places
        self._here: _Places = slice(None) if whole else places - self.reach

    def extreme(self, choose: np.ufunc, values: Singles) -> Singles:
        """Give the extremes around each of its values."""
        self._padded[self._there] = values
        best: Singles = running(choose, self._padded, self.reach)
        return best[self._here]


def running(choose: np.ufunc, padded: Any, reach: int) -> Any:
    """
    Choose among the values up to `reach` before and after each, by doubling windows.

    Args:
        choose: np.maximum or np.minimum.
        padded: the values, with `reach` more at both ends.
        reach: places.

    Returns:
        As many as there are without the ends.
    """
    best, width = padded, 1  # of the window that starts at each entry
    while width < 2 * reach + 1:
        step = min(width, 2 * reach + 1 - width)
        best = choose(best[:-step], best[step:])
        width += step
    return best


def _steps(taught: Taught, seconds: float) -> int:
    """Say how many timesteps of a demonstration fill some seconds, about."""
    steps = len(taught) - 1
    return min(steps, round(seconds * steps / taught.duration_s)) if steps else 0
