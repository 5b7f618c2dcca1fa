"""
ResNet-18 as far as its second stage, as the trunk of the slides' SMAK-Net (Resnet-pretrained).

Layers carry torchvision's names, so its weights load, yet nothing of torchvision is imported: a
model file is enough.
"""

from __future__ import annotations

from smaknet_core.model.standardise import Standardise
import torch
from torch import nn
from torch.nn import functional as F

# What torchvision's weights expect, of pixels in 0 ... 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x C' x h/stride x w/stride."""
        inner = F.relu(self.bn1(self.conv1(features)), inplace=True)
        outer: torch.Tensor = self.bn2(self.conv2(inner))
        return F.relu(outer + self.downsample(features), inplace=True)


class ResNet18(nn.Module):
    """Stem, layer1 and layer2: an image to 64 channels at stride 4 and 128 at stride 8."""

    def __init__(self) -> None:
        super().__init__()
        self.standardise = Standardise(IMAGENET_MEAN, IMAGENET_STD)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map B x 3 x H x W floats in -1 ... 1 to two feature maps."""
        stem = F.relu(self.bn1(self.conv1(self.standardise(images))), inplace=True)
        first = self.layer1(F.max_pool2d(stem, 3, stride=2, padding=1))
        return first, self.layer2(first)


class ResNetTrunk(nn.Module):
    """Those two as L1 and L2; one more convolution gives L3 at stride 16."""

    channels = {1: 64, 2: 128, 3: 192}

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet18()
        self.level3 = nn.Sequential(
            nn.Conv2d(128, 192, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(192),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        """Map B x 3 x H x W floats to {level: B x C x h x w}."""
        first, second = self.backbone(images)
        return {1: first, 2: second, 3: self.level3(second)}
