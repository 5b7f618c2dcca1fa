"""Things of the small world: the robot arm with its gripper, cup, bowl, boxes and clutter."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from smaknet_core.simulation.pose import Array
from smaknet_core.simulation.small.meshes import (
    about_y,
    about_z,
    ball,
    box,
    disc,
    merge,
    Mesh,
    revolve,
    rod,
)

SHELL = np.array([0.99, 0.99, 1.0])
JOINT = np.array([0.24, 0.27, 0.31])
STEEL = np.array([0.62, 0.65, 0.68])
RUBBER = np.array([0.17, 0.17, 0.18])
# Where the arm stands (behind the table's middle) and how long its two links are, metres.
SHOULDER = np.array([0.02, 0.47, 0.34])
LINK = 0.37
# From the grasp point back to the wrist, metres.
HAND = 0.155


def rgb(hue: float, saturation: float, value: float) -> Array:
    """Turn hue (turns), saturation and value (0 ... 1) into RGB in 0 ... 1."""
    hsv = np.array([[[hue % 1 * 360, saturation, value]]], dtype=np.float32)
    colour: Array = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(float)
    return colour


@dataclass(frozen=True)
class Cup:
    """A tumbler with a pale band."""

    radius: float
    height: float
    colour: Array

    def mesh(self, fill: float, liquid: Array) -> Mesh:
        """Stand it on the origin, filled to a share of its height."""
        r, h = self.radius, self.height
        level = h * (0.08 + 0.77 * fill)
        outside = [(0.0, 0.0), (0.84 * r, 0.0), (0.90 * r, 0.38 * h), (0.94 * r, 0.62 * h), (r, h)]
        band = np.stack([self.colour, self.colour, 0.35 * self.colour + 0.62, self.colour])
        wall = revolve([(r, h), (0.92 * r, h), (0.84 * r, level)], 0.75 * self.colour)
        surface = liquid if fill > 0.02 else 0.55 * self.colour
        return merge([revolve(outside, band), wall, disc(0.84 * r, level, surface)])


@dataclass(frozen=True)
class Bowl:
    """A bowl; what is inside it shows from above."""

    radius: float
    height: float
    colour: Array

    def mesh(self, fill: float, liquid: Array) -> Mesh:
        """Stand it on the origin, filled to a share of its height."""
        r, h = self.radius, self.height
        level = h * (0.10 + 0.78 * fill)
        outside = [(0.0, 0.0), (0.5 * r, 0.0), (0.74 * r, 0.3 * h), (0.92 * r, 0.68 * h), (r, h)]
        inner = float(np.interp(level / h, [0, 0.3, 0.68, 1], [0.45, 0.68, 0.87, 0.94])) * r
        wall = revolve(
            [(r, h), (0.94 * r, h), (0.5 * (0.94 * r + inner), 0.5 * (h + level)), (inner, level)],
            0.86 * self.colour,
        )
        surface = liquid if fill > 0.02 else 0.8 * self.colour
        return merge([revolve(outside, self.colour), wall, disc(inner, level, surface)])


def stream(start: Array, floor: float, thickness: float, colour: Array) -> Mesh:
    """Liquid falling from a lip at `start` to height `floor`; metres."""
    end = np.array([start[0] + 0.012, start[1], floor])
    middle = 0.5 * (start + end) + np.array([0.006, 0.0, 0.012])
    bright = 1.35 * colour  # it is thin: shaded like a solid it would look like a stick
    upper = rod(start, middle, (0.8 * thickness, thickness), bright, slices=2)
    return merge([upper, rod(middle, end, (thickness, 0.8 * thickness), bright, slices=3)])


def gripper(grasp: Array, roll_deg: float, opening: float) -> Mesh:
    """Two fingers around the point `grasp`, coming from +y, `opening` metres apart."""
    fingers = [
        box((0.014, 0.075, 0.024), STEEL).moved(np.eye(3), np.array([side, 0.035, 0.0]))
        for side in (-opening / 2 - 0.007, opening / 2 + 0.007)
    ]
    tips = [
        box((0.016, 0.03, 0.027), RUBBER).moved(np.eye(3), np.array([side, 0.006, 0.0]))
        for side in (-opening / 2 - 0.008, opening / 2 + 0.008)
    ]
    palm = [
        box((0.046, 0.032, 0.05), SHELL * 0.93).moved(np.eye(3), np.array([side, 0.088, 0.0]))
        for side in (-0.046, 0.0, 0.046)
    ]
    wrist = rod(np.array([0, 0.10, 0.0]), np.array([0, HAND, 0.0]), (0.033, 0.037), JOINT, 2)
    return merge([*fingers, *tips, *palm, wrist]).moved(about_y(roll_deg), grasp)


def arm(grasp: Array) -> Mesh:
    """Column, two links and the joints between them, reaching for the wrist behind `grasp`."""
    wrist = grasp + np.array([0.0, HAND, 0.0])
    reach = wrist - SHOULDER
    distance = float(np.linalg.norm(reach))
    middle = SHOULDER + reach / 2
    bulge = np.sqrt(max(LINK**2 - (distance / 2) ** 2, 1e-4))
    up = np.array([0.0, 0.35, 1.0])
    up -= reach * (up @ reach) / distance**2
    elbow = middle + up / np.linalg.norm(up) * bulge
    foot = SHOULDER * [1, 1, 0]
    return merge([
        rod(foot, foot + [0, 0, 0.03], (0.10, 0.09), JOINT, 1),
        rod(foot + [0, 0, 0.03], SHOULDER, (0.062, 0.055), SHELL, 3),
        ball(0.066, JOINT).moved(np.eye(3), SHOULDER - [0, 0, 0.066]),
        rod(SHOULDER, elbow, (0.052, 0.045), SHELL, 4),
        ball(0.053, JOINT).moved(np.eye(3), elbow - [0, 0, 0.053]),
        rod(elbow, wrist, (0.045, 0.036), SHELL, 5),
        ball(0.040, JOINT).moved(np.eye(3), wrist - [0, 0, 0.040]),
    ])  # fmt: skip


def crate(size: float, colour: Array, stripe: Array) -> Mesh:
    """Make a cube of `size` metres on the origin, with a stripe around its middle."""
    third = size / 3
    rows = [
        box((size, size, third), shade).moved(np.eye(3), np.array([0, 0, third * (row + 0.5)]))
        for row, shade in enumerate((colour, stripe, colour))
    ]
    return merge(rows)


def clutter(rng: np.random.Generator, places: Array) -> list[Mesh]:
    """Put a can, ball, jar or box, drawn anew, at each of `places` N x 2 (metres)."""
    return [
        _clutter_piece(rng).moved(about_z(rng.uniform(0, 90)), np.array([x, y, 0.0]))
        for x, y in places
    ]


def _clutter_piece(rng: np.random.Generator) -> Mesh:
    colour = rgb(rng.random(), rng.uniform(0.15, 0.7), rng.uniform(0.35, 0.9))
    kind = rng.integers(4)
    if kind == 0:
        return ball(rng.uniform(0.02, 0.032), colour)
    if kind == 1:
        size = rng.uniform([0.04, 0.03, 0.03], [0.08, 0.05, 0.08])
        return box(size.tolist(), colour).moved(np.eye(3), np.array([0, 0, size[2] / 2]))
    r, h = rng.uniform(0.02, 0.028), rng.uniform(0.05, 0.08)
    top = 0.9 * SHELL if kind == 2 else 0.6 * colour
    return merge(
        [rod(np.zeros(3), np.array([0, 0, h]), (r, r), colour, 2), disc(r, h + 1e-3, top)]
    )
