"""
What charts are made of: drawings that stretch to any width, with their labels as text beside them.

Text in a stretched drawing would be squeezed on a phone, so only lines and dots are SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import printable

Floats = NDArray[np.float64]
SPAN = 1000  # width and height of a drawing in its own units

Place = Literal['left', 'top']


@dataclass(frozen=True)
class Area:
    """What a chart covers: lowest and highest x and y, y upwards."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, values: Floats) -> Floats:
        """Place x values, 0 ... SPAN from the left."""
        return _place(values, *self.x)

    def down(self, values: Floats) -> Floats:
        """Place y values, 0 ... SPAN from the top."""
        return SPAN - _place(values, *self.y)

    def points(self, x: Floats, y: Floats) -> str:
        """Write points for SVG; those that are not a number are left out."""
        x, y = self.across(x), self.down(y)
        known = ~(np.isnan(x) | np.isnan(y))
        return ' '.join(f'{a:.1f},{b:.1f}' for a, b in zip(x[known], y[known], strict=True))


def chart(
    title: str,
    area: Area,
    shapes: Sequence[str],
    x_labels: Mapping[float, str],
    y_labels: Mapping[float, str],
    kind: str,
    names: str = '',
) -> str:
    """
    Put a drawing together with its labels.

    Args:
        title: shown, and read out.
        area: that the labels' places are of.
        shapes: SVG elements.
        x_labels: place -> label.
        y_labels: place -> label; each has a line across.
        kind: class of the element, for the stylesheet.
        names: what `legend` gave.
    """
    x = 100 * area.across(np.array(list(x_labels))) / SPAN
    y = 100 * area.down(np.array(list(y_labels))) / SPAN
    grid = ''.join(f'<line x1="0" x2="{SPAN}" y1="{10 * v:.1f}" y2="{10 * v:.1f}"/>' for v in y)
    return (
        f'<div class="chart {kind}"><div class="head"><b>{title}</b>{names}</div>\n'
        f'<div class="ys">{_labels(y, y_labels, "top")}</div>\n'
        f'<div class="area"><svg viewBox="0 0 {SPAN} {SPAN}" preserveAspectRatio="none" '
        f'role="img" aria-label="{title}"><g class="grid">{grid}</g>{"".join(shapes)}</svg>\n'
        f'<i class="cursor"></i></div><div class="xs">{_labels(x, x_labels, "left")}</div></div>\n'
    )


def _labels(places: Floats, labels: Mapping[float, str], edge: Place) -> str:
    return ''.join(
        f'<span style="{edge}:{place:.2f}%">{label}</span>'
        for place, label in zip(places, labels.values(), strict=True)
    )


def legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """Explain (shape, colour, name) each."""
    return ''.join(
        f'<span class="key"><i class="{shape}" style="color:{colour}"></i>'
        f'{escape(printable(name))}</span> '
        for shape, colour, name in entries
    )


def line(area: Area, x: Floats, y: Floats, colour: str, width: float, dash: str = '') -> str:
    """Draw a line through points."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ''
    return (
        f'<polyline points="{area.points(x, y)}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def stairs(area: Area, errors: Floats, colour: str, width: float) -> str:
    """Draw the share of errors (sorted) up to each value."""
    share = np.arange(len(errors) + 1) / len(errors)
    x = np.concatenate([[0.0], np.repeat(errors, 2), [max(area.x[1], errors[-1])]])
    return line(area, x, np.repeat(share, 2), colour, width)


def dots(area: Area, x: Floats, y: Floats, colour: str, size: float) -> str:
    """Draw dots that stay round: strokes without length, with round ends."""
    path = ''.join(f'M{point}h.01' for point in area.points(x, y).split())
    return f'<path d="{path}" stroke="{colour}" stroke-width="{size}" stroke-linecap="round"/>'


def band(area: Area, x: Floats, low: Floats, high: Floats, colour: str) -> str:
    """Fill what is between two lines, faintly."""
    outline = f'{area.points(x, high)} {area.points(x[::-1], low[::-1])}'
    return f'<polygon points="{outline}" fill="{colour}" opacity=".16"/>'


def ticks(low: float, high: float, most: int) -> list[float]:
    """Choose at most `most` + 1 round numbers from `low` to `high`."""
    rough = max(high - low, 1e-9) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 9) for n in range(first, last + 1)]


def _place(values: Floats, low: float, high: float) -> Floats:
    placed: Floats = SPAN * (np.asarray(values, np.float64) - low) / (high - low)
    return placed
