"""The skin of the hand: one smooth surface around all the flesh, and what it hangs on."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.physical.hand_bones import (
    bone_poses,
    BONES,
    FLESH,
    Flesh,
    FOREARM,
    PALM,
    relaxed,
    UNTURNED,
)
from smaknet_core.simulation.physical.surface_nets import Surface, surface_of
from smaknet_core.simulation.pose import Array, Pose

SPACING = 0.0055  # metres between points: about 4000 of them
MARGIN = 0.045  # metres: more than flesh is thick, and some points of the grid
BLEND = 0.0035  # metres: how softly flesh goes over into flesh
SOFTNESS = 0.0035  # metres: how widely a bend spreads over the skin
WRIST_SOFTNESS = 0.010
ROUNDS = 5  # of evening out
MOST_BONES = 4  # that a point hangs on
NAMES = (PALM, FOREARM, *BONES)


class Skin(NamedTuple):
    """The skin of the relaxed hand, in the palm's frame."""

    points: Array  # N x 3, metres
    faces: NDArray[np.int64]  # M x 3
    weights: Array  # N x bones (as NAMES), sums of 1: what each point hangs on
    bones: dict[str, Pose]  # where each bone is while it is relaxed
    shade: Array  # N x 2, 0 ... 1: how palmar, and how near to a knuckle or a fingertip

    def outside(self, sleeve_m: float) -> Skin:
        """Leave out what a sleeve hides that begins so far behind the wrist."""
        seen = self.points[:, 2] > -sleeve_m
        new = np.cumsum(seen) - 1
        faces = new[self.faces[seen[self.faces].all(axis=1)]]
        return self._replace(
            points=self.points[seen],
            faces=faces,
            weights=self.weights[seen],
            shade=self.shade[seen],
        )


@functools.cache
def hand_skin() -> Skin:
    """Make the skin; the same for every hand."""
    bones = bone_poses(relaxed())
    low, high = _bounds(bones)
    axes = [np.arange(start, stop, SPACING) for start, stop in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1)
    distances = _distances(grid.reshape(-1, 3), bones)
    surface = surface_of(_smooth_union(distances).reshape(grid.shape[:3]), low, SPACING)
    points = _settle(surface, bones)
    weights = _weights(_distances(points, bones))
    shade = np.stack([_palmar(points, weights, bones), _knuckles(points, bones)], axis=1)
    return Skin(points, surface.faces, weights, bones, shade)


def _bounds(bones: dict[str, Pose]) -> tuple[Array, Array]:
    ends = [bones[part.bone].matrix @ end + bones[part.bone].position
            for part in FLESH for end in (part.begin, part.end)]  # fmt: skip
    return np.min(ends, axis=0) - MARGIN, np.max(ends, axis=0) + MARGIN


def _distances(points: Array, bones: dict[str, Pose]) -> Array:
    """Signed distances (metres, pieces of flesh x N), negative inside."""
    return np.stack([_distance(points, part, bones[part.bone]) for part in FLESH])


def _distance(points: Array, part: Flesh, bone: Pose) -> Array:
    """Signed distance of points (N x 3) to one cone with round ends."""
    begin = bone.position + bone.matrix @ part.begin
    along = bone.position + bone.matrix @ part.end - begin
    share = np.clip((points - begin) @ along / (along @ along), 0, 1)
    radius = part.thickness[0] + share * (part.thickness[1] - part.thickness[0])
    x, y, z = ((points - begin - share[:, None] * along) ** 2).T
    away: Array = np.sqrt(x + y + z) - radius  # NumPy is slow at sums of many rows of three
    return away


def _smooth_union(distances: Array) -> Array:
    """Join pieces of flesh: a soft minimum over the first axis."""
    least = distances.min(axis=0)
    soft: Array = least - BLEND * np.log(np.exp((least - distances) / BLEND).sum(axis=0))
    return soft


def _settle(surface: Surface, bones: dict[str, Pose]) -> Array:
    """Even the points out along the surface, which takes the grid's steps away."""
    points = surface.points
    edges = np.concatenate([surface.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    degree = np.bincount(edges[:, 0], minlength=len(points))[:, None]
    for _ in range(ROUNDS):
        around = np.zeros_like(points)
        np.add.at(around, edges[:, 0], points[edges[:, 1]])
        points = _drop(0.4 * points + 0.6 * around / degree, bones)
    return _drop(points, bones)


def _drop(points: Array, bones: dict[str, Pose]) -> Array:
    """Move points along the surface's normal onto it (a step of Newton's)."""
    step = 1e-4
    here = _smooth_union(_distances(points, bones))
    there = [_smooth_union(_distances(points + step * axis, bones)) for axis in np.eye(3)]
    slope = (np.array(there).T - here[:, None]) / step
    moved: Array = points - slope * (here / np.maximum((slope**2).sum(axis=1), 0.1))[:, None]
    return moved


def _weights(distances: Array) -> Array:
    """What points hang on (N x bones): the nearest flesh, softly."""
    near = np.full((len(NAMES), distances.shape[1]), np.inf)
    for part, away in zip(FLESH, distances, strict=True):
        row = NAMES.index(part.bone)
        near[row] = np.minimum(near[row], away)
    softness = [[WRIST_SOFTNESS if name == FOREARM else SOFTNESS] for name in NAMES]
    weights: Array = np.exp((near.min(axis=0) - near) / softness).T
    few = np.sort(weights, axis=1)[:, -MOST_BONES]
    weights[weights < few[:, None]] = 0
    weights[weights < 0.02] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _palmar(points: Array, weights: Array, bones: dict[str, Pose]) -> Array:
    """How far each point is on the palmar side (N, 0 ... 1)."""
    owner = weights.argmax(axis=1)
    side = np.empty(len(points))
    for row, name in enumerate(NAMES):
        mine = owner == row
        inside = (points[mine] - bones[name].position) @ bones[name].matrix
        side[mine] = -inside[:, 1]
    shade: Array = np.clip(0.5 + side / 0.016, 0, 1)
    return shade


def _knuckles(points: Array, bones: dict[str, Pose]) -> Array:
    """How near each point is to a knuckle or to the end of a finger (N, 0 ... 1)."""
    beginnings = [bones[name].position for name in BONES]
    ends = [bones[name] @ Pose(np.array([0.0, 0.0, bone.length]), UNTURNED)
            for name, bone in BONES.items()]  # fmt: skip
    marks = np.array([*beginnings, *(end.position for end in ends)])
    away = np.linalg.norm(points[:, None] - marks, axis=2).min(axis=1)
    near: Array = np.clip((0.017 - away) / 0.008, 0, 1)
    return near
