"""The small world's other task: the robot pushes a box, then stacks it on a crate."""

from __future__ import annotations

import numpy as np
from smaknet_core.simulation.pose import Array, Pose, turn
from smaknet_core.simulation.script import interpolate, Phase, place_in
from smaknet_core.simulation.small import props
from smaknet_core.simulation.small.meshes import about_z, Mesh
from smaknet_core.simulation.small.tabletop import nearness, OPEN, Tabletop
from smaknet_core.simulation.world import Truth

STACK = (
    Phase('reach', 0.9),
    Phase('push', 1.5),
    Phase('back off', 0.6),
    Phase('rise', 0.6),
    Phase('over', 0.6),
    Phase('approach', 0.6),
    Phase('grasp', 0.4),
    Phase('lift', 0.8),
    Phase('carry', 1.2),
    Phase('lower', 0.8),
    Phase('release', 0.4),
    Phase('retreat', 0.6),
    Phase('leave', 0.9),
)
CLOSED = 0.004  # metres between the fingers, around nothing


class Stacking(Tabletop):
    """The other task: a box is pushed towards a crate, then stacked on it; the bowl stands by."""

    task = 'stack the box on the crate'
    phases = STACK

    def _furnish(self, rng: np.random.Generator) -> None:
        self._item_size, self._crate_size = rng.uniform(0.066, 0.074), rng.uniform(0.10, 0.11)
        shades = [props.rgb(rng.normal(hue, 0.015), 0.6, 0.75) for hue in (0.36, 0.78, 0.09)]
        self._item = props.crate(self._item_size, shades[0], 0.4 * shades[0] + 0.55)
        self._crate = props.crate(self._crate_size, shades[2], 0.6 * shades[2])
        self._bowl = props.Bowl(
            rng.uniform(0.092, 0.106), 0.065, props.rgb(rng.normal(0.58, 0.02), 0.36, 0.95)
        ).mesh(0.0, shades[1])
        self._start = np.array([0.24, -0.06, 0.0]) + rng.uniform(-0.02, 0.02, 3) * [1, 1, 0]
        self._stop = self._start - [0.15, 0.0, 0.0]
        self._base = np.array([-0.22, -0.02, 0.0]) + rng.uniform(-0.02, 0.02, 3) * [1, 1, 0]
        self._aside = np.array([-0.06, -0.22, 0.0]) + rng.uniform(-0.02, 0.02, 3) * [1, 1, 0]
        self._turn = about_z(rng.uniform(-10, 10))
        self._keyframes = self._plan()

    def _plan(self) -> Array:
        half = self._item_size / 2
        grip = np.array([0, 0, half])
        first, second = self._start + grip, self._stop + grip
        behind = np.array([half + 0.02, 0.0, 0.0])
        top = self._base + grip + [0, 0, self._crate_size]
        rows = [
            (first + [0.12, 0.16, 0.24] + self._hand[0], CLOSED),
            (first + behind, CLOSED),
            (second + behind, CLOSED),
            (second + behind + [0.05, 0.10, 0.02], CLOSED),
            (second + [0.06, 0.12, 0.16], OPEN),
            (second + [0.0, 0.15, 0.06], OPEN),
            (second, OPEN),
            (second, self._item_size),
            (second + [-0.02, 0.0, 0.17], self._item_size),
            (top + [0.0, 0.0, 0.09], self._item_size),
            (top, self._item_size),
            (top, OPEN),
            (top + [-0.02, 0.14, 0.02], OPEN),
            (top + [-0.04, 0.16, 0.16] + self._hand[1], OPEN),
        ]
        return np.array([[*point, 0.0, opening] for point, opening in rows])

    def _state(self, progress: float) -> tuple[int, Array, Array]:
        """Return phase, arm (grasp, roll, opening) and the item's foot."""
        phase, through = place_in(STACK, progress)
        now = interpolate(self._keyframes, phase, through)
        half = self._item_size / 2
        if phase == 0:
            return phase, now, self._start
        if phase == 1:
            return phase, now, now[:3] - [half + 0.02, 0.0, half]
        if phase < 7:
            return phase, now, self._stop
        if phase < 10:
            return phase, now, now[:3] - [0.0, 0.0, half]
        return phase, now, self._base + [0, 0, self._crate_size]

    def _truth(self, progress: float) -> Truth:
        phase, now, foot = self._state(progress)
        centre = foot + [0, 0, self._item_size / 2]
        return Truth(
            progress=progress,
            phase=phase,
            contact=phase == 1 or 6 <= phase <= 10,
            near=bool(np.hypot(*(foot - self._base)[:2]) < 0.10),
            container_angle=90,
            liquid_flowing=False,
            has_liquid=False,
            position_m=(float(centre[0]), float(centre[1]), float(centre[2])),
            angle_deg=0.0,
            grasp=float(np.clip((OPEN - now[4]) / (OPEN - self._item_size), 0, 1)),
            approach=nearness(now[:3], centre),
        )

    def _object(self, progress: float) -> Pose:
        return Pose(self._state(progress)[2], turn((0, 0, 1), 0))

    def _objects(self, progress: float) -> list[Mesh]:
        _, now, foot = self._state(progress)
        return [
            props.arm(now[:3]),
            props.gripper(now[:3], now[3], now[4]),
            self._item.moved(np.eye(3), foot),
            self._crate.moved(self._turn, self._base),
            self._bowl.moved(np.eye(3), self._aside),
        ]
