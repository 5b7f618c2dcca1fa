"""
The distance scales of a model, measured on validation recordings: `Embedding -> Calibration`.

With two cameras the truth is known for free: frames of one instant belong together. That gives
how far apart true matches are, how telling a distance is, and how often the filter is right when
it is so and so sure. What is *not* the demonstration looks like recordings of other tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, permutations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig
from smaknet_core.distances import pairwise
from smaknet_core.errors import DataError
from smaknet_core.matching.filter import ForwardFilter
from smaknet_core.matching.summary import sharpen
from smaknet_core.matching.taught import Calibration, Floats, Taught, WINDOW_S
from smaknet_core.types import Match

T = TypeVar('T')

# Longer recordings are thinned to this many timesteps; of more pairs, so many are aligned, and so
# many are followed. Calibration runs whenever training saves: it has a second or two.
MAX_STEPS = 300
MAX_ALIGNED = 12
MAX_FOLLOWED = 6
# Timesteps of one recording at least this share of it apart stand in for another task.
FAR_SHARE = 0.25
# The outlier level is at most so many times the distance of the farthest true matches.
MOST_SLACK = 1.15
# The same camera on another day may have been moved a little, and an alignment flatters.
LEAST_SAME_VIEW = 0.8
# The filter is started anew this often while its confidence is checked; its first half second,
# when nothing is published, does not count.
RUN_S = 10.0
SKIP_S = 0.5
# Streams are followed at these paces in turn, for none will come at that of the demonstration.
PACES = (1.0, 1.6, 0.6)
SHARPNESSES = tuple(2.0**power for power in range(-4, 10))
TEMPERATURE_RANGE = (0.5, 20.0)


@dataclass(frozen=True)
class CalibrationRecording:
    """One validation recording."""

    task: str  # '' when unknown
    times_s: Floats  # T, strictly increasing
    cameras: tuple[str, ...]  # V
    embeddings: NDArray[np.float32]  # T x V x D


@dataclass(frozen=True)
class _Pair:
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


def calibrate(recordings: Sequence[CalibrationRecording]) -> Calibration:
    """
    Measure distance scales and confidence.

    True matches are the same instants in other views. Where recordings share a task, the instants
    that a monotone alignment puts together say how much nearer the same camera's are. A single
    recording of a single camera has only its neighbouring timesteps; the result is then too sure,
    and its `basis` says so.

    Args:
        recordings: validation recordings, one or more.

    Raises:
        DataError: none has the four timesteps that anything can be measured on.
    """
    usable = [_thin(recording) for recording in recordings if len(recording.times_s) >= 4]
    if not usable:
        raise DataError('calibration needs a recording of at least 4 timesteps')
    pairs, aligned, basis = _true_pairs(usable)
    true = np.concatenate([pair.true_distances() for pair in pairs or aligned])
    others, other_basis = _other_distances(usable)
    sigma = max(_mean_square_root(true), 1e-6)
    outlier = max(_choose_outlier(true, others), sigma)
    calibration = Calibration(sigma, outlier, basis=f'{basis}; {other_basis}')
    if pairs and aligned:
        same = np.concatenate([pair.true_distances() for pair in aligned])
        nearer = np.clip(_mean_square_root(same) / sigma, LEAST_SAME_VIEW, 1)
        calibration = replace(calibration, same_view=float(nearer))
    followed = [
        replace(pair, stream_s=pair.stream_s / pace)
        for pair, pace in zip(_some(pairs or aligned, MAX_FOLLOWED), cycle(PACES), strict=False)
    ]
    calibration = replace(calibration, sharpness=_fit_sharpness(followed, calibration))
    return replace(calibration, temperature=_fit_temperature(followed, calibration))


def measure_views(embeddings: NDArray[np.float32], times_s: Floats) -> float | None:
    """
    Measure the distance of concurrent views, as `Calibration.sigma` is.

    Args:
        embeddings: T x V x D.
        times_s: T, strictly increasing.

    Returns:
        None with one view, and where the views do not differ at all.
    """
    cameras = tuple(map(str, range(embeddings.shape[1])))
    recording = _thin(CalibrationRecording('', times_s, cameras, embeddings))
    true = [pair.true_distances() for pair in _view_pairs(recording)]
    sigma = _mean_square_root(np.concatenate(true)) if true else 0.0
    return sigma if sigma > 0 else None


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


def _thin(recording: CalibrationRecording) -> CalibrationRecording:
    kept = slice(None, None, -(-len(recording.times_s) // MAX_STEPS))
    times_s = recording.times_s[kept]
    return replace(recording, times_s=times_s - times_s[0], embeddings=recording.embeddings[kept])


def _true_pairs(
    recordings: Sequence[CalibrationRecording],
) -> tuple[list[_Pair], list[_Pair], str]:
    """Give pairs with exact truth, pairs with aligned truth, and what they are in words."""
    views = [pair for recording in recordings for pair in _view_pairs(recording)]
    same_task = [
        (a, b, camera)
        for a, b in permutations(recordings, 2)
        if a.task and a.task == b.task
        for camera in a.cameras
        if camera in b.cameras
    ]
    aligned = [_aligned_pair(*chosen) for chosen in _some(same_task, MAX_ALIGNED)]
    if views or aligned:
        found = [('views', views), ('recordings of one task', aligned)]
        names = ' and '.join(name for name, pairs in found if pairs)
        return views, aligned, f'true matches across {names}'
    neighbours = [_neighbour_pair(recording) for recording in recordings]
    return neighbours, [], 'true matches from neighbouring timesteps only, so too sure'


def _view_pairs(recording: CalibrationRecording) -> Iterator[_Pair]:
    """Pair each view with each other one: the same instants."""
    times_s = recording.times_s
    for i, j in permutations(range(len(recording.cameras)), 2):
        views = recording.embeddings[:, i], recording.embeddings[:, j]
        yield _Pair(views[0], times_s, views[1], times_s, times_s)


def _aligned_pair(a: CalibrationRecording, b: CalibrationRecording, camera: str) -> _Pair:
    """Pair a camera of two recordings of one task; their alignment stands for the truth."""
    taught = a.embeddings[:, a.cameras.index(camera)]
    stream = b.embeddings[:, b.cameras.index(camera)]
    aligned = align(np.asarray(pairwise(stream, taught), np.float64))
    return _Pair(taught, a.times_s, stream, b.times_s, a.times_s[aligned])


def _neighbour_pair(recording: CalibrationRecording) -> _Pair:
    """Pair the even timesteps with the odd ones of the same camera."""
    times_s, view = recording.times_s, recording.embeddings[:, 0]
    return _Pair(view[::2], times_s[::2], view[1::2], times_s[1::2], times_s[1::2])


def _some(things: Sequence[T], most: int) -> list[T]:
    """Give at most `most` of them, evenly chosen."""
    return list(things[:: -(-len(things) // most)]) if things else []


def _mean_square_root(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _choose_outlier(true: Floats, others: Floats) -> float:
    """
    Give the distance at which `elsewhere` explains a set as well as the demonstration does.

    Halfway, in ratio, from the farthest true matches to the nearest of the others; but never far
    above the true matches, since what will be met live can be nearer than what was recorded: a
    network puts scenes it never saw anywhere, and often together.
    """
    farthest, nearest = np.quantile(true, 0.9), np.quantile(others, 0.1)
    return float(farthest * np.clip(np.sqrt(nearest / max(farthest, 1e-9)), 1, MOST_SLACK))


def _other_distances(recordings: Sequence[CalibrationRecording]) -> tuple[Floats, str]:
    """Give the nearest distances of what is not in the demonstration, and what that was."""
    other_tasks = [
        pairwise(b.embeddings[:, j], a.embeddings[:, i]).min(axis=1)
        for a, b in permutations(recordings, 2)
        if a.task != b.task
        for i in range(len(a.cameras))
        for j in range(len(b.cameras))
    ]
    if other_tasks:
        return np.concatenate(other_tasks).astype(np.float64), 'non-matches from other tasks'
    far = [_far_distances(recording) for recording in recordings]
    return np.concatenate(far), 'non-matches from distant moments of the same recording'


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


def _fit_sharpness(pairs: Sequence[_Pair], calibration: Calibration) -> float:
    """
    Find the sharpness with which the filter believes most in the truth.

    Measured, not derived: how independent the errors of a distance are, in the directions of the
    embedding and from one set to the next, is not known from the distances.
    """

    def surprise(index: int) -> float:
        sharp = replace(calibration, sharpness=SHARPNESSES[index])
        beliefs = [belief for pair in pairs for _, _, belief in _follow(pair, sharp)]
        return float(-np.mean(np.log(np.maximum(beliefs, 1e-6))))

    # The surprise has one valley: walk down from the middle.
    index = len(SHARPNESSES) // 2
    known = {i: surprise(i) for i in (index - 1, index, index + 1)}
    while (best := min(known, key=known.__getitem__)) != index:
        step, index = best - index, best
        if 0 <= index + step < len(SHARPNESSES):
            known[index + step] = surprise(index + step)
    return SHARPNESSES[index]


def _fit_temperature(pairs: Sequence[_Pair], calibration: Calibration) -> float:
    """Find the temperature under which the filter's confidence is how often it is right."""
    outcomes = [
        (match.confidence, abs(match.time_s - truth_s) <= WINDOW_S)
        for pair in pairs
        for match, truth_s, _ in _follow(pair, calibration)
    ]
    if not outcomes:
        return 1.0
    confidences, right = np.array(outcomes).T

    def surprise(temperature: float) -> float:
        sure = np.array([sharpen(c, temperature) for c in confidences])
        loss = -np.mean(np.log(np.where(right > 0, sure, 1 - sure)))
        # The pull to 1 decides only where the outcomes do not, as when all were right.
        return float(loss + 0.01 * np.log(temperature) ** 2)

    return minimise(surprise, *TEMPERATURE_RANGE)


