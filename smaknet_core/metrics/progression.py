"""
How linearly an embedding tells when the next phase begins: TCC's phase progression.

Key events are the ends of phases. The target of a frame is its distance to each, in frames over
the recording's length (Dwibedi et al. 2019; task_utils.py of their code). A linear regression is
fitted on one camera of all *other* recordings of the task, and judged by R^2 on each camera of
this one, mean over key events. 1 is perfect, 0 no better than a constant, and it may be negative.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
from smaknet_core.metrics.comparisons import Comparisons, Pair, summarise
from smaknet_core.metrics.embedded import Embedded

COLUMN = 'phase'
FEWEST = 2  # labelled timesteps of a recording

Floats = NDArray[np.float64]


def measure_progression(recordings: Sequence[Embedded]) -> Comparisons:
    """Leave each recording out in turn; those without phases, or alone in their task, are not."""
    known = [r for r in recordings if COLUMN in r.labels and len(r.labelled) >= FEWEST]
    targets = _targets(known)
    scores: dict[tuple[int, ...], dict[Pair, float]] = {}
    for number, left_out in enumerate(known):
        others = [n for n, r in enumerate(known) if n != number and r.task == left_out.task]
        if others:
            scores[(number,)] = _leave_out(number, others, known, targets)
    return summarise(scores, len(known))


def key_event_targets(phases: NDArray[np.str_], names: Sequence[str]) -> Floats:
    """
    Signed time to the end of each phase but the last, T x (K - 1), in recording lengths.

    Args:
        phases: T names.
        names: K phases in the order they come in; a recording may lack some.
    """
    numbers = np.array([names.index(str(phase)) for phase in phases])
    steps = np.arange(len(phases), dtype=np.float64)
    columns = []
    for number in range(len(names) - 1):
        later = np.flatnonzero(numbers[1:] > number) + 1
        if len(later) == 0:
            event = len(phases) - 1
        else:  # the phase's last frame, or the first after it where the phase is missing
            event = later[0] - 1 if numbers[later[0] - 1] == number else later[0]
        columns.append((steps - event) / len(phases))
    return np.stack(columns, axis=1) if columns else np.empty((len(phases), 0))


def phase_order(recordings: Sequence[Embedded]) -> list[str]:
    """Name all phases in the order they come in, by their mean place in the recordings."""
    places: dict[str, list[float]] = {}
    for recording in recordings:
        phases = recording.labels[COLUMN]
        for step, phase in enumerate(phases):
            places.setdefault(str(phase), []).append(step / len(phases))
    return sorted(places, key=lambda phase: float(np.mean(places[phase])))


def _targets(recordings: Sequence[Embedded]) -> list[Floats]:
    """Targets of each recording, by the phases of its task."""
    alike = {
        task: phase_order([r for r in recordings if r.task == task])
        for task in {r.task for r in recordings}
    }
    return [key_event_targets(r.labels[COLUMN], alike[r.task]) for r in recordings]


def _leave_out(
    left_out: int,
    others: Sequence[int],
    recordings: Sequence[Embedded],
    targets: Sequence[Floats],
) -> dict[Pair, float]:
    """R^2 for each camera fitted on and each camera judged."""
    own = recordings[left_out]
    cameras = list(dict.fromkeys(camera for n in others for camera in recordings[n].cameras))
    scores: dict[Pair, float] = {}
    for fitted in cameras:
        seeing = [n for n in others if fitted in recordings[n].cameras]
        weights = _fit(
            np.concatenate([_labelled(recordings[n], fitted) for n in seeing]),
            np.concatenate([targets[n] for n in seeing]),
        )
        for judged in own.cameras:
            told = _with_constant(_labelled(own, judged)) @ weights
            scores[fitted, judged] = _explained(told, targets[left_out])
    return scores


def _labelled(recording: Embedded, camera: str) -> NDArray[np.float32]:
    return recording.view(camera)[recording.labelled]


def _fit(embeddings: NDArray[np.float32], targets: Floats) -> Floats:
    """Least squares with a constant: N x D and N x K to (D + 1) x K."""
    solved = np.linalg.lstsq(_with_constant(embeddings), targets, rcond=None)
    return np.asarray(solved[0], np.float64)


def _with_constant(embeddings: NDArray[np.float32]) -> Floats:
    return np.column_stack([embeddings.astype(np.float64), np.ones(len(embeddings))])


def _explained(told: Floats, truth: Floats) -> float:
    """R^2, mean over columns; NaN without a column."""
    if truth.shape[1] == 0:
        return math.nan
    missed = np.square(told - truth).sum(0)
    spread = np.square(truth - truth.mean(0)).sum(0)
    return float(np.mean(1 - missed / spread))
