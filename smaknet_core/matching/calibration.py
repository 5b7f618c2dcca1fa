"""
The distance scales of a model, measured on validation recordings: `Embedding -> Calibration`.

With two cameras the truth is known for free: frames of one instant belong together. That gives
how far apart true matches are, how telling a distance is, and how often the filter is right when
it is so and so sure. What is *not* the demonstration looks like recordings of other tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig
from smaknet_core.distances import pairwise
from smaknet_core.errors import DataError
from smaknet_core.matching.filter import ForwardFilter
from smaknet_core.matching.summary import sharpen
from smaknet_core.matching.taught import Calibration, Floats, log_likelihood, Taught, WINDOW_S

# Longer recordings are thinned to this many timesteps, and more pairs to this many pairs.
MAX_STEPS = 400
MAX_PAIRS = 24
# Timesteps of one recording at least this share of it apart stand in for another task.
FAR_SHARE = 0.25
# The filter is started anew this often while its confidence is checked; its first half second,
# when nothing is published, does not count.
RUN_S = 10.0
SKIP_S = 0.5
SHARPNESS_RANGE = (0.05, 500.0)
TEMPERATURE_RANGE = (0.3, 30.0)


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
        """S, to the timestep nearest in time to the truth."""
        steps = np.abs(self.truth_s[:, None] - self.taught_s[None]).argmin(axis=1)
        return np.asarray(self.distances[np.arange(len(steps)), steps])


def calibrate(recordings: Sequence[CalibrationRecording]) -> Calibration:
    """
    Measure distance scales and confidence.

    True matches are the same instants in other views and, where recordings share a task, the
    instants a monotone alignment puts together. A single recording of a single camera has only
    its neighbouring timesteps; the result is then too sure, and its `basis` says so.

    Args:
        recordings: validation recordings, one or more.

    Raises:
        DataError: none has the four timesteps that anything can be measured on.
    """
    usable = [_thin(recording) for recording in recordings if len(recording.times_s) >= 4]
    if not usable:
        raise DataError('calibration needs a recording of at least 4 timesteps')
    pairs, basis = _true_pairs(usable)
    true = np.concatenate([pair.true_distances() for pair in pairs])
    others, other_basis = _other_distances(usable)
    sigma = max(float(np.sqrt(np.mean(true**2))), 1e-6)
    # Halfway, in ratio, between matches and non-matches; but matches must win nine times in ten.
    halfway = np.sqrt(sigma * np.sqrt(np.mean(others**2)))
    outlier = float(max(halfway, np.quantile(true, 0.9), sigma))
    calibration = Calibration(sigma, outlier, basis=f'{basis}; {other_basis}')
    calibration = replace(calibration, sharpness=_fit_sharpness(pairs, calibration))
    return replace(calibration, temperature=_fit_temperature(pairs, calibration))


def measure_views(embeddings: NDArray[np.float32]) -> float | None:
    """
    Measure the root mean square distance of concurrent views, as `Calibration.sigma` is.

    Args:
        embeddings: T x V x D.

    Returns:
        None with one view, and where the views do not differ at all.
    """
    views = range(embeddings.shape[1])
    squares = [
        np.mean(np.sum((embeddings[:, i] - embeddings[:, j]) ** 2, axis=1))
        for i in views
        for j in views
        if i < j
    ]
    sigma = float(np.sqrt(np.mean(squares))) if squares else 0.0
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


def _true_pairs(recordings: Sequence[CalibrationRecording]) -> tuple[list[_Pair], str]:
    views = [pair for recording in recordings for pair in _view_pairs(recording)]
    across = [
        pair
        for a, b in permutations(recordings, 2)
        if a.task and a.task == b.task
        for pair in _recording_pairs(a, b)
    ]
    if views or across:
        found = [('views', views), ('recordings of one task', across)]
        names = ' and '.join(name for name, pairs in found if pairs)
        return _some(views) + _some(across), f'true matches across {names}'
    neighbours = [_neighbour_pair(recording) for recording in recordings]
    return _some(neighbours), 'true matches from neighbouring timesteps only, so too sure'


def _view_pairs(recording: CalibrationRecording) -> Iterator[_Pair]:
    """Pair each view with each other one: the same instants."""
    times_s = recording.times_s
    for i, j in permutations(range(len(recording.cameras)), 2):
        views = recording.embeddings[:, i], recording.embeddings[:, j]
        yield _Pair(views[0], times_s, views[1], times_s, times_s)


def _recording_pairs(a: CalibrationRecording, b: CalibrationRecording) -> Iterator[_Pair]:
    """Pair the views two recordings of one task have in common; the alignment is the truth."""
    for camera in a.cameras:
        if camera in b.cameras:
            taught = a.embeddings[:, a.cameras.index(camera)]
            stream = b.embeddings[:, b.cameras.index(camera)]
            aligned = align(np.asarray(pairwise(stream, taught), np.float64))
            yield _Pair(taught, a.times_s, stream, b.times_s, a.times_s[aligned])


def _neighbour_pair(recording: CalibrationRecording) -> _Pair:
    """Pair the even timesteps with the odd ones of the same camera."""
    times_s, view = recording.times_s, recording.embeddings[:, 0]
    return _Pair(view[::2], times_s[::2], view[1::2], times_s[1::2], times_s[1::2])


def _some(pairs: Sequence[_Pair]) -> list[_Pair]:
    """At most MAX_PAIRS of them, evenly chosen."""
    return list(pairs[:: -(-len(pairs) // MAX_PAIRS)]) if pairs else []


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
    Find the sharpness that gives the true windows the highest likelihood, set by set.

    Measured, not derived: true matches differ in some directions much more than in others, and
    those of one recording all in the same way.
    """
    tables = [
        (pair.distances, np.abs(pair.truth_s[:, None] - pair.taught_s) <= WINDOW_S)
        for pair in pairs
    ]
    tables = [(distances[true.any(1)], true[true.any(1)]) for distances, true in tables]

    def surprise(sharpness: float) -> float:
        losses = []
        for distances, true in tables:
            logs = log_likelihood(distances, calibration.sigma, calibration.outlier, sharpness)
            weights = np.exp(logs)
            losses.append(np.log(weights.sum(1)) - np.log((weights * true).sum(1)))
        return float(np.concatenate(losses).mean())

    return minimise(surprise, *SHARPNESS_RANGE)


