"""
The one interface of simulated worlds, and what their truth says.

The small world (`small`) and the physical one (`physical`) implement it; `episode_folder` writes
what any world shows as a real recording, whatever draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from smaknet_core.simulation.pose import Array, Pose
from smaknet_core.types import Image


@dataclass(frozen=True)
class Truth:
    """What is true at one moment; the first seven fields become columns of labels.csv."""

    progress: float  # 0 ... 1, place in the script: the same in every episode
    phase: int  # index into the world's phases
    contact: bool  # the gripper touches the object
    near: bool  # the object is within working distance of its goal (column `distance`)
    container_angle: int  # 90 upright, 45, 0 or -45
    liquid_flowing: bool
    has_liquid: bool  # the recipient contains liquid
    position_m: tuple[float, float, float]  # of the object, on the table's axes
    angle_deg: float  # tilt of the object
    grasp: float  # 0 open ... 1 closed around the object
    approach: float  # 0 far ... 1 at the object


class Intrinsics(NamedTuple):
    """How a camera without distortion projects; pixels, (0, 0) is the first pixel's middle."""

    height: int
    width: int
    fx: float
    fy: float
    cx: float
    cy: float


class Joints(NamedTuple):
    """Where a robot's joints are."""

    names: Sequence[str]
    positions: Array  # as many; rad, or metres where a joint slides


class World(Protocol):
    """
    One episode of a simulated task.

    Times are seconds from 0 to `duration_s`. The recorder asks for them in non-decreasing order,
    then once more from the start for `truth` alone; a world that has to step forward may.
    """

    task: str
    cameras: tuple[str, ...]
    duration_s: float
    hidden_s: tuple[float, float] | None  # when the first camera's view is hidden, if ever

    @property
    def phase_names(self) -> Sequence[str]:
        """Names of the phases that `Truth.phase` counts."""
        ...

    @property
    def delivered(self) -> float | None:
        """Share of the liquid that ends in the recipient, 0 ... 1; None where none flows."""
        ...

    def truth(self, time_s: float) -> Truth:
        """Say what is true at a time."""
        ...

    def render(self, camera: str, time_s: float) -> Image:
        """Show what a camera sees at a time, H x W x 3 RGB uint8."""
        ...

    def intrinsics(self, camera: str) -> Intrinsics:
        """Say how a camera projects; the same all through the episode."""
        ...

    def object_pose(self, time_s: float) -> Pose:
        """Say where the object that is moved stands (its foot, z up through it), on the table."""
        ...

    def joints(self, time_s: float) -> Joints | None:
        """Say where the robot's joints are; None throughout where no robot tells."""
        ...

    def close(self) -> None:
        """Give back what drawing needed; nothing is asked afterwards but `delivered`."""
        ...


def ambiguity_floor(truths: Sequence[Truth]) -> float:
    """
    Return the alignment error that no single-frame method can be expected to beat, 0 ... 1.

    It is the mean |t - s| / T over the timesteps s whose true state is within 2 cm, 10 degrees
    and 10 % of grasp and approach of t's, the liquid ignored; averaged over t.
    """
    scale = np.array([0.02, 0.02, 0.02, 10.0, 0.1, 0.1])
    states = _states(truths) / scale
    steps = np.arange(len(states))
    errors = []
    for now, state in zip(steps, states, strict=True):
        gap = states - state
        place = np.linalg.norm(gap[:, :3], axis=1)
        alike = (place <= 1) & (np.abs(gap[:, 3:]) <= 1).all(axis=1)
        errors.append(np.abs(steps[alike] - now).mean())
    return float(np.mean(errors) / len(states))


def _states(truths: Sequence[Truth]) -> Array:
    rows = [[*t.position_m, t.angle_deg, t.grasp, t.approach] for t in truths]
    return np.array(rows, dtype=float)
