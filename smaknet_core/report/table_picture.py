"""A table as a picture, to be put where Markdown is not read."""

from __future__ import annotations

from collections.abc import Sequence

from smaknet_core.report.figures import FAINT, plain, png, styled

CHARACTER, LINE = 0.088, 0.3  # inches
GAP = 3  # characters between columns


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

    rows = [list(head), *map(list, body)]
    widths = [max(len(row[c]) for row in rows) + GAP for c in range(len(head))]
    notes = note.splitlines()
    width = CHARACTER * sum(widths) + 0.4
    height = LINE * (len(rows) + 1.6 + 0.75 * len(notes))
    with styled():
        figure = Figure(figsize=(width, height), dpi=110)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(0.2, LINE * 0.8, plain(title, 200), weight='bold', size=11, va='center')
        for number, row in enumerate(rows):
            y = LINE * (2 + number)
            right = 0.2
            for c, cell in enumerate(row):
                left, right = right, right + CHARACTER * widths[c]
                x, align = (left, 'left') if c == 0 else (right, 'right')
                bold = 'bold' if number == 0 else 'normal'
                axes.text(x, y, plain(cell, 200), size=9, va='center', ha=align, weight=bold)
            if number in (0, rule_after):
                axes.plot([0.2, width - 0.2], [y + LINE / 2] * 2, color=FAINT, lw=0.8)
        for number, line in enumerate(notes):
            y = LINE * (len(rows) + 1.8 + 0.75 * number)
            axes.text(0.2, y, plain(line, 400), size=8, va='center', color='#57606a')
        return png(figure)
