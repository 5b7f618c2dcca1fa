"""The figure of `tracking.py`: mean error by scenario and method, and what confidence is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import io
from typing import Any

import numpy as np
from smaknet_core.metrics.following import BINS, RIGHT_S, Told

COLOURS = {'filter': '#0072B2', 'dtw': '#009E73', 'nearest': '#E69F00', 'clock': '#999999'}


def draw(rows: Sequence[Any], told: Mapping[tuple[str, str, str], Sequence[Told]]) -> bytes:
    """
    Draw it as PNG.

    Args:
        rows: with views, scenario, method and mean_error_s.
        told: by those three, for the confidence.
    """
    from matplotlib.figure import Figure

    views = list(dict.fromkeys(row.views for row in rows))
    figure = Figure(figsize=(13, 4 * len(views)), dpi=110, layout='constrained')
    grid = figure.subplots(len(views), 2, width_ratios=[3, 1], squeeze=False)
    for (bars, reliability), name in zip(grid, views, strict=True):
        _draw_errors(bars, [row for row in rows if row.views == name], name)
        _draw_reliability(reliability, {key[1:]: ones for key, ones in told.items()
                                        if key[0] == name})  # fmt: skip
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return buffer.getvalue()


def _draw_errors(axes: Any, rows: Sequence[Any], title: str) -> None:
    rows = [row for row in rows if row.mean_error_s is not None]
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    for index, (method, colour) in enumerate(COLOURS.items()):
        heights = [row.mean_error_s for row in rows if row.method == method]
        places = np.arange(len(scenarios)) + 0.2 * (index - 1.5)
        axes.bar(places, heights, 0.2, color=colour, label=method)
    axes.set_xticks(np.arange(len(scenarios)), scenarios)
    axes.set_ylabel('mean error of sets in the demonstration, s')
    axes.set_title(title, loc='left')
    axes.legend(frameon=False, ncols=len(COLOURS))


def _draw_reliability(axes: Any, told: Mapping[tuple[str, str], Sequence[Told]]) -> None:
    axes.plot([0, 1], [0, 1], color='#8b949e', linewidth=1)
    for method in ('filter', 'dtw', 'nearest'):
        ones = [one for (_, name), each in told.items() if name == method for one in each]
        sure = np.concatenate([one.confidence for one in ones])
        errors = np.concatenate([one.errors_s for one in ones])
        right = np.nan_to_num(errors, nan=np.inf) <= RIGHT_S
        bins = np.minimum((sure * BINS).astype(int), BINS - 1)
        used = [k for k in range(BINS) if (bins == k).sum() >= BINS]
        points = [(sure[bins == k].mean(), right[bins == k].mean()) for k in used]
        axes.plot(*np.array(points).reshape(-1, 2).T, 'o-', color=COLOURS[method], label=method)
    axes.set_xlabel('confidence')
    axes.set_ylabel('share within 0.25 s, all scenarios')
