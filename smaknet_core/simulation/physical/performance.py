"""A choreography played by the clock of an episode: what is where at any time of the recording."""

from __future__ import annotations

from typing import NamedTuple

from smaknet_core.simulation.physical.choreography import Choreography, Moment
from smaknet_core.simulation.physical.grasp import Grasp
from smaknet_core.simulation.physical.timeline import Timeline
from smaknet_core.simulation.pose import blend, Pose


class Performance(NamedTuple):
    """Who knows what happens when; times are seconds since the recording's start."""

    choreography: Choreography
    timeline: Timeline

    def progress(self, time_s: float) -> float:
        """Place in the script, 0 ... 1; on a short cut the nearer end's."""
        before, after, through = self.timeline.at(time_s)
        return after if through > 0.5 else before

    def at(self, time_s: float) -> Moment:
        """Say what is where; a short cut leads straight from one place to the other."""
        before, after, through = self.timeline.at(time_s)
        if before == after:
            return self.choreography.at(before)
        gentle = through * through * (3 - 2 * through)
        first, second = self.choreography.at(before), self.choreography.at(after)
        return Moment(
            second.phase if through > 0.5 else first.phase,
            _between(first.cup, second.cup, gentle),
            _between_grasps(first.grasp, second.grasp, gentle),
            first.tilt_deg + gentle * (second.tilt_deg - first.tilt_deg),
            first.closed + gentle * (second.closed - first.closed),
        )

    def since_beginning(self, time_s: float) -> Moment:
        """The same by a clock that starts with the script, not with the recording."""
        return self.at(time_s - self.timeline.start_s)


def _between(first: Pose, second: Pose, through: float) -> Pose:
    position = first.position + through * (second.position - first.position)
    return Pose(position, blend(first.quaternion, second.quaternion, through))


def _between_grasps(first: Grasp, second: Grasp, through: float) -> Grasp:
    opening = first.opening + through * (second.opening - first.opening)
    return Grasp(_between(first.frame, second.frame, through), float(opening), first.diameter_m)
