"""
The distance scales of a model, measured on validation recordings: `Embedding -> Calibration`.

Streams whose truth is known (`correspondence`) tell how far apart true matches are, how telling a
distance is, and how often the filter is right when it is so and so sure. What is *not* the
demonstration looks like recordings of other tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig
from smaknet_core.errors import DataError
from smaknet_core.matching.correspondence import (
    CalibrationRecording,
    choose,
    other_distances,
    Pair,
    thin,
    true_pairs,
    view_pairs,
)
from smaknet_core.matching.filter import ForwardFilter
from smaknet_core.matching.summary import sharpen
from smaknet_core.matching.taught import Calibration, Floats, Taught, WINDOW_S
from smaknet_core.types import Match

# So many pairs are followed: calibration runs whenever training saves, and has a second or two.
MAX_FOLLOWED = 6
# The outlier level is at most so many times the distance of the farthest true matches, and of a
# single recording by so much as a share more, of two by half of that, and so on: few recordings
# do not show how far true matches can be.
MOST_SLACK = 1.15
FEW_SLACK = 0.5
# The same camera on another day may have been moved a little, and an alignment flatters.
LEAST_SAME_VIEW = 0.8
# The filter is started anew this often while its confidence is checked; its first half second,
# when nothing is published, does not count.
RUN_S = 10.0
SKIP_S = 0.5
# Streams are followed at these paces in turn, for none will come at that of the demonstration.
PACES = (1.0, 1.6, 0.6)
SHARPNESSES = tuple(2.0**power for power in range(-6, 8))
TEMPERATURE_RANGE = (0.5, 20.0)


def calibrate(recordings: Sequence[CalibrationRecording]) -> Calibration:
    """
    Measure distance scales and confidence.

    True matches are the same instants in other views. Where recordings share a task, they are the
    instants of one in other views of another, as far as a monotone alignment puts them together,
    and those of the same camera say how much nearer they are. A single
    recording of a single camera has only its neighbouring timesteps; the result is then too sure,
    and its `basis` says so.

    Args:
        recordings: validation recordings, one or more.

    Raises:
        DataError: none has the four timesteps that anything can be measured on.
    """
    usable = [thin(recording) for recording in recordings if len(recording.times_s) >= 4]
    if not usable:
        raise DataError('calibration needs a recording of at least 4 timesteps')
    pairs = true_pairs(usable)
    # A live scene is another run of the task, seen by another camera: where such recordings are
    # at hand, concurrent views alone would make everything look too certain.
    strict = pairs.crossed or pairs.views or pairs.aligned
    true = _true_distances(strict)
    others, other_basis = other_distances(usable)
    sigma = max(_mean_square_root(true), 1e-6)
    outlier = max(outlier_level(true, others, len(usable)), sigma)
    calibration = Calibration(sigma, outlier, basis=f'{pairs.basis}; {other_basis}')
    if pairs.views and pairs.aligned:
        nearer = _mean_square_root(_true_distances(pairs.aligned)) / sigma
        same_view = float(np.clip(nearer, LEAST_SAME_VIEW, 1))
        calibration = replace(calibration, same_view=same_view)
    followed = [
        replace(pair, stream_s=pair.stream_s / pace)
        for pair, pace in zip(choose(strict, MAX_FOLLOWED), cycle(PACES), strict=False)
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
    recording = thin(CalibrationRecording('', times_s, cameras, embeddings))
    true = [pair.true_distances() for pair in view_pairs(recording)]
    sigma = _mean_square_root(np.concatenate(true)) if true else 0.0
    return sigma if sigma > 0 else None


def _true_distances(pairs: Sequence[Pair]) -> Floats:
    return np.concatenate([pair.true_distances() for pair in pairs])


def _mean_square_root(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def outlier_level(true: Floats, others: Floats, recordings: int) -> float:
    """
    Give the distance at which `elsewhere` explains a set as well as the demonstration does.

    Halfway between a usual true match and a usual other: middles, since the edges say little. Some
    of what was aligned belongs to another moment, and parts of other tasks look like this one. But
    never far above the farthest true matches, since what will be met live can be nearer than what
    was recorded: a network puts scenes it never saw anywhere, and often together.

    Args:
        true: distances of true matches.
        others: distances of what is no match.
        recordings: how many they are from.
    """
    halfway = (np.median(true) + np.median(others)) / 2
    slack = MOST_SLACK * (1 + FEW_SLACK / recordings)
    return float(min(halfway, slack * np.quantile(true, 0.9)))


def _fit_sharpness(pairs: Sequence[Pair], calibration: Calibration) -> float:
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


def _fit_temperature(pairs: Sequence[Pair], calibration: Calibration) -> float:
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


def _follow(pair: Pair, calibration: Calibration) -> Iterator[tuple[Match, float, float]]:
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
