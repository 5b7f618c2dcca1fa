"""How far one set is from every timestep of all demonstrations, measured once for all uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

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
        most = [np.asarray(limit, np.float32) for limit in limits]
        self._limits = len(most)
        self._parts: list[_Part] = []
        self._size = 0
        for _, ones in groupby(taught, key=lambda demonstration: demonstration.cameras):
            self._parts.append(_Part(list(ones), self._size, 1 / same_view, most))
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
        alone = len(embeddings) == 1  # then nothing is limited
        found = np.empty((2 if alone else 1 + self._limits, self._size), np.float32)
        factors = _factors(embeddings)
        for part in self._parts:
            part.measure(factors, found[:, part.steps])
        return found[0], *([found[1]] * self._limits if alone else found[1:])


def _factors(embeddings: Mapping[str, Vector]) -> dict[str, Vector]:
    """Give what, times the views of a `_Part`, is each camera's squared distances: D + 2."""
    found = {}
    for camera, vector in embeddings.items():
        found[camera] = factors = np.ones(len(vector) + 2, np.float32)
        factors[:-2] = vector
        factors[-1] = vector.dot(vector)
    return found


class _Averaging(NamedTuple):
    """How the distances to V live cameras are averaged."""

    shares: Singles  # V
    raised_shares: Singles  # V, of distances raised to what other views have
    limits: list[Singles]  # V x 1 or V x n each, of distances that are not raised yet


class _Part:
    """Demonstrations of the same cameras, from the timestep `first` of all."""

    def __init__(
        self, taught: Sequence[Taught], first: int, nearer: float, limits: Sequence[Singles]
    ) -> None:
        self._cameras = taught[0].cameras
        rows = np.concatenate([demonstration.embeddings for demonstration in taught])  # n x V x D
        self.steps = slice(first, first + len(rows))
        squares = np.einsum('nvd,nvd->nv', rows, rows)[..., None]
        # |a - b|^2 is -2 a b + |a|^2 + |b|^2: one product of a vector with two numbers more.
        views = np.concatenate((-2 * rows, squares, np.ones_like(squares)), axis=2)
        # V x D + 2 x so many rows at a time: the products of one vector run along the rows.
        self._blocks = [
            (slice(low, low + ROWS), np.ascontiguousarray(part.transpose(1, 2, 0), np.float32))
            for low in range(0, len(rows), ROWS)
            for part in [views[low : low + ROWS]]
        ]
        self._nearer = nearer
        self._limits = [limit[self.steps] if limit.ndim else limit for limit in limits]
        self._averagings: dict[tuple[str, ...], _Averaging] = {}

    def measure(self, factors: Mapping[str, Vector], found: Singles) -> None:
        """
        Average distances to this part.

        Args:
            factors: of each live camera.
            found: of n distances, the plain ones and those raised and limited. All but the plain
                ones are only raised where there is one camera.
        """
        averaging, alone = self._average(tuple(factors)), len(factors) == 1
        for steps, views in self._blocks:
            plain, *limited = found[:, steps]
            shape = len(factors), len(plain)
            distances = plain[None] if alone else np.empty(shape, np.float32)
            self._measure(factors, views, distances)
            if alone:
                np.multiply(plain, averaging.raised_shares, out=limited[0])
                continue
            np.dot(averaging.shares, distances, out=plain)
            for limit, out in zip(averaging.limits, limited, strict=True):
                most = limit if limit.shape[1] == 1 else limit[:, steps]
                np.dot(averaging.raised_shares, np.minimum(distances, most), out=out)

    def _average(self, cameras: tuple[str, ...]) -> _Averaging:
        """Say how to average these live cameras."""
        found = self._averagings.get(cameras)
        if found is None:
            own = [camera in self._cameras for camera in cameras]
            raising = np.where(own, np.float32(self._nearer), np.float32(1))
            shares = np.full(len(cameras), 1 / len(cameras), np.float32)
            limits = [limit / raising[:, None] for limit in self._limits]
            found = self._averagings[cameras] = _Averaging(shares, shares * raising, limits)
        return found

    def _measure(self, factors: Mapping[str, Vector], views: Singles, found: Singles) -> None:
        """Fill in V x n distances: to a camera's own view, or to the nearest of all."""
        for (camera, vector), out in zip(factors.items(), found, strict=True):
            if camera in self._cameras:
                np.dot(vector, views[self._cameras.index(camera)], out=out)
                continue
            np.dot(vector, views[0], out=out)
            for view in views[1:]:
                np.minimum(out, vector.dot(view), out=out)
        np.maximum(found, 0, out=found)
        np.sqrt(found, out=found)
