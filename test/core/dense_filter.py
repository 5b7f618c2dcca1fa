"""
The forward filter as one would write it on a board: a vector, a dense matrix, and loops.

Slow and obvious, for the tests and the benchmark to compare the fast one with.
"""

from __future__ import annotations

import itertools

import numpy as np
from smaknet_core.matching import WINDOW_S
from smaknet_core.matching.evidence import (
    FAR,
    FARTHEST,
    MEMORY_S,
    MOST_ABSENT,
    MOST_PLACE,
    MOST_PRESENT,
    PLACE_S,
    STILL,
)
from smaknet_core.matching.filter import START_OUTSIDE
from smaknet_core.matching.hopping import hop_and_mix, Hops
from smaknet_core.matching.motion import (
    Motion,
    PACE_CHANGE_PER_S,
    RESUME_PER_S,
    SHORTEST_GAP,
)


def exponential(matrix):
    """Exp of a matrix by its series, after halving it until that converges at once."""
    halvings = max(0, int(np.ceil(np.log2(np.abs(matrix).sum(0).max() + 1e-12))) + 3)
    small, term, total = matrix / 2**halvings, np.eye(len(matrix)), np.eye(len(matrix))
    for k in range(1, 12):
        term = term @ small / k
        total = total + term
    return np.linalg.matrix_power(total, 2**halvings)


def dense_generator(times_s, config):
    """Chances per second from column to row; states are (pace, timestep) and, last, elsewhere."""
    motion = Motion(times_s, config)
    paces, places = motion.paces, motion.place_prior
    count = len(places)
    arrival = np.outer(motion.pace_prior, places).ravel()
    moving = motion.pace_prior * (paces > 0) / motion.pace_prior[1:].sum()
    rates = np.zeros((len(paces) * count + 1,) * 2)
    starts = np.cumsum([0, *map(len, times_s)])
    for (r, pace), n in itertools.product(enumerate(paces), range(count)):
        state = r * count + n
        demo = np.searchsorted(starts, n, side='right') - 1
        gaps = np.diff(times_s[demo])
        step = n - starts[demo]
        if step < len(gaps):
            rates[state + 1, state] += pace / max(gaps[step], SHORTEST_GAP * np.median(gaps))
        for other in range(len(paces)):
            target = other * count + n
            if pace == 0:
                rates[target, state] += RESUME_PER_S * moving[other]
            elif other == 0:
                rates[target, state] += config.pause_per_s
            else:
                rates[target, state] += PACE_CHANGE_PER_S * moving[other]
        rates[:-1, state] += config.jump_per_s * arrival
        rates[-1, state] += config.leave_per_s
    rates[:-1, -1] += config.enter_per_s * arrival
    rates -= np.diag(np.diag(rates))
    return rates - np.diag(rates.sum(axis=0))


def advance(motion, inside, outside, dt_s):
    """Predict R x N chances and `elsewhere`, all timesteps at all paces, by the chain's steps."""
    prior = np.asarray(motion.place_prior, np.float32)
    for step in motion.steps(outside, dt_s):
        terms = step.arrivals.shape[1]
        arrived = step.arrivals @ Hops(len(prior), terms).of([prior], motion.hop, terms)
        inside, outside = hop_and_mix(inside, motion.hop, step.moves) + arrived, step.outside
    return inside, outside


def apart(fast, slow, stream):
    """Follow stamps and vectors by both; give the largest difference of a chance, set by set."""
    found = []
    for stamp, vector in stream:
        fast.update(stamp, {'live': vector})
        slow.update(stamp, vector)
        inside, outside = fast.posterior
        places = slow.belief[:-1].reshape(inside.shape).sum(axis=0)
        off = np.abs(np.append(inside.sum(axis=0) - places, outside - slow.belief[-1]))
        found.append(off.max())
    return np.array(found)


