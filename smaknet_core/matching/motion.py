"""
How a scene moves through demonstrations while nothing is seen: the prediction of the filter.

A continuous-time Markov chain, so that predicting over a + b seconds is exactly predicting over a
and then over b: the frame rate of the stream drops out. A state is a timestep of a demonstration
together with a pace, or `elsewhere`. From timestep i the scene goes to i + 1 at rate

    pace / (stamp of i + 1  -  stamp of i)          per second,

so a scene at pace 1 needs on average as long as the demonstration took. Besides, it changes its
pace, pauses, jumps (repeat, skip, restart), leaves the demonstration and comes back; each has its
chance per second in `MatchConfig`.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig

Floats = NDArray[np.float64]
Belief = NDArray[np.float32]

# Chance per second that a moving scene draws another pace.
PACE_CHANGE_PER_S = 0.5
# Chance per second that a paused scene goes on.
RESUME_PER_S = 0.5
# Share of jumps and entries that lead to the first timestep: tasks are started over.
RESTART_SHARE = 0.2
# A gap between stamps below this share of the median one counts as this share: two stamps close
# together would otherwise make the whole chain slow to compute.
SHORTEST_GAP = 0.75
# What the Poisson sum of `advance` may leave out.
TAIL = 1e-5
# Long predictions are made in chunks of so many events, with a sum of at most so many terms.
CHUNK_EVENTS = 20
CHUNK_TERMS = 50


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
        change = _pace_changes(self.pace_prior, config.pause_per_s)
        hop = np.outer(self.paces, np.concatenate([1 / _gaps(times) for times in times_s]))
        outflow = change.sum(axis=0) + self._jump + self._leave
        self._events_per_s = max(float((hop.max(axis=1) + outflow).max()), self._enter)
        # (R - 1) x N: the share of each moving state that goes to the next timestep at one event.
        self._hop = np.asarray(hop[1:] / self._events_per_s, np.float32)
        self._hops = np.empty_like(self._hop)
        # R x (R + 1): what one event does to the paces; last, what arrives from elsewhere.
        stay = np.diag(1 - outflow / self._events_per_s)
        self._mix = np.zeros((len(hop), len(hop) + 1), np.float32)
        self._mix[:, :-1] = stay + change / self._events_per_s
        # The beliefs after 0, 1, 2 ... events, each with the place prior as one more row. Single
        # precision, for half the time; the filter scales to a sum of 1 with every set.
        self._beliefs = np.empty((CHUNK_TERMS, len(hop) + 1, hop.shape[1]), np.float32)
        self._beliefs[:, -1] = self.place_prior

    def start(self, outside: float) -> Belief:
        """Give the belief before anything was seen, R x N; `outside` is left for elsewhere."""
        return np.asarray(np.outer(self.pace_prior, self.place_prior) * (1 - outside), np.float32)

    def advance(self, inside: Belief, outside: float, dt_s: float) -> tuple[Belief, float]:
        """
        Predict the belief `dt_s` later.

        Args:
            inside: R x N probabilities of pace and timestep.
            outside: probability of `elsewhere`; all sums to 1.
            dt_s: seconds, >= 0.

        Returns:
            The same two, later; `inside` is not changed.
        """
        chunks = max(1, math.ceil(self._events_per_s * dt_s / CHUNK_EVENTS))
        weights = poisson(self._events_per_s * dt_s / chunks)
        for _ in range(chunks):
            inside, outside = self._advance_chunk(inside, outside, weights)
        return inside, outside

    def _advance_chunk(
        self, inside: Belief, outside: float, weights: Sequence[float]
    ) -> tuple[Belief, float]:
        """
        Sum the beliefs after 0, 1, 2 ... events, weighted by how likely so many are.

        This is uniformisation: the events of all states are made to come at one rate, some of
        them doing nothing, so that their number is Poisson. Each term is positive.
        """
        beliefs = self._beliefs[: len(weights)]
        beliefs[0, :-1] = inside
        total_outside = weights[0] * outside
        for count in range(1, len(weights)):
            outside = self._event(beliefs[count - 1], beliefs[count, :-1], outside)
            total_outside += weights[count] * outside
        total = np.asarray(weights, np.float32) @ beliefs.reshape(len(weights), -1)
        return total.reshape(beliefs[0].shape)[:-1], total_outside

    def _event(self, before: Belief, after: Belief, outside: float) -> float:
        """Let one event happen: fill `after` (R x N) and return the new `outside`."""
        inside = 1 - outside
        came = (self._jump * inside + self._enter * outside) / self._events_per_s
        self._mix[:, -1] = came * self.pace_prior
        np.matmul(self._mix, before, out=after)
        hops = np.multiply(before[1:-1], self._hop, out=self._hops)
        moving = after[1:]
        moving -= hops
        # Nothing hops from a last timestep, so that the flat shift leaks into no other row.
        ahead = moving.reshape(-1)[1:]
        ahead += hops.reshape(-1)[:-1]
        return outside + (self._leave * inside - self._enter * outside) / self._events_per_s


def poisson(mean: float) -> list[float]:
    """Give the Poisson probabilities of 0, 1, 2 ..., cut at TAIL and scaled to sum to 1."""
    weights = [math.exp(-mean)]
    left = 1 - weights[0]
    while left > TAIL:
        weights.append(weights[-1] * mean / len(weights))
        left -= weights[-1]
    total = sum(weights)
    return [weight / total for weight in weights]


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
