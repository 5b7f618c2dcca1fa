"""
What an arm has to do so that a cup moves as it moved in somebody's hands.

Only the cup's poses are known of a demonstration. While the cup moves it is in the gripper; how
the arm comes to it before, and leaves it afterwards, is the arm's own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from smaknet_core.errors import DataError
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.physical.grasp import Grasp
from smaknet_core.simulation.pose import Array, blend, multiply, Pose, turn

MOVED_M = 0.002  # a cup that is not so far from where it stood still stands
YAW_DEG = 92.0  # of the gripper about the cup: from the arm's side of the table
# Where the gripper comes from and goes to, from where the cup stands; metres, and how it hangs.
_CAME, _LEFT = np.array([0.13, -0.26, 0.16]), np.array([0.10, -0.30, 0.12])
_LOW, _HIGH = turn((1.0, 0.0, 0.0), -20), turn((1.0, 0.0, 0.0), 15)
_BEHIND = Pose(np.array([-0.09, 0.0, 0.01]), np.array([1.0, 0.0, 0.0, 0.0]))
_COMING = np.array([0.0, 0.5, 0.78, 1.0])  # of the time before: at the way's points, then closes
_LEAVING = np.array([0.25, 0.56, 1.0])  # of the time after: opens, then at the way's points


class CupTrack(NamedTuple):
    """Where a cup was: N times, seconds, and as many poses."""

    times_s: Array
    poses: list[Pose]

    def at(self, time_s: float) -> Pose:
        """Where it was at a time, interpolated."""
        index = int(np.clip(np.searchsorted(self.times_s, time_s), 1, len(self.times_s) - 1))
        before, after = self.times_s[index - 1], self.times_s[index]
        through = float(np.clip((time_s - before) / (after - before), 0, 1))
        return _between(self.poses[index - 1], self.poses[index], through)

    def held(self) -> tuple[float, float]:
        """From when to when it moved, seconds; DataError when it never did."""
        places = np.array([pose.position for pose in self.poses])
        gone = np.linalg.norm(places - places[0], axis=1) > MOVED_M
        back = np.linalg.norm(places - places[-1], axis=1) > MOVED_M
        if not gone.any():
            raise DataError('the cup does not move in this demonstration')
        begins, ends = int(np.argmax(gone)) - 1, len(back) - int(np.argmax(back[::-1]))
        return float(self.times_s[begins]), float(self.times_s[min(ends, len(back) - 1)])


def grasps_for(track: CupTrack, cup: Cup, times_s: Array) -> list[Grasp]:
    """
    Say what a gripper holds at which time, so that the cup goes where it went.

    Args:
        track: of the demonstration.
        cup: how it is shaped, and where it is taken.
        times_s: M, by the track's clock.
    """
    lifted_s, stood_s = track.held()
    first_s, last_s = track.times_s[0], track.times_s[-1]
    coming, leaving = _way_to(track.poses[0], cup), _way_from(track.poses[-1], cup)
    diameter = cup.diameter_at(cup.grip_height)
    grasps = []
    for time in times_s:
        if time < lifted_s:
            through = (time - first_s) / (lifted_s - first_s)
            frame = _along(coming, _COMING[:3], through)
            closed = _gentle((through - _COMING[2]) / (1 - _COMING[2]))
        elif time > stood_s:
            through = (time - stood_s) / max(last_s - stood_s, 1e-3)
            frame = _along(leaving, _LEAVING, through)
            closed = 1 - _gentle(through / _LEAVING[0])
        else:
            frame, closed = grip_of(track.at(float(time)), cup), 1.0
        grasps.append(Grasp(frame, 1 - closed, diameter))
    return grasps


def grip_of(pose: Pose, cup: Cup) -> Pose:
    """Where the gripper takes a cup that is there."""
    yaw = turn((0.0, 0.0, 1.0), YAW_DEG)
    return pose @ Pose(np.array([0.0, 0.0, cup.grip_height]), yaw)


def _way_to(stands: Pose, cup: Cup) -> list[Pose]:
    at = grip_of(stands, cup)
    return [Pose(stands.position + _CAME, multiply(at.quaternion, _LOW)), at @ _BEHIND, at]


def _way_from(stands: Pose, cup: Cup) -> list[Pose]:
    at = grip_of(stands, cup)
    return [at, at @ _BEHIND, Pose(stands.position + _LEFT, multiply(at.quaternion, _HIGH))]


def _along(way: list[Pose], times: Array, time: float) -> Pose:
    """Where one is on a way whose points are passed at these times, gently."""
    index = int(np.clip(np.searchsorted(times, time) - 1, 0, len(way) - 2))
    through = (time - times[index]) / (times[index + 1] - times[index])
    return _between(way[index], way[index + 1], _gentle(through))


def _gentle(through: float) -> float:
    share = float(np.clip(through, 0, 1))
    return share * share * (3 - 2 * share)


def _between(first: Pose, second: Pose, through: float) -> Pose:
    position = first.position + through * (second.position - first.position)
    return Pose(position, blend(first.quaternion, second.quaternion, through))
