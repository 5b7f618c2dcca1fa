"""Random numbers for the images of a step: the same however many processes share it."""

from __future__ import annotations

import torch


class Noise:
    """
    Draws for each image of a step, on the CPU, a function of the seed.

    A process of several draws for all images of the step and keeps those of its own share.
    """

    def __init__(self, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._rank, self._ranks = rank, ranks

    def rand(self, count: int, *shape: int) -> torch.Tensor:
        """Return count x shape uniform in 0 ... 1, for `count` images of 2 views x recordings."""
        drawn = torch.rand(count * self._ranks, *shape, generator=self._generator)
        if self._ranks == 1:
            return drawn
        return drawn.view(2, self._ranks, -1, *shape)[:, self._rank].flatten(0, 1)
