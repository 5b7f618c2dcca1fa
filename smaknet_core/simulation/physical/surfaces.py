"""What things of the physical world look like: tinted textures, plain paint."""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.physical.assets import household_assets, mujoco, REMEDY
from smaknet_core.simulation.pose import Array
from smaknet_core.types import Image

_SIDE = 256  # pixels: more is not seen in a frame, and costs at every start


@functools.lru_cache(maxsize=64)
def texture(name: str, side: int = _SIDE) -> Image:
    """One of robosuite's textures, side x side x 3 RGB uint8; ConfigError when it is missing."""
    path = household_assets() / 'textures' / f'{name}.png'
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(f'{path}: cannot be read: {REMEDY}')
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


def tinted(name: str, colour: Array, own: float = 0.0, side: int = _SIDE) -> Image:
    """
    Recolour a texture.

    Args:
        name: of the texture.
        colour: 3, RGB 0 ... 1: the mean it gets, as far as `own` allows.
        own: how much of its own colour it keeps, 0 ... 1.
        side: height and width of the result in pixels.
    """
    values = texture(name, side) / 255.0
    grey = values.mean(axis=2, keepdims=True)
    return picture(own * values + (1 - own) * colour * grey / grey.mean())


def picture(values: Array) -> Image:
    """Turn values 0 ... 1 into pixels."""
    return np.clip(255 * values, 0, 255).astype(np.uint8)


def add_surface(
    spec: Any,
    name: str,
    image: Image,
    *,
    repeat: tuple[float, float] = (1.0, 1.0),
    per_metre: bool = False,
    all_round: bool = False,
    shine: float = 0.1,
    glow: float = 0.0,
) -> str:
    """
    Add a material that shows a picture, and return its name.

    Args:
        spec: the scene (MjSpec).
        name: of the material and its texture.
        image: H x W x 3 RGB; its up is the geom's y.
        repeat: how often it is shown along x and y, over the geom or `per_metre`.
        per_metre: count `repeat` per metre.
        all_round: show it on each of six sides (H = W), instead of along z through the geom.
        shine: strength of highlights, 0 ... 1.
        glow: how much of itself is seen without light, 0 ... 1.
    """
    mj = mujoco()
    height, width = image.shape[:2]
    sides = 6 if all_round else 1
    kind = mj.mjtTexture.mjTEXTURE_CUBE if all_round else mj.mjtTexture.mjTEXTURE_2D
    shown = spec.add_texture(name=name, type=kind, width=width, height=height * sides, nchannel=3)
    shown.data = np.tile(image, (sides, 1, 1)).tobytes()
    material = spec.add_material(
        name=name,
        texrepeat=repeat,
        texuniform=per_metre,
        specular=shine,
        shininess=0.4,
        emission=glow,
    )
    material.textures[mj.mjtTextureRole.mjTEXROLE_RGB] = name
    return name


def add_paint(spec: Any, name: str, colour: Array, shine: float = 0.1) -> str:
    """Add a plain material of a colour (3, RGB 0 ... 1) and return its name."""
    spec.add_material(name=name, rgba=[*colour, 1.0], specular=shine, shininess=0.4)
    return name
