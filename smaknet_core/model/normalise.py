"""Raw 32-d vector → the embedding that metric, matcher and topic all see."""

from __future__ import annotations

from smaknet_core.config import EmbeddingNorm
import torch
from torch import nn

EMBEDDING_SIZE = 32
EPS = 1e-12  # no vector is taken for shorter


class Normalise(nn.Module):
    """
    `batch` centres and scales each dimension, `l2` puts the vector on the unit sphere.

    `batch_l2` does both: without the centring all embeddings of a fresh network point the same
    way and the contrastive loss has nothing to hold on to (docs/decisions.md).
    """

    def __init__(self, kind: EmbeddingNorm) -> None:
        super().__init__()
        centred = kind in ('batch', 'batch_l2')
        self.batch = nn.BatchNorm1d(EMBEDDING_SIZE, affine=False) if centred else nn.Identity()
        self._sphere = kind in ('l2', 'batch_l2')

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """Map B x 32 to B x 32."""
        centred: torch.Tensor = self.batch(raw)
        if not self._sphere:
            return centred
        length: torch.Tensor = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
        return centred / length.clamp_min(EPS)
