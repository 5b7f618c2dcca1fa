"""
Frames → embeddings: rebuilds the network from a model file and owns its preprocessing.

The node, the commands and the evaluation talk to this, never to the network itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.checkpoint import load_model, ModelFile, PREPROCESSING, resolve
from smaknet_core.config import to_mapping
from smaknet_core.data.transforms import resize, to_input
from smaknet_core.errors import ConfigError, ModelError
from smaknet_core.model import EMBEDDING_SIZE, Encoder, SmakNet, title
from smaknet_core.types import Image
import torch

BATCH = 64  # frames per forward pass when whole recordings are embedded


class NotFiniteError(ModelError):
    """The network gave NaN or infinite values."""


class Embedder:
    """Images in, embeddings out."""

    def __init__(self, model: ModelFile, device: str = 'cpu') -> None:
        self.config = model.config
        self.cameras = model.cameras
        self.calibration = model.calibration
        self.summary = model.summary
        self.model_hash = model.hash
        self.device = device
        encoder = model.encoder.to(device).eval()
        self._encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(cls, path: Path, device: str = 'auto', threads: int = 1) -> Embedder:
        """
        Load a model file or RUN folder.

        Args:
            path: a `model.safetensors` or the folder that holds it.
            device: auto, cpu, cuda or cuda:N; an absent CUDA asked for by name is an error.
            threads: torch's intra-op threads on the CPU, process-wide. More than one only pays
                on an idle machine (docs/decisions.md).

        Raises:
            ModelError: the file cannot be used.
            ConfigError: the device does not exist.
        """
        path = resolve(path)
        chosen = choose_device(device)
        if chosen == 'cpu':
            torch.set_num_threads(threads)
        return cls(load_model(path), chosen)

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """
        Embed frames as one batch.

        Args:
            images: N frames, H x W x 3 uint8 RGB, sizes may differ.

        Returns:
            N x 32, finite.

        Raises:
            NotFiniteError: the network gave NaN or infinite values.
            ConfigError: the device has no memory for a single frame.
        """
        if not images:
            return np.empty((0, EMBEDDING_SIZE), np.float32)
        parts = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
        return np.concatenate([self._embed(part) for part in parts])

    def attention(self, image: Image) -> dict[int, NDArray[np.float32]]:
        """
        Return, per level, the attention weights over one frame: h x w in 0 ... 1.

        Softmax weights shrink with the number of places; they are shown as shares of the largest.
        Empty for a network without attention, the multi-view TCN.
        """
        network = self._encoder.network
        if not isinstance(network, SmakNet):
            return {}
        data = self.config.data
        softmax = self.config.model.attention == 'softmax'
        small = torch.from_numpy(resize(image, data.height, data.width))[None].to(self.device)
        with torch.inference_mode():
            scores = network.forward_with_scores(to_input(small))[1]
        weigh = _share_of_largest if softmax else torch.sigmoid
        return {level: weigh(c[0]).cpu().numpy() for level, c in scores.items()}

    def warm_up(self, batch: int) -> float:
        """Run the real batch shape twice, so that the first frame is not the slow one; seconds."""
        start = time.monotonic()
        blank = np.zeros((self.config.data.height, self.config.data.width, 3), np.uint8)
        for _ in range(2):
            self.embed([blank] * batch)
        return time.monotonic() - start

    def describe(self) -> dict[str, Any]:
        """Return what a consumer must know about the model, JSON-ready."""
        return {
            'hash': self.model_hash,
            'embedding_size': EMBEDDING_SIZE,
            'cameras': list(self.cameras),
            'height': self.config.data.height,
            'width': self.config.data.width,
            'preprocessing': PREPROCESSING,
            'model': to_mapping(self.config.model),
            'system': title(self.config.model),
            'calibration': to_mapping(self.calibration),
            'device': self.device,
        }

    def _embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        data = self.config.data
        small = np.stack([resize(image, data.height, data.width) for image in images])
        return embed_frames(self._encoder, small, self.device)


def _share_of_largest(scores: torch.Tensor) -> torch.Tensor:
    return torch.exp(scores - scores.max())


def choose_device(name: str) -> str:
    """Turn auto, cpu, cuda or cuda:N into a torch device that exists, or raise ConfigError."""
    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise ConfigError(f'device: expected auto, cpu, cuda or cuda:N, got {name!r}') from err
    if device.type not in ('cpu', 'cuda'):
        raise ConfigError(f'device: expected auto, cpu, cuda or cuda:N, got {name!r}')
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(f'device: {name} was asked for, but torch sees {count} CUDA devices')
    return name


def embed_frames(
    encoder: Encoder, frames: NDArray[np.uint8], device: str | torch.device
) -> NDArray[np.float32]:
    """
    Embed frames that already have the network's size; the encoder must be in eval mode.

    Where memory runs out, the frames are tried again half as many at a time.

    Args:
        encoder: on `device`.
        frames: N x H x W x 3 uint8 RGB, may be a memmap.
        device: where the encoder is.

    Returns:
        N x 32.

    Raises:
        NotFiniteError: the network gave NaN or infinite values.
        ConfigError: the device has no memory for a single frame.
    """
    batches = [frames[first : first + BATCH] for first in range(0, len(frames), BATCH)]
    parts = [_embed_batch(encoder, np.array(batch), device) for batch in batches]
    embeddings = np.concatenate(parts)
    if not np.isfinite(embeddings).all():
        raise NotFiniteError('the network gave NaN or infinite embeddings; it is damaged')
    return embeddings


def _embed_batch(
    encoder: Encoder, frames: NDArray[np.uint8], device: str | torch.device
) -> NDArray[np.float32]:
    try:
        with torch.inference_mode():
            embedded = encoder(to_input(torch.from_numpy(frames).to(device)))
            vectors: NDArray[np.float32] = embedded.float().cpu().numpy()
        return vectors
    except (MemoryError, RuntimeError) as err:
        if not is_out_of_memory(err):
            raise
        if len(frames) == 1:
            raise ConfigError(_describe_out_of_memory(frames, device)) from err
    # Out here the error is gone, and with it what its traceback kept in memory.
    half = len(frames) // 2
    parts = [_embed_batch(encoder, part, device) for part in (frames[:half], frames[half:])]
    return np.concatenate(parts)


def is_out_of_memory(err: Exception) -> bool:
    """Whether memory ran out; of torch's errors on the CPU only the text says so."""
    out = isinstance(err, (MemoryError, torch.cuda.OutOfMemoryError))
    return out or 'DefaultCPUAllocator' in str(err)


def _describe_out_of_memory(frames: NDArray[np.uint8], device: str | torch.device) -> str:
    height, width = frames.shape[1:3]
    return (
        f'device: {device} has no memory left for one frame of {height} x {width}; end what else '
        'uses it, or choose another device'
    )
