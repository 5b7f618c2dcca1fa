"""What `smaknet evaluate` prints: alignment by recording, all scores, invariance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table
from smaknet_core.baselines import RAW_PIXELS
from smaknet_core.errors import printable
from smaknet_core.evaluation.measure import ARROW
from smaknet_core.metrics import CHANCE, CONSTANT_MIDDLE

NOTHING = '-'
MOST_PAIRS = 9  # of views that are shown; the file has them all


def alignment_table(result: Mapping[str, Any], trained: set[str]) -> Table:
    """One row per recording, one column per pair of views."""
    cameras = list(dict.fromkeys(c for pair in result['per_pair'] for c in pair.split(ARROW)))
    numbers = {camera: str(number) for number, camera in enumerate(cameras, 1)}
    legend = ', '.join(f'{number} {camera}' for camera, number in numbers.items())
    table = Table(
        title='Temporal alignment error, % of the recording (lower is better)',
        caption=(
            f'a>b: instants of view a found in view b; {escape(printable(legend))}\n'
            f'i<j: mean over pairs with a before b, as the paper; chance {CHANCE:.1%}, '
            f'constant middle {CONSTANT_MIDDLE:.1%}\n'
            f'raw pixels: nearest neighbour of {RAW_PIXELS}-px thumbnails, i<j'
        ),
    )
    table.add_column('recording')
    table.add_column('trained on')
    for pair in result['per_pair']:
        table.add_column('>'.join(numbers[c] for c in pair.split(ARROW)), justify='right')
    table.add_column('i<j', justify='right', style='bold')
    table.add_column('raw pixels', justify='right')
    for name, row in result['per_recording'].items():
        shown, seen = escape(printable(name)), 'yes' if name in trained else 'no'
        table.add_row(shown, seen, *_cells(result, row))
    table.add_section()
    table.add_row('mean', '', *_cells(result, result))
    return table


def score_table(result: Mapping[str, Any]) -> Table:
    """All scores over all recordings, with intervals, beside raw pixels and chance."""
    undefined = [
        f'{result[f"{name}_undefined"]} of {result[f"{name}_comparisons"]}'
        for name in ('kendall_tau', 'progression')
    ]
    table = Table(
        title=escape(printable(result['system'])),
        caption=(
            'errors in %; 95 %: bootstrap over recordings\n'
            f'without a number, and so 0: tau {undefined[0]}, progression {undefined[1]}'
        ),
    )
    table.add_column('score')
    for column in ('value', '95 %', 'raw pixels', 'chance'):
        table.add_column(column, justify='right')
    error = 'classification_error'
    _add(table, result, 'alignment error, i<j', 'alignment_error', 'raw_pixels', 'chance')
    _add(table, result, 'classification error', error, f'{error}_raw_pixels', f'{error}_chance')
    table.add_row("  as TCN's code has it", percent(result[f'{error}_tcn']))
    for name, score in result['classification_per_attribute'].items():
        table.add_row(f'  {name}', percent(score['error']))
    for shown, name in (("Kendall's tau", 'kendall_tau'), ('progression, R²', 'progression')):
        _add(table, result, shown, name, f'{name}_raw_pixels', show=plain)
        for pair, value in list(result[f'{name}_per_pair'].items())[:MOST_PAIRS]:
            table.add_row(f'  {escape(printable(pair))}', plain(value))
    return table


def _add(
    table: Table,
    result: Mapping[str, Any],
    shown: str,
    name: str,
    raw: str = '',
    chance: str = '',
    show: Callable[[float | None], str] | None = None,
) -> None:
    show = show or percent
    between = _interval(result[f'{name}_interval'], show)
    table.add_row(
        shown, show(result[name]), between, show(result.get(raw)), show(result.get(chance))
    )


def invariance_table(result: Mapping[str, Any]) -> Table:
    """Alignment error while what one view shows is changed."""
    table = Table(title='Alignment error, i<j, while view i is changed, %')
    table.add_column('change')
    table.add_column('error', justify='right')
    table.add_column('95 %', justify='right')
    for name, row in result['invariance'].items():
        spread = _interval(row['alignment_error_interval'], percent)
        table.add_row(name, percent(row['alignment_error']), spread)
    return table


def percent(value: float | None) -> str:
    """Show a fraction as per cent."""
    return NOTHING if value is None else f'{100 * value:.1f}'


def plain(value: float | None) -> str:
    """Show a number as it is."""
    return NOTHING if value is None else f'{value:.2f}'


def _interval(bounds: tuple[float, float] | None, show: Callable[[float | None], str]) -> str:
    return NOTHING if bounds is None else f'{show(bounds[0])} ... {show(bounds[1])}'


def _cells(result: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    errors = [row['per_pair'].get(pair) for pair in result['per_pair']]
    return [percent(e) for e in (*errors, row['alignment_error'], row['raw_pixels'])]
