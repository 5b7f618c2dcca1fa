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
    distances_to,
    Floats,
    scales,
    Taught,
    WINDOW_S,
)
from smaknet_core.types import Vector

# Limits of what one set can say, as a log-likelihood against `elsewhere`.
CEILING = 3.0
FLOOR = -3.0
# Nothing is believed more firmly than this far from 0 and 1, so that all can be unlearned.
SURE = 1e-9
# Sets are compared with a running mean of the last of this much time.
MEMORY_S = 0.5
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
        self._sharpness = calibration.sharpness
        self._novelty = Novelty(calibration.sigma)
        self._ends = np.cumsum([len(demonstration) for demonstration in taught])[:-1]
        self._near = [_steps(demonstration, WINDOW_S) for demonstration in taught]
        self._place = [_steps(demonstration, PLACE_S) for demonstration in taught]

    def reset(self) -> None:
        """Forget the stream."""
        self._novelty.reset()

    def distances(self, embeddings: Mapping[str, Vector]) -> Floats:
        """Measure one set (camera -> D) against all N timesteps."""
        return np.concatenate([distances_to(taught, embeddings) for taught in self._taught])

    def weigh(
        self,
        inside: Belief,
        outside: float,
        distances: Floats,
        embeddings: Mapping[str, Vector],
        dt_s: float | None,
    ) -> tuple[Belief, float]:
        """
        Turn a prediction into the posterior.

        Args:
            inside: R x N probabilities.
            outside: probability of `elsewhere`; all sums to 1.
            distances: N, of the set to each timestep.
            embeddings: the set itself, to see whether the scene has changed.
            dt_s: seconds since the last set, None for the first.

        Returns:
            The same two, weighed.
        """
        weight = 1.0 if dt_s is None else min(1.0, dt_s / self._time_s)
        novelty = self._novelty.measure(embeddings, dt_s)
        logs = log_likelihood(distances, self._sigma, self._outlier, self._sharpness)
        places = inside.sum(axis=0, dtype=np.float64)
        # Whether the scene is in a demonstration at all is asked of the neighbourhood: where the
        # match is sharp, to be a little off the predicted timestep must not look like leaving.
        nearby = self._best_around(logs, self._near)
        gain = np.log(places @ np.exp(weight * nearby) / places.sum())
        # Against the demonstrations even an old thing counts: that errs on the safe side.
        odds = places.sum() / outside * np.exp(gain * novelty if gain > 0 else gain)
        outside = min(max(float(1 / (1 + odds)), SURE), 1 - SURE)
        weighed = inside * np.exp(weight * self._discount(logs, novelty)).astype(np.float32)
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
        return min(1.0, float(np.mean(changes)) / self._sigma) if changes else 1.0


def log_likelihood(
    distances: Floats, sigma: Floats | float, outlier: Floats | float, sharpness: float
) -> Floats:
    """
    Weigh distances to N timesteps against `elsewhere`, whose log-likelihood is 0.

    Gaussian in the distance, but one set is never heard too loudly: it speaks for no timestep by
    more than CEILING (a picture of the demonstration is not the demonstration), and against none
    by more than FLOOR (a hand before the lens must not erase where the scene was).

    Args:
        distances: N.
        sigma: distance of a true match, of each timestep or of all.
        outlier: distance of equal likelihood, likewise.
        sharpness: see `Calibration`.
    """
    logs = sharpness * (outlier**2 - distances**2) / (2 * sigma**2)
    logs += min(CEILING - float(logs.max()), 0)
    return np.asarray(np.maximum(logs, FLOOR))


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
