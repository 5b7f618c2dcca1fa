"""
Embeddings over time as a picture: each camera's way through two dimensions, coloured by progress.

Where a system has learned what time it is, the ways of all cameras and recordings are one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import io
import textwrap
from typing import NamedTuple, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import DataError, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
ACROSS = 4  # panels beside each other
SIDE = 3.0  # of a panel, inches
COLOURS = 'viridis'
TITLE = 36  # characters of a title in a line, of two at most


class Trajectory(NamedTuple):
    """One recording of T timesteps seen by V cameras."""

    embeddings: NDArray[np.float32]  # T x V x D, finite
    progress: Floats  # T, 0 ... 1


def draw_trajectories(systems: Mapping[str, Sequence[Trajectory]]) -> bytes:
    """
    Draw a panel per system, of the two directions in which its embeddings vary most.

    Args:
        systems: title -> recordings, embedded by that system.

    Returns:
        A PNG file.

    Raises:
        DataError: a system has no recording, or nothing is to be drawn.
    """
    from matplotlib.figure import Figure

    if not systems or not all(systems.values()):
        raise DataError('no embeddings to draw trajectories of')
    columns = min(ACROSS, len(systems))
    rows = -(-len(systems) // columns)
    figure = Figure(figsize=(SIDE * columns + 0.8, SIDE * rows), dpi=110, layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(systems) :]:
        axes.set_axis_off()
    for axes, (name, recordings) in zip(grid.flat, systems.items(), strict=False):
        _draw(axes, recordings)
        shown = textwrap.fill(printable(name)[: 2 * TITLE], TITLE)
        axes.set_title(shown.replace('$', r'\$'), fontsize=9)
    points = grid[0, 0].collections[0]
    figure.colorbar(points, ax=list(grid.flat), label='progress', fraction=0.03)
    picture = io.BytesIO()
    figure.savefig(picture, format='png', facecolor='white')
    return picture.getvalue()


def flatten(recordings: Sequence[Trajectory]) -> list[Floats]:
    """
    Project embeddings on the two directions in which all of them together vary most.

    Returns:
        T x V x 2 of each recording, centred.
    """
    shapes = [r.embeddings.shape for r in recordings]
    every = np.concatenate(
        [r.embeddings.reshape(-1, shape[-1]) for r, shape in zip(recordings, shapes, strict=True)]
    ).astype(np.float64)
    every -= every.mean(axis=0)
    directions = np.linalg.svd(every.T @ every)[0][:, :2]  # D x 2
    flat = np.split(every @ directions, np.cumsum([t * v for t, v, _ in shapes])[:-1])
    return [part.reshape(*shape[:2], -1) for part, shape in zip(flat, shapes, strict=True)]


def _draw(axes: Axes, recordings: Sequence[Trajectory]) -> None:
    for recording, flat in zip(recordings, flatten(recordings), strict=True):
        for view in range(flat.shape[1]):
            x, y = flat[:, view].T
            axes.plot(x, y, color='#8b949e', lw=0.5, alpha=0.6, zorder=1)
            axes.scatter(x, y, c=recording.progress, cmap=COLOURS, vmin=0, vmax=1, s=6, zorder=2)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect('equal', adjustable='datalim')
