"""Scores of recordings against other recordings → their mean, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math

import numpy as np
from smaknet_core.metrics.bootstrap import interval, resample

Pair = tuple[str, str]  # cameras of the two recordings


@dataclass(frozen=True)
class Comparisons:
    """A mean over all comparisons; one that gave no number counts as 0."""

    mean: float  # NaN where there was nothing to compare
    interval: tuple[float, float] | None
    undefined: int  # comparisons that gave no number
    count: int
    per_pair: Mapping[Pair, float]


def summarise(
    scores: Mapping[tuple[int, ...], Mapping[Pair, float]], recordings: int
) -> Comparisons:
    """
    Average scores, with an interval over recordings.

    Args:
        scores: recordings compared -> camera pair -> score, NaN where it is undefined.
        recordings: how many there are; those compared are 0 ... recordings - 1.
    """
    every = np.array([score for views in scores.values() for score in views.values()])
    if len(every) == 0:
        return Comparisons(math.nan, None, 0, 0, {})
    totals = np.array([np.nansum(list(views.values())) for views in scores.values()])
    counts = np.array([len(views) for views in scores.values()])
    # A comparison is drawn as often as each of its recordings is.
    weights = resample(recordings)[:, np.array(list(scores))].prod(-1)  # draws x comparisons
    drawn = weights @ counts
    means = np.divide(weights @ totals, drawn, out=np.full(len(drawn), np.nan), where=drawn > 0)
    per_pair: dict[Pair, list[float]] = {}
    for views in scores.values():
        for pair, score in views.items():
            per_pair.setdefault(pair, []).append(score)
    return Comparisons(
        mean=float(totals.sum() / counts.sum()),
        interval=interval(means, recordings),
        undefined=int(np.isnan(every).sum()),
        count=len(every),
        per_pair={pair: float(np.nansum(v) / len(v)) for pair, v in per_pair.items()},
    )
