"""Which engine a model runs on: what was asked for, or the fastest that agrees with PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from smaknet_core.config import nearest
from smaknet_core.engines.batches import Engine, Frames
from smaknet_core.engines.eager import EagerEngine
from smaknet_core.engines.onnx_file import onnx_beside, TOLERANCE
from smaknet_core.engines.onnx_runtime import OnnxEngine
from smaknet_core.errors import ConfigError, ModelError, SmaknetError
from smaknet_core.model import Encoder
import torch

ENGINES = ('auto', 'torch', 'onnx')
# Half precision, which TensorRT is given, rounds at 1e-3; vectors have the length 1.
CUDA_TOLERANCE = 2e-2


def choose_engine(
    name: str,
    encoder: Encoder,
    size: tuple[int, int],
    device: str,
    threads: int,
    model: Path,
    model_hash: str,
) -> tuple[Engine, str]:
    """
    Make the engine for a model.

    `auto` on the CPU takes ONNX Runtime where `smaknet export` has put an .onnx of just this model
    beside it; never one that changes results.

    Args:
        name: auto, torch or onnx.
        encoder: the trained network.
        size: height and width of its frames.
        device: cpu, cuda or cuda:N; must exist.
        threads: within one operator, on the CPU.
        model: the model file; its .onnx has the same name.
        model_hash: SHA-256 of it.

    Returns:
        The engine, and in one line why an .onnx that is there was not taken, or ''.

    Raises:
        ConfigError: no such engine, or it is not installed.
        ModelError: `onnx` was asked for, and the .onnx is missing or cannot be used.
    """
    if name not in ENGINES:
        raise ConfigError(f'engine: expected {" or ".join(ENGINES)}, got {name!r}'
                          f'{nearest(name, ENGINES)}')  # fmt: skip
    eager = EagerEngine(encoder, *size, device)
    path = onnx_beside(model)
    if name == 'onnx':
        return _open_proven(path, model, model_hash, eager, size, device, threads), ''
    if name == 'torch' or torch.device(device).type == 'cuda' or not path.exists():
        return eager, ''
    try:
        engine = _open_proven(path, model, model_hash, eager, size, device, threads)
    except SmaknetError as err:
        return eager, f'{err}; going on with torch'
    if engine.facts.precision != 'float32':
        return eager, f'{path}: is int8, which only engine onnx takes; going on with torch'
    return engine, ''


def _open_proven(
    path: Path,
    model: Path,
    model_hash: str,
    eager: EagerEngine,
    size: tuple[int, int],
    device: str,
    threads: int,
) -> OnnxEngine:
    """Open an .onnx that is of this model, and compare the two on a few frames."""
    if not path.exists():
        raise ModelError(f'{path}: not there; write it with: smaknet export {model}')
    engine = OnnxEngine(path, device, threads)
    facts = engine.facts
    if facts.model_hash != model_hash or (facts.height, facts.width) != size:
        raise ModelError(
            f'{path}: of another model ({facts.model_hash[:8]}; this one is {model_hash[:8]}); '
            f'remove it, then: smaknet export {model}'
        )
    if facts.precision == 'float32':
        limit = CUDA_TOLERANCE if torch.device(device).type == 'cuda' else TOLERANCE
        off = difference(engine, eager, sample_frames(2, *size))
        if not off <= limit:
            raise ModelError(
                f'{path}: differs from torch by {off:.1e} on this machine, more than {limit:.0e}'
            )
    return engine


def difference(one: Engine, other: Engine, frames: Frames) -> float:
    """Give the largest difference of an element of their embeddings; NaN if one is NaN."""
    return float(np.abs(one.embed(frames) - other.embed(frames)).max())


def sample_frames(count: int, height: int, width: int) -> Frames:
    """Make pictures of soft blobs and noise, from dark to bright; always the same ones."""
    rng = np.random.default_rng(0)
    frames = np.empty((count, height, width, 3), np.uint8)
    for frame, level in zip(frames, np.linspace(0, 255, count), strict=True):
        coarse = rng.normal(level, 80, (-(-height // 8), -(-width // 8), 3))
        smooth = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width]
        frame[:] = np.clip(smooth + rng.normal(0, 15, frame.shape), 0, 255)
    return frames
