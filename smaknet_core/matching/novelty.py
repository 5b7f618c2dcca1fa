"""
How much of a set is news: a scene that stands still says the same thing again and again.

Without this, a scene outside the demonstration that happens to be a little nearer to one of its
timesteps than `elsewhere` would, standing still, become certain in time, though only one thing was
ever seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from smaknet_core.types import Vector

# Sets are compared with a running mean of the last of this much time.
MEMORY_S = 0.5


class Novelty:
    """
    Compare each set with what the stream looked like lately.

    Args:
        sigma: distance of true matches; a change as large as this is fully new.
    """

    def __init__(self, sigma: float) -> None:
        self._sigma = sigma
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._recent: dict[str, Vector] = {}

    def measure(self, embeddings: Mapping[str, Vector], dt_s: float | None) -> float:
        """Give 0 (nothing has changed) ... 1 (all is new) and remember the set."""
        changes = [
            float(np.linalg.norm(vector - self._recent[camera]))
            for camera, vector in embeddings.items()
            if camera in self._recent
        ]
        keep = 0.0 if dt_s is None else float(np.exp(-dt_s / MEMORY_S))
        for camera, vector in embeddings.items():
            recent = self._recent.get(camera, vector)
            self._recent[camera] = keep * recent + (1 - keep) * vector
        return min(1.0, float(np.mean(changes)) / self._sigma) if changes else 1.0
