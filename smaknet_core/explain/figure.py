"""Moments of a recording → the slides' qualitative figure, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
import io
from typing import TYPE_CHECKING
import warnings

import numpy as np
from smaknet_core.errors import printable
from smaknet_core.explain.pictures import Moment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 1.7  # of a picture, inches
DPI = 110
LAST = 0.97  # of a recording, the last moment shown


def draw_figure(moments: Sequence[Moment], title: str) -> bytes:
    """
    Draw moments as columns; per camera a row of frames, and one of each level's attention.

    Args:
        moments: one or more, of the same cameras and levels.
        title: above it.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure

    rows = [(camera, name) for camera, own in moments[0].pictures.items() for name in own]
    shapes = [moments[0].pictures[camera][name].shape for camera, name in rows]
    heights = [height / width for height, width, _ in shapes]
    size = (WIDTH * len(moments) + 0.8, WIDTH * sum(heights) + 0.7)
    figure = Figure(figsize=size, dpi=DPI, layout='constrained')
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)  # type: ignore[union-attr, call-arg]
    figure.suptitle(_plain(title), fontsize=11, x=0.01, ha='left')
    grid = figure.subplots(len(rows), len(moments), squeeze=False, height_ratios=heights)
    for axes, (camera, name) in zip(grid[:, 0], rows, strict=True):
        first = name == next(iter(moments[0].pictures[camera]))
        axes.set_ylabel(f'{_plain(camera)}\n{name}' if first else name, fontsize=9)
    for column, moment in zip(grid.T, moments, strict=True):
        column[0].set_title(f'{moment.time_s:.1f} s', fontsize=9)
        for axes, (camera, name) in zip(column, rows, strict=True):
            axes.imshow(moment.pictures[camera][name], aspect='auto')
            axes.set(xticks=[], yticks=[])
    return _png(figure)


def choose_times(duration_s: float, count: int = 8) -> list[float]:
    """Choose times evenly over a recording, seconds, the first 0; its last sets may be missing."""
    return [float(time_s) for time_s in np.linspace(0, LAST * duration_s, count)]


def _plain(text: str) -> str:
    """Make a name of unknown origin safe to draw: matplotlib takes $ for mathematics."""
    return printable(text)[:60].replace('$', r'\$')


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings('ignore', message='Glyph .* missing')
        figure.savefig(buffer, format='png', facecolor='white')
    return buffer.getvalue()
