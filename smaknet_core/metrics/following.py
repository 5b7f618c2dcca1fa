"""How well a stream was followed: error, lock, recovery, jumps, and what confidence is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# An answer within this of the truth is right, as far as confidence speaks of it.
RIGHT_S = 0.25
# Within this of the truth a stream counts as found; an answer that goes back further has jumped.
FOUND_S = 0.5
# Found again is who stays found for this long.
HOLD_S = 0.5
BINS = 10


@dataclass(frozen=True)
class Told:
    """What one method answered to one stream of N sets, beside the truth."""

    times_s: Floats  # N, of the stream, increasing
    answers_s: Floats  # N, demonstration time
    published: Flags  # N, whether a consumer got the answer
    confidence: Floats  # N, 0 ... 1; NaN: the method has none
    elsewhere: Floats  # N, larger: rather not in the demonstration; NaN: the method has none
    first_s: Floats  # N, where the truth begins, demonstration time; NaN: not in it
    last_s: Floats  # N, where it ends, beyond `first_s` where the demonstration pauses
    calm_from_s: float | None = None  # stream time at which what was odd about it is over

    @property
    def errors_s(self) -> Floats:
        """N seconds off the truth, 0 anywhere within it; NaN where there is none."""
        answers = self.answers_s
        errors: Floats = np.maximum(0, np.maximum(self.first_s - answers, answers - self.last_s))
        return errors

    @property
    def found(self) -> Flags:
        """N: published, and within FOUND_S of the truth."""
        return self.published & (np.nan_to_num(self.errors_s, nan=np.inf) <= FOUND_S)

    @property
    def known(self) -> Flags:
        """N: whether the scene is in the demonstration."""
        return ~np.isnan(self.first_s)


def time_to_lock(told: Told) -> float | None:
    """Seconds until the stream is found first; None: never."""
    return _first(told.times_s - told.times_s[0], told.found)


def recovery(told: Told) -> float | None:
    """Seconds from `calm_from_s` until the stream is found for HOLD_S (or to its end); or None."""
    if told.calm_from_s is None:
        return None
    since = told.times_s - told.calm_from_s
    lost_s = told.times_s[~told.found]
    # The next set that is not found, from each on; at the end nothing contradicts.
    following = np.append(lost_s, np.inf)[np.searchsorted(lost_s, told.times_s)]
    holds = told.found & (following - told.times_s >= HOLD_S)
    return _first(since, holds & (since >= 0))


def backward_jumps(told: Told) -> int:
    """How often the answer goes back by more than FOUND_S though the scene does not."""
    back = np.diff(told.answers_s) < -FOUND_S
    scene_back = np.diff((told.first_s + told.last_s) / 2) < -FOUND_S
    return int((back & ~scene_back).sum())


def calibration_error(confidence: Floats, right: Flags) -> float:
    """
    Expected calibration error: |mean confidence - share right|, averaged over BINS equal bins.

    Args:
        confidence: N, 0 ... 1.
        right: N; each bin weighs what it holds.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        (bins == k).mean() * abs(confidence[bins == k].mean() - right[bins == k].mean())
        for k in np.unique(bins)
    ]
    return float(np.sum(gaps))


def auroc(negatives: Floats, positives: Floats) -> float:
    """Chance that a positive scores higher than a negative; a tie is half of that."""
    scores = np.sort(negatives)
    below = np.searchsorted(scores, positives, side='left')
    not_above = np.searchsorted(scores, positives, side='right')
    return float((below + not_above).mean() / (2 * len(negatives)))


def _first(seconds: Floats, when: Flags) -> float | None:
    return float(seconds[int(np.argmax(when))]) if when.any() else None
