"""Attention weights to pictures: what the network looks at, level by level, over the frame."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.types import Image

HEIGHT = 192  # of a picture, pixels; enough to look at, little to send
OPACITY = 0.65  # where the weight is largest


def paint(image: Image, attention: Mapping[int, NDArray[np.float32]]) -> Image:
    """
    Lay each level's weights over the frame in grey, levels side by side from fine to coarse.

    Args:
        image: H x W x 3 RGB.
        attention: level -> h x w in 0 ... 1, each of its own size.

    Returns:
        192 x (levels * w) x 3 RGB.
    """
    panels = paint_levels(image, attention)
    return np.ascontiguousarray(np.concatenate(list(panels.values()), axis=1), np.uint8)


def paint_levels(
    image: Image, attention: Mapping[int, NDArray[np.float32]], height: int = HEIGHT
) -> dict[int, Image]:
    """
    Lay each level's weights over the frame, a picture per level from fine to coarse.

    Args:
        image: H x W x 3 RGB.
        attention: level -> h x w in 0 ... 1, each of its own size.
        height: of the pictures, pixels.

    Returns:
        Level -> height x w x 3 RGB, as wide as the frame's shape asks.
    """
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    frame = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return {level: _lay_over(frame, weights) for level, weights in sorted(attention.items())}


def _lay_over(frame: Image, weights: NDArray[np.float32]) -> Image:
    """Colour a grey frame where the weight is, the more the greater its share of the largest."""
    share = np.clip(weights / max(float(weights.max()), 1e-9), 0, 1).astype(np.float32)
    share = cv2.resize(share, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    heat = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    opacity = (OPACITY * share)[..., None]
    laid = (1 - opacity) * grey + opacity * cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)
    return np.asarray(laid, np.uint8)
