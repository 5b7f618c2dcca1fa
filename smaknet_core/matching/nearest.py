"""
The baseline without memory: each set goes to its nearest timestep.

It jumps where the demonstration looks alike, and is here to be compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching.measuring import Measuring
from smaknet_core.matching.taught import ADJACENT_S, Calibration, scales, Taught, WINDOW_S
from smaknet_core.types import Match, State, Vector


class NearestNeighbour:
    """
    Match each set on its own; LOST when even the nearest timestep is farther than the outlier.

    Args: as for `ForwardFilter`; the confidence is the set's own posterior, uncalibrated.
    """

    def __init__(
        self, taught: Sequence[Taught], calibration: Calibration, config: MatchConfig
    ) -> None:
        self._taught = tuple(taught)
        self._config = config
        self._measuring = Measuring(taught, calibration.same_view)
        self._sigma, self._outlier = scales(taught, calibration)
        self._names = np.repeat(np.arange(len(self._taught)), [len(t) for t in self._taught])
        self._times_s = np.concatenate([t.times_s for t in self._taught])
        self.reset()

    def reset(self) -> None:
        """Forget the last match, of which only the rate is told."""
        self._last: Match | None = None
        self._elsewhere = 0.5  # nothing is known yet

    @property
    def elsewhere(self) -> float:
        """How likely the last set is in no demonstration, by its nearest distance alone."""
        return self._elsewhere

    def update(self, stamp_ns: int, embeddings: Mapping[str, Vector]) -> Match:
        """Take the embeddings (camera -> D) of one set and give its nearest timestep."""
        distances, scaled = self._measuring.measure(embeddings)
        weights = np.exp((self._outlier**2 - scaled**2) / (2 * self._sigma**2))
        self._elsewhere = float(1 / (1 + weights.max()))
        found = int(distances.argmin())
        which = int(self._names[found])
        taught, time_s = self._taught[which], float(self._times_s[found])
        same = self._names == which
        near = same & (np.abs(self._times_s - time_s) <= WINDOW_S)
        rivals = distances[~(same & (np.abs(self._times_s - time_s) <= ADJACENT_S))]
        self._last = Match(
            stamp_ns=stamp_ns,
            demonstration=taught.name,
            timestep=found - int(np.argmax(same)),
            timesteps=len(taught),
            time_s=time_s,
            progress=time_s / taught.duration_s if taught.duration_s > 0 else 1.0,
            rate=self._rate(taught.name, stamp_ns, time_s),
            distance=float(distances[found]),
            confidence=float(weights[near].sum() / (weights.sum() + 1)),
            margin=float(rivals.min(initial=self._outlier[found]) - distances[found]),
            interval_s=(
                float(max(0.0, time_s - WINDOW_S)),
                float(min(taught.duration_s, time_s + WINDOW_S)),
            ),
            state=self._state(scaled[found] > self._outlier[found], time_s, taught),
        )
        return self._last

    def _rate(self, name: str, stamp_ns: int, time_s: float) -> float:
        """Give how far the match moved since the last one; 0 if that means nothing."""
        last = self._last
        if last is None or last.demonstration != name or stamp_ns <= last.stamp_ns:
            return 0.0
        return (time_s - last.time_s) * 1e9 / (stamp_ns - last.stamp_ns)

    def _state(self, lost: bool, time_s: float, taught: Taught) -> State:
        if lost:
            return State.LOST
        done = time_s >= taught.duration_s - self._config.done_within_s
        return State.DONE if done else State.TRACKING
