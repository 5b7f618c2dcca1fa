"""
The room of the small world: cameras, their backdrops and the table, all decided by one seed.

A laboratory stays the same over many episodes, as a user's does; only what stands on the table
and who nudged which camera changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import functools

import cv2
import numpy as np
from smaknet_core.simulation.pose import Array
from smaknet_core.simulation.small.painter import look_at, Pinhole
from smaknet_core.simulation.small.props import rgb
from smaknet_core.types import Image

# Name: azimuth (degrees; 0 looks from the front, 90 from the right), elevation (degrees),
# distance (metres), focal length over image width, hand-held sway (degrees).
PLACES = {
    'front': (-22.0, 28.0, 1.18, 1.20, 0.05),
    'side': (62.0, 35.0, 1.08, 1.06, 0.35),
    'high': (-68.0, 50.0, 1.12, 1.12, 0.05),
    'corner': (28.0, 20.0, 1.45, 1.50, 0.15),
}
TARGET = np.array([0.0, 0.03, 0.12])
TABLE = (0.52, -0.34, 0.62)  # half width, front and back edge; metres


@dataclass(frozen=True)
class View:
    """One camera of the laboratory."""

    name: str
    position: Array  # 3, metres
    roll_deg: float
    focal: float
    sway_deg: float
    tint: Array  # 3, the camera's white balance and exposure
    backdrop: Image  # what is behind the table, seen from here

    def pinhole(self, size: tuple[int, int], nudge: Array, sway_deg: Array) -> Pinhole:
        """Aim it: `nudge` (6: metres at the camera and at the target) and sway (2, degrees)."""
        position, target = self.position + nudge[:3], TARGET + nudge[3:]
        distance = float(np.linalg.norm(target - position))
        shift = np.deg2rad(sway_deg) * distance
        target = target + np.array([shift[0], 0.0, shift[1]])
        return look_at(position, target, self.roll_deg, self.focal, size)

    def backdrop_corners(self) -> Array:
        """Where the backdrop hangs: 4 x 3 metres, upright-facing, behind the table."""
        forward = TARGET - self.position
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        centre = self.position + 3.2 * forward
        half_width, half_height = 2.2 / self.focal, 1.75 / self.focal
        signs = ((-1, 1), (1, 1), (1, -1), (-1, -1))
        return np.stack([centre + x * half_width * right + y * half_height * up for x, y in signs])


@dataclass(frozen=True)
class Lab:
    """Cameras and table of one laboratory."""

    views: dict[str, View]
    table: Image
    table_edge: Array  # RGB 0 ... 1

    def table_corners(self) -> Array:
        """Where the table's picture lies: 4 x 3 metres."""
        x, front, back = TABLE
        return np.array([[-x, back, 0], [x, back, 0], [x, front, 0], [-x, front, 0]], dtype=float)


@functools.lru_cache(maxsize=4)
def build_lab(seed: int) -> Lab:
    """Build the laboratory of a seed; all of its cameras, whether used or not."""
    rng = np.random.default_rng([seed, 7])
    order = rng.permutation(len(PLACES))
    views = {
        name: _view(name, _BACKDROPS[int(order[index])], rng) for index, name in enumerate(PLACES)
    }
    wood = rgb(rng.uniform(0.06, 0.11), rng.uniform(0.25, 0.45), rng.uniform(0.72, 0.86))
    return Lab(views, _planks(rng, 260, 260, wood, rows=5), 0.55 * wood)


def _view(
    name: str, painter: Callable[[np.random.Generator], Image], rng: np.random.Generator
) -> View:
    azimuth, elevation, distance, focal, sway = PLACES[name]
    around = np.deg2rad(azimuth + rng.uniform(-7, 7))
    above = np.deg2rad(elevation + rng.uniform(-3, 3))
    away = distance * rng.uniform(0.94, 1.08)
    flat = np.array([np.sin(around), -np.cos(around), 0.0]) * np.cos(above)
    position = TARGET + away * (flat + np.array([0.0, 0.0, np.sin(above)]))
    tint = rng.uniform(0.90, 1.06) * rng.uniform(0.95, 1.05, 3)
    return View(name, position, rng.uniform(-3, 3), focal, sway, tint, painter(rng))


