"""
How a hand holds a cylinder, and how it opens.

Around the cylinder each phalanx lies on a tangent (its skin touches), the next one again from
where that one ends; so fingers of any length close around any diameter without a search.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from smaknet_core.simulation.physical.hand_bones import (
    bend,
    BONES,
    facing,
    FINGERS,
    PHALANGES,
    quaternion,
    UNTURNED,
)
from smaknet_core.simulation.pose import Array, multiply, Pose, turn

PALM_THICKNESS = 0.0125  # metres: from the middle of the palm to its skin
AXIS_BEYOND_WRIST = 0.076  # metres: where along the palm the object lies
PALM_YAW_DEG = 62.0  # the palm looks that far left of the direction in which the hand comes
HIGHER = 0.008  # metres: the palm's middle above that of what is held
LARGEST_BEND = np.deg2rad(105)


class HandPose(NamedTuple):
    """Where the palm is in the grasp frame, and how each joint is turned."""

    palm: Pose
    joints: Array  # bones x 4, quaternions relative to the bone before


def hand_pose(diameter_m: float, opening: float) -> HandPose:
    """Pose for a cylinder of a diameter (metres), from closed (0) to open (1)."""
    closed, opened = _closed(round(diameter_m, 4)), _opened(round(diameter_m, 4))
    if opening <= 0 or opening >= 1:
        return closed if opening <= 0 else opened
    back = closed.palm.position + opening * (opened.palm.position - closed.palm.position)
    joints = _between(closed.joints, opened.joints, opening)
    return HandPose(Pose(back, closed.palm.quaternion), joints)


@functools.lru_cache(maxsize=64)
def _closed(diameter_m: float) -> HandPose:
    """Around the cylinder."""
    radius = diameter_m / 2
    centre = np.array([PALM_THICKNESS + radius, AXIS_BEYOND_WRIST])  # in the plane: -y, z
    joints = []
    for name, (knuckle, *_) in FINGERS.items():
        start = np.array([-knuckle[1], knuckle[2]])
        angles = _wrap(name, start, centre, radius, 1.0)
        bends = np.clip(np.diff(angles, prepend=0.0), -0.1, LARGEST_BEND)
        joints += [bend(float(np.rad2deg(angle))) for angle in bends]
    return HandPose(_palm(centre), np.array(joints + _thumb(centre, radius)))


def _between(first: Array, second: Array, through: float) -> Array:
    """Turn from quaternions to others (N x 4) as `pose.blend` does."""
    cosine = np.einsum('ij,ij->i', first, second)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0 - 1e-9))[:, None]
    towards = np.where(cosine < 0, -1.0, 1.0)[:, None] * second
    mixed = np.sin((1 - through) * angle) * first + np.sin(through * angle) * towards
    unit: Array = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return unit


def _palm(centre: Array) -> Pose:
    """Where the palm is in the grasp frame when the object's axis is at `centre` (-y, z)."""
    around = np.deg2rad(PALM_YAW_DEG)
    palmar = np.array([np.cos(around), np.sin(around), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    turned = np.stack([up, -palmar, np.cross(up, -palmar)], axis=1)
    return Pose(-turned @ [-HIGHER, -centre[0], centre[1]], quaternion(turned))


def _wrap(name: str, start: Array, centre: Array, radius: float, side: float) -> Array:
    """
    Angles (radians, from z to the palmar side) of three bones around the cylinder.

    The first is tangent, the last ends on the surface, the second is half-way between both.
    """
    angles: list[float] = []
    for part, ends_on_it in zip(PHALANGES, (0.0, 0.5, 1.0), strict=True):
        bone = BONES[f'{name}_{part}']
        gap = centre - start
        tangent = _tangent(gap, radius + sum(bone.thickness) / 2)
        chord = _chord(gap, radius + bone.thickness[1], bone.length)
        aside = tangent + ends_on_it * (chord - tangent)
        angle = np.arctan2(gap[0], gap[1]) - side * aside
        angle = float(np.unwrap([*angles, angle])[-1])  # a finger may go around more than half
        angles.append(angle)
        start = start + bone.length * np.array([np.sin(angle), np.cos(angle)])
    return np.array(angles)


def _tangent(gap: Array, distance: float) -> float:
    """Angle between the way to the axis (`gap`, metres) and a line that passes it so far away."""
    return float(np.arcsin(min(distance / np.hypot(*gap), 1.0)))


def _chord(gap: Array, distance: float, length: float) -> float:
    """Angle between the way to the axis and a bone whose end is at a distance from it."""
    away = float(np.hypot(*gap))
    cosine = (away**2 + length**2 - distance**2) / (2 * away * length)
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _thumb(centre: Array, radius: float) -> list[Array]:
    """Joints of the thumb, which goes around the other side and a little upwards."""
    x, y, z = BONES['thumb_proximal'].joint
    angles = _wrap('thumb', np.array([-y, z]), centre, radius, -1.0)
    joints, before = [], UNTURNED
    for angle, rise in zip(angles, (0.22, 0.12, 0.0), strict=True):
        along = np.array([rise, -np.sin(angle), np.cos(angle)])
        turned = facing(along, np.array([0.0, np.cos(angle), np.sin(angle)]))
        joints.append(multiply(before * [1, -1, -1, -1], turned))
        before = turned
    return joints


@functools.lru_cache(maxsize=64)
def _opened(diameter_m: float) -> HandPose:
    """Ready to take it: back from it, fingers nearly straight, the thumb away."""
    closed = _closed(diameter_m)
    fingers = [
        [multiply(turn((0, 1, 0), spread), bend(8)), bend(20), bend(14)]
        for spread in (5.0, 0.5, -4.0, -9.0)
    ]
    thumb = [
        facing(np.array([0.55, -0.80, 0.08]), np.array([-0.15, 0.1, 1.0])),
        bend(12),
        bend(20),
    ]
    back = closed.palm.position + [-0.062, -0.020, 0.0]
    return HandPose(Pose(back, closed.palm.quaternion), np.concatenate([*fingers, thumb]))
