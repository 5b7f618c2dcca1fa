"""What the small world's tasks share: room, light, clutter, tempo, and how a frame is painted."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
from smaknet_core.simulation.pose import Array, Pose
from smaknet_core.simulation.script import draw_tempo, Phase, Tempo
from smaknet_core.simulation.small import lab as labs
from smaknet_core.simulation.small import props
from smaknet_core.simulation.small.meshes import box, merge, Mesh
from smaknet_core.simulation.small.painter import (
    Light,
    OVERSAMPLING,
    paint_mesh,
    paint_picture,
    paint_shadow,
    shrink,
)
from smaknet_core.simulation.world import Intrinsics, Truth
from smaknet_core.types import Image

OPEN = 0.125  # metres between the fingers


class Tabletop(abc.ABC):
    """
    What both tasks share: laboratory, light, clutter, tempo, arm, and how a frame is painted.

    Implements `world.World`. A subclass places objects and says what is true at a progress.
    """

    task: str
    phases: Sequence[Phase]
    delivered = None  # the liquid is painted where the script says, it cannot miss

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
        self.hidden_s: tuple[float, float] | None = None
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

    def intrinsics(self, camera: str) -> Intrinsics:
        """How a camera projects; see `world.Intrinsics`."""
        height, width = self._size
        focal = self._lab.views[camera].focal * width
        # Painting calls the first finer pixel's middle 0; an average's middle is further in.
        shift = (OVERSAMPLING - 1) / (2 * OVERSAMPLING)
        return Intrinsics(height, width, focal, focal, width / 2 - shift, height / 2 - shift)

    def object_pose(self, time_s: float) -> Pose:
        """Where the cup or the box stands, on the table's axes."""
        return self._object(self.progress_at(time_s))

    def joints(self, time_s: float) -> None:
        """Tell nothing: the arm is a drawing without joints."""
        return

    def close(self) -> None:
        """Give back nothing: painting takes only memory."""
        return

    def _sway(self, camera: str, time_s: float) -> Array:
        a, b, c, d = self._sways[camera]
        wave = np.array([np.sin(1.1 * time_s + a) + 0.5 * np.sin(2.9 * time_s + b),
                         np.sin(1.3 * time_s + c) + 0.5 * np.sin(2.3 * time_s + d)])  # fmt: skip
        sway: Array = self._lab.views[camera].sway_deg * wave
        return sway

    @abc.abstractmethod
    def _furnish(self, rng: np.random.Generator) -> None:
        """Draw the task's objects and plan the arm's way."""

    @abc.abstractmethod
    def _truth(self, progress: float) -> Truth:
        """Say what is true at a progress."""

    @abc.abstractmethod
    def _object(self, progress: float) -> Pose:
        """Say where the object that is moved stands at a progress."""

    @abc.abstractmethod
    def _objects(self, progress: float) -> list[Mesh]:
        """Place the arm and the task's objects as they are at a progress."""


def nearness(gripper: Array, thing: Array) -> float:
    """1 at the object, 0 from 30 cm on."""
    return float(np.clip(1 - np.linalg.norm(gripper - thing) / 0.3, 0, 1))


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


def _name_number(name: str) -> int:
    return list(labs.PLACES).index(name)
