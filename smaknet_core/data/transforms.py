"""
Frame → network input, the same object in training, evaluation and live.

Frames travel as uint8 H x W x 3 RGB until the network's door; only augmentation, which live
frames never meet, works on floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from smaknet_core.config import AugmentConfig
from smaknet_core.data.noise import Noise
from smaknet_core.types import Image
import torch
from torch.nn import functional as F

# Grey level that becomes 0, and how many levels become 1. Kept in model files as `preprocessing`.
PIXEL_MEAN = 127.5
PIXEL_SCALE = 127.5
PATCHES = 8  # of a foreign background, along each side

# What F.interpolate calls for bilinear with antialias; its stub does not know `out`.
_interpolate: Any = torch._C._nn._upsample_bilinear2d_aa


def resize(image: Image, height: int, width: int) -> Image:
    """
    Resize a frame with antialiasing, whatever its aspect.

    Torch's uint8 kernel on the H x W x 3 view is several times faster than cv2.INTER_AREA and
    the same for enlarging; one function offline and live, so that embeddings agree.

    Args:
        image: H x W x 3 uint8.
        height: of the result, pixels.
        width: of the result, pixels.
    """
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    small = np.empty((height, width, 3), np.uint8)
    resize_into(image, small)
    return small


def resize_into(image: Image, small: Image) -> None:
    """
    Resize a frame as `resize` does, into memory that is there, one frame of a batch for instance.

    Args:
        image: H x W x 3 uint8.
        small: height x width x 3 uint8, contiguous; overwritten.
    """
    if image.shape == small.shape:
        small[:] = image
        return
    # torch warns about read-only memory it might write to, and cannot read backwards (BGR views)
    if not (image.flags.writeable and image.flags.c_contiguous):
        image = image.copy()
    # What F.interpolate calls, without its questions and a result to copy from: right after a
    # network, when no code is in the cache any more, these took a fifth of the time.
    _interpolate(
        _channels_first(image), small.shape[:2], False, None, None, out=_channels_first(small)
    )


def _channels_first(image: Image) -> torch.Tensor:
    """
    View H x W x 3 as 1 x 3 x H x W.

    The first axis is put there first: else torch would not see that channels are innermost, and to
    turn its result around took a third of the time.
    """
    return torch.from_numpy(image.reshape(1, *image.shape).transpose(0, 3, 1, 2))


def to_input(images: torch.Tensor) -> torch.Tensor:
    """Turn B x H x W x 3 uint8 into B x 3 x H x W float32 in -1 ... 1, on the same device."""
    return (images.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_SCALE


class Augment:
    """Zoom, shift and recolour each image of a batch on its own."""

    def __init__(self, config: AugmentConfig) -> None:
        self._config = config

    def __call__(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """
        Return a changed copy of B x 3 x H x W floats in -1 ... 1.

        The draws come from `noise`, so that a step repeats exactly.
        """
        images = self._move(images, noise)
        images = self._recolour(images, noise)
        if self._config.background:
            images = self._mix(images, noise)
        return self._cover(images, noise) if self._config.patch else images

    def _move(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        count, _, height, width = images.shape
        low, high = self._config.zoom
        scale = low + (high - low) * noise.rand(count)
        shift = (noise.rand(count, 2) * 2 - 1) * self._config.shift * 2
        # Nothing turns, so that columns and rows move apart: a fraction of an affine grid's work.
        columns = (scale[:, None] * _places(width) + shift[:, :1]).to(images.device)  # B x W
        rows = (scale[:, None] * _places(height) + shift[:, 1:]).to(images.device)  # B x H
        grid = torch.empty(count, height, width, 2, device=images.device)
        grid[..., 0] = columns[:, None]
        grid[..., 1] = rows[:, :, None]
        return F.grid_sample(images, grid, padding_mode='border', align_corners=False)

    def _recolour(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Change saturation, contrast and brightness, in this order, of images of its own."""
        config, count = self._config, len(images)

        def draw(amount: float) -> torch.Tensor:
            unit = noise.rand(count, 1, 1, 1) * 2 - 1
            return (unit * amount).to(images.device)

        # All three are linear: each channel is multiplied by one number, and gets a share of the
        # grey picture and of its mean, which saturation leaves as they are.
        saturation, contrast, brightness = map(
            draw, (config.saturation, config.contrast, config.brightness)
        )
        grey = images.mean(dim=1, keepdim=True)
        centre = grey.mean(dim=(2, 3), keepdim=True)
        grey.mul_(-saturation * (1 + contrast)).add_(2 * brightness - contrast * centre)
        return images.mul_((1 + saturation) * (1 + contrast)).add_(grey).clamp_(-1, 1)

    def _mix(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        count, _, height, width = images.shape
        coarse = (noise.rand(count, 3, PATCHES, PATCHES) * 2 - 1).to(images.device)
        foreign = F.interpolate(coarse, (height, width), mode='bicubic', align_corners=False)
        share = (noise.rand(count, 1, 1, 1) * self._config.background).to(images.device)
        return images + share * (foreign.clamp(-1, 1) - images)

    def _cover(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        count, _, height, width = images.shape
        size = (noise.rand(count, 2) * self._config.patch).to(images.device)
        centre = noise.rand(count, 2).to(images.device)
        rows = torch.linspace(0, 1, height, device=images.device)
        cols = torch.linspace(0, 1, width, device=images.device)
        inside_rows = (rows[None] - centre[:, :1]).abs() < size[:, :1] / 2  # B x H
        inside_cols = (cols[None] - centre[:, 1:]).abs() < size[:, 1:] / 2  # B x W
        inside = (inside_rows[:, :, None] & inside_cols[:, None])[:, None]  # B x 1 x H x W
        return images.masked_fill(inside, 0.0)


def _places(count: int) -> torch.Tensor:
    """Give the middles of so many pixels in a row, of which the outer edges are -1 and 1."""
    return (2 * torch.arange(count) + 1) / count - 1
