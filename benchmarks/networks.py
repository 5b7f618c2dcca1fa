"""
Networks that others take for features, written out: no package has to be installed to time them.

Laid out as in torchvision, the last layer included, and checked against its counts of parameters
and operations (test/test_benchmarks.py); weights are random. As a transformer, the shape of
DINOv2's smallest. Every network maps B x 3 x H x W floats to one vector an image.
"""

from __future__ import annotations

from smaknet_core.model.resnet import BasicBlock
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 1000
# Of MobileNetV3-Small's blocks: kernel, inner channels, channels, squeeze-excite, hard swish,
# stride (Howard et al. 2019, table 2).
SMALL = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut, the 3x3 one with the stride (ResNet v1.5)."""

    def __init__(self, inputs: int, inner: int, stride: int = 1) -> None:
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x C' x h/stride x w/stride."""
        inner = F.relu(self.bn1(self.conv1(features)), inplace=True)
        inner = F.relu(self.bn2(self.conv2(inner)), inplace=True)
        outer = self.bn3(self.conv3(inner))
        return F.relu(outer + self.downsample(features), inplace=True)


class ResNet(nn.Module):
    """Stem, four stages of blocks, mean over places, classes (He et al. 2016)."""

    def __init__(self, block: type[BasicBlock | Bottleneck], counts: tuple[int, ...]) -> None:
        super().__init__()
        widening = 4 if block is Bottleneck else 1
        stem = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        layers = [stem, nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        inputs = 64
        for stage, count in enumerate(counts):
            for n in range(count):
                layers.append(block(inputs, 64 << stage, 2 if stage and not n else 1))
                inputs = (64 << stage) * widening
        self.features = nn.Sequential(*layers)
        self.classes = nn.Linear(inputs, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W to B x 1000."""
        return self.classes(self.features(images).mean((2, 3)))


def resnet18() -> ResNet:
    """ResNet-18, of which smaknet_core has the first half."""
    return ResNet(BasicBlock, (2, 2, 2, 2))


def resnet50() -> ResNet:
    """ResNet-50, v1.5."""
    return ResNet(Bottleneck, (3, 4, 6, 3))


def filtering(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """MobileNetV3's convolution without bias, and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]


class SqueezeExcite(nn.Module):
    """Weigh channels by what all places have in common (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, (channels // 4 + 4) // 8 * 8)  # a quarter, in eights
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to the same shape."""
        inner = F.relu(self.squeeze(F.adaptive_avg_pool2d(features, 1)), inplace=True)
        return features * F.hardsigmoid(self.excite(inner), inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel on its own, weigh channels, project."""

    def __init__(
        self,
        inputs: int,
        kernel: int,
        inner: int,
        outputs: int,
        weigh: bool,
        hard: bool,
        stride: int,
    ) -> None:
        super().__init__()
        active = nn.Hardswish if hard else nn.ReLU
        expand = [*filtering(inputs, inner, 1), active(inplace=True)] if inner != inputs else []
        self.layers = nn.Sequential(
            *expand,
            *filtering(inner, inner, kernel, stride, groups=inner),
            active(inplace=True),
            *([SqueezeExcite(inner)] if weigh else []),
            *filtering(inner, outputs, 1),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x C' x h/stride x w/stride."""
        projected = self.layers(features)
        return projected + features if self.shortcut else projected


class MobileNetV3Small(nn.Module):
    """Stem, eleven blocks, mean over places, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        layers = [*filtering(3, 16, 3, 2), nn.Hardswish(inplace=True)]
        inputs = 16
        for kernel, inner, outputs, weigh, hard, stride in SMALL:
            layers.append(InvertedResidual(inputs, kernel, inner, outputs, weigh, hard, stride))
            inputs = outputs
        layers += [*filtering(inputs, 576, 1), nn.Hardswish(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.classes = nn.Sequential(
            nn.Linear(576, 1024), nn.Hardswish(inplace=True), nn.Linear(1024, CLASSES)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W to B x 1000."""
        return self.classes(self.features(images).mean((2, 3)))


class VisionTransformer(nn.Module):
    """
    ViT-S/14: patches of 14 px, 12 blocks of 384, 6 heads; DINOv2's smallest for one image size.

    Left out are 9,600 of its 22,056,576 parameters, which cost a deployed network nothing: a scale
    per channel of each block's two branches, which goes into the weights before it, and the token
    of masked patches. Pixels beyond the last whole patch are not seen.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 384, 14, 14)
        self.token = nn.Parameter(torch.zeros(1, 1, 384))  # of the class
        self.places = nn.Parameter(torch.zeros(1, 1 + (size // 14) ** 2, 384))
        block = nn.TransformerEncoderLayer(
            384, 6, 1536, 0.0, 'gelu', layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(384, eps=1e-6)
        self.blocks = nn.TransformerEncoder(block, 12, norm, enable_nested_tensor=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W to B x 384, the token of the class."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        token = self.token.expand(len(images), -1, -1)
        return self.blocks(torch.cat([token, patches], 1) + self.places)[:, 0]