def _fit_temperature(pairs: Sequence[_Pair], calibration: Calibration) -> float:
    """Find the temperature under which the filter's confidence is how often it is right."""
    outcomes = [outcome for pair in pairs for outcome in _outcomes(pair, calibration)]
    if not outcomes:
        return 1.0
    confidences, right = np.array(outcomes).T

    def surprise(temperature: float) -> float:
        sure = np.array([sharpen(c, temperature) for c in confidences])
        loss = -np.mean(np.log(np.where(right > 0, sure, 1 - sure)))
        # The pull to 1 decides only where the outcomes do not, as when all were right.
        return float(loss + 0.01 * np.log(temperature) ** 2)

    return minimise(surprise, *TEMPERATURE_RANGE)


def _outcomes(pair: _Pair, calibration: Calibration) -> Iterator[tuple[float, bool]]:
    """Run the filter over a pair, started anew now and then: (confidence, was it right)."""
    taught = Taught('taught', pair.taught[:, None], pair.taught_s, ('taught',))
    tracker = ForwardFilter([taught], calibration, MatchConfig())
    started_s = -np.inf
    for vector, stream_s, truth_s in zip(pair.stream, pair.stream_s, pair.truth_s, strict=True):
        if stream_s - started_s >= RUN_S:
            tracker.reset()
            started_s = stream_s
        match = tracker.update(round(stream_s * 1e9), {'stream': vector})
        if stream_s - started_s >= SKIP_S:
            yield match.confidence, abs(match.time_s - truth_s) <= WINDOW_S


def minimise(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function of one positive number is smallest: a grid in ratio, twice refined."""
    for _ in range(3):
        grid = np.geomspace(low, high, 15)
        best = int(np.argmin([function(float(value)) for value in grid]))
        low, high = float(grid[max(0, best - 1)]), float(grid[min(best + 1, len(grid) - 1)])
    return float(np.sqrt(low * high))
