"""The body of liquid that stands in a cup: what is below a plane, as a mesh of fixed topology."""

from __future__ import annotations

from dataclasses import replace
import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.pose import Array, cross, length, Pose

Indices = NDArray[np.int64]

AROUND, _DOWN = 40, 16  # corners of the water line, rings of the wetted wall
VERTICES = 1 + 2 * AROUND + (_DOWN + 1) * AROUND
_DOWNWARD = np.linspace(0, 0.97, _DOWN + 1)[1:, None, None]  # the rings, to its lowest point
_ANGLES = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)[:, None]  # along the water line
_COSINES, _SINES = np.cos(_ANGLES), np.sin(_ANGLES)
_SAMPLES, _NEAR = 2000, 100  # points in a cup; of them, near the surface
_GAP_M = 0.0004  # between the liquid and the wall, so that they do not flicker
_FAR_M = 0.3  # more than a cup's diagonal


def faces() -> Indices:
    """Triangles of every body of liquid, F x 3, counter-clockwise seen from outside."""
    here = np.arange(AROUND)
    beside = (here + 1) % AROUND
    inner, outer, wall = 1, 1 + AROUND, 1 + 2 * AROUND
    rows = [np.column_stack([np.zeros(AROUND, int), inner + here, inner + beside])]
    rows += _band(inner + here, inner + beside, outer + here, outer + beside)
    for ring in range(_DOWN):
        top, low = wall + ring * AROUND, wall + (ring + 1) * AROUND
        rows += _band(top + here, top + beside, low + here, low + beside)
    return np.vstack(rows)


def _band(here: Indices, beside: Indices, below: Indices, below2: Indices) -> list[Indices]:
    return [np.column_stack([here, below, below2]), np.column_stack([here, below2, beside])]


class Shape(NamedTuple):
    """A body of liquid at one moment, in the world's frame."""

    vertices: Array  # VERTICES x 3
    normal: Array  # 3, of its surface
    place: float  # of its surface along the normal

    def covers(self, points: Array) -> NDArray[np.bool_]:
        """Say which points (P x 3) are not above its surface: P bool."""
        below: NDArray[np.bool_] = points @ self.normal <= self.place
        return below


class Body:
    """What stands in one cup; shapes for any amount and any tilt."""

    def __init__(self, cup: Cup) -> None:
        """Sample the cup's inside once."""
        self._cup = replace(cup, wall=cup.wall + _GAP_M)
        self._inside = _samples(self._cup)

    def plane(self, share: float, up: Array) -> tuple[Array, float]:
        """
        Find the plane below which the liquid is: its normal (3), and its place along it.

        Args:
            share: of the cup's inside that is full, above 0.
            up: the world's up in the cup's frame, 3.

        A level one, as long as it is below the lip; else it goes through the lip and rises away
        from it, as a heap of beads or honey does.
        """
        level = float(np.quantile(self._inside @ up, share))
        flat = float(np.hypot(up[0], up[1]))
        if flat < 1e-6 or level <= (lip := self._lip(up)) @ up:
            return up, level
        across = cross(cross(up, lip), up)
        out = across / length(across)  # level, towards the lip
        rise, back = (self._inside - lip) @ up, (lip - self._inside) @ out
        slope = float(np.quantile(np.arctan2(rise, back), share))
        normal = np.cos(slope) * up + np.sin(slope) * out
        return normal, float(normal @ lip)

    def _lip(self, up: Array) -> Array:
        """The rim's lowest point."""
        rim = float(self._cup.inner_radius(np.array([self._cup.height]))[0])
        away = -up[:2] / np.hypot(up[0], up[1])
        return np.array([*(rim * away), self._cup.height])

    def shape(self, share: float, cup: Pose) -> Shape:
        """Shape the body in a cup of which `share` is full."""
        normal, place = self.plane(share, cup.matrix.T @ [0.0, 0.0, 1.0])
        along = self._inside @ normal
        middle = self._inside[along <= place].mean(axis=0)
        near = np.argpartition(np.abs(along - place), _NEAR)[:_NEAR]
        centre = self._inside[near].mean(axis=0)
        centre = centre + (place - centre @ normal) * normal
        line = self._cast(centre, _around(normal))
        outward = (line - middle) / np.linalg.norm(line - middle, axis=1, keepdims=True)
        wall = self._cast(middle, ((1 - _DOWNWARD) * outward - _DOWNWARD * normal).reshape(-1, 3))
        body = np.vstack([centre, (centre + line) / 2, line, line, wall])
        upward = cup.matrix @ normal
        vertices = cup.position + body @ cup.matrix.T
        return Shape(vertices, upward, place + float(upward @ cup.position))

    def _cast(self, start: Array, along: Array) -> Array:
        """Where rays from a point inside meet the wall, floor or rim; R x 3."""
        # A coordinate after the other: NumPy is slow at many rows of three.
        along = np.ascontiguousarray((along / np.linalg.norm(along, axis=1, keepdims=True)).T)
        start, near, step = start[:, None], np.zeros(along.shape[1]), _FAR_M
        for _ in range(12):
            step /= 2
            further = near + step
            near = np.where(self._cup.holds((start + further * along).T), further, near)
        met: Array = np.ascontiguousarray((start + near * along).T)
        return met


def _around(normal: Array) -> Array:
    """Directions all around a plane's normal, which is not y, AROUND x 3."""
    first = cross(np.array([0.0, 1.0, 0.0]), normal)
    first /= length(first)
    second = cross(normal, first)
    directions: Array = first * _COSINES + second * _SINES
    return directions


@functools.cache
def _spread() -> Array:
    """Evenly spread points of the unit cube (Roberts' R3 sequence), samples x 3."""
    golden = 1.2207440846057596  # root of x^4 = x + 1
    spread: Array = (0.5 + np.arange(_SAMPLES)[:, None] * golden ** -np.arange(1.0, 4.0)) % 1
    return spread


def _samples(cup: Cup) -> Array:
    """Points that fill the cup's inside evenly, samples x 3, in its frame."""
    heights = np.linspace(cup.wall, cup.height, 100)
    slices = cup.inner_radius((heights[1:] + heights[:-1]) / 2) ** 2
    below = np.concatenate([[0.0], np.cumsum(slices)])
    up, away, around = _spread().T
    z = np.interp(up * below[-1], below, heights)
    out = cup.inner_radius(z) * np.sqrt(away)
    angle = 2 * np.pi * around
    return np.column_stack([out * np.cos(angle), out * np.sin(angle), z])
