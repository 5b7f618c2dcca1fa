"""
A robot's arm as part of the scene: its gripper holds the cup, as a grasp asks.

An arm can reach one grasp in many ways, so its way through an episode is planned once, from the
first grasp to the last; any moment can then be asked for, in any order, and looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.grasp import Grasp
from smaknet_core.simulation.physical.kinematics import Kinematics, Reach
from smaknet_core.simulation.physical.robot_kinds import GRIP, KINDS, skeleton
from smaknet_core.simulation.physical.robot_shapes import robot_shapes, Shape
from smaknet_core.simulation.pose import Array

PREFIX = 'robot/'
FLOOR = -0.74  # metres: where its pedestal stands
TOO_FAR_M, TOO_TURNED_DEG = 0.005, 3.0  # no further may a posture be from its grasp


class RobotArm:
    """
    A part of the scene that is drawn: pedestal, arm and gripper; nothing of it collides.

    Attributes:
        kind: what make it is.
        kinematics: its reach; poses are those of grasps, in the table's frame. For control in a
            closed loop: `kinematics.solve(pose, seed=joints_now)`.
        joint_names: arm and fingers, in the order of `joints`, as a ROS driver would call them.
    """

    def __init__(self, rng: np.random.Generator, kind: str = 'panda') -> None:
        """
        Decide what the arm looks like.

        Args:
            rng: decides the pedestal's paint.
            kind: one of `robot_kinds.KINDS`.

        Raises:
            ConfigError: no such kind; its meshes are not installed.
        """
        if kind not in KINDS:
            raise ConfigError(f'robot: expected one of {", ".join(KINDS)}, got {kind!r}')
        self.kind, self._name = KINDS[kind], kind
        self._paint = rng.choice([0.12, 0.3, 0.6]) * rng.uniform(0.9, 1.0, 3)
        names, rest = list(self.kind.joints), np.array(self.kind.rest)
        self.kinematics = Kinematics(skeleton(self.kind).compile(), GRIP, names, rest)
        self.joint_names = (*self.kind.joints.values(), *self.kind.measured.values())
        self._times = np.zeros(1)
        self._postures = rest[None]
        self._widths = np.full(1, self.kind.width)
        self._addresses: dict[str, int] = {}

    def plan(self, times_s: Sequence[float] | Array, grasps: Sequence[Grasp]) -> list[Reach]:
        """
        Decide how to go through a whole episode; forgets what was planned before.

        Args:
            times_s: N, seconds by any clock, increasing; 0.02 s apart is fine enough.
            grasps: N, what to hold at those times, without jumps.

        Returns:
            the N postures, and how far each is from its grasp.

        Raises:
            DataError: a grasp out of reach.
        """
        way = self.kinematics.follow(grasp.frame for grasp in grasps)
        for time, reach in zip(times_s, way, strict=True):
            _refuse_far(float(time), reach)
        self._times = np.asarray(times_s, dtype=np.float64)
        self._postures = np.array([reach.joints for reach in way])
        self._widths = np.array([self._width_for(grasp) for grasp in grasps])
        return way

    def take_up(self, joints: Array, width: float) -> None:
        """
        Be in one posture at all times; forgets what was planned.

        Args:
            joints: of the arm, base first, rad.
            width: between the fingers, metres.
        """
        self._times, self._postures = np.zeros(1), np.asarray(joints, dtype=np.float64)[None]
        self._widths = np.array([width])

    def _width_for(self, grasp: Grasp) -> float:
        """Between the fingers, metres: the object, or as far as they open."""
        closed = min(grasp.diameter_m, self.kind.width)
        return closed + grasp.opening * (self.kind.width - closed)

    def joints(self, time_s: float) -> Array:
        """Where the joints of `joint_names` are at a time: rad, or metres where one slides."""
        posture, fingers = self._at(time_s)
        measured = [fingers[name] for name in self.kind.measured]
        return np.array([*posture.values(), *measured])

    def _at(self, time_s: float) -> tuple[dict[str, float], dict[str, float]]:
        """Positions of the arm's joints and of the fingers', by name in the model."""
        now = [float(np.interp(time_s, self._times, column)) for column in self._postures.T]
        width = float(np.interp(time_s, self._times, self._widths))
        return dict(zip(self.kind.joints, now, strict=True)), dict(self.kind.fingers(width))

    def add_to(self, spec: Any) -> None:
        """Add the arm and what it stands on."""
        arm = skeleton(self.kind)
        for index, shape in enumerate(robot_shapes(self._name)):
            _add_shape(arm, f'shape{index}', shape)
        spec.attach(arm, prefix=PREFIX, frame=spec.worldbody.add_frame())
        self._add_pedestal(spec)

    def _add_pedestal(self, spec: Any) -> None:
        spec.add_material(name=PREFIX + 'pedestal', rgba=[*self._paint, 1], specular=0.3)
        x, y, top = self.kind.base
        for half, low, high in ((0.075, FLOOR, top - 0.015), (0.11, top - 0.015, top)):
            spec.worldbody.add_geom(
                type=mujoco().mjtGeom.mjGEOM_BOX,
                pos=[x, y, (low + high) / 2],
                size=[half, half, (high - low) / 2],
                material=PREFIX + 'pedestal',
                contype=0,
                conaffinity=0,
            )

    def bind(self, model: Any) -> None:
        """Find the joints in the compiled model."""
        moved = [*self.kind.joints, *self.kind.fingers(0.0)]
        self._addresses = {name: int(model.joint(PREFIX + name).qposadr[0]) for name in moved}

    def place(self, model: Any, data: Any, time_s: float) -> None:
        """Take up the planned posture of a time; before and after the plan, its first or last."""
        posture, fingers = self._at(time_s)
        for name, position in (posture | fingers).items():
            data.qpos[self._addresses[name]] = position


def _refuse_far(time_s: float, reach: Reach) -> None:
    millimetres, degrees = 1e3 * reach.position_error_m, reach.angle_error_deg
    if reach.position_error_m > TOO_FAR_M or degrees > TOO_TURNED_DEG:
        miss = f'by {millimetres:.0f} mm and {degrees:.0f} degrees'
        raise DataError(f"grasp at {time_s:.2f} s: out of the robot's reach {miss}")


def _add_shape(arm: Any, name: str, shape: Shape) -> None:
    mj = mujoco()
    arm.add_material(name=name, rgba=shape.colour, specular=0.5, shininess=0.45)
    arm.add_mesh(
        name=name,
        uservert=shape.mesh.vertices.ravel(),
        userface=shape.mesh.faces.ravel(),
        inertia=mj.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )
    arm.body(shape.body).add_geom(
        type=mj.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=name,
        contype=0,
        conaffinity=0,
    )