class SlowFilter:
    """The forward filter as one would write it on a board: a vector and a dense matrix."""

    def __init__(self, taught, calibration, config):
        self.taught, self.calibration, self.config = taught, calibration, config
        times_s = [demo.times_s for demo in taught]
        motion = self.move_by(times_s, config)
        start = np.outer(motion.pace_prior, motion.place_prior).ravel()
        self.belief = np.append((1 - START_OUTSIDE) * start, START_OUTSIDE)
        self.stamp, self.recent, self.predictions = None, None, {}

    def move_by(self, times_s, config):
        self.generator = dense_generator(times_s, config)
        return Motion(times_s, config)

    def update(self, stamp, vector):
        dt_s = None if self.stamp is None else (stamp - self.stamp) / 1e9
        if dt_s is not None:
            self.predict(dt_s)
        self.stamp = stamp
        novelty = self.novelty(vector, dt_s)
        weight = 1 if dt_s is None else min(1, dt_s / self.config.evidence_time_s)
        distances = self.distances(vector)
        inside, outside = self.belief[:-1].reshape(-1, len(distances)), self.belief[-1]
        scale, near = self.calibration, -self.best(-distances, WINDOW_S)
        here = np.maximum(MOST_PRESENT * (1 - (near / scale.outlier) ** 2), -MOST_ABSENT)
        gain = np.log((inside * np.exp(weight * here)).sum() / inside.sum())
        outside = 1 / (1 + inside.sum() / outside * np.exp(gain * (novelty if gain > 0 else 1)))
        logs = self.logs(distances)
        place = np.maximum(self.best(logs, PLACE_S), 0)
        logs = logs - (1 - novelty) * place
        inside = inside * np.exp(weight * (logs - logs.max()))
        self.belief = np.append(inside.ravel() / inside.sum() * (1 - outside), outside)

    def predict(self, dt_s):
        if dt_s not in self.predictions:
            self.predictions[dt_s] = exponential(self.generator * dt_s)
        self.belief = self.predictions[dt_s] @ self.belief

    def distances(self, vector):
        return np.concatenate(
            [np.linalg.norm(demo.embeddings - vector, axis=2).min(1) for demo in self.taught]
        )

    def logs(self, distances):
        scale = self.calibration
        if all(distance > FARTHEST * scale.outlier for distance in distances):
            return np.zeros(len(distances))
        near = np.minimum(distances, FAR * scale.outlier)
        logs = scale.sharpness * (scale.outlier**2 - near**2) / scale.sigma**2 / 2
        logs = logs - max(0, logs.max() - MOST_PLACE / 2)
        return np.maximum(logs, logs.max() - MOST_PLACE)

    def best(self, values, seconds):
        """The largest within some seconds of each, demonstration by demonstration."""
        best, offset = [], 0
        for demo in self.taught:
            part = list(values[offset : offset + len(demo)])
            reach = round(seconds / (demo.times_s[-1] / (len(demo) - 1)))
            best += [max(part[max(0, i - reach) : i + reach + 1]) for i in range(len(part))]
            offset += len(demo)
        return np.array(best)

    def novelty(self, vector, dt_s):
        if self.recent is None:
            self.recent = vector
            return 1
        change = np.linalg.norm(vector - self.recent)
        keep = np.exp(-dt_s / MEMORY_S)
        self.recent = keep * self.recent + (1 - keep) * vector
        return max(0, min(1, (change / self.calibration.sigma - STILL) / (1 - STILL))) ** 2


class PlainFilter(SlowFilter):
    """
    The same with the chain's own prediction, for demonstrations too long for a dense matrix.

    Every timestep is predicted at every pace, as `test_motion.py` compares with the dense matrix.
    """

    def move_by(self, times_s, config):
        self.motion = Motion(times_s, config)
        return self.motion

    def predict(self, dt_s):
        inside = self.belief[:-1].reshape(len(self.motion.paces), -1).astype(np.float32)
        inside, outside = advance(self.motion, inside, self.belief[-1], dt_s)
        self.belief = np.append(inside.ravel(), outside)
