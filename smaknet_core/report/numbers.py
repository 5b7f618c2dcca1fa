"""Figures of merit as HTML: a run's tiles, and the table of all runs and simpler methods."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from smaknet_core.errors import printable
from smaknet_core.report.run import compare, Comparison, measure, Numbers, Run
from smaknet_core.report.table import milliseconds, NOTHING, percent, seconds

_HEADINGS = (
    *('stream', 'answered', 'median error', 'mean error', '90 % within', 'within 0.5 s'),
    *('mean, all sets', 'latency p50 / p95'),
)


def draw_tiles(run: Run) -> str:
    """Show what matters most about a run in large digits; what is not known is left out."""
    numbers = measure(run)
    within = numbers.within[0.5] if numbers.within else None
    silence = None if numbers.false_alarms is None else 1 - numbers.false_alarms
    tiles = [
        (seconds(numbers.median_error_s), _median(compare(run))),
        (percent(within), 'of the answers within 0.5 s of the truth'),
        (_answered(numbers), 'of the camera sets got an answer'),
        (percent(silence), 'silent where the scene is not in the demonstration'),
        (percent(numbers.wrong_demonstration or None), 'named another demonstration'),
        (milliseconds(numbers.latency_p50_s), _late(numbers)),
    ]
    shown = ''.join(
        f'<div class="tile"><b>{value}</b><span>{escape(printable(what))}</span></div>'
        for value, what in tiles
        if value != NOTHING
    )
    return f'<div class="tiles">{shown}</div>\n'


def draw_table(runs: Sequence[Run]) -> str:
    """List all runs, and below each the methods it is compared with."""
    head = ''.join(f'<th>{heading}</th>' for heading in _HEADINGS)
    rows = ''.join(_row(cells, kind) for run in runs for cells, kind in _lines(run))
    return (
        '<p class="faint">Errors in seconds of the demonstration, of every method on the camera '
        'sets that smaknet answered; but “mean, all sets” on all of them, as a share of the '
        'demonstration’s length.</p>\n'
        f'<div class="scroll"><table class="numbers"><tr>{head}</tr>\n{rows}</table></div>\n'
    )


def _median(methods: Sequence[Comparison]) -> str:
    others = ', '.join(f'{method.name} {seconds(method.median_error_s)}' for method in methods[1:])
    return f'median error; {others}' if others else 'median error'


def _answered(numbers: Numbers) -> str:
    """Share answered; where nothing could be, the silence is told instead."""
    nowhere = numbers.alignment is None and numbers.false_alarms is not None
    return NOTHING if nowhere else percent(numbers.published)


def _late(numbers: Numbers) -> str:
    return f'from frame to match, median; 95 % within {milliseconds(numbers.latency_p95_s)}'


def _lines(run: Run) -> list[tuple[list[str], str]]:
    """Cells and class of a run's row, and of a row per method it is compared with."""
    numbers, methods = measure(run), compare(run)
    p50, p95 = numbers.latency_p50_s, numbers.latency_p95_s
    latency = NOTHING if p50 is None or p95 is None else f'{1e3 * p50:.1f} / {1e3 * p95:.1f} ms'
    errors = _errors(methods[0]) if methods else [NOTHING] * 5
    ours = [run.title, percent(numbers.published), *errors, latency]
    others = [[method.name, percent(1.0), *_errors(method), ''] for method in methods[1:]]
    return [(ours, 'ours'), *((cells, 'other') for cells in others)]


def _errors(method: Comparison) -> list[str]:
    return [
        seconds(method.median_error_s),
        seconds(method.mean_error_s),
        seconds(method.p90_error_s),
        percent(method.within[0.5]),
        percent(method.alignment),
    ]


def _row(cells: Sequence[str], kind: str) -> str:
    shown = ''.join(f'<td>{escape(printable(cell))}</td>' for cell in cells)
    return f'<tr class="{kind}">{shown}</tr>\n'