def _grain(rng: np.random.Generator, height: int, width: int, cell: tuple[int, int]) -> Array:
    """Smooth noise around 1, H x W x 1."""
    coarse = rng.normal(0, 1, (height // cell[0] + 2, width // cell[1] + 2)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return 1 + 0.07 * smooth.astype(float)[..., None]


def _picture(values: Array) -> Image:
    return np.clip(255 * values, 0, 255).astype(np.uint8)


def _planks(rng: np.random.Generator, height: int, width: int, wood: Array, rows: int) -> Image:
    """Boards side by side with grain along them."""
    boards = np.repeat(rng.uniform(0.9, 1.08, rows), -(-height // rows))[:height]
    values = wood * boards[:, None, None] * _grain(rng, height, width, (3, 60))
    seams = np.arange(0, height, height // rows)
    values[seams] *= 0.72
    return _picture(values)


def _wall(rng: np.random.Generator, wall: Array, floor: Array) -> Array:
    """A plain wall, skirting board and floor, 180 x 240 x 3."""
    values = np.empty((180, 240, 3))
    values[:120] = wall
    values[120:126] = 0.45 + 0.5 * wall
    values[126:] = floor
    values *= _grain(rng, 180, 240, (40, 40))
    values *= np.linspace(1.05, 0.85, 180)[:, None, None]
    return values


def _bookshelf(rng: np.random.Generator) -> Image:
    """Rows of coloured books."""
    values = _wall(rng, rgb(0.09, 0.35, 0.42), rgb(0.08, 0.3, 0.35))
    for top in range(4, 110, 29):
        left = 2
        while left < 236:
            thick, tall = int(rng.integers(4, 11)), int(rng.integers(16, 25))
            values[top + 25 - tall : top + 25, left : left + thick - 1] = rgb(
                rng.random(), rng.uniform(0.2, 0.7), rng.uniform(0.35, 0.85)
            )
            left += thick if rng.random() < 0.93 else thick + int(rng.integers(6, 16))
        values[top + 25 : top + 29] = rgb(0.08, 0.45, 0.55)
    return _picture(values)


def _bricks(rng: np.random.Generator) -> Image:
    """A brick wall with a poster."""
    values = _wall(rng, rgb(0.08, 0.10, 0.75), rgb(0.6, 0.06, 0.5))
    for row, top in enumerate(range(0, 120, 10)):
        for left in range(-24 if row % 2 else -12, 240, 24):
            tone = rgb(rng.uniform(0.01, 0.04), rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.72))
            values[top : top + 9, max(left, 0) : max(left + 23, 0)] = tone
    poster = rgb(rng.random(), 0.35, 0.9)
    values[20:86, 150:206] = 0.95
    values[23:83, 153:203] = poster
    values[40:46, 160:196] = values[52:56, 160:190] = values[62:66, 160:194] = 0.4 * poster
    return _picture(values)


def _window(rng: np.random.Generator) -> Image:
    """A bright window with hills, and curtains."""
    values = _wall(rng, rgb(0.55, 0.12, 0.78), rgb(0.09, 0.35, 0.5))
    across = np.linspace(0, 2 * np.pi, 130)
    values[10:105, 55:185] = rgb(0.56, 0.22, 0.97)
    hills = 70 + 12 * np.sin(across * 1.3 + rng.uniform(0, 6)) + 5 * np.sin(across * 3.1)
    below = np.arange(10, 105)[:, None] > hills
    values[10:105, 55:185][below] = rgb(0.32, 0.4, 0.62)
    for slot in (slice(10, 13), slice(56, 59), slice(102, 105)):
        values[slot, 55:185] = 0.97
    for slot in (slice(55, 58), slice(118, 122), slice(182, 185)):
        values[10:105, slot] = 0.97
    folds = (0.8 + 0.2 * np.sin(np.arange(34) * 0.9))[None, :, None]
    cloth = rgb(rng.random(), 0.45, 0.7)
    values[4:116, 24:58] = values[4:116, 182:216] = cloth * folds
    return _picture(values)


def _pegboard(rng: np.random.Generator) -> Image:
    """A workshop's board with tools and bins."""
    values = _wall(rng, rgb(0.47, 0.35, 0.52), rgb(0.0, 0.0, 0.36))
    values[4:120:7, 3:240:7] *= 0.55
    for left in range(14, 226, 24):
        tone, length = rgb(rng.random(), 0.75, 0.8), int(rng.integers(18, 40))
        values[14 : 14 + length // 2, left : left + 6] = tone
        values[14 + length // 2 : 14 + length, left + 2 : left + 4] = 0.75
    for left in range(4, 232, 29):
        values[84:108, left : left + 25] = rgb(rng.choice([0.0, 0.12, 0.6]), 0.75, 0.78)
        values[84:90, left + 3 : left + 22] *= 0.4
    return _picture(values)


_BACKDROPS = (_bookshelf, _bricks, _window, _pegboard)
