"""
Uses of recordings → a line each in a file: whoever chooses a model by its test set is told so.

One JSON object a line, appended to; what is there is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.provenance import code_version
from smaknet_core.types import Clip

SAME_START_NS = 1_000_000_000  # with other cameras the first complete set may be a later one
MOST_SHOWN = 5  # dates


@dataclass(frozen=True)
class Use:
    """One evaluation; errors are fractions, None where there is none."""

    time: str  # UTC, ISO 8601
    model_hash: str  # SHA-256 of the file
    model: str  # its path
    recordings: tuple[str, ...]
    starts_ns: tuple[int, ...]  # of each: recordings of different folders share their names
    alignment_error: float | None
    classification_error: float | None
    code: str  # commit, + where files differ from it


def read_log(path: Path) -> list[Use]:
    """
    Read the uses so far; none where there is no file.

    Raises:
        DataError: a line is damaged; names it.
        ConfigError: the file cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as err:
        raise ConfigError(f'{path}: cannot be read ({err.strerror or err})') from err
    return [_use(path, number, line) for number, line in enumerate(text.splitlines(True), 1)]


def append(path: Path, use: Use) -> None:
    """Add a line, on the disk when this returns; ConfigError if it is refused."""
    try:
        with path.open('ab') as file:
            file.write((json.dumps(asdict(use)) + '\n').encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        raise ConfigError(f'{path}: cannot be written ({err.strerror or err})') from err


def use_of(
    result: Mapping[str, Any], model: Path, model_hash: str, names: Sequence[str],
    clips: Sequence[Clip],
) -> Use:  # fmt: skip
    """Note what `evaluate` found, now."""
    return Use(
        datetime.now(timezone.utc).isoformat(timespec='seconds'),
        model_hash,
        str(model),
        tuple(names),
        tuple(int(clip.stamps_ns[0]) for clip in clips),
        result['alignment_error'],
        result['classification_error'],
        code_version(),
    )


def told(uses: Sequence[Use], clips: Sequence[Clip]) -> str:
    """
    Say how often recordings were evaluated before.

    Recordings are the same where they begin at the same time, to a second.
    """
    starts_ns = np.array([clip.stamps_ns[0] for clip in clips])
    shared = [(use, _shared(use, starts_ns)) for use in uses]
    all_of = [use for use, count in shared if count == len(clips)]
    some_of = [use for use, count in shared if 0 < count < len(clips)]
    these = f'these {len(clips)} recordings were' if len(clips) > 1 else 'this recording was'
    if not all_of and not some_of:
        return f'{these} not evaluated before'
    parts = [f'{these} evaluated {_times(all_of)} before{_dates(all_of)}']
    if some_of:
        parts.append(f'some of them {_times(some_of)} more{_dates(some_of)}')
    return '; '.join(parts)


def _shared(use: Use, starts_ns: np.ndarray[Any, Any]) -> int:
    """Count the recordings that a use was of."""
    gaps = np.abs(starts_ns[:, None] - np.array(use.starts_ns, np.int64)[None])
    return int((gaps < SAME_START_NS).any(axis=1).sum())


def _times(uses: Sequence[Use]) -> str:
    return f'{len(uses)} time' + ('' if len(uses) == 1 else 's')


def _dates(uses: Sequence[Use]) -> str:
    latest = [use.time[:10] for use in uses[-MOST_SHOWN:]]
    more = '... ' if len(uses) > MOST_SHOWN else ''
    return f': {more}{", ".join(latest)}' if latest else ''


def _use(path: Path, number: int, line: bytes) -> Use:
    try:
        found = json.loads(line)
        if not line.endswith(b'\n'):
            raise ValueError('it does not end')
        if found.keys() != {field.name for field in fields(Use)}:
            raise ValueError('other fields than expected')
        datetime.fromisoformat(found['time'])
        found['recordings'] = tuple(map(str, found['recordings']))
        found['starts_ns'] = tuple(map(int, found['starts_ns']))
        return Use(**found)
    except (ValueError, TypeError, AttributeError) as err:
        raise DataError(
            f'{path}, line {number}: damaged ({err}); nothing was evaluated or written: repair '
            'it, or name another file'
        ) from err
