"""
Attention weights to a picture: what the network looks at, level by level, over the frame.

Only computed when somebody subscribes.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.types import Image

HEIGHT = 192  # of the picture, pixels; enough to look at, little to send
OPACITY = 0.55


def paint(image: Image, attention: Mapping[int, NDArray[np.float32]]) -> Image:
    """
    Lay each level's weights over the frame, levels side by side from fine to coarse.

    Args:
        image: H x W x 3 RGB.
        attention: level -> h x w in 0 ... 1, each of its own size.

    Returns:
        192 x (levels * w) x 3 RGB.
    """
    width = max(1, round(image.shape[1] * HEIGHT / image.shape[0]))
    frame = cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA)
    panels = [_panel(frame, weights) for _, weights in sorted(attention.items())]
    return np.ascontiguousarray(np.concatenate(panels, axis=1), np.uint8)


def _panel(frame: Image, weights: NDArray[np.float32]) -> Image:
    grey = np.clip(weights * 255, 0, 255).astype(np.uint8)
    size = (frame.shape[1], frame.shape[0])
    heat = cv2.applyColorMap(
        cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), cv2.COLORMAP_VIRIDIS
    )
    rgb = cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(frame, 1 - OPACITY, rgb, OPACITY, 0), np.uint8)
