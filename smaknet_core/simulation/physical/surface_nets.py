"""A closed surface out of a field of signed distances (surface nets, Gibson 1998)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.pose import Array


class Surface(NamedTuple):
    """Triangles; seen from outside they go counter-clockwise."""

    points: Array  # N x 3, metres
    faces: NDArray[np.int64]  # M x 3, indices of points


def surface_of(field: Array, corner: Array, spacing: float) -> Surface:
    """
    Find where a field is zero.

    Args:
        field: A x B x C, negative inside; positive all along the border.
        corner: 3, metres: where field[0, 0, 0] is.
        spacing: metres between neighbours.
    """
    shape = np.array(field.shape) - 1  # cells
    total, count = np.zeros((*shape, 3)), np.zeros(tuple(shape))
    quads = []
    number = np.arange(count.size).reshape(tuple(shape))
    for axis in range(3):
        low = np.moveaxis(field, axis, 0)[:-1]
        high = np.moveaxis(field, axis, 0)[1:]
        crossed = np.argwhere((low < 0) != (high < 0))
        if not len(crossed):
            continue
        index = tuple(crossed.T)
        through = low[index] / (low[index] - high[index])
        rolled = _unroll(crossed, axis)
        where = rolled.astype(float)
        where[:, axis] += through
        around = _cells_around(rolled, axis)  # 4 x K x 3
        for cells in around:
            np.add.at(total, tuple(cells.T), where)
            np.add.at(count, tuple(cells.T), 1)
        ring = np.stack([number[tuple(cells.T)] for cells in around], axis=1)
        quads.append(np.where((low[index] < 0)[:, None], ring, ring[:, ::-1]))
    return _compact(total, count, np.concatenate(quads), corner, spacing)


def _unroll(crossed: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """Put the coordinate that moveaxis brought to the front back to its place."""
    return np.insert(crossed[:, 1:], axis, crossed[:, 0], axis=1)


def _cells_around(edges: NDArray[np.int64], axis: int) -> list[NDArray[np.int64]]:
    """Give the four cells around each edge along an axis, counter-clockwise about it."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    cells = []
    for first, second in ((-1, -1), (0, -1), (0, 0), (-1, 0)):
        cell = edges.copy()
        cell[:, one] += first
        cell[:, two] += second
        cells.append(cell)
    return cells


def _compact(
    total: Array, count: Array, quads: NDArray[np.int64], corner: Array, spacing: float
) -> Surface:
    """Keep the cells that the surface goes through; each is one point, each quad two faces."""
    used = count.ravel() > 0
    new = np.cumsum(used) - 1
    points = total.reshape(-1, 3)[used] / count.ravel()[used, None]
    ring = new[quads]
    faces = np.concatenate([ring[:, [0, 1, 2]], ring[:, [0, 2, 3]]])
    return Surface(corner + spacing * points, faces)
