"""
The small world: a robot arm at a table pours a cup into a bowl, or stacks a box on another.

The way back is not the way there: the cup is set down on the bowl's other side and the arm leaves
from there, so a single frame tells the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from smaknet_core.simulation import lab as labs
from smaknet_core.simulation import props
from smaknet_core.simulation.meshes import about_y, about_z, Array, box, merge, Mesh
from smaknet_core.simulation.painter import (
    Light,
    OVERSAMPLING,
    paint_mesh,
    paint_picture,
    paint_shadow,
    shrink,
)
from smaknet_core.simulation.script import draw_tempo, interpolate, Phase, place_in, Tempo
from smaknet_core.simulation.world import Truth
from smaknet_core.types import Image

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
OPEN = 0.125  # metres between the fingers
CLOSED = 0.004
FLOW_FROM_DEG, POURED_AT_DEG = 58.0, 116.0


class Tabletop:
    """
    What both tasks share: laboratory, light, clutter, tempo, arm, and how a frame is painted.

    Implements `world.World`. A subclass places objects and says what is true at a progress.
    """

    task: str
    phases: Sequence[Phase]

    def __init__(
        self,
        seed: int,
        cameras: Sequence[str],
        size: tuple[int, int],
        lab: int,
        long_pause_s: float = 0.0,
    ) -> None:
        self.cameras = tuple(cameras)
        self._size = size
        self._seed = seed
        self._lab = labs.build_lab(lab)
        rng = np.random.default_rng([seed, 11])
        self._tempo: Tempo = draw_tempo(self.phases, rng, long_pause_s=long_pause_s)
        self.duration_s = self._tempo.duration_s
        self._light = _draw_light(rng)
        self._nudges = {name: rng.normal(0, 0.008, 6) for name in labs.PLACES}
        self._sways = {name: rng.uniform(0, 6.28, 4) for name in labs.PLACES}
        self._clutter = merge(props.clutter(rng, _draw_places(rng)))
        self._hand = rng.normal(0, 0.012, (2, 3))  # where the arm starts and ends
        self._furnish(rng)

    @property
    def phase_names(self) -> Sequence[str]:
        """Names of the script's phases, in order."""
        return [phase.name for phase in self.phases]

    def progress_at(self, time_s: float) -> float:
        """Where in the script the episode is at a time."""
        return self._tempo.progress_at(time_s)

    def truth(self, time_s: float) -> Truth:
        """What is true at a time; see `world.Truth`."""
        return self._truth(self.progress_at(time_s))

    def render(self, camera: str, time_s: float) -> Image:
        """Paint what a camera sees at a time, H x W x 3 RGB."""
        view = self._lab.views[camera]
        pinhole = view.pinhole(self._size, self._nudges[camera], self._sway(camera, time_s))
        fine = pinhole.finer(OVERSAMPLING)
        canvas = np.zeros((*fine.size, 3), np.uint8)
        scene = merge([*self._objects(self.progress_at(time_s)), self._clutter])
        paint_picture(canvas, fine, view.backdrop, view.backdrop_corners())
        paint_mesh(canvas, fine, _table_legs(self._lab.table_edge), self._light)
        paint_picture(canvas, fine, self._lab.table, self._lab.table_corners())
        paint_shadow(canvas, fine, scene, self._light)
        paint_mesh(canvas, fine, scene, self._light)
        noise = np.random.default_rng([self._seed, _name_number(camera), round(time_s * 1e6)])
        return shrink(canvas, OVERSAMPLING, view.tint * self._light.strength**0.5, noise)

    def _sway(self, camera: str, time_s: float) -> Array:
        a, b, c, d = self._sways[camera]
        wave = np.array([np.sin(1.1 * time_s + a) + 0.5 * np.sin(2.9 * time_s + b),
                         np.sin(1.3 * time_s + c) + 0.5 * np.sin(2.3 * time_s + d)])  # fmt: skip
        sway: Array = self._lab.views[camera].sway_deg * wave
        return sway

    def _furnish(self, rng: np.random.Generator) -> None:
        raise NotImplementedError

    def _truth(self, progress: float) -> Truth:
        raise NotImplementedError

    def _objects(self, progress: float) -> list[Mesh]:
        raise NotImplementedError


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
            approach=_nearness(now[:3], cup),
        )

    def _objects(self, progress: float) -> list[Mesh]:
        phase, now, cup, poured = self._state(progress)
        turn = about_y(now[3])
        base = cup - turn @ np.array([0, 0, 0.52 * self._cup.height])
        bowl = self._bowl.mesh(0.85 * poured, self._liquid)
        things = [
            props.arm(now[:3]),
            props.gripper(now[:3], now[3], now[4]),
            self._cup.mesh(0.9 * (1 - poured), self._liquid).moved(turn, base),
            bowl.moved(np.eye(3), self._place),
        ]
        if phase == 6:
            lip = base + turn @ np.array([0.93 * self._cup.radius, 0, self._cup.height])
            floor = self._bowl.height * (0.12 + 0.66 * poured)
            things.append(props.stream(lip, floor, 0.008, self._liquid))
        return things


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
            approach=_nearness(now[:3], centre),
        )

    def _objects(self, progress: float) -> list[Mesh]:
        _, now, foot = self._state(progress)
        return [
            props.arm(now[:3]),
            props.gripper(now[:3], now[3], now[4]),
            self._item.moved(np.eye(3), foot),
            self._crate.moved(self._turn, self._base),
            self._bowl.moved(np.eye(3), self._aside),
        ]


