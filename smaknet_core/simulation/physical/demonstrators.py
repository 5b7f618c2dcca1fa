"""Who demonstrates: a person's hand or a robot's arm, both driven by the same grasps."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from smaknet_core.simulation.physical.hand import HumanHand
from smaknet_core.simulation.physical.performance import Performance
from smaknet_core.simulation.physical.robot import RobotArm
from smaknet_core.simulation.world import Joints

GRID_S = 0.02  # an arm's way is planned on this grid


class Demonstrator(Protocol):
    """A part of the scene that takes the cup; times are seconds since the recording's start."""

    def add_to(self, spec: Any) -> None:
        """Add bodies, shapes and materials to the scene (MjSpec)."""
        ...

    def bind(self, model: Any) -> None:
        """Look up what it moves in the compiled scene (MjModel)."""
        ...

    def place(self, model: Any, data: Any, time_s: float) -> None:
        """Take up the posture of a time."""
        ...

    def joints(self, time_s: float) -> Joints | None:
        """Say where its joints are; None where nothing measures them."""
        ...


class _Person:
    """A person's right hand."""

    def __init__(self, performance: Performance, rng: np.random.Generator) -> None:
        self._performance, self._hand = performance, HumanHand(rng)
        self.add_to, self.bind = self._hand.add_to, self._hand.bind

    def place(self, model: Any, data: Any, time_s: float) -> None:
        """Take up the posture of a time."""
        self._hand.place(model, data, self._performance.at(time_s).grasp)

    def joints(self, time_s: float) -> None:
        """Nothing measures a person's joints."""


class _Arm:
    """A robot's arm, whose way through the recording is planned at once."""

    def __init__(self, performance: Performance, rng: np.random.Generator) -> None:
        self._arm = RobotArm(rng)
        count = int(np.ceil(performance.timeline.duration_s / GRID_S)) + 1
        times = np.linspace(0.0, performance.timeline.duration_s, count)
        self._arm.plan(times, [performance.at(float(time)).grasp for time in times])
        self.add_to, self.bind, self.place = self._arm.add_to, self._arm.bind, self._arm.place

    def joints(self, time_s: float) -> Joints:
        """Say where its joints are."""
        return Joints(self._arm.joint_names, self._arm.joints(time_s))


def make_demonstrator(
    name: str, performance: Performance, rng: np.random.Generator
) -> Demonstrator:
    """Make the demonstrator of an episode; `name` is one of scenarios.DEMONSTRATORS."""
    if name == 'hand':
        return _Person(performance, rng)
    return _Arm(performance, rng)
