"""
What the doctor found, and the table that shows it.

What a broken machine answers is shown without control characters, and never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import enum
from typing import Final, TextIO

from smaknet_core.errors import printable

# Into a file or pipe: wide enough that few lines are broken in two.
PIPE_WIDTH: Final = 160


class Level(enum.IntEnum):
    """How an item is judged; with one BAD the exit code is 1."""

    OK = 0
    WARN = 1
    BAD = 2


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    item: str
    found: str
    level: Level
    wanted: str = ''
    remedy: str = ''


def print_findings(found: Sequence[Finding], file: TextIO | None = None) -> None:
    """Print one row per item and a last line; plainly where rich itself is what is missing."""
    try:
        _print_table(found, file)
    except ImportError:
        for row in found:
            cells = (row.level.name, row.item, row.found, row.wanted, row.remedy)
            print(*(printable(cell) for cell in cells if cell), sep='  ', file=file)
    print(_last_line(found), file=file)


def _print_table(found: Sequence[Finding], file: TextIO | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {Level.OK: 'green', Level.WARN: 'bold yellow', Level.BAD: 'bold red'}
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, width=PIPE_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style='bold', show_edge=False)
    table.add_column('', no_wrap=True)
    for name in ('item', 'found', 'wanted', 'what to do'):
        table.add_column(name, overflow='fold')
    for row in found:
        cells = (row.item, row.found, row.wanted, row.remedy)
        level = Text(row.level.name, styles[row.level])
        table.add_row(level, *(Text(printable(cell)) for cell in cells))
    console.print(table)


def _last_line(found: Sequence[Finding]) -> str:
    bad = [row.item for row in found if row.level == Level.BAD]
    if bad:
        return printable(f'BAD: {", ".join(bad)}')
    return 'Nothing is BAD.'
