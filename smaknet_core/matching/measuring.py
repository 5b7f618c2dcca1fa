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
        self._parts: list[_Part] = []
        self._size = 0
        for cameras, ones in groupby(taught, key=lambda demonstration: demonstration.cameras):
            self._parts.append(_Part(cameras, list(ones), self._size))
            self._size = self._parts[-1].steps.stop

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
        plain = np.empty((len(embeddings), self._size), np.float32)
        for row, (camera, vector) in zip(plain, embeddings.items(), strict=True):
            for part in self._parts:
                part.measure(camera, vector, row[part.steps])
        raised = self._raise(plain, list(embeddings))
        if len(plain) == 1:
            return plain[0], *[raised[0]] * len(self._limits)
        limited = [_mean(raised, limit) for limit in self._limits]
        return _mean(plain, np.float32(np.inf)), *limited

    def _raise(self, plain: Singles, cameras: Sequence[str]) -> Singles:
        """Give V x N distances, those to a camera's own view raised to what other views have."""
        known = [[camera in part.cameras for part in self._parts] for camera in cameras]
        if self._nearer == 1 or not any(map(any, known)):
            return plain
        raised: Singles = plain.copy()
        for row, ones in zip(raised, known, strict=True):
            for part, own in zip(self._parts, ones, strict=True):
                if own:
                    row[part.steps] *= self._nearer
        return raised


def _mean(rows: Singles, limit: Singles) -> Singles:
    """Average V x N distances over the rows, each limited by one number or by N."""
    shares = np.full(len(rows), 1 / len(rows), np.float32)
    average: Singles = np.empty(rows.shape[1], np.float32)
    for low in range(0, len(average), ROWS):
        part = slice(low, low + ROWS)
        most = limit[part] if limit.ndim else limit
        np.dot(shares, np.minimum(rows[:, part], most), out=average[part])
    return average


class _Part:
    """Demonstrations of the same cameras, from the timestep `first` of all."""

    def __init__(self, cameras: tuple[str, ...], taught: Sequence[Taught], first: int) -> None:
        self.cameras = cameras
        rows = np.concatenate([demonstration.embeddings for demonstration in taught])  # n x V x D
        squares = np.einsum('nvd,nvd->nv', rows, rows)[..., None]
        views = np.concatenate((rows, squares), axis=2)
        self.steps = slice(first, first + len(rows))
        self._factors = np.ones(views.shape[2], np.float32)  # the last is that of the squares
        # V x D + 1 x so many rows at a time: the products of one vector run along the rows.
        self._blocks = [
            np.ascontiguousarray(views[low : low + ROWS].transpose(1, 2, 0), np.float32)
            for low in range(0, len(rows), ROWS)
        ]

    def measure(self, camera: str, vector: Vector, out: Singles) -> None:
        """Give n distances to the camera's own view, or to the nearest where it was not taught."""
        if camera in self.cameras:
            self._to_view(self.cameras.index(camera), vector, out)
            return
        self._to_view(0, vector, out)
        other = np.empty_like(out)
        for view in range(1, len(self.cameras)):
            self._to_view(view, vector, other)
            np.minimum(out, other, out=out)

    def _to_view(self, view: int, vector: Vector, found: Singles) -> None:
        """Give n distances, by the products: |a - b|^2 is |a|^2 - 2 a b + |b|^2."""
        np.multiply(vector, -2, out=self._factors[:-1])
        own = vector.dot(vector)
        for number, block in enumerate(self._blocks):
            out = found[number * ROWS : (number + 1) * ROWS]
            np.dot(self._factors, block[view], out=out)
            out += own
            np.maximum(out, 0, out=out)
            np.sqrt(out, out=out)
