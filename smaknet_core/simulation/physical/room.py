"""
The laboratory of the physical world: table, floor, walls, furniture along them, light, cameras.

One seed fixes all of it. The walls are drawn from inside only, so a camera may stand beyond one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.cameras import draw_viewpoints
from smaknet_core.simulation.physical.furniture import Wall
from smaknet_core.simulation.physical.surfaces import add_paint, add_surface, picture, tinted
from smaknet_core.simulation.pose import Array, turn
from smaknet_core.types import Image

FLOOR = -0.74  # metres: the table is this high

# Textures with the colour each is tinted towards (RGB 0 ... 1) and how much of its own it keeps.
_TABLES = (
    ('light-wood', (0.78, 0.62, 0.44), 0.7),
    ('light-wood', (0.55, 0.38, 0.25), 0.3),
    ('dark-wood', (0.34, 0.24, 0.18), 0.4),
    ('wood-varnished-panels', (0.52, 0.36, 0.22), 0.4),
    ('light-wood', (0.66, 0.65, 0.63), 0.0),
    ('red-wood', (0.50, 0.31, 0.22), 0.0),
    ('green-wood', (0.72, 0.60, 0.46), 0.0),
    ('light-gray-plaster', (0.74, 0.75, 0.76), 0.0),
    ('steel-brushed', (0.58, 0.61, 0.64), 0.3),
    ('light-gray-plaster', (0.25, 0.27, 0.30), 0.0),
)
_FLOORS = (
    ('light-gray-floor-tile', (0.62, 0.60, 0.57), 0.5),
    ('wood-tiles', (0.58, 0.44, 0.32), 0.4),
    ('gray-felt', (0.36, 0.39, 0.44), 0.2),
    ('gray-plaster', (0.55, 0.56, 0.56), 0.4),
    ('wood-varnished-panels', (0.47, 0.36, 0.27), 0.2),
    ('gray-felt', (0.44, 0.36, 0.33), 0.0),
)
_WALLS = (
    ('white-plaster', (0.86, 0.86, 0.84), 0.3),
    ('cream-plaster', (0.83, 0.79, 0.70), 0.4),
    ('white-bricks', (0.80, 0.79, 0.77), 0.4),
    ('gray-plaster', (0.60, 0.65, 0.68), 0.3),
    ('light-gray-plaster', (0.66, 0.72, 0.66), 0.2),
    ('yellow-plaster', (0.80, 0.72, 0.55), 0.2),
    ('white-bricks', (0.66, 0.45, 0.37), 0.1),
    ('light-gray-plaster', (0.55, 0.64, 0.74), 0.1),
)


class Room:
    """The laboratory of a seed, a part of the scene that is drawn; nothing in it moves."""

    def __init__(self, lab_seed: int, demonstrator: str = 'hand') -> None:
        """
        Decide the laboratory: its cameras and its table; the rest is built by `add_to`.

        Args:
            lab_seed: decides everything.
            demonstrator: 'hand' or 'robot': whose first-person camera it is.
        """
        self._seed = lab_seed
        rng = np.random.default_rng([lab_seed, 11])
        self.viewpoints = draw_viewpoints(rng, demonstrator)
        # Edges of the table top: left, right, front (the demonstrator's), back; metres.
        self.table = (
            -rng.uniform(0.58, 0.70),
            rng.uniform(0.58, 0.70),
            -rng.uniform(0.36, 0.40),
            rng.uniform(0.42, 0.52),
        )

    def add_to(self, spec: Any) -> None:
        """Add everything that does not move, and the lights."""
        rng = np.random.default_rng([self._seed, 12])
        _add_lights(spec, rng)
        self._add_table(spec, rng)
        _add_walls(spec, rng)

    def bind(self, model: Any) -> None:
        """Nothing of a room is moved, so nothing is looked up."""

    def _add_table(self, spec: Any, rng: np.random.Generator) -> None:
        left, right, front, back = self.table
        centre = np.array([(left + right) / 2, (front + back) / 2])
        half = np.array([(right - left) / 2, (back - front) / 2])
        top = _drawn(rng, _TABLES)
        repeat = (1.0, float(half[1] / half[0]))
        surface = add_surface(spec, 'room/table', _shaded(top, rng), repeat=repeat, shine=0.25)
        edge = add_paint(spec, 'room/table_edge', 0.75 * _mean(top))
        metal = add_paint(spec, 'room/legs', rng.choice([0.16, 0.45, 0.78]) * np.ones(3), 0.5)
        body = spec.worldbody.add_body(name='room/table', pos=[*centre, 0.0])
        _box(body, (0, 0, -0.002), (*half, 0.002), surface)
        _box(body, (0, 0, -0.019), (*half, 0.015), edge)
        self._add_papers(spec, rng)
        for x in (-1, 1):
            for y in (-1, 1):
                foot = (x * (half[0] - 0.05), y * (half[1] - 0.05), FLOOR / 2 - 0.02)
                _box(body, foot, (0.022, 0.022, -FLOOR / 2 - 0.015), metal)

    def _add_papers(self, spec: Any, rng: np.random.Generator) -> None:
        """Leave sheets, and a pen, at the far side of the table."""
        left, right, _, back = self.table
        for index in range(int(rng.integers(0, 3))):
            place = [rng.uniform(left + 0.2, right - 0.2), rng.uniform(0.26, back - 0.12), 0.0]
            name, turned = f'room/sheet{index}', rng.uniform(-70, 70)
            sheet = add_surface(spec, name, _page(rng), shine=0.0)
            body = spec.worldbody.add_body(name=name, pos=place, quat=turn((0, 0, 1), turned))
            thick = 0.0005 * (1 + index)  # where two overlap, the later lies on top
            _box(body, (0, 0, thick), (0.105, 0.1485, thick), sheet, castshadow=False)
            pen = add_paint(spec, f'{name}_pen', rng.uniform(0.05, 0.5, 3), 0.5)
            _box(body, (0.02, 0.03, 0.006), (0.004, 0.065, 0.004), pen)


def _page(rng: np.random.Generator) -> Image:
    """A printed page, 128 x 90."""
    values = np.full((128, 90, 3), 0.88)
    for row in range(10, 118, 4):
        values[row : row + 2, 8 : 8 + int(rng.integers(30, 76))] = 0.55
    top = int(rng.integers(10, 80))
    values[top : top + 30, 12:78] = rng.uniform(0.45, 0.85, 3)
    return picture(values)


def _add_lights(spec: Any, rng: np.random.Generator) -> None:
    """One light that casts shadows, one that fills them, and what comes from everywhere."""
    mj = mujoco()
    warmth = rng.uniform(-0.04, 0.06) * np.array([1.0, 0.2, -1.0])
    key, ambient = rng.uniform(0.42, 0.54), rng.uniform(0.28, 0.36)
    around = rng.uniform(-2.4, 2.4)  # from where it shines, radians; 0: from behind the table
    across = rng.uniform(0.35, 0.65) * np.array([np.sin(around), np.cos(around)])
    spec.worldbody.add_light(
        name='room/key',
        type=mj.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[*(2.0 * across), 2.0],
        dir=[*-across, -1.0],
        diffuse=key * (1 + warmth),
        specular=[0.3, 0.3, 0.3],
        castshadow=True,
    )
    spec.worldbody.add_light(
        name='room/fill',
        type=mj.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[*(-2.0 * across), 2.0],
        dir=[*across, -0.7],
        diffuse=rng.uniform(0.12, 0.20) * (1 - warmth),
        specular=[0.05, 0.05, 0.05],
        castshadow=False,
    )
    spec.visual.headlight.ambient = ambient * np.ones(3)
    spec.visual.headlight.diffuse = 0.16 * np.ones(3)  # walls that no lamp faces
    spec.visual.headlight.specular = np.zeros(3)


def _add_walls(spec: Any, rng: np.random.Generator) -> None:
    """Add a floor, and four walls with furniture, all seen from within."""
    mj = mujoco()
    plane, west, east = mj.mjtGeom.mjGEOM_PLANE, rng.uniform(1.5, 2.1), rng.uniform(1.5, 2.1)
    north, south = rng.uniform(1.6, 2.2), rng.uniform(1.35, 1.8)
    floor = add_surface(
        spec, 'room/floor', _drawn(rng, _FLOORS), repeat=(0.9, 0.9), per_metre=True
    )
    spec.worldbody.add_geom(
        type=plane, pos=[0, 0, FLOOR], size=[2.6, 2.6, 0.5], material=floor, **_UNTOUCHED
    )
    paint = _drawn(rng, _WALLS)
    # Where each wall stands, and how far the room's inside is turned from +y (degrees).
    walls = (
        ('south', (0, -south), 0.0, (west + east) / 2),
        ('north', (0, north), 180.0, (west + east) / 2),
        ('west', (-west, 0), -90.0, (north + south) / 2),
        ('east', (east, 0), 90.0, (north + south) / 2),
    )
    order = rng.permutation(4)
    for index, (name, (x, y), turned, half_width) in zip(order, walls, strict=True):
        body = spec.worldbody.add_body(
            name=f'room/{name}', pos=[x, y, FLOOR], quat=turn((0, 0, 1), turned)
        )
        Wall(spec, body, f'room/{name}', half_width, rng).furnish(int(index), paint)


_UNTOUCHED = {'contype': 0, 'conaffinity': 0, 'castshadow': False}


def _box(
    body: Any,
    centre: tuple[float, ...],
    half: tuple[float, ...],
    material: str,
    castshadow: bool = True,
) -> None:
    body.add_geom(
        type=mujoco().mjtGeom.mjGEOM_BOX,
        pos=centre,
        size=half,
        material=material,
        contype=0,
        conaffinity=0,
        castshadow=castshadow,
    )


def _drawn(rng: np.random.Generator, choices: tuple[Any, ...]) -> Image:
    """One of the textures, in a colour near its own."""
    name, colour, own = choices[rng.integers(len(choices))]
    shade = np.clip(np.array(colour) * rng.uniform(0.9, 1.1) * rng.uniform(0.95, 1.05, 3), 0, 1)
    return tinted(name, shade, own)


def _shaded(image: Image, rng: np.random.Generator) -> Image:
    """Light falls unevenly on a large surface: brighten a side of its picture."""
    across = np.linspace(-1, 1, image.shape[0])
    slope: Array = rng.uniform(-0.06, 0.06) * across + rng.uniform(-0.06, 0.06) * across[:, None]
    return picture(image / 255 * (1 + slope[..., None]))


def _mean(image: Image) -> Array:
    mean: Array = image.mean(axis=(0, 1)) / 255
    return mean
