"""
The RUN folder: settings, the state `--resume` continues from, TensorBoard events, the model.

    RUN/train.yaml          the settings; locked by the process that trains
    RUN/model.safetensors   what everything else uses (smaknet_core.checkpoint)
    RUN/last.pt             weights, optimizer and step; read with weights_only
    RUN/events/             TensorBoard
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
from dataclasses import dataclass, field
import fcntl
import io
import math
import os
from pathlib import Path
import time
from typing import Any

from smaknet_core.checkpoint import replace_file
from smaknet_core.config import to_mapping, TrainConfig
from smaknet_core.errors import ConfigError, printable, TrainingError
from smaknet_core.model import Encoder
from smaknet_core.types import Clip
import torch
import yaml

LAST_NAME = 'last.pt'
SETTINGS_NAME = 'train.yaml'
EVENTS_NAME = 'events'


@dataclass
class Status:
    """How far a run is; what the progress bar and the model file's summary show."""

    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    alignment: float = math.nan  # held-out, pairs i < j
    history: list[dict[str, float]] = field(default_factory=list)


@contextlib.contextmanager
def prepare(out: Path, config: TrainConfig, resume: bool) -> Iterator[None]:
    """
    Make the folder, or check that it holds the run to resume; others are kept out meanwhile.

    Raises:
        ConfigError: it exists, does not hold that run, or another process trains into it.
        TrainingError: it cannot be written.
    """
    if resume:
        check_resumable(out, config)
    else:
        _make(out, config)
    with _lock(out):
        yield


def check_resumable(out: Path, config: TrainConfig) -> None:
    """
    Look whether the folder holds a saved run with these settings that can go on.

    Raises:
        ConfigError: it does not, or another process trains into it.
        TrainingError: it cannot be written.
    """
    settings = out / SETTINGS_NAME
    if not (out / LAST_NAME).is_file():
        raise ConfigError(f'{out}: nothing to resume, {LAST_NAME} is missing; start anew')
    try:
        saved = yaml.safe_load(settings.read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError) as err:
        raise ConfigError(f'{settings}: cannot be read ({err})') from err
    if saved != _plain(config):
        raise ConfigError(
            f'{settings}: other settings than asked for; resume with --config {settings}'
        )
    with _lock(out):
        pass


def _make(out: Path, config: TrainConfig) -> None:
    try:
        out.mkdir(parents=True)
    except OSError as err:
        if os.path.lexists(out):  # maybe since a moment ago: of two processes one is faster
            text = f'{out}: exists and is never overwritten; choose another --out'
            raise ConfigError(text) from err
        raise TrainingError(f'{out}: cannot be written ({err.strerror or err})') from err
    try:
        text = yaml.safe_dump(_plain(config), sort_keys=False)
        replace_file(out / SETTINGS_NAME, text.encode())
    except OSError as err:
        with contextlib.suppress(OSError):  # an empty folder would only be in the way
            out.rmdir()
        raise TrainingError(f'{out}: cannot be written ({err.strerror or err})') from err


def _lock(out: Path) -> contextlib.AbstractContextManager[None]:
    return lock(out / SETTINGS_NAME)


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """
    Hold a folder, by a file in it, against other processes.

    The kernel frees it however this one ends.

    Raises:
        ConfigError: another process holds it.
        TrainingError: the file cannot be written.
    """
    try:
        file = path.open('r+b')
    except OSError as err:
        raise TrainingError(f'{path}: cannot be written ({err.strerror or err})') from err
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise ConfigError(f'{path.parent}: another process is training into it') from err
        except OSError:  # a file system without locks can promise nothing
            pass
        yield


def _plain(config: TrainConfig) -> Any:
    """Settings as YAML reads them back: lists, not tuples."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    return plain(to_mapping(config))


def save_state(
    out: Path, encoder: Encoder, optimizer: Any, status: Status, clips: Sequence[Clip]
) -> None:
    """Write all that a resumed run needs, in one step; TrainingError if the disk refuses."""
    state = {
        'encoder': encoder.state_dict(),
        'optimizer': optimizer.state_dict(),
        'status': vars(status),
        'recordings': recordings(clips),
    }
    whole = io.BytesIO()
    torch.save(state, whole)
    path = out / LAST_NAME
    try:
        replace_file(path, whole.getvalue())
    except OSError as err:
        raise TrainingError(f'{path}: cannot be written ({err.strerror or err})') from err


def read_state(out: Path) -> bytes:
    """Read what `save_state` wrote; TrainingError if it cannot be read."""
    path = out / LAST_NAME
    try:
        return path.read_bytes()
    except OSError as err:
        raise TrainingError(f'{path}: cannot be read ({err.strerror or err})') from err


def restore(
    out: Path,
    encoder: Encoder,
    optimizer: Any,
    clips: Sequence[Clip],
    state_file: bytes | None = None,
) -> Status:
    """
    Load the saved state into network and optimizer.

    Args:
        out: the run folder.
        encoder: gets the weights.
        optimizer: gets its moments.
        clips: recordings that are trained on.
        state_file: what `read_state` gave, where another process read it.

    Raises:
        TrainingError: it is damaged.
        ConfigError: the run learned from other recordings, so its draws would not repeat.
    """
    path = out / LAST_NAME
    try:
        source = io.BytesIO(read_state(out) if state_file is None else state_file)
        state = torch.load(source, map_location='cpu', weights_only=True)
        learned_from = state['recordings']
        encoder.load_state_dict(state['encoder'])
        optimizer.load_state_dict(state['optimizer'])
        status = Status(**state['status'])
    except Exception as err:  # what torch raises for a damaged file is anybody's guess
        reason = printable(' '.join(str(err).split()))[:200]
        raise TrainingError(f'{path}: cannot be resumed from ({reason})') from err
    if learned_from != recordings(clips):
        raise ConfigError(f'{out}: it learned from other recordings; resume with {learned_from}')
    return status


def recordings(clips: Sequence[Clip]) -> list[str]:
    """Say what each recording is, in words: name, length and cameras."""
    return [f'{clip.name} ({len(clip)} sets of {", ".join(clip.cameras)})' for clip in clips]


class EventLog:
    """
    Scalars for TensorBoard, each on disk when `scalar` returns.

    tensorboardX's own writer works in a thread: on a full disk that thread dies and training
    waits for it forever. Here the disk's refusal is an error where it can be reported.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX.proto.event_pb2 import Event

        path = folder / f'events.out.tfevents.{time.time_ns()}'
        self._event = Event
        try:
            folder.mkdir(exist_ok=True)
            self._file = path.open('xb', buffering=0)
        except OSError as err:
            raise TrainingError(f'{path}: cannot be written ({err.strerror or err})') from err
        self._write(Event(wall_time=time.time(), file_version='brain.Event:2'))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Add one point of a curve; TrainingError if the disk refuses."""
        summary = {'value': [{'tag': name, 'simple_value': value}]}
        self._write(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, event: Any) -> None:
        """Append one record: length, its checksum, the event, its checksum."""
        from tensorboardX.record_writer import masked_crc32c

        data = event.SerializeToString()
        length = len(data).to_bytes(8, 'little')
        sums = [masked_crc32c(part).to_bytes(4, 'little') for part in (length, data)]
        try:
            self._file.write(length + sums[0] + data + sums[1])
        except OSError as err:
            raise TrainingError(f'{self._file.name}: cannot be written ({err.strerror})') from err
