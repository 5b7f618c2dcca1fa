"""How much belief there is in stretches of timesteps: in windows around each, and in quantiles."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.standstill import Steps
from smaknet_core.matching.taught import Floats

Chances = Singles | Floats

# Chances of more timesteps than this are summed in blocks first, and in full only where needed.
MANY = 4096
SMALL = 64  # timesteps a block, at least
# What sums in single precision may be off by, as a share.
ROUNDING = 1e-4


class Windows:
    """
    A window around each of N timesteps.

    Args:
        low: N, the first timestep in it; never falling.
        high: N, the last + 1; never falling.
    """

    def __init__(self, low: Steps, high: Steps) -> None:
        self._low, self._high = low, high
        # No window reaches beyond the blocks on both sides of the one that it is around.
        self._block = max(SMALL, int((high - low).max()))

    def of(self, step: int) -> slice:
        """Give the timesteps in the window around one."""
        return slice(int(self._low[step]), int(self._high[step]))

    def sum(self, places: Chances, mass: Floats | None, step: int) -> float:
        """Give the belief in the window around one timestep; arguments as for `heaviest`."""
        if mass is None:
            return float(places[self.of(step)].sum())
        return float(mass[self._high[step]] - mass[self._low[step]])

    def heaviest(self, places: Chances, mass: Floats | None) -> int:
        """
        Find the first timestep around which most belief is.

        Without `mass`, windows are weighed only in blocks that could hold more, with those
        beside them, than a window in the fullest of them does.

        Args:
            places: N chances.
            mass: their `running_sums`.
        """
        if mass is not None:
            masses = mass[self._high]
            masses -= mass[self._low]
            return int(masses.argmax())
        sums = _block_sums(places, self._block)
        most = sums.copy()
        most[1:] += sums[:-1]
        most[:-1] += sums[1:]
        least = self._heaviest_in(places, int(sums.argmax()))[0] * (1 - ROUNDING)
        blocks = np.flatnonzero(most >= least)
        if len(blocks) > len(sums) // 8:
            return self._heaviest_of(places, 0, len(places))[1]
        found = [self._heaviest_in(places, int(block)) for block in blocks]
        return max(found, key=lambda one: one[0])[1]

    def _heaviest_in(self, places: Chances, block: int) -> tuple[float, int]:
        first = block * self._block
        return self._heaviest_of(places, first, min(first + self._block, len(places)))

    def _heaviest_of(self, places: Chances, first: int, last: int) -> tuple[float, int]:
        """Give the most belief in a window around timesteps first ... last - 1, and where."""
        low, high = self._low[first:last], self._high[first:last]
        start = int(low[0])
        mass = _add_up(places[start : int(high[-1])])
        masses = mass[high - start] - mass[low - start]
        best = int(masses.argmax())
        return float(masses[best]), first + best


def running_sums(places: Chances) -> Floats | None:
    """Give the N + 1 sums of the first 0, 1, 2 ... of N chances; None if these are many."""
    return _add_up(places) if len(places) <= MANY else None


def quantiles(
    places: Chances, mass: Floats | None, part: slice, shares: Sequence[float]
) -> list[int]:
    """
    Find up to where so large shares of the belief in a part of the timesteps are.

    Args:
        places: N chances.
        mass: their `running_sums`.
        part: from where to where.
        shares: 0 ... 1.

    Returns:
        For each share a timestep, counted from the beginning of the part.
    """
    if mass is None:
        return [_quantile(places[part], share) for share in shares]
    before, last = float(mass[part.start]), part.stop - part.start - 1
    total, rising = float(mass[part.stop]) - before, mass[part.start + 1 : part.stop + 1]
    return [min(bisect_left(rising, before + share * total), last) for share in shares]


def _quantile(places: Chances, share: float) -> int:
    """Find the timestep up to which this share of the belief is: its block first."""
    sums = _block_sums(places, SMALL).cumsum(dtype=np.float64)
    wanted = share * float(sums[-1])
    block = min(int(sums.searchsorted(wanted)), len(sums) - 1)
    before = float(sums[block - 1]) if block else 0.0
    part = places[block * SMALL : (block + 1) * SMALL].cumsum(dtype=np.float64)
    return block * SMALL + min(int(part.searchsorted(wanted - before)), len(part) - 1)


def _add_up(places: Chances) -> Floats:
    mass = np.empty(len(places) + 1)
    mass[0] = 0
    np.add.accumulate(places, dtype=np.float64, out=mass[1:])
    return mass


def _block_sums(places: Chances, size: int) -> Chances:
    """Sum blocks of so many chances, the last one with what there is."""
    whole = len(places) // size
    sums = np.empty(-(-len(places) // size), places.dtype)
    blocks = places[: whole * size].reshape(whole, size)
    np.dot(blocks, np.ones(size, places.dtype), out=sums[:whole])
    sums[whole:] = places[whole * size :].sum()
    return sums
