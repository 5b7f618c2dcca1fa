"""One recording as its embeddings and labels: what scores across recordings are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Embedded:
    """
    A recording of T timesteps seen by V cameras, L of them labelled.

    A recording is what TCN's code calls a task: one sequence.
    """

    task: str  # '' when unknown
    cameras: tuple[str, ...]
    embeddings: NDArray[np.float32]  # T x V x D
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # column -> L values
    labelled: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # L

    def view(self, camera: str) -> NDArray[np.float32]:
        """Embeddings of one camera, T x D."""
        own: NDArray[np.float32] = self.embeddings[:, self.cameras.index(camera)]
        return own
