"""One cell: train a network as the row says, measure it, and note what it came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
import dataclasses
import json
import math
from pathlib import Path
import shutil
import time
from typing import Any, Protocol

from smaknet_core.ablation import invariance
from smaknet_core.ablation.recordings import load_for_rows, Recordings
from smaknet_core.ablation.runs import Run, write_file
from smaknet_core.ablation.study import Cell, Study
from smaknet_core.checkpoint import load_model
from smaknet_core.config import TrainConfig
from smaknet_core.embedder import Embedder
from smaknet_core.errors import SmaknetError
from smaknet_core.evaluation import evaluate
from smaknet_core.model import Encoder
from smaknet_core.processes import share
from smaknet_core.provenance import code_version
from smaknet_core.run_folder import LAST_NAME, Status
from smaknet_core.trainer import Interrupted, train
from smaknet_core.types import Clip
import torch

SCORES_NAME = 'scores.json'
SCORES = (  # of the evaluation, that a line of runs.csv holds
    'alignment_error',
    'alignment_error_both_ways',
    'classification_error',
    'classification_error_tcn',
    'kendall_tau',
    'kendall_tau_undefined',
    'progression',
    'progression_undefined',
)
_INTERRUPTED = 130


class Show(Protocol):
    """What shows how a cell is trained."""

    def update(self, step: int, seconds: float, loss: float, alignment: float) -> None:
        """Show a step."""
        ...


def run_cells(
    study: Study,
    cells: Sequence[Cell],
    workers: int,
    show: Callable[[Cell], Show],
    done: Callable[[Run], None],
) -> None:
    """
    Train and measure cells, in this process or several at a time in others.

    Args:
        study: what they are part of.
        cells: those to do; one that was begun goes on.
        workers: processes of one thread each; 1 does the work here, with all threads.
        show: gives what shows a cell's steps; of this process only.
        done: called with each that is finished or failed, as they come.

    Raises:
        Interrupted, KeyboardInterrupt: after saving, when Ctrl-C or SIGTERM came.
        SmaknetError: recordings that cannot be loaded, or a worker was killed.
    """
    if workers == 1 or len(cells) <= 1:
        recordings = load_for_rows(study, {cell.row for cell in cells})
        for cell in cells:
            done(run_cell(study, cell, recordings[cell.row], show(cell)))
        return
    try:
        share(_in_worker, [(study, cell) for cell in cells], workers, done)
    except BrokenProcessPool as err:
        raise SmaknetError(
            'a worker was killed (by the system, for want of memory?); the same command with fewer'
            ' workers goes on'
        ) from err


def run_cell(study: Study, cell: Cell, recordings: Recordings, show: Show | None = None) -> Run:
    """
    Train and measure one cell; what keeps it from being trained becomes its `error`.

    Args:
        study: what it is part of.
        cell: which.
        recordings: at the size that its row has.
        show: shows its steps.

    Raises:
        Interrupted: after saving, when Ctrl-C or SIGTERM came.
    """
    config = study.config(cell, recordings.held_out)
    row = study.row(cell.row)
    blank = Run(*cell, study.system(cell.row), code_version(), time.strftime('%Y-%m-%d'))
    out = study.folder(cell)
    try:
        clips = recordings.training_for(row.one_camera)
        status = _train(config, clips, recordings.watched, out, show)
        return _measure(blank, out, status, recordings)
    except SmaknetError as err:
        return dataclasses.replace(blank, error=' '.join(str(err).split()))


def _in_worker(study: Study, cell: Cell) -> Run:
    """Do a cell in a process of its own; an interrupted one ends the process."""
    try:
        return run_cell(study, cell, load_for_rows(study, [cell.row])[cell.row])
    except Interrupted as err:
        raise SystemExit(_INTERRUPTED) from err


def _train(
    config: TrainConfig, clips: Sequence[Clip], watched: Sequence[Clip], out: Path, show: Any
) -> Status:
    resume = (out / LAST_NAME).is_file()
    if out.exists() and not resume:  # ended before it was saved once
        shutil.rmtree(out)
    return train(config, clips, watched, out, resume, show)


def _measure(blank: Run, out: Path, status: Status, recordings: Recordings) -> Run:
    """Fill in the figures; keep all that the evaluation found beside the model."""
    # Loading an embedder sets the threads of the whole process: keep those that trained.
    embedder = Embedder.load(out, threads=torch.get_num_threads())
    labels = [recording.labels for recording in recordings.test]
    result = evaluate(embedder, recordings.test_clips, labels)
    kept = {**result, 'history': status.history}
    write_file(out / SCORES_NAME, (json.dumps(kept, indent=1) + '\n').encode())
    invariance.measure(out, recordings, embedder)
    parameters, trained = _count(load_model(out).encoder)
    scores: dict[str, Any] = {
        name: math.nan if result[name] is None else result[name] for name in SCORES
    }
    return dataclasses.replace(
        blank,
        steps=status.step,
        seconds=round(status.seconds, 1),
        parameters=parameters,
        trained_parameters=trained,
        loss=status.loss,
        **scores,
    )


def _count(encoder: Encoder) -> tuple[int, int]:
    """Count all parameters, and those that training changes."""
    every = list(encoder.parameters())
    return sum(p.numel() for p in every), sum(p.numel() for p in every if p.requires_grad)
