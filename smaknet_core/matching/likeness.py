"""
Which parts of a demonstration look alike, so that no tracker can tell them apart by sight.

Shown when a demonstration is taught: there the match rests on what came before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from smaknet_core.distances import pairwise
from smaknet_core.matching.standstill import stretches
from smaknet_core.matching.taught import Floats, Taught

# Longer demonstrations are thinned to this many timesteps.
MAX_STEPS = 1000
# Shorter likenesses are passed through before they matter.
MIN_STRETCH_S = 0.5


@dataclass(frozen=True)
class Likeness:
    """Two stretches of one demonstration, in its seconds, that look alike."""

    first_s: tuple[float, float]
    second_s: tuple[float, float]


def rivals(taught: Taught, sigma: float) -> tuple[Floats, NDArray[np.intp]]:
    """
    Find the timestep that each is most easily taken for.

    Timesteps that are joined to it by ones within `sigma` do not count: slow motion and
    standing still are no ambiguity.

    Args:
        taught: T timesteps.
        sigma: distance of a true match.

    Returns:
        T distances (infinite where nothing else is left), and T timesteps.
    """
    tables = [pairwise(view, view) for view in taught.views]
    table = np.mean(tables, axis=0)
    for row, low, high in zip(table, *stretches(taught, sigma), strict=True):
        row[low:high] = np.inf
    return np.asarray(table.min(axis=1), np.float64), table.argmin(axis=1)


def look_alikes(taught: Taught, sigma: float) -> tuple[float, list[Likeness]]:
    """
    Find stretches of a demonstration that look like others.

    Args:
        taught: the demonstration.
        sigma: distance of a true match; what is nearer cannot be told apart.

    Returns:
        The share of timesteps that look like no other part, and the likenesses, each once.
    """
    kept = slice(None, None, -(-len(taught) // MAX_STEPS))
    thin = Taught(taught.name, taught.embeddings[kept], taught.times_s[kept], taught.cameras)
    distances, partners = rivals(thin, sigma)
    alike = distances <= sigma
    found = [
        Likeness(_span(thin.times_s[steps]), _span(thin.times_s[partners[steps]]))
        for steps in _stretches(alike, thin.times_s, partners)
    ]
    once = [one for one in found if one.first_s[0] <= one.second_s[0]]
    return float(1 - alike.mean()), once


def _stretches(
    alike: NDArray[np.bool_], times_s: Floats, partners: NDArray[np.intp]
) -> list[NDArray[np.intp]]:
    """Group neighbouring timesteps whose partners are neighbours as well, in time."""
    steps = np.flatnonzero(alike)
    if len(steps) == 0:
        return []
    moved = np.abs(np.diff(times_s[partners[steps]])) > MIN_STRETCH_S
    apart = np.diff(times_s[steps]) > MIN_STRETCH_S
    groups = np.split(steps, np.flatnonzero(moved | apart) + 1)
    return [g for g in groups if times_s[g[-1]] - times_s[g[0]] >= MIN_STRETCH_S]


def _span(times_s: Floats) -> tuple[float, float]:
    return float(times_s.min()), float(times_s.max())
