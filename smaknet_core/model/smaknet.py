"""
Image → 32-d embedding: SMAK-Net.

A reconstruction: the slides give sizes and equations, not the layer list (docs/decisions.md).
Fully convolutional, strides instead of pooling, so any input size works. The trunk can be another
network's; what stands on it is the same but for its width.
"""

from __future__ import annotations

from collections.abc import Sequence

from smaknet_core.config import ModelConfig
from smaknet_core.model.attention import SpatialAttention
from smaknet_core.model.efficientnet import EfficientNetTrunk
from smaknet_core.model.normalise import EMBEDDING_SIZE
from smaknet_core.model.resnet import ResNetTrunk
import torch
from torch import nn

WIDTH = 192  # of g and of every level's projection
HIDDEN = 288
RESNET_WIDTH = 160  # keeps that variant at the size of SMAK-Net; its hidden layer too


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """One 3x3 convolution without bias, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Trunk(nn.Module):
    """The convolutions: an image in, feature maps L1 (stride 4), L2 (8) and L3 (16) out."""

    channels = {1: 64, 2: 128, 3: WIDTH}

    def __init__(self, extended: bool = False) -> None:
        super().__init__()
        more = [[conv(32, 32), conv(32, 32)], [conv(128, 128)], [conv(WIDTH, WIDTH)]]
        stem, extra2, extra3 = more if extended else ([], [], [])
        self.stem = nn.Sequential(conv(3, 32, 2), *stem)
        self.level1 = nn.Sequential(conv(32, 64, 2), conv(64, 64))
        self.level2 = nn.Sequential(conv(64, 128, 2), conv(128, 128), *extra2)
        self.level3 = nn.Sequential(conv(128, WIDTH, 2), conv(WIDTH, WIDTH), *extra3)

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        """Map B x 3 x H x W floats to {level: B x C x h x w}."""
        first = self.level1(self.stem(images))  # B x 64 x H/4 x W/4
        second = self.level2(first)  # B x 128 x H/8 x W/8
        return {1: first, 2: second, 3: self.level3(second)}  # B x 192 x H/16 x W/16


def make_trunk(config: ModelConfig) -> Trunk | ResNetTrunk | EfficientNetTrunk:
    """Build what gives the feature maps L1, L2 and L3 at strides 4, 8 and 16."""
    if config.system == 'resnet18':
        return ResNetTrunk()
    if config.system == 'lite0':
        return EfficientNetTrunk()
    return Trunk(config.extended)


class SmakNet(nn.Module):
    """Att123 by default: 1,081,824 parameters; 1,079,552 on ResNet-18's first half."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.levels: Sequence[int] = config.levels
        self.trunk = make_trunk(config)
        channels = self.trunk.channels
        resnet = config.system == 'resnet18'
        width, hidden = (RESNET_WIDTH, RESNET_WIDTH) if resnet else (WIDTH, HIDDEN)
        self.globals = nn.Linear(channels[3], width)  # g
        self.attention = nn.ModuleDict(
            {str(i): SpatialAttention(channels[i], width, config) for i in config.levels}
        )
        self.head = nn.Sequential(
            nn.Linear(width * len(config.levels), hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, EMBEDDING_SIZE),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W floats in -1 ... 1 to raw embeddings, B x 32."""
        return self.forward_with_scores(images)[0]

    def forward_with_scores(
        self, images: torch.Tensor
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return B x 32 embeddings and, per level, the raw attention scores B x h x w."""
        maps = self.trunk(images)
        g = self.globals(maps[3].mean((2, 3)))  # B x width
        pooled, scores = [], {}
        for level in self.levels:
            vector, scores[level] = self.attention[str(level)](maps[level], g)
            pooled.append(vector)
        return self.head(torch.cat(pooled, 1)), scores
