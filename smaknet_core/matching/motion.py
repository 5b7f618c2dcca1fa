"""
How a scene moves through demonstrations while nothing is seen: the prediction of the filter.

A continuous-time Markov chain, so that predicting over a + b seconds is exactly predicting over a
and then over b: the frame rate of the stream drops out. A state is a timestep of a demonstration
together with a pace, or `elsewhere`. From timestep i the scene goes to i + 1 at rate

    pace / (stamp of i + 1  -  stamp of i)          per second,

so a scene at pace 1 needs on average as long as the demonstration took. Besides, it changes its
pace, pauses, jumps (repeat, skip, restart), leaves the demonstration and comes back; each has its
chance per second in `MatchConfig`.

Computed by uniformisation: the events of all states are made to come at one rate, some of them
doing nothing, so that their number is Poisson and every term of the sum is positive. At an event
of a moving state, either its pace changes or it may *hop* to the next timestep; and all paces hop
by the same matrix, only not equally often. So the sum over events is sorted by hops: what 0, 1,
2 ... hops make of a belief is computed once, and how the paces mix meanwhile is a small table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

# Chance per second that a moving scene draws another pace.
PACE_CHANGE_PER_S = 0.5
# Chance per second that a paused scene goes on.
RESUME_PER_S = 0.5
# Share of jumps and entries that lead to the first timestep: tasks are started over.
RESTART_SHARE = 0.2
# A gap between stamps below this share of the median one counts as this share: two stamps close
# together would otherwise make the whole chain slow to compute.
SHORTEST_GAP = 0.75
# What the Poisson sum may leave out.
TAIL = 1e-5
# Long predictions are made in steps of at most so many events, a sum of at most so many terms.
STEP_EVENTS = 8.0
STEP_TERMS = 24
# Chances whose hops are computed at once: what the processor's cache holds.
COLUMNS = 16384


@dataclass(frozen=True)
class Step:
    """A prediction over a short time, sorted by the number of hops, K - 1 at most."""

    moves: Singles  # R x K x R: from the last pace to the first, with so many hops
    arrivals: Singles  # R x K: at each pace, so many hops after a jump or an entry
    # K, the same of places whatever the pace, those that move having just drawn theirs.
    place_moves: Singles
    place_arrivals: Singles
    outside: float  # the belief in `elsewhere` afterwards


class Motion:
    """
    The chain over all timesteps of all demonstrations, N in all, at R paces.

    Args:
        times_s: of each demonstration, its timesteps' seconds from 0, increasing.
        config: chances and the range of paces.
    """

    def __init__(self, times_s: Sequence[Floats], config: MatchConfig) -> None:
        self.paces = _choose_paces(config)
        self.place_prior = _place_prior(times_s)  # N, sums to 1
        self.pace_prior = _pace_prior(self.paces)  # R, sums to 1
        self._leave, self._enter = config.leave_per_s, config.enter_per_s
        self._jump = config.jump_per_s
        speed = np.concatenate([1 / _gaps(times) for times in times_s])
        fastest = float(speed.max())
        change = _pace_changes(self.pace_prior, config.pause_per_s)
        outflow = change.sum(axis=0) + self._jump + self._leave
        hops = self.paces * fastest
        self._events_per_s = max(float((hops + outflow).max()), self._enter)
        # N: chance to hop at an event at which the fastest timestep surely hops.
        self.hop = np.asarray(speed / (fastest or 1.0), np.float32)
        moves = _count_hops(change - np.diag(outflow), hops, self._events_per_s)
        drawn = moves @ self.pace_prior  # events x R x K
        # For each number of events one row: all that a step needs is a weighted sum of rows.
        tables = (moves, drawn, drawn.sum(axis=1))
        self._table = np.hstack([np.float32(table.reshape(STEP_TERMS, -1)) for table in tables])

    def steps(self, outside: float, dt_s: float) -> Iterator[Step]:
        """Cut a prediction into steps of at most STEP_EVENTS events."""
        count = max(1, math.ceil(self._events_per_s * dt_s / STEP_EVENTS))
        weights = poisson(self._events_per_s * dt_s / count)
        for _ in range(count):
            came, outside = self._exchange(weights, outside)
            yield self._step(np.array([weights, came], np.float32), outside)

    def _step(self, events: Singles, outside: float) -> Step:
        """Sum up what happens over 0, 1, 2 ... events, and after what came by jumps."""
        paces, terms = len(self.paces), events.shape[1]
        moved, came = events @ self._table[:terms]
        ends = (paces * STEP_TERMS * paces, -STEP_TERMS)
        return Step(
            moved[: ends[0]].reshape(paces, STEP_TERMS, paces)[:, :terms],
            came[ends[0] : ends[1]].reshape(paces, STEP_TERMS)[:, :terms],
            moved[ends[1] :][:terms],
            came[ends[1] :][:terms],
            outside,
        )

    def _exchange(self, weights: Sequence[float], outside: float) -> tuple[list[float], float]:
        """
        Follow what `elsewhere` and the demonstrations exchange over 0, 1, 2 ... events.

        Returns:
            What arrives by jumps and entries with so many events left to come, and the new
            `outside`. It nears its balance by one factor with every event, and so what arrives
            after i events is `even + uneven * factor^i`.
        """
        leave, enter = self._leave / self._events_per_s, self._enter / self._events_per_s
        factor, balance = 1 - leave - enter, leave / (leave + enter or 1)
        jump = self._jump / self._events_per_s
        even = jump + (enter - jump) * balance
        uneven = (enter - jump) * (outside - balance)
        came, later, faded = [0.0], 0.0, 0.0
        for weight in reversed(weights[1:]):
            later, faded = later + weight, faded * factor + weight
            came.append(even * later + uneven * faded)
        left = faded * factor + weights[0]
        return came[::-1], balance + (outside - balance) * left


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
        stack = memory[: terms * rows * count].reshape(terms, rows * count)
        hopped(before[:, first:last].reshape(-1), chances, terms, stack)
        mixed = mixing @ stack.reshape(terms * rows, -1)
        after[:, low : low + width] = mixed[:, low - first :][:, :width]
    return after


def hopped(before: Singles, hop: Singles, terms: int, out: Singles | None = None) -> Singles:
    """Give what 0, 1, 2 ... hops make of n chances in a row: terms x n, into `out` if given."""
    stack = np.empty((terms, len(before)), np.float32) if out is None else out
    stack[0] = before
    hops = np.empty_like(before)
    came = hops[:-1]
    for last, new, ahead in zip(stack[:-1], stack[1:], stack[1:, 1:], strict=True):
        np.multiply(last, hop, hops)
        np.subtract(last, hops, new)
        np.add(ahead, came, ahead)
    return stack


def poisson(mean: float) -> list[float]:
    """Give the Poisson probabilities of 0, 1, 2 ..., cut at TAIL and scaled to sum to 1."""
    weight, count = math.exp(-mean), 0
    weights, total = [weight], weight
    while total < 1 - TAIL:
        count += 1
        weight *= mean / count
        weights.append(weight)
        total += weight
    return [weight / total for weight in weights]


def _count_hops(local: Floats, hops: Floats, events_per_s: float) -> Singles:
    """
    Sort what so many events do to the paces by how many of them were hops.

    Args:
        local: R x R chances per second, from column to row, without hops.
        hops: R, hops per second at each pace where they are fastest.
        events_per_s: the rate of all events.

    Returns:
        events x R x hops x R: from the last pace to the first.
    """
    paces = len(hops)
    table = np.zeros((STEP_TERMS, paces, STEP_TERMS, paces))
    table[0, :, 0] = np.eye(paces)
    stay = np.eye(paces) + (local - np.diag(hops)) / events_per_s
    for events in range(1, STEP_TERMS):
        before = table[events - 1]
        table[events] = np.tensordot(stay, before, 1)
        table[events, :, 1:] += (hops / events_per_s)[:, None, None] * before[:, :-1]
    return np.asarray(table, np.float32)


def _choose_paces(config: MatchConfig) -> Floats:
    """Paused, and from slowest to fastest with one step between each and `as taught`."""
    low, high = config.rate_min, config.rate_max
    return np.array([0.0, low, low**0.5, 1.0, high**0.5, high])


def _pace_prior(paces: Floats) -> Floats:
    """As taught is likelier than anything else; a scene that waits to begin is paused."""
    prior = np.full(len(paces), 0.1)
    prior[3] = 1 - 0.1 * (len(paces) - 1)
    return prior


def _pace_changes(pace_prior: Floats, pause_per_s: float) -> Floats:
    """R x R chances per second, from column to row: pause, resume, draw another pace."""
    moving = pace_prior.copy()
    moving[0] = 0
    moving /= moving.sum()
    change = np.outer(moving, np.full(len(moving), PACE_CHANGE_PER_S))
    change[:, 0] = RESUME_PER_S * moving
    change[0, 1:] = pause_per_s
    np.fill_diagonal(change, 0)
    return change


def _place_prior(times_s: Sequence[Floats]) -> Floats:
    """N chances to arrive at each timestep: uniform in time, with a share for the beginnings."""
    durations = [np.gradient(times) if len(times) > 1 else np.ones(1) for times in times_s]
    anywhere = np.concatenate(durations) / sum(map(np.sum, durations))
    first = np.concatenate([np.eye(1, len(times))[0] for times in times_s]) / len(times_s)
    return np.asarray((1 - RESTART_SHARE) * anywhere + RESTART_SHARE * first, np.float64)


def _gaps(times_s: Floats) -> Floats:
    """Seconds from each timestep to the next; infinite after the last, which nothing follows."""
    gaps = np.diff(times_s)
    shortest = SHORTEST_GAP * np.median(gaps) if len(gaps) else 0.0
    return np.append(np.maximum(gaps, shortest), np.inf)
