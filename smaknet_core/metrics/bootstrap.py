"""
How far a mean over few recordings can be trusted: percentile bootstrap (Efron 1979).

Recordings are what varies independently, not frames and not pairs; so recordings are drawn, with
replacement, and every score is computed anew from each draw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
COVERED = 0.95


def resample(recordings: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Draw as many recordings as there are, again and again: `draws` x R, how often each came."""
    rng = np.random.default_rng([seed, recordings])
    shares = np.full(recordings, 1 / recordings)
    return rng.multinomial(recordings, shares, draws).astype(np.float64)


def interval(scores: NDArray[np.float64], recordings: int) -> tuple[float, float] | None:
    """
    Cover the middle 95 % of the scores of resampled recordings.

    Args:
        scores: one for each draw; NaN where a draw left nothing to measure.
        recordings: how many there were to draw from.

    Returns:
        Low and high, or None with one recording, or where most draws left nothing.
    """
    known = scores[np.isfinite(scores)]
    if recordings < 2 or len(known) < len(scores) / 2:
        return None
    low, high = np.quantile(known, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def interval_of_mean(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Cover the mean of R recordings' scores; None with fewer than two."""
    return interval(resample(len(values)) @ values / len(values), len(values))
