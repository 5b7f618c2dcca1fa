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
import math
from typing import NamedTuple

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
# Cameras keep time: what predictions over so many different times need is kept.
TIMES_KEPT = 256


class Step(NamedTuple):
    """A prediction over a short time, sorted by the number of hops, K - 1 at most."""

    moves: Singles  # R x K x R: from the last pace to the first, with so many hops
    arrivals: Singles  # R x K: at each pace, so many hops after a jump or an entry
    # K, the same of places whatever the pace, those that move having just drawn theirs.
    place_moves: Singles
    place_arrivals: Singles
    outside: float  # the belief in `elsewhere` afterwards


class _Sums(NamedTuple):
    """What the steps of a prediction over some time have in common."""

    steps: int
    fading: float  # what is left of how far `elsewhere` is from its balance
    moves: Singles  # these as in `Step`
    place_moves: Singles
    # Of arrivals and place arrivals, in a row: all being outside before, and all being inside.
    from_outside: Singles
    from_inside: Singles


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
        speed = np.concatenate([1 / _gaps(times) for times in times_s])
        fastest = float(speed.max())
        change = _pace_changes(self.pace_prior, config.pause_per_s)
        outflow = change.sum(axis=0) + config.jump_per_s + config.leave_per_s
        hops = self.paces * fastest
        self._events_per_s = max(float((hops + outflow).max()), config.enter_per_s)
        # N: chance to hop at an event at which the fastest timestep surely hops.
        self.hop = np.asarray(speed / (fastest or 1.0), np.float32)
        leave, enter, jump = (
            rate / self._events_per_s
            for rate in (config.leave_per_s, config.enter_per_s, config.jump_per_s)
        )
        # `elsewhere` nears its balance by one factor with every event.
        self._balance = leave / (leave + enter or 1)
        self._fading = (1 - leave - enter) ** np.arange(STEP_TERMS)
        # 2 x K: what arrives by jumps and entries at the events, all being outside before, or in.
        outside = self._balance + np.outer((1 - self._balance, -self._balance), self._fading)
        arriving = enter * outside + jump * (1 - outside)
        moves = _count_hops(change - np.diag(outflow), hops, self._events_per_s)
        # For steps of 1, 2 ... terms, for each number of events one row: all that a step needs is
        # a weighted sum of rows.
        self._tables = [
            _rows(moves[:terms, :, :terms], self.pace_prior, arriving[:, :terms])
            for terms in range(1, STEP_TERMS + 1)
        ]
        self._sums: dict[float, _Sums] = {}

    def steps(self, outside: float, dt_s: float) -> Iterator[Step]:
        """Cut a prediction into steps of at most STEP_EVENTS events."""
        sums = self._sums.get(dt_s) or self._sum_over(dt_s)
        paces, terms = len(self.paces), len(sums.place_moves)
        for _ in range(sums.steps):
            arrivals = outside * sums.from_outside + (1 - outside) * sums.from_inside
            outside = self._balance + (outside - self._balance) * sums.fading
            yield Step(
                sums.moves,
                arrivals[:-terms].reshape(paces, terms),
                sums.place_moves,
                arrivals[-terms:],
                outside,
            )

    def _sum_over(self, dt_s: float) -> _Sums:
        """Sum over the events of the steps that `dt_s` is cut into; keep it for the next time."""
        count = max(1, math.ceil(self._events_per_s * dt_s / STEP_EVENTS))
        weights = np.array(poisson(self._events_per_s * dt_s / count))
        paces, terms = len(self.paces), len(weights)
        sums = weights.astype(np.float32).dot(self._tables[terms - 1])
        moves, places = sums[: paces * terms * paces], sums[paces * terms * paces :][:terms]
        if len(self._sums) >= TIMES_KEPT:
            self._sums.clear()
        self._sums[dt_s] = _Sums(
            count,
            float(weights.dot(self._fading[:terms])),
            moves.reshape(paces, terms, paces),
            places,
            *sums[len(moves) + terms :].reshape(2, -1),
        )
        return self._sums[dt_s]


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


def _rows(moves: Singles, pace_prior: Floats, arriving: Floats) -> Singles:
    """
    Put side by side, for each number of events, all that is summed over them.

    Args:
        moves: K events x R x K hops x R.
        pace_prior: R.
        arriving: 2 x K, what arrives at the events from outside and from inside.

    Returns:
        K rows: moves; moves of places whatever the pace; and what comes of what arrives, from
        outside and from inside, each at each pace and whatever the pace.
    """
    terms = len(moves)
    drawn = np.tensordot(moves, pace_prior, 1)
    places = drawn.sum(axis=1)
    after = np.hstack([drawn.reshape(terms, -1), places])  # by how many events are left
    before = np.arange(terms)[:, None] - 1 - np.arange(terms)  # so many of all had been
    table = [moves.reshape(terms, -1), places]
    table += [np.where(before >= 0, some[before], 0) @ after for some in arriving]
    return np.asarray(np.hstack(table), np.float32)


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
