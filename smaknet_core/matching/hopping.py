"""What hops from each timestep to the next make of a belief."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from smaknet_core.matching.motion import Singles

# Chances whose hops are computed at once: what the processor's cache holds.
COLUMNS = 16384


class Hops:
    """
    The memory in which hops of so many chances are computed, again and again.

    Args:
        length: how many chances in a row.
        terms: 0, 1, 2 ... hops: so many at most.
        memory: where to put them, terms * length numbers.
    """

    def __init__(self, length: int, terms: int, memory: Singles | None = None) -> None:
        self.length = length
        flat = np.empty(terms * length, np.float32) if memory is None else memory
        self._stack = flat.reshape(terms, length)
        self._moved = np.empty(length, np.float32)
        stack = self._stack  # before and after a hop, and what is one further
        self._turns = list(zip(stack[:-1], stack[1:], stack[1:, 1:], strict=True))

    def of(self, before: Sequence[Singles], hop: Singles, terms: int) -> Singles:
        """
        Give what 0, 1, 2 ... hops make of n chances in a row: terms x n, until it is called again.

        Args:
            before: n chances, in pieces.
            hop: n, the chance to go from each to the next; 0 in the last one.
            terms: how many.
        """
        moved, came = self._moved, self._moved[:-1]
        np.concatenate(before, out=self._stack[0])
        for last, new, ahead in self._turns[: terms - 1]:
            np.multiply(last, hop, moved)
            np.subtract(last, moved, new)
            np.add(ahead, came, ahead)
        return self._stack[:terms]


def hop_and_mix(before: Singles, hop: Singles, mixing: Singles) -> Singles:
    """
    Let a belief hop 0, 1, 2 ... times and sum what comes of it.

    Args:
        before: rows x n.
        hop: n, the chance to go from a column to the next; 0 in the last one.
        mixing: out x K x rows: how much of each row after so many hops goes where.

    Returns:
        out x n.
    """
    out, terms, rows = mixing.shape
    mixing = mixing.reshape(out, terms * rows)
    length, width = before.shape[1], COLUMNS // rows
    after = np.empty((out, length), np.float32)
    # One piece of memory for all columns in turn: to be given it by the system takes longer.
    memory = np.empty(terms * rows * min(width + terms, length), np.float32)
    for low in range(0, length, width):
        # What hops in comes from before the first of these columns; what hops out is not needed.
        first, last = max(0, low - terms + 1), min(low + width + 1, length)
        count = last - first
        chances = np.tile(hop[first:last], rows)
        chances[count - 1 :: count] = 0
        hops = Hops(rows * count, terms, memory[: terms * rows * count])
        stack = hops.of(list(before[:, first:last]), chances, terms)
        mixed = mixing @ stack.reshape(terms * rows, -1)
        after[:, low : low + width] = mixed[:, low - first :][:, :width]
    return after
