"""What stands along the walls of a laboratory: cabinets, shelves, desks, doors, boxes, posters."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.surfaces import (
    add_paint,
    add_surface,
    picture,
    texture,
    tinted,
)
from smaknet_core.simulation.pose import Array
from smaknet_core.types import Image

_HEIGHT = 2.3  # metres: of a wall; no camera sees higher


class Wall:
    """
    One wall and what stands along it.

    Its frame: x along the wall (to the left of whom it faces), y into the room, z up from the
    floor; metres. Cameras look down at a table, so what is seen of a wall is low.
    """

    def __init__(
        self, spec: Any, body: Any, name: str, half_width: float, rng: np.random.Generator
    ) -> None:
        """Take the wall's body; `name` prefixes its materials."""
        self._spec, self._body, self._name = spec, body, name
        self._half_width, self._rng = half_width, rng
        self._made = 0

    def furnish(self, kind: int, paint: Image) -> None:
        """Paint the wall and fill it with one of four arrangements."""
        self._paint(paint)
        (self._kitchen, self._store, self._office, self._corridor)[kind]()

    def _paint(self, paint: Image) -> None:
        mj = mujoco()
        below = np.linspace(1.0, 0.80, paint.shape[0])[:, None, None]  # darker near the floor
        surface = self._surface(picture(paint / 255 * below), repeat=(1, 1), shine=0.0, glow=0.12)
        half = np.sqrt(0.5)
        self._body.add_geom(
            type=mj.mjtGeom.mjGEOM_PLANE,
            pos=[0, 0, _HEIGHT / 2],
            quat=[0, 0, half, half],  # its picture upright, its face to the room
            size=[2.4, _HEIGHT / 2, 0.5],
            material=surface,
            contype=0,
            conaffinity=0,
            castshadow=False,
        )
        self._box((0, 0.008, 0.045), (2.4, 0.008, 0.045), self._paint_of((0.85, 0.85, 0.83)))

    def _kitchen(self) -> None:
        """Base cabinets with a worktop, things on it, a bin beside."""
        rng = self._rng
        high, colour = rng.uniform(0.80, 0.90), _pale(rng)
        body, door = self._paint_of(0.7 * colour), self._paint_of(colour)
        metal = self._paint_of((0.6, 0.6, 0.62), 0.6)
        self._box((0, 0.24, high / 2), (1.5, 0.24, high / 2), body)
        for x in np.arange(-1.25, 1.3, 0.5):
            self._box((x, 0.485, high / 2 + 0.03), (0.235, 0.008, high / 2 - 0.07), door)
            self._box((x + 0.18, 0.50, high - 0.16), (0.008, 0.012, 0.07), metal)
        top = self._surface(tinted('dark-wood', _pale(rng) * 0.6, 0.2), repeat=(6, 1))
        self._box((0, 0.26, high + 0.015), (1.52, 0.27, 0.015), top)
        self._line_up(high + 0.03, 0.24, (-1.3, 1.3))

    def _store(self) -> None:
        """Open shelves with boxes and bins."""
        rng = self._rng
        metal = self._paint_of(rng.choice([0.25, 0.5, 0.75]) * np.ones(3), 0.4)
        for left in (-1.45, -0.48, 0.49):
            for x in (left, left + 0.92):
                self._box((x, 0.42, 0.85), (0.015, 0.015, 0.85), metal)
            for level in (0.12, 0.55, 0.98, 1.45):
                self._box((left + 0.46, 0.22, level), (0.46, 0.22, 0.012), metal)
                if level < 1.2:
                    self._line_up(level + 0.012, 0.22, (left + 0.08, left + 0.84), tall=0.3)

    def _office(self) -> None:
        """A desk with a screen, drawers, a notice board above."""
        rng = self._rng
        wood = self._surface(tinted('light-wood', _wooden(rng), 0.3), repeat=(2, 1))
        dark, white = self._paint_of((0.07, 0.07, 0.08), 0.4), self._paint_of((0.8, 0.8, 0.8))
        self._box((0.1, 0.36, 0.735), (0.95, 0.34, 0.015), wood)
        for x in (-0.82, 1.02):
            self._box((x, 0.36, 0.36), (0.02, 0.30, 0.36), white)
        self._box((0.74, 0.38, 0.36), (0.2, 0.28, 0.34), self._paint_of(_vivid(rng) * 0.8))
        for x in (-0.35, 0.3)[: int(rng.integers(1, 3))]:
            self._screen(x, dark)
        self._line_up(0.75, 0.4, (-0.85, -0.65))
        self._board((-0.1, 1.45), (0.6, 0.32), _notes(rng), (0.5, 0.4, 0.3))
        self._box((-1.25, 0.25, 0.22), (0.18, 0.18, 0.22), self._cardboard())
        self._box((-1.22, 0.25, 0.56), (0.15, 0.15, 0.12), self._cardboard())

    def _corridor(self) -> None:
        """A door, a poster, a radiator, boxes on the floor."""
        rng = self._rng
        door = self._surface(tinted('red-wood', _wooden(rng), 0.0), repeat=(2, 1))
        frame = self._paint_of((0.75, 0.75, 0.73))
        self._box((-0.55, 0.02, 1.0), (0.50, 0.02, 1.0), frame)
        self._box((-0.55, 0.03, 0.98), (0.43, 0.02, 0.98), door)
        self._box((-0.20, 0.07, 0.98), (0.05, 0.012, 0.012), self._paint_of((0.7, 0.7, 0.7), 0.6))
        white = self._paint_of((0.82, 0.82, 0.80))
        for x in np.arange(0.35, 1.25, 0.09):
            self._box((x, 0.08, 0.42), (0.035, 0.05, 0.30), white)
        self._board((0.72, 1.30), (0.34, 0.45), _poster(rng), (0.9, 0.9, 0.88))
        self._box((1.35, 0.2, 0.2), (0.16, 0.16, 0.2), self._paint_of(_vivid(rng) * 0.6))
        self._box((-1.35, 0.24, 0.3), (0.22, 0.2, 0.3), self._cardboard())
        self._box((-1.32, 0.22, 0.72), (0.18, 0.16, 0.12), self._cardboard())

    def _line_up(self, z: float, y: float, span: tuple[float, float], tall: float = 0.34) -> None:
        """Stand things in a row: boxes, tins, books."""
        rng, x = self._rng, span[0]
        while x < span[1]:
            wide, high = rng.uniform(0.05, 0.14), rng.uniform(0.3, 1.0) * tall
            kind = rng.random()
            if kind < 0.35:
                self._box((x, y, z + high / 2), (wide, 0.13, high / 2), self._cardboard())
            elif kind < 0.55:
                self._tin((x, y, z + high / 2), wide / 1.6, high / 2)
            elif kind < 0.80:
                books = self._surface(_books(rng))
                self._shelf_front((x, y, z + 0.11), (wide, 0.09, 0.11), books)
            else:
                paint = self._paint_of(_vivid(rng))
                self._box((x, y, z + high / 2), (wide, 0.12, high / 2), paint)
            x += 2 * wide + rng.uniform(0.06, 0.25)

    def _screen(self, x: float, dark: str) -> None:
        shown = self._surface(_plots(self._rng), shine=0.0, glow=0.4)
        self._box((x, 0.20, 0.99), (0.27, 0.015, 0.17), dark)
        self._front((x, 0.217, 0.99), (0.255, 0.155), shown)
        self._box((x, 0.18, 0.80), (0.025, 0.012, 0.06), dark)
        self._box((x, 0.22, 0.755), (0.11, 0.08, 0.006), dark)

    def _board(
        self,
        centre: tuple[float, float],
        half: tuple[float, float],
        shown: Image,
        rim: tuple[float, float, float],
    ) -> None:
        x, z = centre
        self._box((x, 0.01, z), (half[0] + 0.02, 0.01, half[1] + 0.02), self._paint_of(rim))
        self._front((x, 0.022, z), half, self._surface(shown, shine=0.0))

    def _shelf_front(
        self, centre: tuple[float, ...], half: tuple[float, ...], material: str
    ) -> None:
        """Add a box whose front shows a picture."""
        x, y, z = centre
        self._box(centre, half, self._paint_of((0.55, 0.52, 0.48)))
        self._front((x, y + half[1] + 0.001, z), (half[0], half[2]), material)

    def _front(self, centre: tuple[float, ...], half: tuple[float, float], material: str) -> None:
        """Add a picture that faces the room."""
        side = np.sqrt(0.5)
        self._body.add_geom(
            type=mujoco().mjtGeom.mjGEOM_PLANE,
            pos=centre,
            quat=[0, 0, side, side],
            size=[*half, 0.1],
            material=material,
            contype=0,
            conaffinity=0,
            castshadow=False,
        )

    def _box(self, centre: tuple[float, ...], half: tuple[float, ...], material: str) -> None:
        self._add(mujoco().mjtGeom.mjGEOM_BOX, centre, half, material)

    def _tin(self, centre: tuple[float, ...], radius: float, half: float) -> None:
        paint = self._paint_of(_vivid(self._rng), 0.4)
        self._add(mujoco().mjtGeom.mjGEOM_CYLINDER, centre, (radius, half, 0), paint)

    def _add(
        self, kind: Any, centre: tuple[float, ...], size: tuple[float, ...], material: str
    ) -> None:
        self._body.add_geom(
            type=kind,
            pos=centre,
            size=size,
            material=material,
            contype=0,
            conaffinity=0,
            castshadow=False,
        )

    def _paint_of(self, colour: Array | tuple[float, float, float], shine: float = 0.1) -> str:
        self._made += 1
        return add_paint(self._spec, f'{self._name}/{self._made}', np.asarray(colour), shine)

    def _surface(self, image: Image, **how: Any) -> str:
        self._made += 1
        return add_surface(self._spec, f'{self._name}/{self._made}', image, **how)

    def _cardboard(self) -> str:
        brown = np.array([0.66, 0.50, 0.34]) * self._rng.uniform(0.8, 1.15)
        return self._surface(tinted('brass-ambra', brown, 0.2, 64), all_round=True, shine=0.0)


