"""Settings → one of the networks that are compared, and what a table calls it."""

from __future__ import annotations

from pathlib import PurePath

from smaknet_core.config import ModelConfig
from smaknet_core.model.smaknet import SmakNet
from smaknet_core.model.tcn import Tcn
from torch import nn

TRUNKS = {'resnet18': 'ResNet-18', 'lite0': 'EfficientNet-Lite0', 'tcn': 'Inception-v3'}


def make_network(config: ModelConfig) -> SmakNet | Tcn:
    """Build the configured network; its weights are random."""
    network = Tcn() if config.system == 'tcn' else SmakNet(config)
    backbone = backbone_of(network)
    if backbone is not None and config.freeze_backbone:
        backbone.requires_grad_(False)
    return network


def backbone_of(network: SmakNet | Tcn) -> nn.Module | None:
    """Give the part that other weights exist for, under the names those have; None if none."""
    if isinstance(network, Tcn):
        return network.backbone
    return getattr(network.trunk, 'backbone', None)


def title(config: ModelConfig) -> str:
    """
    Name a network as the slides do, with what its trunk began as.

    A trunk without ImageNet weights is `(random init)`: then it is not the slides' baseline.
    """
    if config.system == 'smaknet':
        return _smaknet(config)
    name = 'Multi-view TCN' if config.system == 'tcn' else _smaknet(config)
    trunk = TRUNKS[config.system] + (' frozen' if config.freeze_backbone else '')
    weights = PurePath(config.backbone_weights).name or 'random init'
    return f'{name} on {trunk} ({weights})'


def _smaknet(config: ModelConfig) -> str:
    levels = ''.join(map(str, config.levels))
    extended = ' extended' if config.extended else ''
    return f'SMAK-Net Att{levels}{extended}{" softmax" if config.attention == "softmax" else ""}'
