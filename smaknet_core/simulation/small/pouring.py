"""
The small world's task: the robot pours a cup into a bowl and sets it down on the other side.

The way back is not the way there and the arm leaves from the other side, so that a single frame
tells the time.
"""

from __future__ import annotations

import numpy as np
from smaknet_core.simulation.pose import Array, Pose, turn
from smaknet_core.simulation.script import interpolate, Phase, place_in
from smaknet_core.simulation.small import props
from smaknet_core.simulation.small.meshes import about_y, Mesh
from smaknet_core.simulation.small.tabletop import nearness, OPEN, Tabletop
from smaknet_core.simulation.world import Truth

POUR = (
    Phase('reach', 0.8),
    Phase('approach', 0.6),
    Phase('grasp', 0.4),
    Phase('lift', 0.7),
    Phase('carry', 0.8),
    Phase('tilt', 0.7),
    Phase('pour', 2.2),
    Phase('untilt', 0.8),
    Phase('across', 0.9),
    Phase('lower', 0.7),
    Phase('release', 0.4),
    Phase('retreat', 0.5),
    Phase('rise', 0.6),
)
FLOW_FROM_DEG, POURED_AT_DEG = 58.0, 116.0


class Pouring(Tabletop):
    """The gripper takes the cup, pours it into the bowl and sets it down on the other side."""

    task = 'pour the cup into the bowl'
    phases = POUR

    def _furnish(self, rng: np.random.Generator) -> None:
        self._cup = props.Cup(
            rng.uniform(0.041, 0.047),
            rng.uniform(0.115, 0.135),
            props.rgb(rng.normal(0.005, 0.012), rng.uniform(0.72, 0.85), rng.uniform(0.88, 1.0)),
        )
        self._bowl = props.Bowl(
            rng.uniform(0.092, 0.106),
            rng.uniform(0.060, 0.070),
            props.rgb(rng.normal(0.58, 0.02), rng.uniform(0.30, 0.42), rng.uniform(0.90, 1.0)),
        )
        self._liquid = props.rgb(rng.normal(0.12, 0.012), 0.85, rng.uniform(0.88, 1.0))
        self._start = np.array([-0.27, -0.04, 0.0]) + rng.uniform(-0.03, 0.03, 3) * [1, 1, 0]
        self._place = np.array([0.02, -0.03, 0.0]) + rng.uniform(-0.02, 0.02, 3) * [1, 1, 0]
        self._end = np.array([0.28, -0.05, 0.0]) + rng.uniform(-0.025, 0.025, 3) * [1, 1, 0]
        self._keyframes = self._plan()

    def _plan(self) -> Array:
        """Keyframes (phases + 1) x 5: grasp point (metres), roll (degrees), opening (metres)."""
        grip = np.array([0, 0, 0.52 * self._cup.height])
        width = 1.88 * self._cup.radius
        start, end = self._start + grip, self._end + grip
        above = self._place + [-0.066, 0.0, self._bowl.height + 0.150]
        rows = [
            (start + [-0.03, 0.20, 0.22] + self._hand[0], 0, OPEN),
            (start + [0.0, 0.12, 0.05], 0, OPEN),
            (start, 0, OPEN),
            (start, 0, width),
            (start + [0.0, 0.0, 0.13], 0, width),
            (above, 0, width),
            (above, FLOW_FROM_DEG, width),
            (above + [0.0, 0.0, 0.045], POURED_AT_DEG, width),
            (self._place + [0.06, 0.05, 0.27], 0, width),
            (end + [0.0, 0.0, 0.16], 0, width),
            (end, 0, width),
            (end, 0, OPEN),
            (end + [0.0, 0.13, 0.0], 0, OPEN),
            (end + [0.03, 0.17, 0.19] + self._hand[1], 0, OPEN),
        ]
        return np.array([[*point, roll, opening] for point, roll, opening in rows])

    def _state(self, progress: float) -> tuple[int, Array, Array, float]:
        """Return phase, arm (grasp, roll, opening), the cup's grasp point, the share poured."""
        phase, through = place_in(POUR, progress)
        now = interpolate(self._keyframes, phase, through)
        grip = np.array([0, 0, 0.52 * self._cup.height])
        held = 2 < phase < 10
        cup = now[:3] if held else (self._start if phase <= 2 else self._end) + grip
        return phase, now, cup, float(np.clip((phase == 6) * through + (phase > 6), 0, 1))

    def _truth(self, progress: float) -> Truth:
        phase, now, cup, poured = self._state(progress)
        tilt = float(now[3])
        return Truth(
            progress=progress,
            phase=phase,
            contact=2 <= phase <= 10,
            near=bool(np.hypot(*(cup - self._place)[:2]) < 0.10),
            container_angle=_nearest_angle(90 - tilt),
            liquid_flowing=phase == 6,
            has_liquid=poured > 0.03,
            position_m=(float(cup[0]), float(cup[1]), float(cup[2])),
            angle_deg=tilt,
            grasp=float(np.clip((OPEN - now[4]) / (OPEN - 1.88 * self._cup.radius), 0, 1)),
            approach=nearness(now[:3], cup),
        )

    def _object(self, progress: float) -> Pose:
        _, now, cup, _ = self._state(progress)
        foot = cup - about_y(now[3]) @ np.array([0, 0, 0.52 * self._cup.height])
        return Pose(foot, turn((0, 1, 0), now[3]))

    def _objects(self, progress: float) -> list[Mesh]:
        phase, now, _, poured = self._state(progress)
        base, tilted = self._object(progress).position, about_y(now[3])
        bowl = self._bowl.mesh(0.85 * poured, self._liquid)
        things = [
            props.arm(now[:3]),
            props.gripper(now[:3], now[3], now[4]),
            self._cup.mesh(0.9 * (1 - poured), self._liquid).moved(tilted, base),
            bowl.moved(np.eye(3), self._place),
        ]
        if phase == 6:
            lip = base + tilted @ np.array([0.93 * self._cup.radius, 0, self._cup.height])
            floor = self._bowl.height * (0.12 + 0.66 * poured)
            things.append(props.stream(lip, floor, 0.008, self._liquid))
        return things


def _nearest_angle(degrees: float) -> int:
    return min((90, 45, 0, -45), key=lambda angle: abs(angle - degrees))
