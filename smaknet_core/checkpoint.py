"""
Model file: one `model.safetensors` that is alone enough to rebuild an embedder.

Weights as tensors; settings, preprocessing, cameras, calibration and a training summary as JSON in
the metadata. A file is read in one go, so that what is loaded is what its hash is of; everything
is checked before it is used, and nothing is ever unpickled.
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
from smaknet_core.errors import ConfigError, ModelError, printable
from smaknet_core.matching import Calibration
from smaknet_core.model import Encoder
import torch

FORMAT_VERSION = 1
MODEL_NAME = 'model.safetensors'
MAX_BYTES = 2**30  # the largest network has 6 MB
PREPROCESSING = {'order': 'RGB', 'mean': PIXEL_MEAN, 'scale': PIXEL_SCALE}


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds."""

    encoder: Encoder
    config: TrainConfig
    cameras: tuple[str, ...]  # trained on
    calibration: Calibration
    summary: Mapping[str, Any] = field(default_factory=dict)  # steps, seconds, alignment ...
    hash: str = ''  # SHA-256 of the file it was read from, hex: ties a demonstration to it


def resolve(path: Path) -> Path:
    """Find the model file of a RUN folder, or take the file itself."""
    model = path / MODEL_NAME if path.is_dir() else path
    if not model.is_file():
        raise ModelError(f'{path}: no model here; expected a run folder or a {MODEL_NAME}')
    return model


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
    data = _read(path)
    header, tensors = _parse(data, path)
    version = header.get('format_version')
    if version != FORMAT_VERSION:
        found = printable(str(version))
        raise ModelError(f'{path}: model format {found}, this smaknet reads {FORMAT_VERSION}')
    if header.get('preprocessing') != PREPROCESSING:
        found = printable(str(header.get('preprocessing')))
        raise ModelError(f'{path}: preprocessing {found} is not known')
    try:
        config = from_mapping(TrainConfig, header['config'], f'{path}: config')
        calibration = from_mapping(Calibration, header['calibration'], f'{path}: calibration')
        cameras = _camera_names(header['cameras'])
        summary = dict(header['summary'])
    except ConfigError as err:
        raise ModelError(printable(str(err))) from err
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise ModelError(f'{path}: incomplete metadata ({err!r})') from err
    encoder = Encoder(config.model).eval()
    encoder.load_state_dict(_checked(tensors, encoder, path))
    digest = hashlib.sha256(data).hexdigest()
    return ModelFile(encoder, config, cameras, calibration, summary, digest)


def _camera_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f'cameras: expected a list of names, got {names!r}')
    return tuple(names)


def _read(path: Path) -> bytes:
    try:
        with path.open('rb') as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise ModelError(f'{path}: larger than {MAX_BYTES >> 30} GiB, not a model')
            return file.read()
    except OSError as err:
        raise ModelError(f'{path}: cannot be read ({err.strerror or err})') from err


def _parse(data: bytes, path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Take a safetensors file apart: our header and the tensors, none of it checked."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)  # refuses sizes and offsets that are not those of the file
        size = int.from_bytes(data[:8], 'little')
        header = json.loads(json.loads(data[8 : 8 + size])['__metadata__']['smaknet_model'])
    except KeyError as err:
        raise ModelError(f'{path}: a safetensors file, but not a smaknet model') from err
    except (SafetensorError, ValueError, RecursionError) as err:
        raise ModelError(f'{path}: not a readable model file ({err})') from err
    if not isinstance(header, dict):
        raise ModelError(f'{path}: metadata is not a mapping')
    return header, tensors


def _checked(
    tensors: Mapping[str, torch.Tensor], encoder: Encoder, path: Path
) -> Mapping[str, torch.Tensor]:
    """Give the weights back once names, shapes, types and values are found right."""
    expected = encoder.state_dict()
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())
        raise ModelError(f'{path}: weights do not fit the configured network (first: {odd[0]})')
    for name, like in expected.items():
        shape = tuple(tensors[name].shape)
        if shape != tuple(like.shape):
            raise ModelError(f'{path}: {name} has shape {shape}, expected {tuple(like.shape)}')
        if tensors[name].dtype != like.dtype:
            raise ModelError(f'{path}: {name} is {tensors[name].dtype}, expected {like.dtype}')
        if not torch.isfinite(tensors[name]).all():
            raise ModelError(f'{path}: {name} holds NaN or infinite values')
    return tensors
