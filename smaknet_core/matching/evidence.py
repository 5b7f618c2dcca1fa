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

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching.motion import Belief
from smaknet_core.matching.taught import (
    Calibration,
    Floats,
    scaled_distances_to,
    scales,
    Taught,
    WINDOW_S,
)
from smaknet_core.types import Vector

# What one set can say at most, as a log-likelihood ratio: that the scene is in a demonstration
# rather than elsewhere, or the reverse, and that it is at one timestep rather than at another.
MOST_PRESENCE = 3.0
MOST_PLACE = 9.0
# The two scales are taken to be at least this far apart, as a share of the squared outlier level.
LEAST_SLOPE = 0.3
# Distances beyond this many outlier levels are all alike: what is that far off says nothing.
FAR = 2.0
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
        self._taught = tuple(taught)
        self._time_s = config.evidence_time_s
        self._sigma, self._outlier = scales(taught, calibration)  # N each
        self._calibration = calibration
        self._novelty = Novelty(calibration.sigma)
        self._ends = np.cumsum([len(demonstration) for demonstration in taught])[:-1]
        self._near = [_steps(demonstration, WINDOW_S) for demonstration in taught]
        self._place = [_steps(demonstration, PLACE_S) for demonstration in taught]

    def reset(self) -> None:
        """Forget the stream."""
        self._novelty.reset()

    def weigh(
        self,
        inside: Belief,
        outside: float,
        embeddings: Mapping[str, Vector],
        dt_s: float | None,
    ) -> tuple[Belief, float]:
        """
        Turn a prediction into the posterior.

        Args:
            inside: R x N probabilities.
            outside: probability of `elsewhere`; all sums to 1.
            embeddings: of the set, camera -> D.
            dt_s: seconds since the last set, None for the first.

        Returns:
            The same two, weighed.
        """
        weight = 1.0 if dt_s is None else min(1.0, dt_s / self._time_s)
        novelty = self._novelty.measure(embeddings, dt_s)
        distances = np.concatenate(
            [scaled_distances_to(taught, embeddings, self._calibration) for taught in self._taught]
        )
        places = inside.sum(axis=0, dtype=np.float64)
        # Whether the scene is in a demonstration at all is asked of the neighbourhood: where the
        # match is sharp, to be a little off the predicted timestep must not look like leaving.
        nearest = -self._best_around(-distances, self._near)
        present = presence(nearest, self._sigma, self._outlier)
        gain = np.log(places @ np.exp(weight * present) / places.sum())
        # Against the demonstrations even an old thing counts: that errs on the safe side.
        odds = places.sum() / outside * np.exp(gain * novelty if gain > 0 else gain)
        outside = min(max(float(1 / (1 + odds)), SURE), 1 - SURE)
        logs = log_likelihood(distances, self._sigma, self._outlier, self._calibration.sharpness)
        logs = self._discount(logs, novelty)
        weighed = inside * np.exp(weight * (logs - logs.max())).astype(np.float32)
        weighed *= (1 - outside) / weighed.sum(dtype=np.float64)
        return weighed, outside

    def _discount(self, logs: Floats, novelty: float) -> Floats:
        """Take from each place what speaks for it but is not new; within a place all is kept."""
        if novelty >= 1:
            return logs
        of_place = self._best_around(logs, self._place)
        return np.asarray(logs - (1 - novelty) * np.maximum(of_place, 0))

    def _best_around(self, logs: Floats, reach: Sequence[int]) -> Floats:
        """Give the best within so many timesteps of each (a number for each demonstration)."""
        parts = np.split(logs, self._ends)
        return np.concatenate([running_max(*part) for part in zip(parts, reach, strict=True)])


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
        changes = [
            float(np.linalg.norm(vector - self._recent[camera]))
            for camera, vector in embeddings.items()
            if camera in self._recent
        ]
        keep = 0.0 if dt_s is None else float(np.exp(-dt_s / MEMORY_S))
        for camera, vector in embeddings.items():
            recent = self._recent.get(camera, vector)
            self._recent[camera] = keep * recent + (1 - keep) * vector
        if not changes:
            return 1.0
        # What is new is that share of the squared error of a match which is not the old error.
        share = (float(np.mean(changes)) / self._sigma - STILL) / (1 - STILL)
        return min(max(share, 0.0), 1.0) ** 2


def presence(distances: Floats, sigma: Floats | float, outlier: Floats | float) -> Floats:
    """
    Weigh being at a timestep against being elsewhere, as a log-likelihood ratio.

    Most speaks for it at the distance of a true match, nothing at the outlier level.

    Args:
        distances: N.
        sigma: distance of a true match, of each timestep or of all.
        outlier: distance at which `elsewhere` is as likely, likewise.
    """
    logs = MOST_PRESENCE * (outlier**2 - distances**2) / slope(sigma, outlier)
    return np.asarray(np.clip(logs, -MOST_PRESENCE, MOST_PRESENCE))


def slope(sigma: Floats | float, outlier: Floats | float) -> Floats:
    """Give what squared distances fall by from the outlier level to a true match."""
    return np.asarray(np.maximum(outlier**2 - sigma**2, LEAST_SLOPE * outlier**2))


def log_likelihood(
    distances: Floats, sigma: Floats | float, outlier: Floats | float, sharpness: float
) -> Floats:
    """
    Weigh timesteps against each other; below 0 are those that do not look like the set at all.

    Gaussian in the distance, within limits (FAR, MOST_PLACE): neither one odd set nor a hand
    before the lens must erase where the scene was.

    Args:
        distances: N.
        sigma: distance of a true match, of each timestep or of all.
        outlier: distance at which `elsewhere` is as likely, likewise.
        sharpness: see `Calibration`.
    """
    bounded = np.minimum(distances, FAR * outlier)
    logs = sharpness * (outlier**2 - bounded**2) / (2 * sigma**2)
    logs -= max(float(logs.max()) - MOST_PLACE / 2, 0)
    return np.asarray(np.maximum(logs, logs.max() - MOST_PLACE))


def running_max(values: Floats, reach: int) -> Floats:
    """Give the largest of the values up to `reach` places before and after each."""
    largest = np.pad(values, reach, constant_values=-np.inf)
    width = 1  # of the window that starts at each entry
    while width < 2 * reach + 1:
        step = min(width, 2 * reach + 1 - width)
        largest = np.maximum(largest[:-step], largest[step:])
        width += step
    return largest


def _steps(taught: Taught, seconds: float) -> int:
    """Say how many timesteps of a demonstration fill some seconds, about."""
    steps = len(taught) - 1
    return min(steps, round(seconds * steps / taught.duration_s)) if steps else 0
