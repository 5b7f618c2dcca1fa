"""
Where a body is and how it is turned; all of the simulators' geometry speaks of it.

NumPy takes longer to begin with three numbers than Python to do all of them, so what is asked for
thousands of times an episode is written out in numbers: of the same roundings, in the same order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Pose(NamedTuple):
    """A rigid placement: metres, and a unit quaternion in MuJoCo's order (w, x, y, z)."""

    position: Array  # 3
    quaternion: Array  # 4

    def __matmul__(self, inner: Pose) -> Pose:
        """Place what is placed at `inner` within this frame: self after inner."""
        position = self.position + self.matrix @ inner.position
        return Pose(position, multiply(self.quaternion, inner.quaternion))

    @property
    def matrix(self) -> Array:
        """The rotation, 3 x 3: columns are this frame's axes."""
        w, x, y, z = self.quaternion.tolist()
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )

    @property
    def inverse(self) -> Pose:
        """The placement of the outer frame seen from this one."""
        w, x, y, z = self.quaternion
        return Pose(-self.matrix.T @ self.position, np.array([w, -x, -y, -z]))


def multiply(outer: Array, inner: Array) -> Array:
    """Hamilton product of two quaternions: first `inner`, then `outer`."""
    a, b, c, d = outer.tolist()
    e, f, g, h = inner.tolist()
    return np.array(
        [
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        ]
    )


def turn(axis: tuple[float, float, float], degrees: float) -> Array:
    """Quaternion of a turn about a unit axis, counter-clockwise seen against it."""
    half = np.deg2rad(degrees) / 2
    (x, y, z), sine = axis, float(np.sin(half))
    return np.array([np.cos(half), sine * x, sine * y, sine * z])


def cross(first: Array, second: Array) -> Array:
    """Product of two vectors (3), upright on both."""
    a, b, c = first.tolist()
    d, e, f = second.tolist()
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


def length(vector: Array) -> float:
    """Length of a vector."""
    return math.sqrt(vector.dot(vector))


def blend(first: Array, second: Array, through: float) -> Array:
    """Turn from one quaternion to another the short way (slerp); `through` is 0 ... 1."""
    cosine = float(first @ second)
    if cosine < 0:
        second, cosine = -second, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        return first
    mixed: Array = np.sin((1 - through) * angle) * first + np.sin(through * angle) * second
    return mixed / length(mixed)
