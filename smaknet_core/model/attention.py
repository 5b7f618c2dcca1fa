"""Feature map → pooled vector: spatial attention at one level (slides, equation 2)."""

from __future__ import annotations

from smaknet_core.config import ModelConfig
import torch
from torch import nn
from torch.nn import functional


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
        # Both steps are linear in P(L), so P is applied to vectors instead of to every place:
        # <u, P(L)> = <P'u, L>, and the average of P(L) is P of the average of L.
        places, u = features.flatten(2), self.score.weight.flatten(1)  # B x C x hw, 1 x width
        project = self._projector()
        toward_u = u if project is None else u @ project  # 1 x C
        scores = toward_u @ places + functional.linear(g, u)[:, :, None]  # B x 1 x hw
        weights = scores.softmax(-1) if self._softmax else scores.sigmoid()
        if not self._softmax and self._pool == 'mean':
            weights = weights / places.shape[2]
        elif not self._softmax and self._pool == 'normalised':
            weights = weights / weights.sum(-1, keepdim=True)
        pooled = (places @ weights.mT).squeeze(2)  # B x C
        if project is not None:
            pooled = functional.linear(pooled, project)
        return pooled, scores.view_as(features[:, 0])

    def _projector(self) -> torch.Tensor | None:
        """Give P, width x C; None where there is none."""
        return self.project.weight.flatten(1) if isinstance(self.project, nn.Conv2d) else None
