"""
What the forward filter believes, in as few numbers as it takes: near in full, far by place only.

Once a scene is found, nearly all timesteps are believed in only as much as jumps could lead there.
So timesteps come in blocks. A block with a timestep that is believed in clearly more than the
common floor is *near*: of it the chance of each pace is known, and prediction is exact. Of all
other timesteps, *far*, only the chance of the place is kept: it moves exactly as it would if
its pace had been drawn the moment before, as after a jump. Prediction is linear, so a belief may
be split into the two at will; all that the split forgets is the pace of what is hardly believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from smaknet_core.matching.motion import (
    COLUMNS,
    hop_and_mix,
    hopped,
    Motion,
    Singles,
    Step,
    STEP_TERMS,
)

# Timesteps that are near or far together: more than anything hops in one step, so that what
# leaves a block is found in the next.
BLOCK = 32
assert BLOCK >= STEP_TERMS
# The first of a demonstration's blocks is always near: there tasks are begun, and a scene that
# waits to begin is told from one that moves on by its pace.
BEGINNING = 16
# Near is what is believed in so many times as much as a block that hardly differs from nothing
# but jumps: the one that this share of all blocks is below.
ABOVE_FLOOR = 2.0
FLOOR_SHARE = 0.125
# ... and at least this share of what it was before anything was seen.
LEAST = 3e-4
# Of what is far, this may be left out of the sum over hops, as a share of it.
FAR_TAIL = 1e-3


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
        self._prior = np.asarray(motion.place_prior, np.float32)
        self._rarity = 1 / self._prior
        self._shares = np.empty_like(self._prior)
        starts = np.cumsum(lengths) - lengths
        for start, length in zip(starts, lengths, strict=True):
            # The many that are begun here do not stay in the first timestep.
            begun = slice(start, start + min(length, BEGINNING))
            self._rarity[begun] = 1 / motion.arriving[:, begun].max(axis=0)
        blocks = [np.append(0, np.arange(BEGINNING, length, BLOCK)) for length in lengths]
        self._blocks = np.concatenate([s + b for s, b in zip(starts, blocks, strict=True)])
        self._ends = np.append(self._blocks[1:], len(self._prior))
        self._first = np.concatenate([block == 0 for block in blocks])

    def start(self, outside: float) -> None:
        """Forget what was seen; `outside` is left for elsewhere."""
        self.outside = outside
        self.places = self._prior * np.float32(1 - outside)  # N chances; do not change
        self._far = self.places.copy()
        self._core = np.zeros(len(self._blocks), bool)
        self._columns = np.empty(0, np.intp)
        self._near = np.empty((len(self._paces), 0), np.float32)
        self._carry_over()

    @property
    def inside(self) -> Singles:
        """R x N chances of pace and timestep, a copy."""
        inside = np.outer(self._paces, self._far)
        inside[:, self._columns] += self._near
        return inside

    def predict(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass unseen."""
        for number, step in enumerate(self._motion.steps(self.outside, dt_s)):
            if number:
                self._regroup()
            moves = _cut(step.place_moves)
            if self._near.size + self._far.size <= COLUMNS:
                self._hop_together(step, moves)
            else:
                self._near = hop_and_mix(self._near, self._hop, step.moves)
                mixing = moves[None, :, None]
                self._far = hop_and_mix(self._far[None], self._motion.hop, mixing)[0]
            self._arrive(step)
            self.outside = step.outside
            self.places = self._far.copy()
            self.places[self._columns] += self._near.sum(axis=0)

    def weigh(self, weights: Singles, outside: float) -> None:
        """Multiply N timesteps by weights, after which all sums to 1 with the new `outside`."""
        self.outside = outside
        self.places *= weights
        self._far *= weights
        self._near *= weights[self._columns]
        self._regroup()

    def _hop_together(self, step: Step, moves: Singles) -> None:
        """Let near and far hop as one row: where they are few, to begin is what takes time."""
        (rows, terms, _), split = step.moves.shape, self._near.size
        stack = hopped(np.concatenate((self._near.ravel(), self._far)), self._hops, terms)
        near = stack[:, :split].reshape(terms * rows, -1)
        self._near = step.moves.reshape(rows, -1) @ near
        self._far = moves @ stack[: len(moves), split:]

    def _arrive(self, step: Step) -> None:
        """Add what jumps and entries bring, and let go what has left the near blocks."""
        stayed = self._far[self._columns]
        arrivals = step.place_arrivals
        self._far += arrivals @ self._motion.arriving[: len(arrivals)]
        self._far[self._columns] = stayed  # what arrives there is near
        self._near += step.arrivals @ self._arriving[: len(arrivals)]
        if len(self._exits):
            self._far[self._left] += self._near[:, self._exits].sum(axis=0)
            self._near[:, self._exits] = 0

    def _regroup(self) -> None:
        """Decide anew which blocks are near, and carry over what is believed of them."""
        np.multiply(self.places, self._rarity, out=self._shares)
        most = np.maximum.reduceat(self._shares, self._blocks)
        core = most > max(ABOVE_FLOOR * self._floor(most), LEAST * (1 - self.outside))
        if core.tobytes() != self._core.tobytes():
            self._core = core
            self._carry_over()

    def _floor(self, most: Singles) -> float:
        """Give the share of its prior that a block has which speaks for nothing but jumps."""
        number = int(FLOOR_SHARE * len(most))
        if number == 0:
            return 0.0
        ordered = most.copy()
        ordered.partition(number)
        return float(ordered[number])

    def _carry_over(self) -> None:
        """Move belief between near and far, so that the core is near and has room to hop to."""
        columns, absorbed = self._find_room()
        at = columns.searchsorted(self._columns).clip(max=len(columns) - 1)
        stays = columns[at] == self._columns
        self._far[self._columns[~stays]] += self._near[:, ~stays].sum(axis=0)
        fresh = self._far[columns] * absorbed
        self._far[columns] -= fresh
        moved = np.outer(self._paces, fresh)
        moved[:, at[stays]] += self._near[:, stays]
        self._near, self._columns = moved, columns
        # Nothing hops over a gap between blocks: what gets to the last timestep is far then.
        self._hop = self._motion.hop[columns]
        self._exits = np.flatnonzero((np.diff(columns, append=-1) != 1) & (self._hop > 0))
        self._hop[self._exits] = 0
        self._left = columns[self._exits]
        self._arriving = self._motion.arriving[:, columns]
        if moved.size + len(self._far) <= COLUMNS:
            self._hops = np.append(np.tile(self._hop, len(moved)), self._motion.hop)

    def _find_room(self) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Give the timesteps that are near, and of which of them all is known from now on."""
        whole = self._core | self._first
        room = whole.copy()
        room[1:] |= self._core[:-1] & ~self._first[1:]
        blocks = np.flatnonzero(room)
        columns = self._blocks[blocks, None] + np.arange(BLOCK)
        exist = columns < self._ends[blocks, None]
        columns, absorbed = columns[exist], (exist & whole[blocks, None])[exist]
        return columns, absorbed


def _cut(moves: Singles) -> Singles:
    """Leave out the last of K terms, as far as FAR_TAIL allows; the last one left is for them."""
    left, kept = 0.0, len(moves)
    for move in moves[:0:-1].tolist():
        if left + move > FAR_TAIL:
            break
        left += move
        kept -= 1
    cut: Singles = moves[:kept].copy()
    cut[-1] += left
    return cut
