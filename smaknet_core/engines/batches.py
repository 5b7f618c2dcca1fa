"""Any number of frames → batches that fit into memory; what every engine has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import ConfigError
from smaknet_core.model import EMBEDDING_SIZE
import torch

BATCH = 64  # frames per pass when whole recordings are embedded
# As torch on the CPU and ONNX Runtime say it; only on CUDA has the error a type of its own.
_OUT_OF_MEMORY = ('DefaultCPUAllocator', 'Failed to allocate memory', 'bad_alloc')

Frames = NDArray[np.uint8]  # N x H x W x 3 RGB
Vectors = NDArray[np.float32]  # N x 32


class Engine(Protocol):
    """What computes embeddings; they agree to 1e-4 whichever it is, but for half precision."""

    name: str  # for people: torch, torch float16, onnx (CPU) ...

    def embed(self, frames: Frames) -> Vectors:
        """
        Embed frames that have the network's size.

        Args:
            frames: N x H x W x 3 uint8 RGB, may be a memmap, N may be 0.

        Raises:
            ConfigError: there is no memory for a single frame.
        """


def in_batches(compute: Callable[[Frames], Vectors], frames: Frames, device: Any) -> Vectors:
    """Compute at most BATCH frames at a time; where memory runs out, half as many."""
    batches = [frames[first : first + BATCH] for first in range(0, len(frames), BATCH)]
    parts = [_or_by_halves(compute, batch, device) for batch in batches]
    return np.concatenate([np.empty((0, EMBEDDING_SIZE), np.float32), *parts])


def _or_by_halves(compute: Callable[[Frames], Vectors], frames: Frames, device: Any) -> Vectors:
    try:
        return compute(frames)
    except (MemoryError, RuntimeError) as err:
        if not is_out_of_memory(err):
            raise
        if len(frames) == 1:
            raise ConfigError(_describe_out_of_memory(frames, device)) from err
    # Out here the error is gone, and with it what its traceback kept in memory.
    half = len(frames) // 2
    parts = [_or_by_halves(compute, part, device) for part in (frames[:half], frames[half:])]
    return np.concatenate(parts)


def is_out_of_memory(err: Exception) -> bool:
    """Whether memory ran out; of errors on the CPU only the text says so."""
    out = isinstance(err, (MemoryError, torch.cuda.OutOfMemoryError))
    return out or any(words in str(err) for words in _OUT_OF_MEMORY)


def _describe_out_of_memory(frames: Frames, device: Any) -> str:
    height, width = frames.shape[1:3]
    return (
        f'device: {device} has no memory left for one frame of {height} x {width}; end what else '
        'uses it, or choose another device'
    )
