"""The rows of `tracking.py` as tables, for a terminal and a page, and the goals beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from tracking_rows import Row
from tracking_streams import NORMAL, OTHER

# What is to be reached by the filter on normal episodes (the last on the other task).
GOALS = {
    'median_share': ('median error, share of the demonstration', 0.03, 'at most'),
    'within_half': ('share of normal sets within 0.5 s', 0.9, 'at least'),
    'lock_s': ('seconds to lock', 1.0, 'at most'),
    'calibration_error': ('expected calibration error', 0.1, 'at most'),
    'auroc': ('AUROC of LOST', 0.95, 'at least'),
}


HEADINGS = ('scenario', 'method', 'sets', 'mean s', 'median s', 'median %', '<0.25 s', '<0.5 s',
            'told', 'told: mean s', 'told: <0.5 s', 'lock s', 'recovery s', 'back/min', 'ECE',
            'AUROC', 'of all sets', 'of own phases')  # fmt: skip


def print_tables(about: dict, rows: Sequence[Row]) -> None:
    """Print a table for each choice of cameras, and below it what was to be reached."""
    console = Console(width=200)
    last = rows[-1].method
    for views in dict.fromkeys(row.views for row in rows):
        table = Table(title=f'{views}; {about["date"]}, {about["machine"]}', title_justify='left')
        for heading in HEADINGS:
            table.add_column(heading, justify='right', no_wrap=True)
        for row in (row for row in rows if row.views == views):
            table.add_row(*_cells(row), end_section=row.method == last)
        console.print(table)
        _print_goals(console, [row for row in rows if row.views == views])
    print(about['command'])


def markdown(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Yield the lines of a table for each choice of cameras."""
    for views in dict.fromkeys(row.views for row in rows):
        cells = [_cells(row) for row in rows if row.views == views]
        lines = [HEADINGS, ['---', '---', *['---:'] * (len(HEADINGS) - 2)], *cells]
        yield [f'**{views}**', '', *(f'| {" | ".join(line)} |' for line in lines)]


def _cells(row: Row) -> list[str]:
    def text(value: float | None, form: str, scale: float = 1.0) -> str:
        return '-' if value is None else format(scale * value, form)

    def with_never(value: float | None, never: int | None) -> str:
        return text(value, '.2f') + (f' ({never} never)' if never else '')

    return [
        row.scenario,
        row.method,
        str(row.sets),
        text(row.mean_error_s, '.2f'),
        text(row.median_error_s, '.2f'),
        text(row.median_share, '.1f', 100),
        text(row.within_quarter, '.0%'),
        text(row.within_half, '.0%'),
        text(row.published, '.0%'),
        text(row.published_mean_error_s, '.2f'),
        text(row.published_within_half, '.0%'),
        with_never(row.lock_s, row.never_locked),
        with_never(row.recovery_s, row.never_recovered),
        text(row.backward_jumps, '.1f'),
        text(row.calibration_error, '.2f'),
        text(row.auroc, '.2f'),
        text(row.auroc_all, '.2f'),
        text(row.auroc_own, '.2f'),
    ]


def _print_goals(console: Console, rows: Sequence[Row]) -> None:
    """Say of each goal whether the filter reaches it, and where nearest neighbour does better."""
    by_key = {(row.scenario, row.method): row for row in rows}
    for name, (text, goal, sense) in GOALS.items():
        row = by_key[OTHER if name == 'auroc' else NORMAL, 'filter']
        value = getattr(row, name)
        good = value is not None and (value <= goal if sense == 'at most' else value >= goal)
        reached = 'reached' if good else 'NOT reached'
        console.print(f'  {text}: {value:.3f}, {sense} {goal:g}: {reached}', highlight=False)
    for name, sense in (('mean_error_s', 'lower mean error'), ('backward_jumps', 'fewer jumps')):
        pairs = [(s, getattr(by_key[s, 'filter'], name), getattr(by_key[s, 'nearest'], name))
                 for s in dict.fromkeys(row.scenario for row in rows)]  # fmt: skip
        worse = [s for s, ours, theirs in pairs if ours is not None and ours > theirs]
        where = ', '.join(worse) or 'nowhere'
        console.print(f'  {sense} than nearest neighbour: except {where}', highlight=False)
