"""What every row stands beside: answers that need no training on the recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.ablation.recordings import ambiguity_floor, Unseen
from smaknet_core.ablation.runs import write_file
from smaknet_core.config import ModelConfig
from smaknet_core.data.transforms import to_input
from smaknet_core.evaluation import raw_pixels
from smaknet_core.metrics import (
    alignment,
    ATTRIBUTES,
    CHANCE,
    classify,
    compare_order,
    CONSTANT_MIDDLE,
    Embedded,
    measure_progression,
)
from smaknet_core.model import backbone_of, Encoder
from smaknet_core.pretrained import has_shipped, load_backbone
from smaknet_core.types import Clip
import torch

FILE_NAME = 'references.json'
BATCH = 64
SHIPPED = ModelConfig(system='lite0', backbone_weights='shipped')
FROZEN = 'frozen EfficientNet-Lite0 (ImageNet), mean over places'

Embed = Callable[[Clip], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Reference:
    """Scores as fractions; NaN where there is none or it means nothing."""

    name: str
    alignment_error: float = math.nan
    classification_error: float = math.nan
    classification_error_tcn: float = math.nan
    kendall_tau: float = math.nan
    progression: float = math.nan


def load_or_measure(path: Path, recordings: Sequence[Unseen]) -> list[Reference]:
    """
    Give the references from the study's file, or measure them and write it.

    What could not be measured at the time, for want of a package, is tried again.
    """
    known = load(path)
    if known and (not has_shipped() or any(r.name == FROZEN and _is_known(r) for r in known)):
        return known
    measured = measure(recordings)
    plain = [{k: _or_none(v) for k, v in dataclasses.asdict(r).items()} for r in measured]
    write_file(path, (json.dumps(plain, indent=1) + '\n').encode())
    return measured


def load(path: Path) -> list[Reference]:
    """Give the references of the study's file; none where there is no such file, or a damaged."""
    try:
        saved = json.loads(path.read_text(encoding='utf-8'))
        return [Reference(**{k: _or_nan(v) for k, v in each.items()}) for each in saved]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def measure(recordings: Sequence[Unseen]) -> list[Reference]:
    """Measure all references on the recordings that the rows are measured on."""
    floor = ambiguity_floor([recording.path for recording in recordings])
    frozen = score(FROZEN, recordings, _frozen_features()) if has_shipped() else Reference(FROZEN)
    return [
        Reference('chance', CHANCE, *_chance(recordings), 0.0),
        Reference('constant middle', CONSTANT_MIDDLE),
        score('raw pixels, 32 x 32', recordings, raw_pixels),
        frozen,
        Reference("ambiguity floor (the simulator's)", math.nan if floor is None else floor),
    ]


def score(name: str, recordings: Sequence[Unseen], embed: Embed) -> Reference:
    """Measure features of single frames as if they were embeddings."""
    embedded = [_embedded(recording, embed(recording.clip)) for recording in recordings]
    found = classify(embedded)
    seen_twice = [each.embeddings for each in embedded if len(each.cameras) > 1]
    return Reference(
        name,
        float(np.mean([alignment(each)[0] for each in seen_twice])) if seen_twice else math.nan,
        found.error if found else math.nan,
        found.error_tcn if found else math.nan,
        compare_order(embedded).mean,
        measure_progression(embedded).mean,
    )


def _chance(recordings: Sequence[Unseen]) -> tuple[float, float]:
    """
    Expected classification error of random frames: recall of each class is its share.

    Strict and as TCN's code has it are the same, since random frames hit every class sometimes.
    """
    blank = [_embedded(r, np.zeros((len(r.clip), len(r.clip.views), 1))) for r in recordings]
    labelled = [each for each in blank if set(ATTRIBUTES) & set(each.labels)]
    found = classify(labelled) if len(labelled) > 1 else None
    return (found.chance, found.chance) if found else (math.nan, math.nan)


def _frozen_features() -> Embed:
    """Give what embeds a clip by the shipped trunk alone: T x V x 112."""
    encoder = Encoder(SHIPPED)
    load_backbone(encoder, SHIPPED)
    trunk: Any = backbone_of(encoder.network)
    trunk.eval()

    def view(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(frames), BATCH):
            images = to_input(torch.from_numpy(np.array(frames[first : first + BATCH])))
            with torch.inference_mode():
                parts.append(trunk(images)[-1].mean((2, 3)).numpy())
        return np.concatenate(parts)

    return lambda clip: np.stack([view(frames) for frames in clip.views.values()], axis=1)


def _embedded(recording: Unseen, embeddings: NDArray[Any]) -> Embedded:
    clip, labels = recording.clip, recording.labels
    if labels is None:
        return Embedded(clip.task, clip.cameras, embeddings)
    return Embedded(clip.task, clip.cameras, embeddings, labels.columns, labels.timesteps)


def _is_known(reference: Reference) -> bool:
    return not all(math.isnan(v) for v in dataclasses.astuple(reference)[1:])


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else value


def _or_none(value: Any) -> Any:
    return None if value != value else value
