"""Body of `smaknet evaluate`: load model, recordings and labels; print and write the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text
from smaknet_core.checkpoint import replace_file
from smaknet_core.data.bag_folder import find_recordings
from smaknet_core.data.dataset import load_clips
from smaknet_core.data.labels import label_clip
from smaknet_core.embedder import Embedder
from smaknet_core.errors import ConfigError, printable
from smaknet_core.evaluation import log, tables
from smaknet_core.evaluation.measure import evaluate, unique_names
from smaknet_core.types import Clip


def run_evaluate(
    model: Path,
    demos: Sequence[Path],
    *,
    cameras: Sequence[str] = (),
    json_path: Path | None = None,
    log_path: Path | None = None,
    invariance: bool = False,
    cache_dir: Path | None = None,
    device: str = 'auto',
    threads: int = 1,
    engine: str = 'auto',
    console: Console | None = None,
) -> dict[str, Any]:
    """
    Measure, print the tables, write the JSON file; return what it holds.

    With `log_path`, nothing is shown before it is noted there that these recordings were used.

    Raises:
        SmaknetError: model, recordings, labels or log that cannot be used, a file that exists.
    """
    if json_path and json_path.exists():
        raise ConfigError(f'{json_path}: exists and is never overwritten')
    if json_path and not json_path.parent.is_dir():
        raise ConfigError(f'{json_path}: there is no folder {json_path.parent}')
    if log_path and not log_path.parent.is_dir():
        raise ConfigError(f'{log_path}: there is no folder {log_path.parent}')
    uses = log.read_log(log_path) if log_path else []
    console = console or Console()
    embedder = Embedder.load(model, device, threads, engine)
    if embedder.note:
        console.print(f'note: {embedder.note}', markup=False, highlight=False)
    data = embedder.config.data
    clips = load_clips(demos, cameras, data, cache_dir, console)
    if log_path:
        console.print(Text(f'{log.told(uses, clips)} (by {printable(str(log_path))})'))
    labels = [
        label_clip(path, clip.stamps_ns, data.max_spread_s)
        for path, clip in zip(find_recordings(demos), clips, strict=True)
    ]
    result = evaluate(embedder, clips, labels, invariance=invariance)
    if log_path:
        names = unique_names(clips)
        log.append(log_path, log.use_of(result, model, embedder.model_hash, names, clips))
    _show(result, trained_on(embedder.summary, clips), console)
    if json_path:
        _write(json_path, result)
    return result


def trained_on(summary: Mapping[str, Any], clips: Sequence[Clip]) -> set[str]:
    """
    Name the recordings that the model was trained on.

    Recordings of different folders often share their names, so it is when they begin that tells;
    model files from before starts were noted go by name.
    """
    names = unique_names(clips)
    if 'starts_ns' not in summary:
        return set(summary.get('recordings', ())) & set(names)
    starts_ns = np.array(summary['starts_ns'], np.int64)
    # not to the nanosecond: with other cameras the first complete set may be a later one
    return {
        name
        for name, clip in zip(names, clips, strict=True)
        if (np.abs(starts_ns - clip.stamps_ns[0]) < log.SAME_START_NS).any()
    }


def _show(result: dict[str, Any], trained: set[str], console: Console) -> None:
    if result['per_recording']:
        console.print(tables.alignment_table(result, trained))
    console.print(tables.score_table(result))
    if result.get('invariance'):
        console.print(tables.invariance_table(result))
    for name in result['skipped']:
        console.print(Text(printable(f'{name}: no alignment error, it has one camera only')))


def _write(path: Path, result: dict[str, Any]) -> None:
    try:
        replace_file(path, (json.dumps(result, indent=1) + '\n').encode())
    except OSError as err:
        raise ConfigError(f'{path}: cannot be written ({err.strerror or err})') from err
