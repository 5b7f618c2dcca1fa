"""
What one set says about where the scene is: distances to weights of timesteps and of `elsewhere`.

Two cautions beside the likelihood itself. Sets near in time say nearly the same, so they count in
proportion to the time between them. And a scene that stands still says the same thing again and
again: however long it does, what it looks like is evidence *once*. Only that it has not moved on
is seen anew each time. Without that, a scene outside the demonstration that happens to be a
little nearer to one timestep than `elsewhere`, or one that could be at two places, would become
certain by standing still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import TypeVar

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching.around import Around
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.taught import Calibration, Floats, scales, Taught, WINDOW_S
from smaknet_core.types import Vector

Values = TypeVar('Values', Floats, Singles)

# What one set can say at most, as a log-likelihood ratio: that the scene is in a demonstration
# rather than elsewhere, where they are one and the same picture; the reverse; and that it is at
# one timestep rather than at another.
MOST_PRESENT = 5.0
MOST_ABSENT = 3.0
MOST_PLACE = 18.0
# Distances beyond this many outlier levels are all alike: what is that far off says nothing. So
# it is with the distance of each of several cameras, for where the scene is ...
FAR = 2.5
# ... and for whether it is in a demonstration at all: a hand before one of two lenses must not
# outweigh what the other sees well.
FAR_PRESENCE = 1.3
# A set that is so many outlier levels from every timestep does not tell places apart.
FARTHEST = 1.9
# Nothing is believed more firmly than this far from 0 and 1, so that all can be unlearned.
SURE = 1e-9
# Sets are compared with a running mean of the last of this much time.
MEMORY_S = 0.5
# A change of less than this share of sigma is noise and drift of a scene that stands still.
STILL = 0.2
# Timesteps up to this far apart are one place: a scene that stands still is still told from them.
PLACE_S = 1.5


class Evidence:
    """
    Weigh sets against N timesteps, all demonstrations in a row.

    Args:
        taught: the demonstrations.
        calibration: distance scales.
        config: for `evidence_time_s`.
    """

    def __init__(
        self, taught: Sequence[Taught], calibration: Calibration, config: MatchConfig
    ) -> None:
        self._time_s = config.evidence_time_s
        self._calibration = calibration
        # Distances in units of each demonstration's own scale: then all have the same limits.
        wider = np.asarray(scales(taught, calibration)[0] / calibration.sigma, np.float32)
        self._unit: Singles | None = None if np.all(wider == 1) else np.reciprocal(wider)
        most = np.float32(calibration.outlier) * (wider if self._unit is not None else 1)
        # How far off each of several cameras can be at most: for the place, for presence.
        self.limits: tuple[float | Singles, float | Singles] = FAR * most, FAR_PRESENCE * most
        self._novelty = Novelty(calibration.sigma)
        self._nearest = Around(taught, WINDOW_S, np.minimum)
        self._best = Around(taught, PLACE_S, np.maximum)

    def reset(self) -> None:
        """Forget the stream."""
        self._novelty.reset()

    def weigh(
        self,
        places: Singles,
        outside: float,
        embeddings: Mapping[str, Vector],
        distances: Sequence[Singles],
        dt_s: float | None,
    ) -> tuple[Singles, float]:
        """
        Tell what turns a prediction into the posterior.

        Args:
            places: N probabilities.
            outside: probability of `elsewhere`; all sums to 1.
            embeddings: of the set, camera -> D.
            distances: N each, of the set to the timesteps, same views raised to others; limited
                by each of `limits`.
            dt_s: seconds since the last set, None for the first.

        Returns:
            N weights to multiply the probabilities by, and the new `outside`.
        """
        weight = 1.0 if dt_s is None else min(1.0, dt_s / self._time_s)
        novelty = self._novelty.measure(embeddings, dt_s)
        of_place, of_presence = distances
        if self._unit is not None:
            of_place, of_presence = of_place * self._unit, of_presence * self._unit
        outside = self._weigh_presence(places, outside, of_presence, weight, novelty)
        scale = self._calibration
        logs, most = log_likelihood(of_place, scale, weight)
        if novelty < 1:
            # From each place goes what speaks for it but is not new; within a place all is kept.
            logs -= (1 - novelty) * np.maximum(self._best.around(logs), -most)
            logs -= logs.max()
        weights = np.exp(logs, out=logs)
        weights *= (1 - outside) / float(places.dot(weights))
        return weights, outside

    def _weigh_presence(
        self, places: Singles, outside: float, distances: Singles, weight: float, novelty: float
    ) -> float:
        """Give the new probability of `elsewhere`."""
        # Whether the scene is in a demonstration at all is asked of the neighbourhood: where the
        # match is sharp, to be a little off the predicted timestep must not look like leaving.
        nearest = self._nearest.around(distances)
        present = presence(nearest, self._calibration.outlier, weight)
        inside = 1 - outside
        gain = math.log(float(places.dot(np.exp(present, out=present))) / inside)
        # Against the demonstrations even an old thing counts: that errs on the safe side.
        odds = inside / outside * math.exp(gain * novelty if gain > 0 else gain)
        return min(max(1 / (1 + odds), SURE), 1 - SURE)


class Novelty:
    """
    How much of each set is news, against what the stream looked like lately.

    Args:
        sigma: distance of true matches; a change as large as this is fully new.
    """

    def __init__(self, sigma: float) -> None:
        self._sigma = sigma
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._recent: dict[str, Vector] = {}

    def measure(self, embeddings: Mapping[str, Vector], dt_s: float | None) -> float:
        """Give 0 (nothing has changed) ... 1 (all is new) and remember the set."""
        changes = []
        news = 1.0 if dt_s is None else 1 - math.exp(-dt_s / MEMORY_S)
        for camera, vector in embeddings.items():
            recent = self._recent.get(camera)
            if recent is None:
                self._recent[camera] = vector.copy()
                continue
            change = vector - recent
            changes.append(math.sqrt(change.dot(change)))
            change *= news
            self._recent[camera] = recent + change
        if not changes:
            return 1.0
        # What is new is that share of the squared error of a match which is not the old error.
        share = (sum(changes) / len(changes) / self._sigma - STILL) / (1 - STILL)
        return min(max(share, 0.0), 1.0) ** 2


def presence(distances: Values, outlier: float, weight: float = 1.0) -> Values:
    """
    Weigh being at a timestep against being elsewhere, as a log-likelihood ratio.

    Nothing is said at the outlier level; below, the more the nearer, down to 0. Were all true
    matches worth the same, a scene that is only like the demonstration would pass for it.

    Args:
        distances: N.
        outlier: distance at which `elsewhere` is as likely.
        weight: how much all of it counts.
    """
    logs = distances * distances
    logs *= -weight * MOST_PRESENT / outlier**2
    logs += weight * MOST_PRESENT
    np.maximum(logs, -weight * MOST_ABSENT, out=logs)
    return logs


def log_likelihood(
    distances: Values, scale: Calibration, weight: float = 1.0
) -> tuple[Values, float]:
    """
    Weigh timesteps against each other; below 0 are those that do not look like the set at all.

    Gaussian in the distance, within limits (FAR, FARTHEST, MOST_PLACE): neither one odd set nor a
    hand before the lens must erase where the scene was.

    Args:
        distances: N.
        scale: for sigma, the outlier level and the sharpness.
        weight: how much all of it counts.

    Returns:
        N logarithms less the largest of them, and the largest.
    """
    nearest = float(distances[distances.argmin()])
    if nearest > FARTHEST * scale.outlier:
        return np.zeros_like(distances), 0.0
    steepness = scale.sharpness / (2 * scale.sigma**2)
    most = min(steepness * (scale.outlier**2 - nearest**2), MOST_PLACE / 2)
    least = max(steepness * (nearest**2 - (FAR * scale.outlier) ** 2), -MOST_PLACE)
    logs = distances * distances
    logs *= -weight * steepness
    logs += weight * steepness * nearest**2
    np.maximum(logs, weight * least, out=logs)
    return logs, weight * most
