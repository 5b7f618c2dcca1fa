"""
Inception-v3 as far as Mixed_5d: the trunk of the multi-view TCN.

The slides' baseline stands on ImageNet features (Szegedy et al. 2016). Layers carry torchvision's
names, so its weights load, yet nothing of torchvision is imported: a model file is enough.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class BasicConv2d(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x C' x h' x w'."""
        return F.relu(self.bn(self.conv(features)), inplace=True)


class InceptionA(nn.Module):
    """Four branches side by side; the places of the map stay as they are."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 64, 1)
        self.branch5x5_1 = BasicConv2d(inputs, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(inputs, pooled, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x `inputs` x h x w to B x (224 + `pooled`) x h x w."""
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(features))
        branches = [
            self.branch1x1(features),
            self.branch5x5_2(self.branch5x5_1(features)),
            self.branch3x3dbl_3(double),
            self.branch_pool(F.avg_pool2d(features, 3, stride=1, padding=1)),
        ]
        return torch.cat(branches, 1)


class InceptionV3(nn.Module):
    """An image in -1 ... 1, as Inception was trained, to Mixed_5d: 288 channels at stride 8."""

    channels = 288

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W floats to B x 288 x h x w; 299 pixels give 35 places."""
        features = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images)))
        features = self.Conv2d_3b_1x1(F.max_pool2d(features, 3, stride=2))
        features = F.max_pool2d(self.Conv2d_4a_3x3(features), 3, stride=2)
        mixed: torch.Tensor = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(features)))
        return mixed
