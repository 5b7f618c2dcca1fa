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
        limits: one number each, or N: how far off a camera can be at most, among several, in what
            is measured besides the plain distances.
    """

    def __init__(
        self,
        taught: Sequence[Taught],
        same_view: float,
        limits: Sequence[float | Singles] = (np.inf,),
    ) -> None:
        self._nearer = np.float32(1 / same_view)
        self._limits = [np.asarray(limit, np.float32) for limit in limits]
        groups = groupby(taught, key=lambda demonstration: demonstration.cameras)
        self._parts = [_Part(cameras, list(demonstrations)) for cameras, demonstrations in groups]

    def measure(self, embeddings: Mapping[str, Vector]) -> tuple[Singles, ...]:
        """
        Measure one set.

        Args:
            embeddings: camera -> D, at least one.

        Returns:
            N distances: the mean over the live cameras of the distance to the taught view of the
            same name; a camera that was not taught counts with the nearest of all taught views.
            And for each limit N again, with taught cameras' own distances raised to what other
            views have, by `same_view`, and each camera's share limited: what hides one of several
            cameras, or stands before it, must not drown what the others see. Some of these may
            be one and the same array.
        """
        pairs = [self._see(camera, vector) for camera, vector in embeddings.items()]
        if len(pairs) == 1:
            ((plain, raised),) = pairs
            return plain, *[raised] * len(self._limits)
        share = np.float32(1 / len(pairs))
        limited = [
            _mean([np.minimum(raised, limit) for _, raised in pairs], share)
            for limit in self._limits
        ]
        # the first may be one with what was limited: it is summed into last
        return _mean([plain for plain, _ in pairs], share), *limited

    def _see(self, camera: str, vector: Vector) -> tuple[Singles, Singles]:
        """Give N distances of one camera, plain and raised."""
        found = [part.distances(camera, vector) for part in self._parts]
        plain = found[0] if len(found) == 1 else np.concatenate(found)
        known = [camera in part.cameras for part in self._parts]
        if self._nearer == 1 or not any(known):
            return plain, plain
        if all(known):
            return plain, plain * self._nearer
        raised = [
            near * self._nearer if there else near
            for near, there in zip(found, known, strict=True)
        ]
        return plain, np.concatenate(raised)


def _mean(terms: Sequence[Singles], share: np.float32) -> Singles:
    """Average; the first of the terms is overwritten."""
    total = terms[0]
    for term in terms[1:]:
        total += term
    total *= share
    return total


class _Part:
    """Demonstrations of the same cameras."""

    def __init__(self, cameras: tuple[str, ...], taught: Sequence[Taught]) -> None:
        self.cameras = cameras
        rows = np.concatenate([demonstration.embeddings for demonstration in taught])  # n x V x D
        squares = np.einsum('nvd,nvd->nv', rows, rows)[..., None]
        self._length, views = len(rows), np.concatenate((rows, squares), axis=2)
        self._factors = np.ones(views.shape[2], np.float32)  # the last is that of the squares
        # V x D + 1 x so many rows at a time: the products of one vector run along the rows.
        self._blocks = [
            np.ascontiguousarray(views[low : low + ROWS].transpose(1, 2, 0), np.float32)
            for low in range(0, len(rows), ROWS)
        ]

    def distances(self, camera: str, vector: Vector) -> Singles:
        """Give n distances to the camera's own view, or to the nearest where it was not taught."""
        if camera in self.cameras:
            return self._to_view(self.cameras.index(camera), vector)
        return self._to_nearest(vector)

    def _to_nearest(self, vector: Vector) -> Singles:
        nearest = self._to_view(0, vector)
        for view in range(1, len(self.cameras)):
            np.minimum(nearest, self._to_view(view, vector), out=nearest)
        return nearest

    def _to_view(self, view: int, vector: Vector) -> Singles:
        """Give n distances, by the products: |a - b|^2 is |a|^2 - 2 a b + |b|^2."""
        found: Singles = np.empty(self._length, np.float32)
        np.multiply(vector, -2, out=self._factors[:-1])
        own = vector.dot(vector)
        for number, block in enumerate(self._blocks):
            out = found[number * ROWS : (number + 1) * ROWS]
            np.dot(self._factors, block[view], out=out)
            out += own
            np.maximum(out, 0, out=out)
            np.sqrt(out, out=out)
        return found
