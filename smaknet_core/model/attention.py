"""Feature map → pooled vector: spatial attention at one level (slides, equation 2)."""

from __future__ import annotations

from smaknet_core.config import ModelConfig
import torch
from torch import nn


class SpatialAttention(nn.Module):
    """
    Weigh the places of one feature map by how compatible they are with the global feature.

    c = <u, P(L) + g>; the map is averaged with weights sigmoid(c), or softmax(c) over places.
    With softmax, g shifts all scores alike and cancels: then it gets no gradient.
    """

    def __init__(self, channels: int, width: int, config: ModelConfig) -> None:
        super().__init__()
        # The deepest level already has the width of g and needs no projector.
        same = channels == width
        self.project = nn.Identity() if same else nn.Conv2d(channels, width, 1, bias=False)
        self.score = nn.Conv2d(width, 1, 1, bias=False)  # u
        self._softmax = config.attention == 'softmax'
        self._pool = config.pool

    def forward(
        self, features: torch.Tensor, g: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Pool one level.

        Args:
            features: L, B x C x h x w.
            g: global feature, B x width.

        Returns:
            Pooled vector, B x width, and the raw scores c, B x h x w.
        """
        local = self.project(features)  # B x width x h x w
        scores = self.score(local + g[:, :, None, None])  # B x 1 x h x w
        if self._softmax:
            weights = scores.flatten(2).softmax(-1).view_as(scores)
            return (weights * local).sum((2, 3)), scores[:, 0]
        weights = scores.sigmoid()
        pooled = (weights * local).sum((2, 3))
        if self._pool == 'mean':
            pooled = pooled / (local.shape[2] * local.shape[3])
        elif self._pool == 'normalised':
            pooled = pooled / weights.sum((2, 3))
        return pooled, scores[:, 0]
