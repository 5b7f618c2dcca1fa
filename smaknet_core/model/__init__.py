"""Image → embedding: tensors in, tensors out; knows neither files nor data."""

from __future__ import annotations

from collections.abc import Callable

from smaknet_core.config import ModelConfig
from smaknet_core.model.normalise import EMBEDDING_SIZE, Normalise
from smaknet_core.model.smaknet import SmakNet
from smaknet_core.model.systems import backbone_of, make_network, title
from smaknet_core.model.tcn import Tcn
import torch
from torch import nn

__all__ = ['EMBEDDING_SIZE', 'Encoder', 'Normalise', 'SmakNet', 'Tcn', 'backbone_of', 'title']


class Encoder(nn.Module):
    """A network and its embedding norm: what a model file holds."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.network = make_network(config)
        self.normalise = Normalise(config.embedding_norm)
        # Of several training processes: puts the embeddings of all of them in place of the own.
        self.meet: Callable[[torch.Tensor], torch.Tensor] | None = None

    def forward(self, images: torch.Tensor, recordings: int = 1) -> torch.Tensor:
        """
        Map B x 3 x H x W floats in -1 ... 1 to embeddings, B x 32.

        In training, the embedding is normalised over each recording's images on its own: over
        several scenes together, "which scene" fills the unit variance and nothing is left that
        tells time (docs/decisions.md).

        Args:
            images: in training in the order of 2 views x `recordings` x timesteps.
            recordings: how many meet in the batch, of all processes.
        """
        raw: torch.Tensor = self.network(images)
        if self.meet is not None and self.training:
            raw = self.meet(raw)
        if recordings == 1 or not self.normalise.training:
            embedded: torch.Tensor = self.normalise(raw)
            return embedded
        views = raw.view(2, recordings, -1, raw.shape[-1])
        parts = [self.normalise(part.flatten(0, 1)) for part in views.unbind(1)]
        return (
            torch.stack(parts).view(recordings, 2, -1, raw.shape[-1]).transpose(0, 1).flatten(0, 2)
        )

    def settle(self) -> None:
        """Let batch normalisation use its running averages, as when deployed, while training."""
        for module in self.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.eval()
