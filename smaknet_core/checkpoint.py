"""
Model file: one `model.safetensors` that is alone enough to rebuild an embedder.

Weights as tensors; settings, preprocessing, cameras, calibration and a training summary as JSON in
the metadata. Everything is checked before a tensor is read, and nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import dataclass, field
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from smaknet_core.config import from_mapping, to_mapping, TrainConfig
from smaknet_core.data.transforms import PIXEL_MEAN, PIXEL_SCALE
from smaknet_core.errors import ConfigError, ModelError
from smaknet_core.matching import Calibration
from smaknet_core.model import Encoder
import torch

FORMAT_VERSION = 1
MODEL_NAME = 'model.safetensors'
PREPROCESSING = {'order': 'RGB', 'mean': PIXEL_MEAN, 'scale': PIXEL_SCALE}


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds."""

    encoder: Encoder
    config: TrainConfig
    cameras: tuple[str, ...]  # trained on
    calibration: Calibration
    summary: Mapping[str, Any] = field(default_factory=dict)  # steps, seconds, alignment ...


def resolve(path: Path) -> Path:
    """Find the model file of a RUN folder, or take the file itself."""
    model = path / MODEL_NAME if path.is_dir() else path
    if not model.is_file():
        raise ModelError(f'{path}: no model here; expected a run folder or a {MODEL_NAME}')
    return model


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hex: what ties a demonstration to its model."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in one step, so that a reader never meets half of one; OSError if refused."""
    partial = path.with_name(path.name + '.partial')
    try:
        with partial.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def save_model(model: ModelFile, path: Path) -> None:
    """Write a model file in one step; ModelError if the disk refuses."""
    from safetensors.torch import save

    header = {
        'format_version': FORMAT_VERSION,
        'config': to_mapping(model.config),
        'preprocessing': PREPROCESSING,
        'cameras': list(model.cameras),
        'calibration': to_mapping(model.calibration),
        'summary': dict(model.summary),
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.encoder.state_dict().items()}
    try:
        replace_file(path, save(tensors, metadata={'smaknet_model': json.dumps(header)}))
    except OSError as err:
        raise ModelError(f'{path}: cannot be written ({err.strerror or err})') from err


def load_model(path: Path) -> ModelFile:
    """
    Read a model file on the CPU, ready for inference.

    Args:
        path: a model file or the RUN folder that holds it.

    Raises:
        ModelError: missing, damaged, of another version, misshaped, or holding NaN.
    """
    path = resolve(path)
    header, tensors = _read(path)
    version = header.get('format_version')
    if version != FORMAT_VERSION:
        raise ModelError(f'{path}: model format {version}, this smaknet reads {FORMAT_VERSION}')
    if header.get('preprocessing') != PREPROCESSING:
        raise ModelError(f'{path}: preprocessing {header.get("preprocessing")} is not known')
    try:
        config = from_mapping(TrainConfig, header['config'], f'{path}: config')
        calibration = from_mapping(Calibration, header['calibration'], f'{path}: calibration')
        cameras = _camera_names(header['cameras'])
        summary = dict(header['summary'])
    except ConfigError as err:
        raise ModelError(str(err)) from err
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise ModelError(f'{path}: incomplete metadata ({err!r})') from err
    encoder = Encoder(config.model).eval()
    encoder.load_state_dict(_checked(tensors, encoder, path))
    return ModelFile(encoder, config, cameras, calibration, summary)


def _camera_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f'cameras: expected a list of names, got {names!r}')
    return tuple(names)


def _read(path: Path) -> tuple[dict[str, Any], Any]:
    from safetensors import safe_open, SafetensorError

    try:
        tensors: Any = safe_open(path, framework='pt', device='cpu')
        header = json.loads((tensors.metadata() or {})['smaknet_model'])
    except KeyError as err:
        raise ModelError(f'{path}: a safetensors file, but not a smaknet model') from err
    except (SafetensorError, OSError, ValueError, RecursionError) as err:
        raise ModelError(f'{path}: not a readable model file ({err})') from err
    if not isinstance(header, dict):
        raise ModelError(f'{path}: metadata is not a mapping')
    return header, tensors


def _checked(tensors: Any, encoder: Encoder, path: Path) -> dict[str, torch.Tensor]:
    """Read the weights once their names and shapes, and then values, are found right."""
    expected = encoder.state_dict()
    names = set(tensors.keys())
    if names != set(expected):
        odd = sorted(names ^ set(expected))
        raise ModelError(f'{path}: weights do not fit the configured network (first: {odd[0]})')
    state = {}
    for name, like in expected.items():
        shape = tuple(tensors.get_slice(name).get_shape())
        if shape != tuple(like.shape):
            raise ModelError(f'{path}: {name} has shape {shape}, expected {tuple(like.shape)}')
        state[name] = tensors.get_tensor(name)
        if state[name].dtype != like.dtype:
            raise ModelError(f'{path}: {name} is {state[name].dtype}, expected {like.dtype}')
        if not torch.isfinite(state[name]).all():
            raise ModelError(f'{path}: {name} holds NaN or infinite values')
    return state