SCENARIOS: Mapping[str, str] = {
    'normal': 'the pour, at its own tempo',
    'pause': 'the pour, with one long pause',
    'other-task': 'a box is stacked on a crate, in the same laboratory',
}


def make_world(
    seed: int, scenario: str, cameras: Sequence[str], size: tuple[int, int], lab: int
) -> Tabletop:
    """Build one episode of the small world; `scenario` is one of SCENARIOS."""
    if scenario == 'other-task':
        return Stacking(seed, cameras, size, lab)
    pause = float(np.random.default_rng([seed, 13]).uniform(2.0, 4.0))
    return Pouring(seed, cameras, size, lab, pause if scenario == 'pause' else 0.0)


def _draw_light(rng: np.random.Generator) -> Light:
    direction = np.array([rng.uniform(-0.45, 0.45), rng.uniform(-0.5, 0.1), 1.0])
    return Light(direction / np.linalg.norm(direction), rng.uniform(0.98, 1.18))


def _draw_places(rng: np.random.Generator) -> Array:
    """Two to four places for clutter, out of the task's way: M x 2 metres."""
    spots = np.array([[-0.42, 0.30], [0.42, 0.28], [-0.25, 0.45], [0.28, 0.46], [0.44, -0.22],
                      [-0.44, -0.20]])  # fmt: skip
    chosen = rng.choice(len(spots), rng.integers(2, 5), replace=False)
    places: Array = spots[chosen] + rng.uniform(-0.04, 0.04, (len(chosen), 2))
    return places


def _table_legs(colour: Array) -> Mesh:
    """The table's thickness and legs; its top is a picture."""
    x, front, back = labs.TABLE
    middle, depth = (front + back) / 2, back - front
    slab = box((2 * x, depth, 0.04), colour).moved(np.eye(3), np.array([0, middle, -0.0201]))
    legs = [
        box((0.05, 0.05, 0.7), 0.8 * colour).moved(np.eye(3), np.array([side, edge, -0.39]))
        for side in (0.04 - x, x - 0.04)
        for edge in (front + 0.04, back - 0.04)
    ]
    return merge([*legs, slab])


def _nearness(gripper: Array, thing: Array) -> float:
    """1 at the object, 0 from 30 cm on."""
    return float(np.clip(1 - np.linalg.norm(gripper - thing) / 0.3, 0, 1))


def _nearest_angle(degrees: float) -> int:
    return min((90, 45, 0, -45), key=lambda angle: abs(angle - degrees))


def _name_number(name: str) -> int:
    return list(labs.PLACES).index(name)
