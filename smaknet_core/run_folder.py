"""
The RUN folder: settings, the state `--resume` continues from, TensorBoard events, the model.

    RUN/train.yaml          the settings
    RUN/model.safetensors   what everything else uses (smaknet_core.checkpoint)
    RUN/last.pt             weights, optimizer and step; read with weights_only
    RUN/events/             TensorBoard
"""

from __future__ import annotations

from dataclasses import dataclass, field
import math
import os
from pathlib import Path
import pickle
from typing import Any

from smaknet_core.config import to_mapping, TrainConfig
from smaknet_core.errors import ConfigError, TrainingError
from smaknet_core.model import Encoder
import torch
import yaml

LAST_NAME = 'last.pt'
SETTINGS_NAME = 'train.yaml'


@dataclass
class Status:
    """How far a run is; what the progress bar and the model file's summary show."""

    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    alignment: float = math.nan  # held-out, pairs i < j
    history: list[dict[str, float]] = field(default_factory=list)


def prepare(out: Path, config: TrainConfig, resume: bool) -> None:
    """Make the folder, or check that it holds the run to resume; ConfigError if it does not."""
    settings = out / SETTINGS_NAME
    if resume:
        if not (out / LAST_NAME).is_file():
            raise ConfigError(f'{out}: nothing to resume, {LAST_NAME} is missing')
        if yaml.safe_load(settings.read_text()) != _plain(config):
            raise ConfigError(f'{settings}: other settings than asked for; resume with the same')
        return
    if out.exists():
        raise ConfigError(f'{out}: exists and is never overwritten; choose another --out')
    try:
        out.mkdir(parents=True)
        settings.write_text(yaml.safe_dump(_plain(config), sort_keys=False))
    except OSError as err:
        raise TrainingError(f'{out}: cannot be written ({err.strerror or err})') from err


def _plain(config: TrainConfig) -> Any:
    """Settings as YAML reads them back: lists, not tuples."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    return plain(to_mapping(config))


def save_state(out: Path, encoder: Encoder, optimizer: Any, status: Status) -> None:
    """Write all that a resumed run needs, in one step; TrainingError if the disk refuses."""
    path = out / LAST_NAME
    state = {
        'encoder': encoder.state_dict(),
        'optimizer': optimizer.state_dict(),
        'status': vars(status),
    }
    partial = path.with_name(path.name + '.partial')
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as err:  # torch raises RuntimeError on a full disk
        raise TrainingError(f'{path}: cannot be written ({err})') from err


def restore(out: Path, encoder: Encoder, optimizer: Any) -> Status:
    """Load the saved state into network and optimizer; TrainingError if it is damaged."""
    path = out / LAST_NAME
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        encoder.load_state_dict(state['encoder'])
        optimizer.load_state_dict(state['optimizer'])
        return Status(**state['status'])
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as err:
        raise TrainingError(f'{path}: cannot be resumed from ({err})') from err
