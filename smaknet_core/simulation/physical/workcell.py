"""
A robot's place of work that is stepped: the arm obeys, the cup follows, the liquid flows.

Unlike an episode (`pouring`), nothing of what happens is known beforehand. Cups, places, room and
clutter are those of the episode with the same seed and laboratory, whoever demonstrated in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from smaknet_core.simulation.physical.beads import EVERY_S
from smaknet_core.simulation.physical.cameras import Cameras
from smaknet_core.simulation.physical.clutter import Clutter
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.physical.flow import Flow
from smaknet_core.simulation.physical.gripper import Gripper, runs_into
from smaknet_core.simulation.physical.liquid import Liquid
from smaknet_core.simulation.physical.retarget import CupTrack, grasps_for
from smaknet_core.simulation.physical.robot import RobotArm
from smaknet_core.simulation.physical.room import Room
from smaknet_core.simulation.physical.servo import Limits, Servo
from smaknet_core.simulation.physical.studio import Part, Studio
from smaknet_core.simulation.physical.table_setting import draw_setting
from smaknet_core.simulation.physical.vessels import Vessels
from smaknet_core.simulation.pose import Array, Pose
from smaknet_core.types import Image

# How fast the arm moves what it holds, at most: enough for what people do with a cup.
GRIPPER_M_S, GRIPPER_DEG_S = 0.45, 75.0
PLAN_S = 0.02  # an arm's way is planned on this grid
_UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


class Workcell:
    """
    A table with two cups, an arm, cameras; close it when done.

    Attributes:
        joint_names: of arm and fingers, as a ROS driver would call them.
        time_s: since the beginning.
        servo: the arm's controllers.
        gripper: fingers and cup.
        crashed: whether the cup has run into the recipient.
    """

    def __init__(
        self,
        seed: int,
        lab: int,
        begins: Array,
        size: tuple[int, int] = (96, 128),
        shift: Sequence[float] = (0.0, 0.0),
    ) -> None:
        """
        Set the table.

        Args:
            seed: of the episode whose table it is.
            lab: of the room and the cameras.
            begins: positions of `joint_names` at first: rad, or metres where one slides.
            size: height and width of the pictures in pixels.
            shift: of the recipient from where it stood in that episode, x and y, metres.
        """
        self._seed, self._size = seed, size
        self._source, self._recipient, places = draw_setting(seed)
        self._stands = places.recipient + [*shift, 0.0]
        self._arm = RobotArm(self._rng(6))
        self.joint_names = self._arm.joint_names
        self._joints = len(self._arm.kind.joints)
        kinematics, posture = self._arm.kinematics, begins[: self._joints]
        speeds = np.array(self._arm.kind.speeds)
        self.servo = Servo(kinematics, Limits(speeds, GRIPPER_M_S, GRIPPER_DEG_S), posture)
        self._fingers = Fingers(begins[self._joints :])
        start = Pose(places.start, _UPRIGHT)
        self.gripper = Gripper(self._source, start, self._fingers.width_at(0.0))
        self._flow = Flow(self._source, self._recipient, self._stands, start, self._rng(10))
        self._room = Room(lab, 'robot')
        self._views = Cameras(self._room.viewpoints, self._rng(8))
        self._studio: Studio | None = None
        self._moment, self.crashed = 0, False

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose])

    @property
    def time_s(self) -> float:
        """Seconds since the beginning."""
        return self._moment * EVERY_S

    @property
    def delivered(self) -> float:
        """Share of the liquid that is in the recipient now, 0 ... 1."""
        return self._flow.delivered

    @property
    def spilled(self) -> float:
        """Share of the liquid that is in neither cup now, 0 ... 1."""
        return 1 - self._flow.delivered - self._flow.left

    def joints(self) -> Array:
        """Where the joints of `joint_names` are: rad, or metres where one slides."""
        half = self.gripper.width / 2
        return np.array([*self.servo.joints, *[half, -half]])

    def command(self, times_s: Array, points: Array) -> None:
        """Take a trajectory of `joint_names`: N times (`time_s`), N x J positions."""
        self.servo.command(self.time_s, times_s, points[:, : self._joints])
        self._fingers.command(self.time_s, times_s, points[:, self._joints :])

    def advance(self) -> None:
        """Go on for `beads.EVERY_S`."""
        self._moment += 1
        self.servo.advance(self.time_s, EVERY_S)
        site = self._arm.kinematics.forward(self.servo.joints)
        wanted = self._fingers.width_at(self.time_s) if self.servo.speed else self.gripper.width
        self.gripper.advance(site, wanted, EVERY_S)
        self._flow.advance(self.gripper.cup)
        self.crashed |= runs_into(self._source, self.gripper.cup, self._recipient, self._stands)

    def render(self, camera: str) -> Image:
        """Show what a camera sees now, H x W x 3 RGB uint8."""
        if self._studio is None:
            self._studio = self._build()
        recent = self._flow.recent()
        self._liquid.watch(recent)
        self._arm.take_up(self.servo.joints, self.gripper.width)

        def place(model: Any, data: Any) -> None:
            self._vessels.place(data, self.gripper.cup)
            self._arm.place(model, data, 0.0)
            self._liquid.place(model, data, float(recent.times_s[-1]))

        return self._studio.render(camera, self.time_s, place)

    def _build(self) -> Studio:
        self._vessels = Vessels(self._source, self._recipient, self._stands)
        self._liquid = Liquid(self._flow.recent(), self._rng(11))
        clutter = Clutter(self._rng(12), self._room)
        parts: list[Part] = [self._vessels, self._arm, clutter, self._liquid]
        return Studio(parts, self._room, self._views, self._size, self._seed + 1)

    def close(self) -> None:
        """Give the renderer back."""
        if self._studio is not None:
            self._studio.close()
            self._studio = None


class Fingers:
    """How far apart a trajectory wants two fingers to be; their positions are half of it each."""

    def __init__(self, begins: Array) -> None:
        self._times, self._widths = np.zeros(1), np.array([np.abs(begins).sum()])

    def command(self, now_s: float, times_s: Array, points: Array) -> None:
        """Take a trajectory of both fingers, N x 2 metres."""
        first = self.width_at(now_s)
        ahead = times_s > now_s
        ahead[-1] = True
        self._times = np.array([now_s, *np.maximum(times_s[ahead], now_s + 1e-3)])
        self._widths = np.array([first, *np.abs(points[ahead]).sum(axis=1)])

    def width_at(self, time_s: float) -> float:
        """Between the fingers, metres."""
        return float(np.interp(time_s, self._times, self._widths))


def plan_for(track: CupTrack, cup: Cup) -> tuple[Sequence[str], Array, Array]:
    """
    Plan how the arm of a workcell does what was demonstrated, by inverse kinematics.

    Args:
        track: of the cup in the demonstration.
        cup: its shape.

    Returns:
        Names of the joints; M times by the track's clock, seconds; M x J positions.

    Raises:
        DataError: the cup does not move, or where it goes is out of the arm's reach.
    """
    arm = RobotArm(np.random.default_rng(0))
    times = np.arange(track.times_s[0], track.times_s[-1], PLAN_S)
    arm.plan(times, grasps_for(track, cup, times))
    return arm.joint_names, times, np.array([arm.joints(float(time)) for time in times])
