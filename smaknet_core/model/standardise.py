"""Network input → what a borrowed trunk was trained to see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Standardise(nn.Module):
    """Turn -1 ... 1 into (share - mean) / std of each channel, with shares in 0 ... 1."""

    gain: torch.Tensor
    shift: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        means, stds = torch.tensor(mean), torch.tensor(std)
        # Known to the code, so not in model files.
        self.register_buffer('gain', (0.5 / stds).view(1, -1, 1, 1), persistent=False)
        self.register_buffer('shift', ((0.5 - means) / stds).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x C x H x W to the same shape."""
        return images * self.gain + self.shift
