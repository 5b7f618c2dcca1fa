"""
Fewer triangles for the same shape: meshes made to be printed are too fine to be drawn quickly.

Vertices in one cell of a grid become one, placed where the planes of their triangles come nearest
to meet (Lindstrom 2000, "Out-of-core simplification of large polygonal models"), so that edges
stay sharp and round things round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.physical.revolution import Mesh
from smaknet_core.simulation.pose import Array

_PULL = 0.03  # towards the middle of a cell's vertices: planes that hardly differ meet far away
_TINY = 1e-18


def coarsen(mesh: Mesh, cell_m: float) -> Mesh:
    """
    Merge the vertices within each cell of a grid; `cell_m` is the length of a cell's edge.

    Triangles that lost their area, and doubles, are gone; sides of triangles become about as
    long as a cell.
    """
    cells = np.floor((mesh.vertices - mesh.vertices.min(axis=0)) / cell_m).astype(np.int64)
    _, home = np.unique(_numbered(cells), return_inverse=True)
    corners = home.reshape(-1)[mesh.faces]
    places = _places(mesh, corners, int(home.max()) + 1, cell_m)
    first, second, third = corners.T
    left = corners[(first != second) & (second != third) & (third != first)]
    _, once = np.unique(_numbered(np.sort(left, axis=1)), return_index=True)
    used, faces = np.unique(left[np.sort(once)], return_inverse=True)
    return Mesh(places[used], faces.reshape(-1, 3))


def _numbered(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give a number to each row of three, in the order of the rows: that sorts faster."""
    _, second, third = rows.max(axis=0, initial=0) + 1
    number: NDArray[np.int64] = (rows[:, 0] * second + rows[:, 1]) * third + rows[:, 2]
    return number


def _places(mesh: Mesh, corners: NDArray[np.int64], count: int, cell_m: float) -> Array:
    """Where the vertices of each cell go, cells x 3; `corners` are the triangles' cells, F x 3."""
    triangles = mesh.vertices[mesh.faces]  # F x 3 x 3
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    areas = np.linalg.norm(normals, axis=1) + _TINY
    planes = normals / np.sqrt(areas)[:, None]  # a plane counts as much as its triangle is large
    weight = _sum(np.repeat(areas, 3), corners, count) + _TINY
    middle = _sum((areas[:, None, None] * triangles).reshape(-1, 3), corners, count)
    middle /= weight[:, None]
    quadric = _sum(np.repeat(planes[:, :, None] * planes[:, None, :], 3, axis=0), corners, count)
    offsets = planes * (planes * triangles[:, 0]).sum(axis=1)[:, None]
    error = _sum(np.repeat(offsets, 3, axis=0), corners, count)
    error -= (quadric @ middle[:, :, None])[:, :, 0]
    pull = _PULL * weight[:, None, None] * np.eye(3)
    shift = np.linalg.solve(quadric + pull, error[:, :, None])[:, :, 0]
    length = np.linalg.norm(shift, axis=1, keepdims=True)
    moved: Array = middle + shift * np.minimum(1.0, cell_m / np.maximum(length, _TINY))
    return moved


def _sum(values: Array, corners: NDArray[np.int64], count: int) -> Array:
    """Sum what the triangles' corners (3 F x ...) bring to their cells; cells x ..."""
    total = np.zeros((count, *values.shape[1:]))
    np.add.at(total, corners.reshape(-1), values)
    return total
