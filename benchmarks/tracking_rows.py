"""Streams followed → one row for each scenario and method of `tracking.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from smaknet_core.metrics.following import (
    auroc,
    backward_jumps,
    calibration_error,
    FOUND_S,
    recovery,
    RIGHT_S,
    time_to_lock,
    Told,
)
from tracking_streams import NORMAL, OTHER, Stream


@dataclass(frozen=True)
class Followed:
    """One stream followed with one method through one demonstration."""

    told: Told
    stream: Stream
    duration_s: float  # of the demonstration


All = dict[tuple[str, str, str], list[Followed]]  # by views, scenario and method


@dataclass(frozen=True)
class Row:
    """One method on all streams of one scenario; None: there is no such number."""

    views: str  # which cameras were taught and seen
    scenario: str
    method: str
    streams: int  # followed, each as often as demonstrations were taught
    sets: int
    mean_error_s: float | None  # of all sets in the demonstration, published or not
    median_error_s: float | None
    median_share: float | None  # of the errors as shares of the demonstration's duration
    within_quarter: float | None  # share within 0.25 s
    within_half: float | None  # ... and 0.5 s
    published: float  # share of the sets
    published_mean_error_s: float | None
    published_within_half: float | None
    lock_s: float | None  # mean; a stream that is never found counts with its length
    never_locked: int  # streams
    recovery_s: float | None  # mean, likewise
    never_recovered: int | None
    backward_jumps: float  # per minute
    calibration_error: float | None
    auroc: float | None  # of LOST: sets that are nowhere in the demonstration against normal ones
    auroc_all: float | None  # of all sets of this scenario, though they begin alike
    auroc_own: float | None  # of phases whose names the normal task does not have


def make_rows(followed: All) -> list[Row]:
    """Reduce all of it; LOST is judged by the other task against the normal episodes."""
    rows = [_row(followed[key], *key) for key in followed]
    return [
        replace(row, **_lost(followed[row.views, NORMAL, row.method],
                             followed[row.views, OTHER, row.method]))
        if row.scenario == OTHER and row.method != 'clock' else row
        for row in rows
    ]  # fmt: skip


def _row(followed: Sequence[Followed], views: str, scenario: str, method: str) -> Row:
    """Reduce the streams of one scenario to one row."""
    ones = [one.told for one in followed]
    errors, known, published, confidence = (
        np.concatenate([getattr(one, name) for one in ones])
        for name in ('errors_s', 'known', 'published', 'confidence')
    )
    shares = np.concatenate([one.told.errors_s / one.duration_s for one in followed])
    right = np.nan_to_num(errors, nan=np.inf) <= RIGHT_S
    half = errors[known] <= FOUND_S
    locks = [time_to_lock(one) for one in ones] if known.any() else []
    odd = [one for one in ones if one.calm_from_s is not None]
    back = [recovery(one) for one in odd]
    minutes = sum(one.times_s[-1] for one in ones) / 60
    return Row(
        views,
        scenario,
        method,
        len(ones),
        len(errors),
        mean_error_s=_mean(errors[known]),
        median_error_s=float(np.median(errors[known])) if known.any() else None,
        median_share=float(np.median(shares[known])) if known.any() else None,
        within_quarter=_mean(right[known]),
        within_half=_mean(half),
        published=float(published.mean()),
        published_mean_error_s=_mean(errors[known & published]),
        published_within_half=_mean(half[published[known]]),
        lock_s=_mean_censored(locks, [one.times_s[-1] for one in ones]) if locks else None,
        never_locked=locks.count(None),
        recovery_s=_mean_censored(back, [o.times_s[-1] - (o.calm_from_s or 0) for o in odd]),
        never_recovered=back.count(None) if odd else None,
        backward_jumps=sum(map(backward_jumps, ones)) / minutes,
        calibration_error=None if method == 'clock' else calibration_error(confidence, right),
        auroc=None,
        auroc_all=None,
        auroc_own=None,
    )


def _lost(negatives: Sequence[Followed], positives: Sequence[Followed]) -> dict[str, float | None]:
    """Tell how well sets of the other task are told from normal ones."""

    def scores(ones: Sequence[Followed]) -> np.ndarray:
        return np.concatenate([one.told.elsewhere for one in ones])

    normal, other = scores(negatives), scores(positives)
    shared = {phase for one in negatives for phase in one.stream.phases}
    own = np.array([phase not in shared for one in positives for phase in one.stream.phases])
    known = np.concatenate([one.told.known for one in positives])
    chosen = {'auroc': ~known, 'auroc_all': np.full(len(other), True), 'auroc_own': own}
    return {
        name: auroc(normal, other[which]) if which.any() else None
        for name, which in chosen.items()
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _mean_censored(seconds: Sequence[float | None], longest: Sequence[float]) -> float | None:
    pairs = zip(seconds, longest, strict=True)
    return _mean(np.array([most if one is None else one for one, most in pairs]))
