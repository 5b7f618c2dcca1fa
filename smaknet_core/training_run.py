"""One training between its steps: what they share, and how it is measured and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
import numpy as np
from smaknet_core import run_folder
from smaknet_core.checkpoint import MODEL_NAME, ModelFile, save_model
from smaknet_core.config import TrainConfig
from smaknet_core.data import sampler
from smaknet_core.distributed import Ranks
from smaknet_core.embedder import embed_frames
from smaknet_core.matching import calibrate, CalibrationRecording
from smaknet_core.metrics import alignment
from smaknet_core.model import Encoder, title
from smaknet_core.run_folder import EventLog, Status
from smaknet_core.types import Clip
import torch


@dataclass
class Run:
    """What the steps of one training share."""

    config: TrainConfig
    clips: Sequence[Clip]
    held_out: Sequence[Clip]
    out: Path
    fabric: Fabric
    ranks: Ranks
    encoder: Encoder
    model: Any  # the encoder as fabric runs it
    optimizer: Any
    status: Status
    events: EventLog | None  # of the first process alone


def keep(run: Run) -> None:
    """
    Measure the run on what is held out, and write its model and the state to resume from.

    Raises:
        NotFiniteError: the network gave NaN or infinite values.
        TrainingError: the disk refused the model.
    """
    _measure(run)
    _save(run)


def _measure(run: Run) -> None:
    """Alignment error on the held-out recordings, with running averages as when deployed."""
    run.encoder.eval()
    clips = [clip for clip in run.held_out if len(clip.views) > 1]
    if not clips:
        return
    embedded = [embed_clip(run.encoder, clip, run.fabric.device) for clip in clips]
    status = run.status
    status.alignment = float(np.mean([alignment(views)[0] for views in embedded]))
    status.history.append(
        {'step': status.step, 'seconds': status.seconds, 'alignment': status.alignment}
    )
    if run.events:
        run.events.scalar('alignment/held_out', status.alignment, status.step)


def _save(run: Run) -> None:
    """Write the model with a fresh calibration, and the state to resume from."""
    run.encoder.eval()
    status = run.status
    chosen, where = calibration_clips(run.clips, run.held_out)
    calibration = calibrate(
        [
            CalibrationRecording(
                clip.task,
                (clip.stamps_ns - clip.stamps_ns[0]) / 1e9,
                clip.cameras,
                embed_clip(run.encoder, clip, run.fabric.device),
            )
            for clip in chosen
        ]
    )
    summary = {
        'system': title(run.config.model),
        'steps': status.step,
        'seconds': round(status.seconds, 1),
        'loss': status.loss,
        'held_out_alignment': None if math.isnan(status.alignment) else status.alignment,
        'recordings': [clip.name for clip in run.clips],
        'starts_ns': [int(clip.stamps_ns[0]) for clip in run.clips],
        'held_out': [clip.name for clip in run.held_out],
        'calibrated_on': where,
        'history': status.history,
    }
    cameras = tuple(dict.fromkeys(camera for clip in run.clips for camera in clip.cameras))
    file = ModelFile(run.encoder, run.config, cameras, calibration, summary)
    save_model(file, run.out / MODEL_NAME)
    run_folder.save_state(run.out, run.encoder, run.optimizer, status, run.clips)


def calibration_clips(
    clips: Sequence[Clip], held_out: Sequence[Clip]
) -> tuple[Sequence[Clip], str]:
    """
    Choose the recordings whose distances stand for what the model will meet.

    Held-out ones of a task that was trained on; a recording of a task or scene the network never
    saw says nothing about those it did see, so without any the training recordings serve, and the
    model file says so.
    """
    known = {clip.task for clip in clips}
    fitting = [clip for clip in held_out if clip.task in known and len(clip.views) > 1]
    fitting = [clip for clip in fitting if len(clip) >= sampler.FEWEST_SETS]
    if fitting:
        return fitting, 'held-out recordings'
    return clips, 'training recordings (no held-out one shares their tasks)'


def embed_clip(encoder: Encoder, clip: Clip, device: torch.device | str) -> np.ndarray[Any, Any]:
    """Embed all views of a clip: T x V x 32 float32."""
    views = [embed_frames(encoder, frames, device) for frames in clip.views.values()]
    return np.stack(views, axis=1)
