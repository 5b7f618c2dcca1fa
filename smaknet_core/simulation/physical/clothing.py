"""What a demonstrator looks like: tone of the skin, shirt and sleeve, perhaps a watch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.revolution import revolve
from smaknet_core.simulation.physical.surfaces import add_paint, add_surface, picture, tinted
from smaknet_core.simulation.pose import Array
from smaknet_core.types import Image

# Tones of the back of the hand, from pale to dark, RGB 0 ... 1; palms are nearer to one another.
_TONES = np.array(
    [
        (0.91, 0.73, 0.64),
        (0.86, 0.65, 0.53),
        (0.76, 0.54, 0.41),
        (0.60, 0.41, 0.30),
        (0.40, 0.27, 0.21),
    ]
)
_PALM = np.array([0.87, 0.66, 0.57])
_NAIL = np.array([0.93, 0.76, 0.71])
_AROUND = 24  # corners of a sleeve
_TORSO = np.array(
    [(0.165, -0.45), (0.160, -0.10), (0.180, 0.15), (0.190, 0.32), (0.150, 0.42), (0.06, 0.46)]
)
_LEFT_ARM = (-0.19, 0.0, 0.35, -0.26, 0.01, -0.30)  # hangs; the hand is below the table


class Look(NamedTuple):
    """What differs from person to person; colours are RGB 0 ... 1."""

    skin: Array
    shirt: Array
    stripes: float  # how much lighter or darker each second stripe is; 0: plain
    sleeve_from: float  # metres behind the wrist
    watch: Array | None  # colour of a watch's strap


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a person: a tone between two of the scale; most wear long sleeves, few a watch."""
    place = rng.uniform(0, len(_TONES) - 1)
    tone = np.array([np.interp(place, np.arange(len(_TONES)), band) for band in _TONES.T])
    grey, hue = rng.uniform(0.08, 0.85), rng.uniform(0.45, 1.1, 3)
    shirt = np.clip(grey * hue / hue.max(), 0.03, 0.9)
    stripes = rng.uniform(0.2, 0.5) * rng.choice([-1, 1]) * (rng.random() < 0.4)
    rolled_up = rng.random() < 0.35
    sleeve_from = rng.uniform(0.13, 0.16) if rolled_up else rng.uniform(0.035, 0.06)
    strap = rng.uniform(0.05, 0.3) * np.ones(3) if rng.random() < 0.4 else None
    return Look(tone, shirt, stripes, sleeve_from, strap if rolled_up else None)


def add_skin_material(spec: Any, name: str, tone: Array) -> str:
    """Add the skin's material; right in its texture is palmar, down knuckles and fingertips."""
    palmar, warm = np.meshgrid(np.linspace(0, 1, 32), np.linspace(0, 1, 32))
    depth = 0.25 + 0.45 * (1 - tone.mean())  # the darker the back, the more the palm differs
    colour = tone + palmar[..., None] * depth * (_PALM - tone)
    blushed = colour * (1 + warm[..., None] * [0.0, -0.10, -0.11])
    return add_surface(spec, name, picture(blushed), shine=0.12)


def add_nail_paint(spec: Any, name: str, tone: Array) -> str:
    """Add the nails' material."""
    return add_paint(spec, name, 0.72 * tone + 0.28 * _NAIL, shine=0.3)


def add_cloth(spec: Any, name: str, look: Look) -> str:
    """Add the shirt's material."""
    return add_surface(spec, name, _cloth(look), all_round=True, shine=0.02)


def _cloth(look: Look) -> Image:
    woven = 0.5 * look.shirt + 0.5 * tinted('gray-felt', look.shirt, side=64) / 255.0
    across = np.where(np.arange(64) % 8 < 4, 1.0, 1.0 + look.stripes)
    return picture(woven * across[:, None, None])


def add_torso(spec: Any, body: Any, name: str, material: str) -> None:
    """Add the shirt's body and its left sleeve: where the arm that is seen comes from."""
    add_tube(spec, body, name, material, _TORSO, flat=0.62)
    body.add_geom(
        type=mujoco().mjtGeom.mjGEOM_CAPSULE,
        fromto=_LEFT_ARM,
        size=[0.052, 0.0, 0.0],
        material=material,
        contype=0,
        conaffinity=0,
    )


def add_tube(
    spec: Any, body: Any, name: str, material: str, profile: Array, flat: float = 0.86
) -> None:
    """
    Add a sleeve about a body's z axis, closed at both ends.

    Args:
        spec: the scene (MjSpec).
        body: what it moves with.
        name: of the mesh.
        material: what it is made of.
        profile: P x 2: radius along x, and z, which rises; metres.
        flat: share of that radius along y; arms are wider than thick.
    """
    ends = profile[[0, -1]] * [0.0, 1.0]
    tube = revolve(np.concatenate([ends[:1], profile, ends[1:]]), around=_AROUND)
    spec.add_mesh(
        name=name,
        uservert=(tube.vertices * [1.0, flat, 1.0]).ravel(),
        userface=tube.faces.ravel(),
        inertia=mujoco().mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )
    body.add_geom(
        type=mujoco().mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=material,
        contype=0,
        conaffinity=0,
    )


def wrinkled(profile: Array, rng: np.random.Generator) -> Array:
    """Put wrinkles on a sleeve's profile (P x 2: radius, z; metres)."""
    heights = np.linspace(profile[0, 1], profile[-1, 1], 12)
    radii = np.interp(heights, profile[:, 1], profile[:, 0])
    radii[1:-1] *= 1 + rng.uniform(-0.035, 0.035, len(radii) - 2)
    return np.stack([radii, heights], axis=1)
