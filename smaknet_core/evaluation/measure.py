"""
Model and clips → a mapping of scores, JSON-ready: what `--json` writes and the tables show.

Errors are fractions. A score that cannot be had (no labels, one recording, one camera) is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.baselines import thumbnail
from smaknet_core.data.labels import ClipLabels
from smaknet_core.embedder import Embedder
from smaknet_core.errors import DataError
from smaknet_core.evaluation.invariance import measure_invariance
from smaknet_core.metrics import (
    alignment,
    alignment_per_pair,
    ATTRIBUTES,
    CHANCE,
    classify,
    compare_order,
    Comparisons,
    CONSTANT_MIDDLE,
    Embedded,
    interval_of_mean,
    measure_progression,
)
from smaknet_core.model import title
from smaknet_core.types import Clip

ARROW = ' -> '  # between the cameras of a pair
MOST_CLASSES = 16  # of an attribute; more are a measurement, not classes
MOST_RAW = 8000  # frames whose raw pixels are compared across recordings, or it takes minutes


def evaluate(
    embedder: Embedder,
    clips: Sequence[Clip],
    labels: Sequence[ClipLabels | None] = (),
    *,
    invariance: bool = False,
) -> dict[str, Any]:
    """
    Measure a model on recordings.

    Args:
        embedder: the model.
        clips: recordings; those with one camera have no alignment and are listed as `skipped`.
        labels: of each clip, or none at all.
        invariance: also measure alignment while what one camera shows is changed.

    Returns:
        `alignment_error` (pairs i < j, as the paper), `classification_error`, `kendall_tau`,
        `progression`, each with an `..._interval` over recordings and with what it is made of;
        `per_pair`, `per_recording`, `chance`, `constant_middle`, `raw_pixels`, `skipped`.

    Raises:
        DataError: there is nothing to measure, or a label is no class.
    """
    seen_twice = [clip for clip in clips if len(clip.views) > 1]
    if not seen_twice and len(clips) < 2:
        raise DataError(
            'nothing to measure: alignment error needs recordings with two cameras, all else two '
            'recordings'
        )
    known = labels or [None] * len(clips)
    recordings = [_embed(embedder, *pair) for pair in zip(clips, known, strict=True)]
    _check_classes(recordings)
    few = sum(len(clip) * len(clip.views) for clip in clips) <= MOST_RAW
    raw = [_as_pixels(*pair) for pair in zip(recordings, clips, strict=True)] if few else []
    result = {
        'system': title(embedder.config.model),
        **_alignment(clips, recordings),
        **_classification(recordings, raw),
        **_comparisons('kendall_tau', compare_order(recordings)),
        'kendall_tau_raw_pixels': _number(compare_order(raw).mean),
        **_comparisons('progression', measure_progression(recordings)),
    }
    if invariance:
        result['invariance'] = measure_invariance(embedder, seen_twice)
    return result


def raw_pixels(clip: Clip) -> NDArray[np.float32]:
    """Thumbnails of all views, T x V x 3072."""
    views = [np.stack([thumbnail(np.array(frame)) for frame in v]) for v in clip.views.values()]
    return np.stack(views, axis=1)


def _embed(embedder: Embedder, clip: Clip, labels: ClipLabels | None) -> Embedded:
    embeddings = np.stack([embedder.embed(list(view)) for view in clip.views.values()], axis=1)
    if labels is None:
        return Embedded(clip.task, clip.cameras, embeddings)
    return Embedded(clip.task, clip.cameras, embeddings, labels.columns, labels.timesteps)


def _as_pixels(recording: Embedded, clip: Clip) -> Embedded:
    return dataclasses.replace(recording, embeddings=raw_pixels(clip))


def _alignment(clips: Sequence[Clip], recordings: Sequence[Embedded]) -> dict[str, Any]:
    pairs = zip(unique_names(clips), clips, recordings, strict=True)
    rows = {name: _row(clip, recording) for name, clip, recording in pairs if len(clip.views) > 1}
    errors = np.array([row['alignment_error'] for row in rows.values()])
    return {
        'alignment_error': _mean(rows, 'alignment_error'),
        'alignment_error_interval': interval_of_mean(errors) if rows else None,
        'alignment_error_both_ways': _mean(rows, 'alignment_error_both_ways'),
        'raw_pixels': _mean(rows, 'raw_pixels'),
        'chance': CHANCE,
        'constant_middle': CONSTANT_MIDDLE,
        'per_pair': _mean_per_pair([row['per_pair'] for row in rows.values()]),
        'per_recording': rows,
        'skipped': [clip.name for clip in clips if len(clip.views) < 2],
    }


def unique_names(clips: Sequence[Clip]) -> list[str]:
    """Name clips; a name that is taken gets a number, so that no recording hides another."""
    names: list[str] = []
    for clip in clips:
        name, number = clip.name, 1
        while name in names:
            number += 1
            name = f'{clip.name} ({number})'
        names.append(name)
    return names


def _row(clip: Clip, recording: Embedded) -> dict[str, Any]:
    forward, both = alignment(recording.embeddings)
    names = clip.cameras
    errors = alignment_per_pair(recording.embeddings)
    return {
        'task': clip.task,
        'timesteps': len(clip),
        'alignment_error': forward,
        'alignment_error_both_ways': both,
        'raw_pixels': alignment(raw_pixels(clip))[0],
        'per_pair': {f'{names[i]}{ARROW}{names[j]}': e for (i, j), e in errors.items()},
    }


def _classification(recordings: Sequence[Embedded], raw: Sequence[Embedded]) -> dict[str, Any]:
    found, pixels = classify(recordings), classify(raw)
    return {
        'classification_error': found and found.error,
        'classification_error_interval': found and found.interval,
        'classification_error_tcn': found and found.error_tcn,
        'classification_error_chance': found and found.chance,
        'classification_error_raw_pixels': pixels and pixels.error,
        'classification_per_attribute': {
            name: score._asdict() for name, score in (found.per_attribute if found else {}).items()
        },
    }


def _check_classes(recordings: Sequence[Embedded]) -> None:
    """Raise DataError where an attribute is a measurement, which no neighbour has exactly."""
    for name in ATTRIBUTES:
        values = [r.labels[name] for r in recordings if name in r.labels]
        count = len(np.unique(np.concatenate(values))) if values else 0
        if count > MOST_CLASSES:
            raise DataError(
                f'labels.csv: {name} has {count} different values; classification needs classes, '
                f'at most {MOST_CLASSES}, such as 90, 45, 0, -45'
            )


def _comparisons(name: str, found: Comparisons) -> dict[str, Any]:
    return {
        name: _number(found.mean),
        f'{name}_interval': found.interval,
        f'{name}_undefined': found.undefined,
        f'{name}_comparisons': found.count,
        f'{name}_per_pair': {f'{i}{ARROW}{j}': mean for (i, j), mean in found.per_pair.items()},
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(rows: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    return float(np.mean([row[name] for row in rows.values()])) if rows else None


def _mean_per_pair(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over the recordings that have the pair."""
    names = dict.fromkeys(pair for row in rows for pair in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
