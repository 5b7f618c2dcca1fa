"""A table as a picture, to be put where Markdown is not read."""

from __future__ import annotations

from collections.abc import Sequence
import textwrap
from typing import TYPE_CHECKING

from smaknet_core.report.figures import FAINT, plain, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHARACTER, LINE = 0.082, 0.3  # inches
GAP = 3  # characters between columns
WRAP = 15  # characters of a column's title in a line


def draw_table(
    title: str, head: Sequence[str], body: Sequence[Sequence[str]], rule_after: int, note: str
) -> bytes:
    """
    Draw a table, its first column to the left and all others to the right.

    Args:
        title: above it.
        head: C titles.
        body: rows of C texts.
        rule_after: a line is drawn below so many rows.
        note: below the table, may have several lines.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure

    titles = ['\n'.join(textwrap.wrap(column, WRAP)) for column in head]
    widths = [
        GAP + max(len(line) for cell in column for line in cell.split('\n'))
        for column in zip(titles, *body, strict=True)
    ]
    taller = LINE * 0.6 * max(title.count('\n') for title in titles)
    notes = note.splitlines()
    width = CHARACTER * sum(widths) + 0.4
    height = LINE * (len(body) + 2.8 + 0.75 * len(notes)) + taller
    with styled():
        figure = Figure(figsize=(width, height), dpi=110)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(0.2, LINE * 0.8, plain(title, 200), weight='bold', size=11, va='center')
        for number, row in enumerate((titles, *body)):
            bottom = LINE * (2.5 + number) + taller
            _draw_row(axes, row, widths, bottom, 'normal' if number else 'bold')
            if number in (0, rule_after):
                axes.plot([0.2, width - 0.2], [bottom] * 2, color=FAINT, lw=0.8)
        for number, line in enumerate(notes):
            y = LINE * (len(body) + 3.0 + 0.75 * number) + taller
            axes.text(0.2, y, plain(line, 400), size=8, va='center', color='#57606a')
        return png(figure)


def _draw_row(
    axes: Axes, row: Sequence[str], widths: Sequence[int], bottom: float, weight: str
) -> None:
    right = 0.2
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        left, right = right, right + CHARACTER * width
        x, align = (right, 'right') if number else (left, 'left')
        shown = '\n'.join(plain(line, 200) for line in cell.split('\n'))
        axes.text(x, bottom - 0.3 * LINE, shown, size=9, va='bottom', ha=align, weight=weight)
