"""How much a system's alignment suffers from what it is to ignore: per cell, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from smaknet_core.ablation.recordings import MOVED, Recordings
from smaknet_core.ablation.runs import write_file
from smaknet_core.ablation.tables import mean_sd, percent, Table
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.embedder import Embedder
from smaknet_core.evaluation.invariance import AS_RECORDED, change_names, errors_by_change
from smaknet_core.metrics import interval_of_mean
from smaknet_core.types import Clip
import torch

FILE_NAME = 'invariance.json'
NAME = 'invariance'
NOTE = (
    'Alignment error, i < j, mean ± standard deviation over seeds, on the first {most} test '
    'recordings of two cameras; view i is changed, the one it is searched for in is not.\n'
    'A moved camera: the first {most} recordings of each angle, all views as recorded there.'
)

Figures = dict[str, dict[str, Any]]  # what was changed -> alignment_error and what it is made of


def lacks(folder: Path, recordings: Recordings) -> bool:
    """Say whether a cell's file lacks a figure that can be measured on these recordings."""
    has_model = (folder / MODEL_NAME).is_file()
    return has_model and bool(_unknown(read(folder), recordings))


def measure(folder: Path, recordings: Recordings, embedder: Embedder | None = None) -> None:
    """
    Measure what the file of a cell lacks, and write it.

    Args:
        folder: the cell's run folder, with its model.
        recordings: of the study.
        embedder: of that model, if it is loaded; computes with as many threads as torch has.

    Raises:
        ConfigError: the file cannot be written.
        ModelError: the model cannot be read, or gives no numbers.
    """
    known = read(folder)
    unknown = _unknown(known, recordings)
    if not unknown:
        return
    embedder = embedder or Embedder.load(folder, threads=torch.get_num_threads())
    if AS_RECORDED in unknown:
        for change, errors in errors_by_change(embedder, recordings.changed).items():
            known[change] = _figure(recordings.changed, errors)
    for label, clips in recordings.moved.items():
        if label in unknown:
            errors = errors_by_change(embedder, clips, changed=False)[AS_RECORDED]
            known[label] = _figure(clips, errors)
    write_file(folder / FILE_NAME, (json.dumps(known, indent=1) + '\n').encode())


def read(folder: Path) -> Figures:
    """Give the figures of a cell's file; none where there is no such file, or it is damaged."""
    try:
        found = json.loads((folder / FILE_NAME).read_text(encoding='utf-8'))
        return {
            str(change): figure
            for change, figure in found.items()
            if math.isfinite(figure['alignment_error']) and isinstance(figure['starts_ns'], list)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _unknown(known: Figures, recordings: Recordings) -> set[str]:
    """Name what is not known of just these recordings."""
    wanted = dict.fromkeys(change_names(), recordings.changed) if recordings.changed else {}
    wanted |= recordings.moved
    return {
        name
        for name, clips in wanted.items()
        if name not in known or known[name]['starts_ns'] != _starts_ns(clips)
    }


def _figure(clips: Sequence[Clip], errors: Sequence[float]) -> dict[str, Any]:
    return {
        'alignment_error': float(np.mean(errors)),
        'alignment_error_interval': interval_of_mean(np.array(errors)),
        'errors': list(errors),
        'recordings': [clip.name for clip in clips],
        'starts_ns': _starts_ns(clips),
    }


def _starts_ns(clips: Sequence[Clip]) -> list[int]:
    return [int(clip.stamps_ns[0]) for clip in clips]


def invariance_table(
    figures: Mapping[str, Sequence[Figures]], systems: Mapping[str, str]
) -> Table:
    """
    Put the table together: a line per system, a column per change.

    Args:
        figures: row -> what each of its finished runs has; a row without any is `not run`.
        systems: row -> what it is called; in the table's order.
    """
    rows = list(systems)
    measured = {name for runs in figures.values() for run in runs for name in run}
    moved = sorted((n for n in measured if n.startswith(MOVED)), key=_angle)
    columns = [*change_names(), *(moved or [f'{MOVED}moved'])]
    found = {row: [run for run in figures.get(row, ()) if run] for row in rows}
    return Table(
        NAME,
        'Invariance: alignment error while what a camera shows is changed, %',
        ('system', 'seeds', *columns),
        tuple(
            (systems[row], str(len(runs)), *(mean_sd(_of(runs, c), percent) for c in columns))
            for row, runs in found.items()
        ),
        len(rows),
        tuple(_numbers(row, systems[row], runs, columns) for row, runs in found.items()),
    )


def _of(runs: Sequence[Figures], change: str) -> list[float]:
    return [run[change]['alignment_error'] for run in runs if change in run]


def _angle(label: str) -> float:
    return float(label.removeprefix(MOVED).split()[0])


def _numbers(
    row: str, system: str, runs: Sequence[Figures], columns: Sequence[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {'row': row, 'system': system, 'seeds': len(runs)}
    for change in columns:
        values = np.array(_of(runs, change))
        found[change] = float(values.mean()) if len(values) else math.nan
        found[f'{change}_sd'] = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return found
