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
from smaknet_core.data.transforms import resize, resize_into, to_input
from smaknet_core.engines import BATCH, choose_engine, EagerEngine, Engine
from smaknet_core.errors import ConfigError, ModelError
from smaknet_core.model import EMBEDDING_SIZE, Encoder, SmakNet, title
from smaknet_core.types import Image, Size
import torch


class NotFiniteError(ModelError):
    """The network gave NaN or infinite values."""


class Embedder:
    """
    Images in, embeddings out.

    Args:
        model: what a model file holds.
        device: of the network, which is moved there; must exist.
        engine: what computes embeddings; None means PyTorch.
        note: what an operator should know of how the engine was chosen, or ''.
    """

    def __init__(
        self, model: ModelFile, device: str = 'cpu', engine: Engine | None = None, note: str = ''
    ) -> None:
        self.config = model.config
        self.cameras = model.cameras
        self.calibration = model.calibration
        self.summary = model.summary
        self.model_hash = model.hash
        self.device = device
        self.note = note
        # Attention needs what folding leaves out, and PyTorch.
        self._encoder = model.encoder.to(device).eval()
        data = model.config.data
        self.engine = engine or EagerEngine(self._encoder, data.height, data.width, device)

    @classmethod
    def load(
        cls, path: Path, device: str = 'auto', threads: int = 1, engine: str = 'auto'
    ) -> Embedder:
        """
        Load a model file or RUN folder.

        Args:
            path: a `model.safetensors` or the folder that holds it.
            device: auto, cpu, cuda or cuda:N; an absent CUDA asked for by name is an error.
            threads: intra-op threads on the CPU; torch's are process-wide. More than one only
                pays on an idle machine (docs/decisions.md).
            engine: auto, torch or onnx; auto is ONNX Runtime on the CPU where `smaknet export`
                has put an .onnx of this model beside it.

        Raises:
            ModelError: the file cannot be used, or the .onnx that was asked for.
            ConfigError: the device or engine does not exist.
        """
        path = resolve(path)
        chosen = choose_device(device)
        if chosen == 'cpu':
            torch.set_num_threads(threads)
        model = load_model(path)
        size = (model.config.data.height, model.config.data.width)
        encoder = model.encoder.to(chosen)
        made, note = choose_engine(engine, encoder, size, chosen, threads, path, model.hash)
        return cls(model, chosen, made, note)

    @property
    def input_size(self) -> Size:
        """Height and width images are resized to."""
        return self.config.data.height, self.config.data.width

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
            'engine': self.engine.name,
        }

    def _embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        data = self.config.data
        small = np.empty((len(images), data.height, data.width, 3), np.uint8)
        for image, frame in zip(images, small, strict=True):
            resize_into(image, frame)
        return _finite(self.engine.embed(small))


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
    Embed frames that already have the network's size, with PyTorch.

    Where memory runs out, the frames are tried again half as many at a time.

    Args:
        encoder: on `device`; as in eval mode, whatever mode it is in.
        frames: N x H x W x 3 uint8 RGB, may be a memmap.
        device: where the encoder is.

    Returns:
        N x 32.

    Raises:
        NotFiniteError: the network gave NaN or infinite values.
        ConfigError: the device has no memory for a single frame.
    """
    height, width = frames.shape[1:3]
    return _finite(EagerEngine(encoder, height, width, device).embed(frames))


def _finite(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(embeddings).all():
        raise NotFiniteError('the network gave NaN or infinite embeddings; it is damaged')
    return embeddings
