"""
Which timesteps belong together: pairs of embedded streams with known truth, for calibration.

With two cameras the truth is known for free: frames of one instant belong together. Recordings of
one task are put together by a monotone alignment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from smaknet_core.distances import pairwise
from smaknet_core.matching.taught import Floats, WINDOW_S

T = TypeVar('T')

# Longer recordings are thinned to this many timesteps; of more pairs, so many are aligned, and of
# those of other tasks, so many are compared.
MAX_STEPS = 200
MAX_ALIGNED = 12
MAX_OTHERS = 36
# Timesteps of one recording at least this share of it apart stand in for another task.
FAR_SHARE = 0.25


@dataclass(frozen=True)
class CalibrationRecording:
    """One validation recording."""

    task: str  # '' when unknown
    times_s: Floats  # T, strictly increasing
    cameras: tuple[str, ...]  # V
    embeddings: NDArray[np.float32]  # T x V x D


@dataclass(frozen=True)
class Pair:
    """A taught view, and a stream that is at `truth_s[s]` of it at its own `stream_s[s]`."""

    taught: NDArray[np.float32]  # T x D
    taught_s: Floats  # T, from 0
    stream: NDArray[np.float32]  # S x D
    stream_s: Floats  # S
    truth_s: Floats  # S

    @property
    def distances(self) -> Floats:
        """S x T."""
        return np.asarray(pairwise(self.stream, self.taught), np.float64)

    def true_distances(self) -> Floats:
        """S, to the nearest of the timesteps that count as right."""
        apart_s = np.abs(self.truth_s[:, None] - self.taught_s[None])
        right = apart_s <= np.maximum(WINDOW_S, apart_s.min(axis=1, keepdims=True))
        return np.asarray(np.where(right, self.distances, np.inf).min(axis=1))


class TruePairs(NamedTuple):
    """Streams whose truth is known, by what differs between the stream and what was taught."""

    views: list[Pair]  # the camera; the truth is exact
    crossed: list[Pair]  # camera and recording; the truth is aligned, as below
    aligned: list[Pair]  # the recording
    basis: str  # in words


def true_pairs(recordings: Sequence[CalibrationRecording]) -> TruePairs:
    """Pair what belongs together: of one instant, or of one task by a monotone alignment."""
    views = [pair for recording in recordings for pair in view_pairs(recording)]
    same_task = [(a, b) for a, b in permutations(recordings, 2) if a.task and a.task == b.task]
    same_task = [(a, b) for a, b in same_task if set(a.cameras) & set(b.cameras)]
    across = [pair for a, b in choose(same_task, MAX_ALIGNED) for pair in _aligned_pairs(a, b)]
    crossed = [pair for same, pair in across if not same]
    aligned = [pair for same, pair in across if same]
    if views or aligned:
        found = [('views', views), ('recordings of one task', aligned)]
        names = ' and '.join(name for name, pairs in found if pairs)
        return TruePairs(views, crossed, aligned, f'true matches across {names}')
    neighbours = [_neighbour_pair(recording) for recording in recordings]
    basis = 'true matches from neighbouring timesteps only, so too sure'
    return TruePairs(neighbours, [], [], basis)


def other_distances(recordings: Sequence[CalibrationRecording]) -> tuple[Floats, str]:
    """Give the nearest distances of what is not in the demonstration, and what that was."""
    views = [
        (a.embeddings[:, i], b.embeddings[:, j])
        for a, b in permutations(recordings, 2)
        if a.task and b.task and a.task != b.task
        for i in range(len(a.cameras))
        for j in range(len(b.cameras))
    ]
    if views:
        nearest = [pairwise(b, a).min(axis=1) for a, b in choose(views, MAX_OTHERS)]
        return np.concatenate(nearest).astype(np.float64), 'non-matches from other tasks'
    far = [_far_distances(recording) for recording in recordings]
    return np.concatenate(far), 'non-matches from distant moments of the same recording'


def align(distances: Floats) -> NDArray[np.intp]:
    """
    Align two recordings monotonically, by dynamic time warping from both ends.

    Args:
        distances: S x T.

    Returns:
        S timesteps of the second recording, never decreasing.
    """
    steps, others = distances.shape
    total = np.full((steps + 1, others + 1), np.inf)
    total[0, 0] = 0
    for s in range(steps):
        for t in range(others):
            total[s + 1, t + 1] = distances[s, t] + min(
                total[s, t], total[s, t + 1], total[s + 1, t]
            )
    aligned = np.zeros(steps, np.intp)
    s, t = steps, others
    while s > 0:
        aligned[s - 1] = t - 1
        before = (total[s - 1, t - 1], total[s - 1, t], total[s, t - 1])
        step = int(np.argmin(before))
        s, t = s - (step != 2), t - (step != 1)
    return aligned


def thin(recording: CalibrationRecording) -> CalibrationRecording:
    """Leave out timesteps evenly, down to MAX_STEPS, and count time from 0."""
    kept = slice(None, None, -(-len(recording.times_s) // MAX_STEPS))
    times_s = recording.times_s[kept]
    return replace(recording, times_s=times_s - times_s[0], embeddings=recording.embeddings[kept])


def view_pairs(recording: CalibrationRecording) -> Iterator[Pair]:
    """Pair each view with each other one: the same instants."""
    times_s = recording.times_s
    for i, j in permutations(range(len(recording.cameras)), 2):
        views = recording.embeddings[:, i], recording.embeddings[:, j]
        yield Pair(views[0], times_s, views[1], times_s, times_s)


def _aligned_pairs(
    a: CalibrationRecording, b: CalibrationRecording
) -> Iterator[tuple[bool, Pair]]:
    """
    Pair each camera of one recording with each of another of the task, and say if they are one.

    The alignment of all shared cameras together stands for the truth of each.
    """
    shared = [(a.cameras.index(camera), b.cameras.index(camera))
              for camera in a.cameras if camera in b.cameras]  # fmt: skip
    tables = [pairwise(b.embeddings[:, j], a.embeddings[:, i]) for i, j in shared]
    truth_s = a.times_s[align(np.mean(tables, axis=0, dtype=np.float64))]
    for (i, taught), (j, seen) in product(enumerate(a.cameras), enumerate(b.cameras)):
        pair = Pair(a.embeddings[:, i], a.times_s, b.embeddings[:, j], b.times_s, truth_s)
        yield taught == seen, pair


def _neighbour_pair(recording: CalibrationRecording) -> Pair:
    """Pair the even timesteps with the odd ones of the same camera."""
    times_s, view = recording.times_s, recording.embeddings[:, 0]
    return Pair(view[::2], times_s[::2], view[1::2], times_s[1::2], times_s[1::2])


def _far_distances(recording: CalibrationRecording) -> Floats:
    """Give each timestep's nearest distance, over all view pairs, to those far away in time."""
    times_s, views = recording.times_s, range(len(recording.cameras))
    apart = np.abs(times_s[:, None] - times_s[None]) >= FAR_SHARE * times_s[-1]
    nearest = [
        np.where(
            apart, pairwise(recording.embeddings[:, j], recording.embeddings[:, i]), np.inf
        ).min(axis=1)
        for i in views
        for j in views
        if i != j or len(views) == 1
    ]
    return np.concatenate(nearest).astype(np.float64)


def choose(things: Sequence[T], most: int) -> list[T]:
    """Choose at most `most` things, evenly."""
    chosen = np.linspace(0, len(things) - 1, min(most, len(things))).round().astype(int)
    return [things[index] for index in chosen]
