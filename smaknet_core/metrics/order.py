"""
Another execution's moments in the same order? Kendall's tau of nearest neighbours.

As TCC's code has it (Dwibedi et al. 2019): for each ordered pair of recordings, the nearest frame
of the second for each frame of the first; tau-b of what is found against time. Where every frame
finds the same one, tau is not a number; TCC drops those, so that a collapsed network looks better.
Here they are counted, and count as 0: no order found.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math

import numpy as np
from numpy.typing import NDArray
from smaknet_core.distances import pairwise
from smaknet_core.metrics.comparisons import Comparisons, Pair, summarise
from smaknet_core.metrics.embedded import Embedded

MOST = 500  # timesteps of a recording that are looked at; longer ones are thinned evenly
MOST_RECORDINGS = 48  # that are compared with each other; of more, some spread evenly


def compare_order(recordings: Sequence[Embedded]) -> Comparisons:
    """Compare all ordered pairs of recordings of one task, each view with each."""
    every = -(-len(recordings) // MOST_RECORDINGS) if recordings else 1
    chosen = recordings[::every]
    scores: dict[tuple[int, ...], dict[Pair, float]] = {
        (a, b): _compare(first, second)
        for (a, first), (b, second) in itertools.permutations(enumerate(chosen), 2)
        if first.task == second.task
    }
    return summarise(scores, len(chosen))


def kendall_tau(found: NDArray[np.int64]) -> float:
    """
    Tau-b of a sequence against its own order, -1 ... 1; NaN where it never changes.

    Args:
        found: N timesteps, in the order they were found.
    """
    pairs = len(found) * (len(found) - 1) // 2
    _, ties = np.unique(found, return_counts=True)
    untied = pairs - int((ties * (ties - 1) // 2).sum())
    if untied == 0:
        return math.nan
    rising = np.sign(found[None].astype(np.int64) - found[:, None])  # N x N, later minus earlier
    return float(np.triu(rising).sum() / math.sqrt(pairs * untied))


def _compare(first: Embedded, second: Embedded) -> dict[Pair, float]:
    """Tau of each view of one recording searched in each view of another."""
    return {
        (i, j): kendall_tau(pairwise(_thin(first, i), _thin(second, j)).argmin(axis=1))
        for i in first.cameras
        for j in second.cameras
    }


def _thin(recording: Embedded, camera: str) -> NDArray[np.float32]:
    view = recording.view(camera)
    return view[:: -(-len(view) // MOST)]
