"""The figures of merit of several runs as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smaknet_core.errors import printable
from smaknet_core.report.run import alignment, compare, measure, Numbers, Run

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = (
    'stream',
    'sets',
    'published',
    'median error',
    '90 % within',
    'within 0.25 s',
    'alignment',
    'false alarms',
    'latency p50 / p95',
    'states',
)
IN_TERMINAL = (0, 1, 2, 3, 6, 7, 8)  # places in HEADINGS; the page has all
NOTHING = '–'


def summary_table(runs: Sequence[Run], title: str = '') -> Table:
    """Make a table of one row per run, and one per simpler method it is compared with."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(title)) if title else None,
        title_justify='left',
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for place in IN_TERMINAL:
        heading = HEADINGS[place].replace(' ', '\n', 1)  # headings and names break, figures do not
        table.add_column(heading, justify='right' if place else 'left', no_wrap=place > 0)
    for run in runs:
        # Text, not str: a name in square brackets is a name, not markup.
        cells = row(run.title, measure(run))
        table.add_row(*(Text(cells[place]) for place in IN_TERMINAL))
        medians = {method.name: method.median_error_s for method in compare(run)}
        for name, answers in run.others.items():
            median = seconds(medians.get(name))
            cells = [f'  {printable(name)}', '', '', median, percent(alignment(run, answers))]
            table.add_row(*(Text(cell, style='dim') for cell in cells))
    return table


def row(title: str, numbers: Numbers) -> list[str]:
    """Cells for one run, in the order of HEADINGS."""
    within = numbers.within[0.25] if numbers.within else None
    p50, p95 = numbers.latency_p50_s, numbers.latency_p95_s
    latency = NOTHING if p50 is None or p95 is None else f'{1e3 * p50:.0f} / {1e3 * p95:.0f} ms'
    states = ', '.join(
        f'{state.value} {percent(share)}' for state, share in numbers.states.items()
    )
    return [
        printable(title),
        str(numbers.sets),
        percent(numbers.published),
        seconds(numbers.median_error_s),
        seconds(numbers.p90_error_s),
        percent(within),
        percent(numbers.alignment),
        percent(numbers.false_alarms),
        latency,
        states,
    ]


def percent(share: float | None) -> str:
    """Write a share as a percentage."""
    return NOTHING if share is None else f'{100 * share:.1f} %'


def seconds(value: float | None) -> str:
    """Write seconds."""
    return NOTHING if value is None else f'{value:.2f} s'


def milliseconds(value: float | None) -> str:
    """Write seconds as milliseconds."""
    return NOTHING if value is None else f'{1e3 * value:.1f} ms'
