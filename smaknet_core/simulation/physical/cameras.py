"""
Where the cameras of the physical world are, how they move, and what they see of a point.

A camera's pose is in MuJoCo's convention: it looks along -z, y is up in the picture, x right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.pose import Array, multiply, Pose, turn

NAMES = ('third_person', 'first_person', 'side', 'overhead')
MOVING = ('first_person',)
TURNED = 'third_person'

# Name: azimuth (degrees; 0 looks at the demonstrator from the front, 90 from the far left of the
# table), elevation (degrees), distance (metres): each lowest and highest, drawn per laboratory.
_STATIC = {
    'third_person': ((20.0, 38.0), (27.0, 34.0), (1.02, 1.18)),
    'side': ((72.0, 92.0), (24.0, 34.0), (1.00, 1.15)),
    'overhead': ((-6.0, 6.0), (80.0, 86.0), (1.05, 1.20)),
}
_TASK = np.array([-0.05, 0.0, 0.08])  # metres: about the middle of what happens
# Where the first-person camera is: a person's head, a little to the left, to look past the right
# arm; the robot's is on a mast, past its elbow.
_HEADS = {'hand': np.array([-0.10, -0.51, 0.54]), 'robot': np.array([-0.40, -0.42, 0.56])}
# What has to be seen, metres: wherever a cup stands, where it is carried, the hand behind it.
_STAGE = np.array(
    [
        *([x, y, 0.0] for x in (-0.31, 0.23) for y in (-0.09, 0.08)),
        *([-0.28, -0.03, 0.26], [-0.05, 0.0, 0.36], [0.06, 0.03, 0.26], [0.20, -0.02, 0.20]),
        *([-0.22, -0.16, 0.14], [0.20, -0.16, 0.12]),
    ]
)


@dataclass(frozen=True)
class Viewpoint:
    """A camera's place in one laboratory."""

    position: Array  # 3, metres
    target: Array  # 3, metres: the middle of its picture
    roll_deg: float
    fovy_deg: float  # vertical field of view
    tint: Array  # 3, white balance and exposure, about 1


def draw_viewpoints(rng: np.random.Generator, demonstrator: str) -> dict[str, Viewpoint]:
    """
    Place the four cameras of a laboratory: static, except that the head moves about its own.

    `demonstrator` ('hand' or 'robot') decides where the head is, and nothing else.
    """
    left = rng.choice([-1.0, 1.0])  # the third-person and the side camera look from two sides
    return {
        'third_person': _static('third_person', left, rng),
        'first_person': _head(_HEADS[demonstrator], rng),
        'side': _static('side', -left, rng),
        'overhead': _static('overhead', 1.0, rng),
    }


def turned(viewpoints: dict[str, Viewpoint], degrees: float) -> dict[str, Viewpoint]:
    """
    Move the third-person camera around what it looks at, as a user might put it elsewhere.

    Its height, its distance and the middle of its picture stay, and so do the other cameras.
    Positive degrees lead further aside, negative ones to where it faces the demonstrator, and
    past that.
    """
    usual = viewpoints[TURNED]
    away = usual.position - usual.target
    # seen from above, azimuth grows clockwise where x is positive, the other way where it is not
    around = turn((0, 0, 1), -np.sign(away[0]) * degrees)
    moved = usual.target + Pose(np.zeros(3), around).matrix @ away
    return {**viewpoints, TURNED: replace(usual, position=moved)} if degrees else viewpoints


def _static(name: str, mirror: float, rng: np.random.Generator) -> Viewpoint:
    azimuth, elevation, distance = (rng.uniform(*limits) for limits in _STATIC[name])
    around, above = np.deg2rad(mirror * azimuth), np.deg2rad(elevation)
    away = [np.sin(around) * np.cos(above), np.cos(around) * np.cos(above), np.sin(above)]
    return _frame(_TASK + distance * np.array(away), rng.uniform(1.04, 1.10), rng)


def _head(usual: Array, rng: np.random.Generator) -> Viewpoint:
    position = usual + rng.uniform(-1, 1, 3) * [0.04, 0.02, 0.03]
    return _frame(position, rng.uniform(1.15, 1.21), rng)  # wider, for it sways


def _frame(position: Array, room: float, rng: np.random.Generator) -> Viewpoint:
    """Aim and zoom such that the stage fills a square picture, with `room` (1: none) to spare."""
    target, roll = _TASK, rng.uniform(-2, 2)
    for _ in range(4):
        seen = (_STAGE - position) @ aim(position, target, roll).matrix
        seen /= -seen[:, 2:]  # on a plane 1 m in front of the camera
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
        target = position + aim(position, target, roll).matrix @ middle
    half = np.abs(seen[:, :2] - middle[:2]).max() * room
    target = position + (target - position) * np.linalg.norm(_TASK - position)
    return Viewpoint(position, target, roll, float(np.rad2deg(2 * np.arctan(half))), _tint(rng))


