"""
Free-start subsequence DTW: the best path through the demonstration that ends now.

SPRING's idea (Sakurai, Faloutsos, Yamamuro, ICDE 2007): one row of path scores is enough, and a
path may begin at any set and any timestep, so that each set costs O(N). Three things are ours. A
path is scored per *second*, of the stream and of the demonstration (1 at the distance of a true
match, 0 at the outlier level), so that 5, 10 and 30 Hz give one path. What a path earned is
forgotten within seconds, so that a repetition is found and an hour of waiting is no debt. And
scores become a belief, from which matches are read as the filter's are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching.filter import RESET_GAP_S
from smaknet_core.matching.measuring import Measuring
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.summary import Summary
from smaknet_core.matching.taught import Calibration, Floats, scales, Taught, WINDOW_S
from smaknet_core.types import Match, Vector

# What a path earned counts for about this long.
MEMORY_S = 2.0
# A second of the demonstration that a path goes through costs this share of how unlike it is to
# what is seen: without, to run ahead would be free; as much as a second of the stream (as in
# symmetric DTW), and a scene twice as fast would cost twice as much.
MOVE = 0.1
# At most this is lost per second: a hand before the lens costs what was earned in as much time.
MOST_LOSS = 1.0
# The two scales are taken to be at least this far apart, as a share of the squared outlier level.
LEAST_SLOPE = 0.3
# No set stands for more than this much time, whatever was missed before it.
LONGEST_S = 0.5
# Score at which a path is as likely as none, and how soft that border is.
FOUND_S = 0.35
FOUND_WITHIN_S = 0.08


class SubsequenceWarping:
    """
    Match a stream to the best-scoring path through one or several demonstrations.

    Args: as for `ForwardFilter`; the confidence has the temperature that was fitted to that.
    """

    def __init__(
        self, taught: Sequence[Taught], calibration: Calibration, config: MatchConfig
    ) -> None:
        self._config = config
        self._measuring = Measuring(taught, calibration.same_view)
        sigma, self._outlier = scales(taught, calibration)  # N each
        apart = np.maximum(self._outlier**2 - sigma**2, LEAST_SLOPE * self._outlier**2)
        self._scale: Floats = apart  # N: squared distance that is worth 1
        # What a second of score is worth as a log-likelihood, of each timestep.
        worth = calibration.sharpness * self._scale / (2 * sigma**2)
        self._worth = worth / config.evidence_time_s
        self._gaps = [np.diff(demonstration.times_s) for demonstration in taught]
        self._ends = np.cumsum([len(demonstration) for demonstration in taught])[:-1]
        # What paths believe in lies behind their ends: the mean of more would be late.
        self._summary = Summary(taught, calibration, config, WINDOW_S)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next set is the first."""
        self._stamp_ns: int | None = None
        self._scores: Floats = np.zeros(len(self._outlier))
        self._summary.reset()

    @property
    def scores(self) -> Floats:
        """N: score of the best path to each timestep, seconds; one of nothing has 0."""
        return np.array(self._scores)

    @property
    def elsewhere(self) -> float:
        """How likely the scene is in no demonstration, 0 ... 1: the best path is worth little."""
        earned = (float(self._scores.max()) - FOUND_S) / FOUND_WITHIN_S
        return float(1 / (1 + np.exp(np.clip(earned, -50, 50))))

    def update(self, stamp_ns: int, embeddings: Mapping[str, Vector]) -> Match:
        """Take one set (camera -> D) and say where it is; stamps as for `ForwardFilter`."""
        dt_s = self._pass_time(stamp_ns)
        distances, scaled = self._measuring.measure(embeddings)
        self._extend(scaled, self._config.evidence_time_s if dt_s is None else dt_s)
        outside = self.elsewhere
        places = (1 - outside) * self._weights()
        return self._summary.match(stamp_ns, dt_s, places, outside, distances)

    def _pass_time(self, stamp_ns: int) -> float | None:
        """Give the seconds since the last set, None for the first of a stream."""
        dt_s = None if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / 1e9
        if dt_s is not None and not 0 < dt_s < RESET_GAP_S:
            self.reset()
            dt_s = None
        self._stamp_ns = stamp_ns
        return dt_s

    def _extend(self, distances: Singles, dt_s: float) -> None:
        """Let every path go on by one set, at N distances."""
        earned = np.maximum((self._outlier**2 - distances**2) / self._scale, -MOST_LOSS)
        costs = MOVE * (self._outlier**2 / self._scale - earned)
        scores = self._scores * np.exp(-dt_s / MEMORY_S)
        parts = zip(*(np.split(n, self._ends) for n in (scores, earned, costs)), strict=True)
        stands_s = min(dt_s, LONGEST_S)
        extended = [
            extend(score, stands_s * gain, gaps * cost[1:])
            for (score, gain, cost), gaps in zip(parts, self._gaps, strict=True)
        ]
        self._scores = np.concatenate(extended)

    def _weights(self) -> Floats:
        """Give N weights of timesteps that sum to 1."""
        behind = (self._scores - self._scores.max()) * self._worth
        weights = np.exp(behind)
        return np.asarray(weights / weights.sum())


def extend(scores: Floats, earned: Floats, costs: Floats) -> Floats:
    """
    Let the paths through one demonstration go on by one set.

    A path stays where it is, goes on by one timestep, or begins; it earns what the set is worth
    there; then it may go on through further timesteps while this set is seen.

    Args:
        scores: T, of the best paths so far.
        earned: T, by being at each timestep while the set is seen.
        costs: T - 1, of going from each timestep to the next; >= 0.

    Returns:
        T, of the best paths now.
    """
    moved = np.concatenate([[-np.inf], scores[:-1] - costs])
    best = np.maximum(np.maximum(scores, moved), 0) + earned
    # The best of best[u] - costs[u] - ... - costs[t - 1] over all u <= t, at once.
    spent = np.concatenate([[0.0], np.cumsum(costs)])
    return np.asarray(np.maximum.accumulate(best + spent) - spent)
