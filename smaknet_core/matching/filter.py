"""
The forward filter: a causal belief over (demonstration, timestep, pace) and `elsewhere`.

Each set of embeddings is one step: predict over the time that passed (`motion`), weigh by what the
set says (`evidence`), tell what that amounts to (`summary`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smaknet_core.config import MatchConfig
from smaknet_core.matching.belief import Belief
from smaknet_core.matching.evidence import Evidence
from smaknet_core.matching.measuring import Measuring
from smaknet_core.matching.motion import Motion, Singles
from smaknet_core.matching.summary import Summary
from smaknet_core.matching.taught import Calibration, Taught
from smaknet_core.types import Match, Vector

# Belief in `elsewhere` before the first set.
START_OUTSIDE = 0.3
# Time passes in ticks of this long since the first set: periods of a camera are then but a few.
TICK_NS = 100_000
# After a gap of this long the stream starts anew: anything may have happened.
RESET_GAP_S = 10.0


class ForwardFilter:
    """
    Track a stream through one or several demonstrations.

    Args:
        taught: the demonstrations, of any lengths and cameras.
        calibration: distance scales of the model.
        config: chances, paces and thresholds.
    """

    def __init__(
        self, taught: Sequence[Taught], calibration: Calibration, config: MatchConfig
    ) -> None:
        motion = Motion([demonstration.times_s for demonstration in taught], config)
        self._belief = Belief(motion, [len(demonstration) for demonstration in taught])
        self._evidence = Evidence(taught, calibration, config)
        self._measuring = Measuring(taught, calibration.same_view, self._evidence.limits)
        self._summary = Summary(taught, calibration, config)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next set is the first."""
        self._stamp_ns: int | None = None
        self._first_ns = 0
        self._belief.start(START_OUTSIDE)
        self._evidence.reset()
        self._summary.reset()

    @property
    def posterior(self) -> tuple[Singles, float]:
        """R x N probabilities of pace and timestep (demonstrations in a row), and `elsewhere`."""
        return self._belief.inside, self._belief.outside

    @property
    def elsewhere(self) -> float:
        """Probability that the scene is in no demonstration."""
        return self._belief.outside

    def update(self, stamp_ns: int, embeddings: Mapping[str, Vector]) -> Match:
        """
        Take one set and say where it is.

        Args:
            stamp_ns: capture stamp; one that does not increase restarts the filter, as does a gap
                of RESET_GAP_S.
            embeddings: camera -> D, at least one.
        """
        dt_s = self._pass_time(stamp_ns)
        belief = self._belief
        distances, *limited = self._measuring.measure(embeddings)
        weights, outside = self._evidence.weigh(
            belief.places, belief.outside, embeddings, limited, dt_s
        )
        belief.weigh(weights, outside)
        return self._summary.match(stamp_ns, dt_s, belief.places, outside, distances)

    def _pass_time(self, stamp_ns: int) -> float | None:
        """Predict up to `stamp_ns`; give the seconds since the last set, None for the first."""
        before = self._stamp_ns
        if before is not None and not 0 < stamp_ns - before < RESET_GAP_S * 1e9:
            self.reset()
            before = None
        self._stamp_ns = stamp_ns
        if before is None:
            self._first_ns = stamp_ns
            return None
        ticks = (stamp_ns - self._first_ns) // TICK_NS - (before - self._first_ns) // TICK_NS
        self._belief.predict(ticks * TICK_NS / 1e9)
        return (stamp_ns - before) / 1e9
