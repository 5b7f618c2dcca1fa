"""
The one definition of near: Euclidean distance between embeddings.

Metrics, matching and calibration all use it, so a number means the same everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pairwise(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Distance of each row of `a` to each row of `b`.

    Args:
        a: N x D.
        b: M x D.

    Returns:
        N x M, never negative and never NaN for finite input.
    """
    # Squares cancel: in single precision, neighbours far from the origin would be noise.
    x, y = a.astype(np.float64), b.astype(np.float64)
    squared = (x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * (x @ y.T)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squared, 0)).astype(np.float32)
    return distances
