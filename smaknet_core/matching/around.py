"""The largest and the smallest around each timestep, within its demonstration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.taught import Taught

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
                last = _Group(reach)
                self._groups.append(last)
            last.append(first, length)
            first += length
        worst = np.inf if choose is np.minimum else -np.inf
        for group in self._groups:
            group.fill(worst)

    def around(self, values: Singles) -> Singles:
        """Give the chosen one around each of N values; good until the next call."""
        if len(self._groups) == 1 and len(self._groups[0].places) == 1:
            return self._groups[0].extreme(self._choose, values)
        found = np.empty_like(values)
        for group in self._groups:
            best = group.extreme(self._choose, values)
            for here, there in group.places:
                found[here] = best[there.start - group.reach : there.stop - group.reach]
        return found


class _Group:
    """Demonstrations in a row of one reach, with room of that reach around each."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.length = 0
        self.places: list[tuple[slice, slice]] = []  # of N values, and among the padded ones

    def append(self, first: int, length: int) -> None:
        start = self.length + self.reach
        self.places.append((slice(first, first + length), slice(start, start + length)))
        self.length = start + length

    def fill(self, worst: float) -> None:
        """Fill the room with what is never chosen."""
        self._padded = np.full(self.length + self.reach, worst, np.float32)

    def extreme(self, choose: np.ufunc, values: Singles) -> Singles:
        """Give the extremes around all of its places, the room between them included."""
        for here, there in self.places:
            self._padded[there] = values[here]
        best: Singles = running(choose, self._padded, self.reach)
        return best


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
