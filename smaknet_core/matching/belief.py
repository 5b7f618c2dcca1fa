"""
What the forward filter believes, in as few numbers as it takes: near in full, far by place only.

Once a scene is found, nearly all timesteps are believed in only as much as jumps could lead there.
So timesteps come in blocks. A block with a timestep that is believed in clearly more than the
common floor is *near*, and so are those that the scene may hop to from there in the coming step:
of these the chance of each pace is known, and prediction is exact. Of all other timesteps, *far*,
only the chance of the place is kept: it moves exactly as it would if its pace had been drawn the
moment before, as after a jump. Prediction is linear, so a belief may be split into the two at
will; all that the split forgets is the pace of what is hardly believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.matching.hopping import COLUMNS, hop_and_mix, Hops
from smaknet_core.matching.motion import Motion, Singles, Step, STEP_TERMS

# So many timesteps in a row are near or far together, a power of 2; where demonstrations end does
# not matter. What the processor adds up at once, so that blocks are moved about quickly.
BLOCK = 16
# The block with a demonstration's first timestep is always near, and the next one if most of the
# first BLOCK timesteps are there: there tasks are begun, and a scene that waits to begin is told
# from one that moves on by its pace. What arrives at the first timestep gets so far in a step.
BEGINNING = 16
# Near is what is believed in so many times as much as a block that hardly differs from nothing
# but jumps: the one that this share of all blocks is below.
ABOVE_FLOOR = 2.0
FLOOR_SHARE = 0.125
# ... and at least this share of what it was before anything was seen.
LEAST = 3e-4
# Of what is far, this may be left out of the sum over hops, as a share of it.
FAR_TAIL = 1e-2


class Belief:
    """
    Chances of the N timesteps of all demonstrations at R paces, and of `elsewhere`.

    Args:
        motion: the chain.
        lengths: of the demonstrations, timesteps; N in all.
    """

    def __init__(self, motion: Motion, lengths: Sequence[int]) -> None:
        self._motion = motion
        self._paces = np.asarray(motion.pace_prior, np.float32)
        self._every = np.ones_like(self._paces)  # sums over paces
        # Rows are filled up to whole blocks by timesteps that nothing leads to.
        self._prior, self._hop = _whole(motion.place_prior), _whole(motion.hop)
        # K x N: what jumps bring anywhere, after so many hops.
        hops = Hops(len(self._prior), STEP_TERMS)
        self._arriving = hops.of([self._prior], self._hop, STEP_TERMS)
        self._memory = Hops(1, 1)
        self._size = len(motion.hop)
        self._rarity = 1 / self._prior[: self._size]
        self._shares = np.zeros_like(self._prior)
        self._first = np.zeros(len(self._prior) // BLOCK, bool)
        for start, length in zip(np.cumsum(lengths) - lengths, lengths, strict=True):
            # The many that are begun here do not stay in the first timestep.
            begun = slice(start, start + min(length, BEGINNING))
            self._rarity[begun] = 1 / self._arriving[:, begun].max(axis=0)
            self._first[[start // BLOCK, min(start + BLOCK // 2, begun.stop - 1) // BLOCK]] = True

    def start(self, outside: float) -> None:
        """Forget what was seen; `outside` is left for elsewhere."""
        self.outside = outside
        self._far = self._prior * np.float32(1 - outside)
        self.places = self._far[: self._size].copy()  # N chances; do not change
        self._blocks = np.empty(0, np.intp)
        self._near = np.empty((len(self._paces), 0), np.float32)
        self._carry_over(self._first, STEP_TERMS)

    @property
    def inside(self) -> Singles:
        """R x N chances of pace and timestep, a copy."""
        inside = np.outer(self._paces, self._far)
        inside[:, self._columns] += self._near
        return inside[:, : self._size]

    def predict(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass unseen."""
        for step in self._motion.steps(self.outside, dt_s):
            self._regroup(len(step.place_moves))
            if self._near.size + self._far.size <= COLUMNS:
                self._hop_together(step)
                self._arrive(step, step.place_arrivals)
            else:
                moves = _cut(step.place_moves)
                self._near = hop_and_mix(self._near, self._near_hop, step.moves)
                self._far = hop_and_mix(self._far[None], self._hop, moves[None, :, None])[0]
                self._arrive(step, _cut(step.place_arrivals))
            self.outside = step.outside

    def weigh(self, weights: Singles, outside: float) -> None:
        """Multiply N timesteps by weights, after which all sums to 1 with the new `outside`."""
        self.outside = outside
        self.places *= weights
        self._far[: self._size] *= weights
        self._near *= weights.take(self._columns, mode='clip')

    def _hop_together(self, step: Step) -> None:
        """Let near and far hop as one row: where they are few, to begin is what takes time."""
        (rows, terms, _), split = step.moves.shape, self._near.size
        stack = self._memory.of((self._near.ravel(), self._far), self._chances, terms)
        near = stack[:, :split].reshape(terms * rows, -1)
        self._near = step.moves.reshape(rows, -1).dot(near)
        self._far = step.place_moves.dot(stack[:, split:])

    def _arrive(self, step: Step, anywhere: Singles) -> None:
        """Add what jumps and entries bring, and let go what has left the near blocks."""
        stayed = self._far.take(self._columns)
        self._far += anywhere.dot(self._arriving[: len(anywhere)])
        self._near += step.arrivals.dot(self._near_arriving[: step.arrivals.shape[1]])
        nears, places = self._every.dot(self._near), self._far.copy()
        places[self._columns] = stayed + nears
        self._far[self._columns] = stayed  # what arrives there is near
        if len(self._exits):
            self._far[self._left] += nears.take(self._exits)
            self._near.put(self._leaving, 0)
        self.places = places[: self._size]

    def _regroup(self, terms: int) -> None:
        """Decide anew what is near while the scene hops less than `terms` times."""
        np.multiply(self.places, self._rarity, out=self._shares[: self._size])
        most = self._shares
        while len(most) > len(self._first):
            most = np.maximum(most[::2], most[1::2])
        core = most > max(ABOVE_FLOOR * self._floor(most), LEAST * (1 - self.outside))
        near = core | self._first
        for ahead in range(1, (terms - 2) // BLOCK + 2):  # room to hop to
            near[ahead:] |= core[:-ahead]
        if terms > len(self._near_arriving) or near.tobytes() != self._is_near.tobytes():
            self._carry_over(near, terms)

    def _floor(self, most: Singles) -> float:
        """Give the share of its prior that a block has which speaks for nothing but jumps."""
        number = int(FLOOR_SHARE * len(most))
        if number == 0:
            return 0.0
        ordered = most.copy()
        ordered.partition(number)
        return float(ordered[number])

    def _carry_over(self, is_near: NDArray[np.bool_], terms: int) -> None:
        """Move belief between near and far, for steps of so many terms."""
        blocks, before = np.flatnonzero(is_near), self._blocks
        near, far = _blocks(self._near), _blocks(self._far)
        stays = is_near[before]
        far[before[~stays]] += near[:, ~stays].sum(axis=0)
        moved = self._paces[:, None, None] * far[blocks]
        moved[:, blocks.searchsorted(before[stays])] += near[:, stays]
        far[blocks] = 0
        self._is_near, self._blocks, self._near = is_near, blocks, moved.reshape(len(moved), -1)
        self._columns = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        self._prepare(blocks, terms)

    def _prepare(self, blocks: NDArray[np.intp], terms: int) -> None:
        """Gather what these blocks need for steps of so many terms."""
        # Nothing hops over a gap between blocks: what gets to the last timestep is far then.
        self._near_hop = _blocks(self._hop)[blocks].ravel()
        ends = np.flatnonzero(np.diff(blocks, append=-1) != 1) * BLOCK + BLOCK - 1
        self._exits = ends[self._near_hop[ends] > 0]
        self._near_hop[self._exits] = 0
        self._left = self._columns[self._exits]
        paces = np.arange(len(self._paces))[:, None]
        self._leaving = (paces * len(self._columns) + self._exits).ravel()
        arriving = _blocks(self._arriving[:terms])[:, blocks]
        self._near_arriving = arriving.reshape(terms, -1)
        if self._near.size + self._far.size <= COLUMNS:
            self._chances = np.append(np.tile(self._near_hop, len(self._paces)), self._hop)
            if len(self._chances) != self._memory.length:
                self._memory = Hops(len(self._chances), STEP_TERMS)


def _whole(values: NDArray[np.floating[Any]]) -> Singles:
    """Fill up N values by zeros to whole blocks."""
    filled = np.zeros(-(-len(values) // BLOCK) * BLOCK, np.float32)
    filled[: len(values)] = values
    return filled


def _blocks(rows: Singles) -> Singles:
    """View ... x n values by blocks: ... x n / BLOCK x BLOCK."""
    return rows.reshape(*rows.shape[:-1], -1, BLOCK)


def _cut(moves: Singles) -> Singles:
    """Leave out the last of K terms, as far as FAR_TAIL allows; the last one left is for them."""
    left, kept, most = 0.0, len(moves), FAR_TAIL * float(moves.sum())
    for move in moves[:0:-1].tolist():
        if left + move > most:
            break
        left += move
        kept -= 1
    cut: Singles = moves[:kept].copy()
    cut[-1] += left
    return cut
