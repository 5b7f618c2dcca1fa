"""
The views of one recording → temporal alignment error, with its trivial answers.

Same recording, two cameras: it says how little viewpoint matters and how well moments are told
apart, not whether another execution would be followed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from smaknet_core.distances import pairwise

CHANCE = 1 / 3  # expected alignment error of random matches
CONSTANT_MIDDLE = 1 / 4  # ... of always answering the middle timestep
ROWS = 1024  # of the distance matrix held at a time, so that an hour's recording fits into memory


def alignment_error(view: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """
    TCN's temporal alignment error: mean |t - nearest(t)| / T.

    For each timestep t of `view`, the nearest embedding in `other` (k = 1, unsmoothed).
    Perfect is 0. A pause is charged even where the match is right in meaning.

    Args:
        view: T x D.
        other: T x D, the same instants from another camera.

    Raises:
        ValueError: the views differ in length or are empty.
    """
    if len(view) != len(other) or len(view) == 0:
        raise ValueError(f'expected two views of equal length, got {len(view)} and {len(other)}')
    parts = [view[first : first + ROWS] for first in range(0, len(view), ROWS)]
    matched = np.concatenate([pairwise(part, other).argmin(axis=1) for part in parts])
    return float(np.abs(np.arange(len(view)) - matched).mean() / len(view))


def alignment_per_pair(embeddings: NDArray[np.float32]) -> dict[tuple[int, int], float]:
    """
    Alignment error of each ordered pair of views of one recording.

    Args:
        embeddings: T x V x D.

    Returns:
        {(i, j): error of finding view i's timesteps in view j}.
    """
    views = range(embeddings.shape[1])
    return {
        (i, j): alignment_error(embeddings[:, i], embeddings[:, j])
        for i in views
        for j in views
        if i != j
    }


def alignment(embeddings: NDArray[np.float32]) -> tuple[float, float]:
    """
    Mean alignment error of one recording, T x V x D: over pairs i < j (the paper), both ways.

    NaN where there is one view only.
    """
    pairs = alignment_per_pair(embeddings)
    if not pairs:
        return float('nan'), float('nan')
    forward = [error for (i, j), error in pairs.items() if i < j]
    return float(np.mean(forward)), float(np.mean(list(pairs.values())))
