"""
How an arm obeys: it interpolates trajectories as ROS's controllers do, and lags behind them.

A joint trajectory replaces the one before and begins where that one is by now. The arm follows by
a first-order lag; neither its joints nor its gripper move faster than they may, and whoever holds
it stops it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from smaknet_core.simulation.physical.kinematics import Kinematics
from smaknet_core.simulation.pose import Array, multiply


class Limits(NamedTuple):
    """How fast an arm is."""

    joints_rad_s: Array  # J
    gripper_m_s: float
    gripper_deg_s: float
    lag_s: float = 0.1  # of its controllers


class Servo:
    """
    One arm's controllers.

    Attributes:
        joints: where the joints are, J, rad.
        speed: share of the usual speed that it may go, such as 0.5; 0 while somebody holds it.
    """

    def __init__(self, kinematics: Kinematics, limits: Limits, joints: Array) -> None:
        """Stand still in a posture."""
        self._kinematics, self._limits = kinematics, limits
        self.joints, self.speed = joints.copy(), 1.0
        self._times = np.zeros(1)
        self._points = joints[None].copy()

    def command(self, now_s: float, times_s: Array, points: Array) -> None:
        """
        Take a trajectory.

        Args:
            now_s: the time.
            times_s: N, when to be at the points, increasing; those that have passed are skipped,
                unless it is the last.
            points: N x J, rad.
        """
        to_come = times_s > now_s
        to_come[-1] = True
        begins = self.wanted(now_s)
        self._times = np.array([now_s, *np.maximum(times_s[to_come], now_s + 1e-3)])
        self._points = np.vstack([begins, points[to_come]])

    def wanted(self, time_s: float) -> Array:
        """Where the trajectory is at a time, J; after its end, its last point."""
        return np.array([np.interp(time_s, self._times, column) for column in self._points.T])

    def advance(self, now_s: float, seconds: float) -> None:
        """Move for so long, a hundredth of a second say, towards where the trajectory is now."""
        share = 1 - np.exp(-seconds / self._limits.lag_s)
        step = (self.wanted(now_s) - self.joints) * share
        self.joints = self.joints + step * min(1.0, self._allowed(step, seconds))

    def _allowed(self, step: Array, seconds: float) -> float:
        """Share of a step that is not too fast for joints or gripper; 1 and more: all of it."""
        limits = self._limits
        here, there = (self._kinematics.forward(self.joints + s) for s in (0 * step, step))
        shifted = float(np.linalg.norm(there.position - here.position))
        cosine = abs(multiply(there.quaternion, here.inverse.quaternion)[0])
        turned = np.rad2deg(2 * np.arccos(min(1.0, cosine)))
        used = [
            float(np.max(np.abs(step) / limits.joints_rad_s)),
            shifted / limits.gripper_m_s,
            turned / limits.gripper_deg_s,
        ]
        return float(self.speed * seconds / max(*used, 1e-9))
