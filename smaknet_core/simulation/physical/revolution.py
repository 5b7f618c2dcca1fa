"""Closed meshes from curves: a profile turned about z, a circle swept along a path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.pose import Array

AROUND = 36  # corners of a turned circle


class Mesh(NamedTuple):
    """Triangles, counter-clockwise seen from outside."""

    vertices: Array  # V x 3, metres
    faces: NDArray[np.int64]  # F x 3


def revolve(profile: Array, around: int = AROUND) -> Mesh:
    """Turn a profile (P x 2: radius, height), whose two ends lie on the axis, about z."""
    ends = profile[[0, -1], 1][:, None] * [[0.0, 0.0, 1.0]]
    return _capped(_turned(profile[1:-1], around), around, ends)


def revolve_loop(profile: Array, around: int = AROUND) -> Mesh:
    """Turn a closed profile (P x 2: radius, height, first and last are neighbours) about z."""
    rings = np.vstack([profile, profile[:1]])
    return Mesh(_turned(rings, around), np.vstack(_bands(len(rings), around)))


def _turned(profile: Array, around: int) -> Array:
    """Vertices: a ring for each point of the profile, one after the other."""
    angles = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    flat = profile[:, None, :1] * ring
    tall = np.broadcast_to(profile[:, None, 1:], (len(profile), around, 1))
    return np.concatenate([flat, tall], axis=2).reshape(-1, 3)


def sweep(path: Array, radius: float, around: int = 8) -> Mesh:
    """Carry a circle along a path (P x 3) in a vertical plane, closed at both ends."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(path[0] * [1, 1, 0], [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    normal = np.cross(side, along)
    angles = np.linspace(0, 2 * np.pi, around, endpoint=False)[:, None]
    ring = [n * np.cos(angles) + side * np.sin(angles) for n in normal]
    vertices = (path[:, None] + radius * np.array(ring)).reshape(-1, 3)
    return _capped(vertices, around, path[[0, -1]])


def _capped(vertices: Array, around: int, ends: Array) -> Mesh:
    """Join rings of vertices, one after the other, and close both ends with a fan."""
    rings = len(vertices) // around
    first, last = rings * around, rings * around + 1
    here = np.arange(around)
    beside = (here + 1) % around
    top = (rings - 1) * around
    faces = [
        np.column_stack([np.full(around, first), beside, here]),
        *_bands(rings, around),
        np.column_stack([top + here, top + beside, np.full(around, last)]),
    ]
    return Mesh(np.vstack([vertices, ends]), np.vstack(faces))


def _bands(rings: int, around: int) -> list[NDArray[np.int64]]:
    """Triangles between each ring and the next."""
    here = np.arange(around)
    beside = (here + 1) % around
    faces = []
    for ring in range(rings - 1):
        low, low2 = ring * around + here, ring * around + beside
        faces.append(np.column_stack([low, low2, low2 + around]))
        faces.append(np.column_stack([low, low2 + around, low + around]))
    return faces
