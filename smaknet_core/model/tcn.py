"""
Image → 32-d embedding: the multi-view TCN of Sermanet et al. 2018, the slides' baseline.

As its published code builds it (`inception_conv_ss_fc`): Inception-v3 to Mixed_5d, dropout, two
3x3 convolutions of 512, spatial softmax, FC 2048, dropout, FC 32; each followed by a batch norm
that shifts but does not scale, the embedding included. 5,852,192 parameters to train above the
trunk, and the temperature of the softmax. Batch norm averages move at PyTorch's pace (0.1), not
at 0.001, under which a run of a thousand steps would be deployed with its starting values.
"""

from __future__ import annotations

from smaknet_core.model.inception import InceptionV3
from smaknet_core.model.normalise import EMBEDDING_SIZE
import torch
from torch import nn

FILTERS = 512
HIDDEN = 2048
DROPPED = 0.2  # share of the features, in training


def shifting(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    """Keep a batch norm from learning a scale."""
    norm.weight.requires_grad_(False)
    return norm


def conv(inputs: int) -> nn.Sequential:
    """One 3x3 convolution, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, FILTERS, 3, padding=1, bias=False),
        shifting(nn.BatchNorm2d(FILTERS, eps=1e-3)),
        nn.ReLU(inplace=True),
    )


class SpatialSoftmax(nn.Module):
    """Where each channel is active: the expected position under a softmax over places."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map B x C x h x w to B x 2C: x and y of each channel, -1 ... 1."""
        height, width = features.shape[2:]
        shares = (features.flatten(2) / self.temperature).softmax(-1).view_as(features)
        x = torch.linspace(-1, 1, width, device=features.device, dtype=features.dtype)
        y = torch.linspace(-1, 1, height, device=features.device, dtype=features.dtype)
        places = torch.stack([(shares.sum(2) * x).sum(-1), (shares.sum(3) * y).sum(-1)], -1)
        return places.flatten(1)


class Tcn(nn.Module):
    """The network without its optional normalisation to unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = InceptionV3()
        self.head = nn.Sequential(
            nn.Dropout(DROPPED),
            conv(InceptionV3.channels),
            conv(FILTERS),
            SpatialSoftmax(),
            nn.Linear(2 * FILTERS, HIDDEN, bias=False),
            shifting(nn.BatchNorm1d(HIDDEN, eps=1e-3)),
            nn.ReLU(inplace=True),
            nn.Dropout(DROPPED),
            nn.Linear(HIDDEN, EMBEDDING_SIZE, bias=False),
            shifting(nn.BatchNorm1d(EMBEDDING_SIZE, eps=1e-3)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W floats in -1 ... 1 to raw embeddings, B x 32."""
        embedded: torch.Tensor = self.head(self.backbone(images))
        return embedded
