"""How far one set is from every timestep of all demonstrations, measured once for all uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.taught import Taught
from smaknet_core.types import Vector

# Timesteps whose distances are computed at once: what the processor's cache holds.
ROWS = 8192


class Measuring:
    """
    Distances of sets to the N timesteps of all demonstrations, in a row.

    Args:
        taught: the demonstrations.
        same_view: see `Calibration`.
    """

    def __init__(self, taught: Sequence[Taught], same_view: float) -> None:
        self._nearer = np.float32(1 / same_view)
        groups = groupby(taught, key=lambda demonstration: demonstration.cameras)
        self._parts = [_Part(cameras, list(demonstrations)) for cameras, demonstrations in groups]

    def measure(self, embeddings: Mapping[str, Vector]) -> tuple[Singles, Singles]:
        """
        Measure one set.

        Args:
            embeddings: camera -> D, at least one.

        Returns:
            N distances: the mean over the live cameras of the distance to the taught view of the
            same name; a camera that was not taught counts with the nearest of all taught views.
            And N with taught cameras' own distances raised to what other views have, by
            `same_view`. These may be one and the same array.
        """
        measured = [self._measure(part, embeddings) for part in self._parts]
        if len(measured) == 1:
            return measured[0]
        plain, scaled = zip(*measured, strict=True)
        return np.concatenate(plain), np.concatenate(scaled)

    def _measure(self, part: _Part, embeddings: Mapping[str, Vector]) -> tuple[Singles, Singles]:
        same, other = part.sums(embeddings)
        share = np.float32(1 / len(embeddings))
        if same is None or other is None:
            plain = same if other is None else other
            assert plain is not None
            plain *= share
            return plain, plain if same is None or self._nearer == 1 else plain * self._nearer
        return (same + other) * share, (same * self._nearer + other) * share


class _Part:
    """Demonstrations of the same cameras."""

    def __init__(self, cameras: tuple[str, ...], taught: Sequence[Taught]) -> None:
        self._cameras = cameras
        rows = np.concatenate([demonstration.embeddings for demonstration in taught])  # n x V x D
        self._squares = np.ascontiguousarray(np.einsum('nvd,nvd->vn', rows, rows))
        # Of so many rows at a time V x D x rows: the products of one vector run along the rows.
        self._blocks = [
            np.ascontiguousarray(rows[low : low + ROWS].transpose(1, 2, 0), np.float32)
            for low in range(0, len(rows), ROWS)
        ]

    def sums(self, embeddings: Mapping[str, Vector]) -> tuple[Singles | None, Singles | None]:
        """Give n sums of distances, over the cameras that were taught and over the others."""
        same: Singles | None = None
        other: Singles | None = None
        for camera, vector in embeddings.items():
            if camera in self._cameras:
                near = self._to_view(self._cameras.index(camera), vector)
                same = near if same is None else np.add(same, near, out=same)
            else:
                near = self._to_nearest(vector)
                other = near if other is None else np.add(other, near, out=other)
        return same, other

    def _to_nearest(self, vector: Vector) -> Singles:
        nearest = self._to_view(0, vector)
        for view in range(1, len(self._cameras)):
            np.minimum(nearest, self._to_view(view, vector), out=nearest)
        return nearest

    def _to_view(self, view: int, vector: Vector) -> Singles:
        """Give n distances, by the products: |a - b|^2 is |a|^2 - 2 a b + |b|^2."""
        squares = self._squares[view]
        found: Singles = np.empty(len(squares), np.float32)
        doubled, own = -2 * vector, vector @ vector
        for number, block in enumerate(self._blocks):
            part = slice(number * ROWS, (number + 1) * ROWS)
            out = found[part]
            np.dot(doubled, block[view], out=out)
            out += squares[part]
            out += own
            np.maximum(out, 0, out=out)
            np.sqrt(out, out=out)
        return found
