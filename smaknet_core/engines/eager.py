"""The network in PyTorch, operator by operator: runs everywhere, the default on a GPU."""

from __future__ import annotations

import numpy as np
from smaknet_core.data.transforms import PIXEL_MEAN, PIXEL_SCALE
from smaknet_core.engines.batches import BATCH, Frames, in_batches, Vectors
from smaknet_core.model import Encoder
from smaknet_core.model.folding import fold
import torch


class EagerEngine:
    """
    A folded copy of an encoder, channels last; in half precision on CUDA.

    Frames go through one page-locked buffer, from which the GPU copies on its own while the CPU
    launches what is to be computed. On the CPU the buffer is plain memory and all else the same.

    Args:
        encoder: the trained network; it is copied.
        height: of the frames.
        width: of the frames.
        device: torch's name of it; must exist.
        half: compute in float16; None means on CUDA only.
    """

    def __init__(
        self,
        encoder: Encoder,
        height: int,
        width: int,
        device: str | torch.device = 'cpu',
        half: bool | None = None,
    ) -> None:
        self._device = torch.device(device)
        cuda = self._device.type == 'cuda'
        half = cuda if half is None else half
        network = fold(encoder.to(self._device), height, width, PIXEL_MEAN, PIXEL_SCALE)
        network = network.half() if half else network
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._buffer = torch.empty((BATCH, height, width, 3), dtype=torch.uint8, pin_memory=cuda)
        self.name = 'torch float16' if half else 'torch'

    def embed(self, frames: Frames) -> Vectors:
        """Embed N x H x W x 3 uint8 RGB, N x 32; ConfigError if one frame is too much."""
        return in_batches(self._compute, frames, self._device)

    def _compute(self, frames: Frames) -> Vectors:
        staged = self._buffer[: len(frames)]
        np.copyto(staged.numpy(), frames)
        with torch.inference_mode():
            embedded = self._network(staged.to(self._device, non_blocking=True))
            # Waits for the GPU: only then may the buffer be filled again.
            vectors: Vectors = embedded.float().cpu().numpy()
        return vectors