def _vivid(rng: np.random.Generator) -> Array:
    hue, strength, value = rng.random(), rng.uniform(0.25, 0.70), rng.uniform(0.30, 0.80)
    return _hsv(hue, strength, value)


def _pale(rng: np.random.Generator) -> Array:
    return _hsv(rng.random(), rng.uniform(0.02, 0.22), rng.uniform(0.6, 0.9))


def _wooden(rng: np.random.Generator) -> Array:
    return _hsv(rng.uniform(0.05, 0.10), rng.uniform(0.3, 0.5), rng.uniform(0.45, 0.8))


def _hsv(hue: float, strength: float, value: float) -> Array:
    pixel = np.array([[[360 * hue, strength, value]]], np.float32)
    colour: Array = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(float)
    return colour


def _books(rng: np.random.Generator) -> Image:
    """Backs of books, 64 x 64."""
    values = np.full((64, 64, 3), 0.12)
    left = 1
    while left < 62:
        thick, top = int(rng.integers(4, 12)), int(rng.integers(0, 16))
        colour = _vivid(rng)
        values[top:, left : left + thick - 1] = colour
        values[top + 8 : top + 14, left : left + thick - 1] = 0.5 + 0.5 * colour
        left += thick
    return picture(values)


def _plots(rng: np.random.Generator) -> Image:
    """A screen with windows and a plot, 96 x 160."""
    values = np.full((96, 160, 3), 0.10) + _pale(rng) * 0.12
    values[8:60, 8:96] = 0.93
    across = np.arange(88)
    for _ in range(3):
        height = 34 - 14 * np.sin(across / rng.uniform(6, 20) + rng.uniform(0, 6))
        values[8 + height.astype(int), 8 + across] = _vivid(rng)
    for row in range(12, 90, 5):
        values[row : row + 2, 104 : 104 + int(rng.integers(12, 50))] = _pale(rng)
    for row in range(66, 92, 5):
        values[row : row + 2, 10 : 10 + int(rng.integers(20, 84))] = 0.6 * _pale(rng)
    return picture(values)


def _notes(rng: np.random.Generator) -> Image:
    """A cork board with papers, 96 x 160."""
    values = tinted('brass-ambra', np.array([0.72, 0.55, 0.36]), 0.2, 160)[:96] / 255.0
    for _ in range(9):
        top, left = int(rng.integers(3, 60)), int(rng.integers(3, 130))
        values[top : top + int(rng.integers(16, 34)), left : left + int(rng.integers(14, 27))] = (
            0.9 if rng.random() < 0.5 else _pale(rng)
        )
    return picture(values)


def _poster(rng: np.random.Generator) -> Image:
    """A poster: a title, a picture, lines of text; 160 x 120."""
    values = np.full((160, 120, 3), 0.93)
    values[6:24, 8:112] = _vivid(rng)
    scenery = texture('steel-scratched' if rng.random() < 0.5 else 'wood-tiles', 96) / 255.0
    values[32:98, 12:108] = 0.5 * scenery[:66] + 0.5 * _vivid(rng)
    for row in range(106, 152, 6):
        values[row : row + 2, 12 : 12 + int(rng.integers(50, 96))] = 0.35
    return picture(values)
