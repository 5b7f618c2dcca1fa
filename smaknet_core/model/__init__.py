"""Image → embedding: tensors in, tensors out; knows neither files nor data."""

from __future__ import annotations

from smaknet_core.config import ModelConfig
from smaknet_core.model.normalise import Normalise
from smaknet_core.model.smaknet import EMBEDDING_SIZE, SmakNet
import torch
from torch import nn

__all__ = ['EMBEDDING_SIZE', 'Encoder', 'Normalise', 'SmakNet']


class Encoder(nn.Module):
    """A network and its embedding norm: what a model file holds."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.network = SmakNet(config)
        self.normalise = Normalise(config.embedding_norm)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W floats in -1 ... 1 to embeddings, B x 32."""
        embedded: torch.Tensor = self.normalise(self.network(images))
        return embedded