def _tint(rng: np.random.Generator) -> Array:
    tint: Array = rng.uniform(0.93, 1.05) * rng.uniform(0.975, 1.025, 3)
    return tint


class Cameras:
    """The cameras of one episode, a part of the scene that is drawn."""

    def __init__(self, viewpoints: dict[str, Viewpoint], rng: np.random.Generator) -> None:
        """Stand where the laboratory says; `rng` decides how the moving ones move."""
        self.viewpoints = viewpoints
        self._sways = {name: Sway(rng) for name in MOVING}
        self._ids: dict[str, int] = {}

    def camera_pose(self, name: str, time_s: float) -> Pose:
        """Where a camera is and how it is turned, at a time."""
        view = self.viewpoints[name]
        if name not in self._sways:
            return aim(view.position, view.target, view.roll_deg)
        shift, glance, roll = self._sways[name].at(time_s)
        return aim(view.position + shift, view.target + glance, view.roll_deg + roll)

    def intrinsics(self, name: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """
        Return fx, fy, cx, cy in pixels for pictures of `size` (height, width).

        Pixel centres have whole coordinates, as in OpenCV and ROS; there is no distortion.
        """
        height, width = size
        focal = height / 2 / np.tan(np.deg2rad(self.viewpoints[name].fovy_deg) / 2)
        return focal, focal, (width - 1) / 2, (height - 1) / 2

    def sees(
        self, name: str, time_s: float, centres: Array, radii: Array, aspect: float
    ) -> NDArray[np.bool_]:
        """
        Say which balls may be in a picture; a few just outside count as seen.

        Args:
            name: the camera's.
            time_s: of the picture.
            centres: N x 3, metres.
            radii: N, metres.
            aspect: width over height of the picture.
        """
        pose = self.camera_pose(name, time_s)
        half = np.tan(np.deg2rad(self.viewpoints[name].fovy_deg) / 2)
        corner = np.arctan(half * np.hypot(1, aspect))  # from the picture's middle, radians
        away = centres - pose.position
        far = np.maximum(np.linalg.norm(away, axis=1), 1e-6)
        aside = np.arccos(np.clip(-away @ pose.matrix[:, 2] / far, -1, 1))
        seen: NDArray[np.bool_] = aside < corner + np.arcsin(np.minimum(radii / far, 1))
        return seen

    def add_to(self, spec: Any) -> None:
        """Add a camera of each name."""
        for name, view in self.viewpoints.items():
            spec.worldbody.add_camera(name=name, fovy=view.fovy_deg)

    def bind(self, model: Any) -> None:
        """Find the cameras in the compiled model."""
        self._ids = {name: int(model.camera(name).id) for name in self.viewpoints}

    def place(self, model: Any, name: str, time_s: float) -> None:
        """Move a camera to where it is at a time."""
        pose = self.camera_pose(name, time_s)
        model.cam_pos[self._ids[name]] = pose.position
        model.cam_quat[self._ids[name]] = pose.quaternion


def aim(position: Array, target: Array, roll_deg: float) -> Pose:
    """Pose of a camera that looks from `position` at `target` (metres), up being up."""
    right, ahead, up = target - position
    yaw = np.rad2deg(np.arctan2(-right, ahead))
    pitch = np.rad2deg(np.arctan2(up, np.hypot(right, ahead)))
    level = multiply(turn((0, 0, 1), yaw), turn((1, 0, 0), 90 + pitch))
    return Pose(position, multiply(level, turn((0, 0, 1), roll_deg)))


class Sway:
    """
    How a head moves: it drifts by centimetres and degrees, and trembles a little.

    Sums of sine waves, so any time can be asked for in any order.
    """

    # Frequencies (Hz) and, for the seven coordinates, amplitudes of the waves at each.
    _HERTZ = np.array([0.11, 0.27, 0.6, 1.4, 3.7, 6.1])
    _SHARE = np.array([0.75, 0.50, 0.25, 0.08, 0.05, 0.035])
    _METRES = np.array([0.030, 0.018, 0.015, 0.022, 0.016, 0.014, 2.2])  # the last in degrees

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the waves of an episode."""
        shape = (len(self._METRES), len(self._HERTZ))
        self._hertz = self._HERTZ * rng.uniform(0.75, 1.3, shape)
        self._phase = rng.uniform(0, 2 * np.pi, shape)
        self._amplitude = self._METRES[:, None] * self._SHARE * rng.uniform(0.6, 1.3, shape)

    def at(self, time_s: float) -> tuple[Array, Array, float]:
        """Return the shift (3, metres), that of what is looked at (3, metres), roll (degrees)."""
        waves = np.sin(2 * np.pi * self._hertz * time_s + self._phase)
        moved: Array = (self._amplitude * waves).sum(axis=1)
        return moved[:3], moved[3:6], float(moved[6])
