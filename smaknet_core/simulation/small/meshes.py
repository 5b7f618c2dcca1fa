"""
Solids of the small world as coloured quads: what the painter draws.

A mesh is a pair of arrays: quads F x 4 x 3 (metres, corners counter-clockwise seen from
outside) and colours F x 3 (RGB, 0 ... 1). A triangle is a quad with one corner twice.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import NamedTuple

import numpy as np
from smaknet_core.simulation.pose import Array


class Mesh(NamedTuple):
    """Quads F x 4 x 3 in metres and their colours F x 3 in 0 ... 1."""

    quads: Array
    colours: Array

    def moved(self, rotation: Array, translation: Array) -> Mesh:
        """Rotate by a 3 x 3 matrix about the origin, then translate by 3 metres."""
        return Mesh(self.quads @ rotation.T + translation, self.colours)


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """Put several meshes into one."""
    return Mesh(
        np.concatenate([mesh.quads for mesh in meshes]),
        np.concatenate([mesh.colours for mesh in meshes]),
    )


def revolve(profile: Sequence[tuple[float, float]], colours: Array, segments: int = 20) -> Mesh:
    """
    Turn a profile of (radius, height) points about the z axis.

    Going up the profile shows the outside, going down the inside. `colours` is one RGB or one
    per stretch of the profile, (points - 1) x 3.
    """
    radius, height = np.asarray(profile, dtype=float).T
    points = np.empty((len(radius), segments + 1, 3))
    points[..., :2] = radius[:, None, None] * _ring(segments)
    points[..., 2] = height[:, None]
    quads = np.stack(
        [points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]], axis=2
    ).reshape(-1, 4, 3)
    rows = np.broadcast_to(colours, (len(radius) - 1, 3))
    return Mesh(quads, np.repeat(rows, segments, axis=0))


def box(size: Sequence[float], colour: Array) -> Mesh:
    """Make a box of `size` metres (x, y, z) centred on the origin."""
    quads = _CUBE * (np.asarray(size) / 2)
    return Mesh(quads, np.broadcast_to(colour, (len(quads), 3)).copy())


def rod(
    start: Array, end: Array, radii: tuple[float, float], colour: Array, slices: int = 4
) -> Mesh:
    """
    Make a closed frustum from `start` to `end` (metres), with a radius at each end.

    It is cut into `slices` so that each quad is small enough to be sorted by its distance.
    """
    axis = end - start
    length = float(np.linalg.norm(axis)) or 1e-6
    along = np.linspace(0, 1, slices + 1)
    radius = radii[0] + (radii[1] - radii[0]) * along
    sides = list(zip(radius, along * length, strict=True))
    profile = [(0.0, 0.0), *sides, (0.0, length)]
    mesh = revolve(profile, colour, segments=12)
    return mesh.moved(_frame_along(axis / length), start)


def ball(radius: float, colour: Array) -> Mesh:
    """Make a ball of `radius` metres standing on the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    profile = list(zip(radius * np.cos(angle), radius * (1 + np.sin(angle)), strict=True))
    return revolve(profile, colour, segments=16)


def disc(radius: float, height: float, colour: Array) -> Mesh:
    """Make a disc of `radius` metres at `height`, facing up."""
    return revolve([(radius, height), (0.0, height)], colour, segments=16)


def about_y(degrees: float) -> Array:
    """Rotation about the y axis that takes the top (+z) towards +x, 3 x 3."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])


def about_z(degrees: float) -> Array:
    """Rotation about the vertical, counter-clockwise seen from above, 3 x 3."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


@functools.lru_cache(maxsize=8)
def _ring(segments: int) -> Array:
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _frame_along(axis: Array) -> Array:
    """Rotation that takes +z to the unit vector `axis`, 3 x 3."""
    helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    across = np.cross(helper, axis)
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(axis, across), axis], axis=1)


_CUBE = np.array(
    [
        [[-1, -1, -1], [-1, 1, -1], [1, 1, -1], [1, -1, -1]],
        [[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]],
        [[-1, -1, -1], [1, -1, -1], [1, -1, 1], [-1, -1, 1]],
        [[1, 1, -1], [-1, 1, -1], [-1, 1, 1], [1, 1, 1]],
        [[1, -1, -1], [1, 1, -1], [1, 1, 1], [1, -1, 1]],
        [[-1, 1, -1], [-1, -1, -1], [-1, -1, 1], [-1, 1, 1]],
    ],
    dtype=float,
)
