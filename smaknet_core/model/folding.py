"""
Trained encoder → the same function with less to compute: what the engines run.

In inference a batch norm is a scale and a shift per channel; both go into the weights of the layer
it follows, and so does the scale of the pixels. Which layer that is, is not read off the code but
seen, by passing a frame through.
"""

from __future__ import annotations

import copy
from typing import Any

from smaknet_core.model.standardise import Standardise
import torch
from torch import nn

Layer = nn.Conv2d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d
WATCHED = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, Standardise)


class FrameEncoder(nn.Module):
    """
    Frames as they are in memory to embeddings.

    What is left of the normalisation of pixels is the subtraction of their mean, in the pass that
    turns bytes into floats. The first convolution thus goes on padding with 0, which is the mean,
    and the borders are exact.
    """

    mean: torch.Tensor

    def __init__(self, encoder: nn.Module, mean: torch.Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer('mean', mean.view(1, -1, 1, 1))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Map B x H x W x 3 uint8 RGB to B x 32."""
        embedded: torch.Tensor = self.encoder(frames.permute(0, 3, 1, 2) - self.mean)
        return embedded


def fold(
    encoder: nn.Module, height: int, width: int, pixel_mean: float, pixel_scale: float
) -> FrameEncoder:
    """
    Fold batch norms and the normalisation of pixels into a copy of an encoder.

    Args:
        encoder: on any device; maps B x 3 x H x W floats to embeddings.
        height: of its input.
        width: of its input.
        pixel_mean: grey level that it expects as 0.
        pixel_scale: how many levels it expects as 1.
    """
    folded = copy.deepcopy(encoder).eval().requires_grad_(False)
    walk = _Walk()
    with torch.no_grad():
        walk.through(folded, height, width)
        mean = _fold_pixels(walk, pixel_mean, pixel_scale)
        for layer, norm in walk.norms:
            _fold_norm(layer, norm)
    _replace(folded, {*walk.standardises, *(norm for _, norm in walk.norms)})
    return FrameEncoder(folded, mean)


class _Walk:
    """What one frame met: the first layers, and every batch norm with the layer before it."""

    def __init__(self) -> None:
        self.first: list[nn.Conv2d] = []
        self.standardises: list[Standardise] = []
        self.norms: list[tuple[Layer, Norm]] = []
        self._image: list[torch.Tensor] = []  # the frame, also standardised
        self._made: list[tuple[torch.Tensor, int, Layer]] = []  # what a layer gave, its version

    def through(self, encoder: nn.Module, height: int, width: int) -> None:
        """Pass a frame through, watching."""
        weights = next(encoder.parameters())
        image = torch.zeros(1, 3, height, width, device=weights.device, dtype=weights.dtype)
        self._image = [image]
        watched = [module for module in encoder.modules() if isinstance(module, WATCHED)]
        hooks = [module.register_forward_hook(self._see) for module in watched]
        encoder(image)
        for hook in hooks:
            hook.remove()

    def _see(self, module: nn.Module, given: tuple[Any, ...], gave: torch.Tensor) -> None:
        received = given[0]
        from_image = any(received is image for image in self._image)
        if isinstance(module, Standardise) and from_image:
            self.standardises.append(module)
            self._image.append(gave)
        if isinstance(module, nn.Conv2d) and from_image:
            self.first.append(module)
        if isinstance(module, Layer):
            self._made.append((gave, gave._version, module))
        if isinstance(module, Norm):
            maker = self._maker(received)
            if maker is not None:
                self.norms.append((maker, module))
                self._made.append((gave, gave._version, maker))

    def _maker(self, tensor: torch.Tensor) -> Layer | None:
        """Give the layer whose output this is; an in-place ReLU makes it another version."""
        for gave, version, layer in self._made:
            if gave is tensor and version == tensor._version:
                return layer
        return None


def _fold_pixels(walk: _Walk, pixel_mean: float, pixel_scale: float) -> torch.Tensor:
    """Scale the first layers' weights; give the pixel value of each channel that they see as 0."""
    weights = walk.first[0].weight
    gain, shift = (torch.full((1, 3, 1, 1), value).to(weights) for value in (1.0, 0.0))
    for standardise in walk.standardises:
        gain, shift = standardise.gain, standardise.shift
    for layer in walk.first:
        layer.weight.mul_(gain / pixel_scale)
    return pixel_mean - pixel_scale * shift / gain


def _fold_norm(layer: Layer, norm: Norm) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean * scale
    shift = shift if norm.bias is None else shift + norm.bias
    layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.dim() - 1)))
    bias = shift if layer.bias is None else layer.bias * scale + shift
    layer.bias = nn.Parameter(bias, requires_grad=False)


def _replace(encoder: nn.Module, gone: set[nn.Module]) -> None:
    """Take modules out, whichever module they are in."""
    for parent in list(encoder.modules()):
        for name, child in parent.named_children():
            if child in gone:
                setattr(parent, name, nn.Identity())