def _follow(pair: _Pair, calibration: Calibration) -> Iterator[tuple[Match, float, float]]:
    """
    Run the filter over a pair, started anew now and then.

    Yields:
        The match, the true second, and the belief that the filter has in its neighbourhood.
    """
    taught = Taught('taught', pair.taught[:, None], pair.taught_s, ('taught',))
    tracker = ForwardFilter([taught], calibration, MatchConfig())
    started_s = -np.inf
    for vector, stream_s, truth_s in zip(pair.stream, pair.stream_s, pair.truth_s, strict=True):
        if stream_s - started_s >= RUN_S:
            tracker.reset()
            started_s = stream_s
        match = tracker.update(round(stream_s * 1e9), {'stream': vector})
        if stream_s - started_s >= SKIP_S:
            near = np.abs(pair.taught_s - truth_s) <= WINDOW_S
            yield match, float(truth_s), float(tracker.posterior[0][:, near].sum())


def minimise(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function of one positive number is smallest: a grid in ratio, twice refined."""
    for _ in range(3):
        grid = np.geomspace(low, high, 15)
        best = int(np.argmin([function(float(value)) for value in grid]))
        low, high = float(grid[max(0, best - 1)]), float(grid[min(best + 1, len(grid) - 1)])
    return float(np.sqrt(low * high))
