"""How fast systems learn: held-out alignment error against steps and against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TYPE_CHECKING

from smaknet_core.errors import DataError
from smaknet_core.metrics import CONSTANT_MIDDLE
from smaknet_core.report.figures import FAINT, plain, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = (('steps', 'training steps'), ('seconds', 'seconds of training'))
WIDTH, HEIGHT = 13.0, 3.6  # inches, of a row of panels
ENTRY, AROUND = 0.175, 1.1  # inches: a line of the legend, what is above and below it
COLOURS = 10  # then they begin anew, with another kind of line
LINES = ('-', '--', ':', '-.')


class Curve(NamedTuple):
    """Alignment error of one run as it was trained, a fraction."""

    steps: Sequence[float]
    seconds: Sequence[float]
    errors: Sequence[float]


def draw_curves(groups: Mapping[str, Mapping[str, Sequence[Curve]]]) -> bytes:
    """
    Draw two panels per group, against steps and against seconds; a line per run.

    Args:
        groups: title -> system -> its runs, one per seed, which share a colour.

    Returns:
        A PNG file.

    Raises:
        DataError: there is nothing to draw.
    """
    from matplotlib.figure import Figure

    if not groups:
        raise DataError('no learning curves to draw')
    with styled():
        most = 1 + max(len(systems) for systems in groups.values())
        height = max(HEIGHT, AROUND + ENTRY * most)
        figure = Figure(figsize=(WIDTH, height * len(groups)), dpi=110, layout='constrained')
        grid = figure.subplots(len(groups), len(ACROSS), squeeze=False, sharey=True)
        for axes, (title, systems) in zip(grid, groups.items(), strict=True):
            for panel, (along, label) in zip(axes, ACROSS, strict=True):
                _draw(panel, systems, along)
                panel.set(xlabel=label)
                panel.set_xlim(left=0)
            axes[0].set(title=plain(title), ylabel='alignment error, %')
            axes[-1].legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), fontsize=8)
        grid[0, 0].set_ylim(bottom=0)  # of all; sooner, it would cut off what is drawn later
        return png(figure)


def _draw(axes: Axes, systems: Mapping[str, Sequence[Curve]], along: str) -> None:
    axes.axhline(100 * CONSTANT_MIDDLE, color=FAINT, lw=1, ls='--', label='constant middle')
    for number, (name, curves) in enumerate(systems.items()):
        for curve in curves:
            axes.plot(
                getattr(curve, along),
                [100 * error for error in curve.errors],
                color=f'C{number % COLOURS}',
                ls=LINES[number // COLOURS % len(LINES)],
                lw=1.4,
                marker='o',
                ms=3,
                alpha=0.85,
                label=plain(name, 60) if curve is curves[0] else None,
            )
