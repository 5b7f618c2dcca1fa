"""
Verdicts to what `smaknet check` prints: a row per camera, a verdict per recording, remedies.

Names and tasks come from files of unknown origin, so they are printed without control
characters, which a terminal would obey, and never as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text
from smaknet_core.data.verdict import (
    CameraReport,
    FROZEN_WARN,
    GAP_WARN_S,
    Level,
    RATE_WARN_HZ,
    Verdict,
)
from smaknet_core.errors import printable

Progress = Callable[[int, str, float], None]
# Into a file or pipe: wide enough that no line is broken in two.
PIPE_WIDTH: Final = 160
_STYLES: Final = {Level.GOOD: 'bold green', Level.WARN: 'bold yellow', Level.BAD: 'bold red'}
_LEGEND: Final = (
    ('gap', 'the longest time without a frame'),
    ('frozen', 'images with the same bytes as the one before'),
    ('corrupt', 'images that cannot be decoded; they are skipped'),
    ('clock', 'header = stamped at capture by the driver, bag = on arrival; never mixed'),
    ('set', 'one frame of each camera, at most data.max_spread_s apart'),
)


@contextlib.contextmanager
def progress_bar(count: int) -> Iterator[Progress]:
    """Show progress over `count` recordings while the block runs; nothing outside a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn('checking {task.fields[name]}', markup=False),
        BarColumn(),
        TextColumn('{task.completed:.1f} of {task.total:.0f}'),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task('', total=count, name='')

        def show(done: int, name: str, share: float) -> None:
            bar.update(task, completed=done + share, name=printable(name))

        yield show


def print_verdicts(verdicts: Sequence[Verdict], console: Console | None = None) -> None:
    """Print the table of cameras, the verdict lines, and what the columns mean."""
    console = _console() if console is None else console
    if any(verdict.cameras for verdict in verdicts):
        console.print(_camera_table(verdicts))
        console.print()
    for verdict in verdicts:
        console.print(_verdict_lines(verdict))
    console.print()
    console.print(_legend())


def print_repaired(verdict: Verdict, copy: Path, console: Console | None = None) -> None:
    """Say where the finished copy is, and what to do with the original."""
    console = _console() if console is None else console
    text = Text.assemble(
        ('REPAIRED ', 'bold green'),
        printable(f'{verdict.name} -> {copy}'),
        ('\n         move the damaged one away before training on its folder', 'dim'),
    )
    console.print(text, soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def _camera_table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style='bold', show_edge=False)
    table.add_column('recording', overflow='fold')
    table.add_column('camera', overflow='fold')
    for name in ('frames', 'Hz', 'gap', 'frozen', 'corrupt'):
        table.add_column(name, justify='right', no_wrap=True)
    table.add_column('size', no_wrap=True)
    table.add_column('clock', no_wrap=True)
    for verdict in verdicts:
        for number, report in enumerate(verdict.cameras):
            name = '' if number else printable(verdict.name)
            table.add_row(Text(name, _STYLES[verdict.level]), *_camera_cells(report))
        table.add_section()
    return table


def _camera_cells(report: CameraReport) -> list[Text]:
    def cell(text: str, odd: bool) -> Text:
        return Text(text, 'yellow' if odd else '')

    frames = max(report.frames, 1)
    slow = report.rate_hz < RATE_WARN_HZ
    more = '' if len(report.sizes) < 2 else ' ...'
    size = (report.sizes.most_common(1)[0][0] if report.sizes else '-') + more
    return [
        cell(printable(report.name), False),
        cell(str(report.frames), False),
        cell(f'{report.rate_hz:.1f}' if report.rate_hz else '-', slow),
        cell(f'{report.gap_s:.2f} s' if report.gap_s else '-', report.gap_s > GAP_WARN_S),
        cell(str(report.frozen), report.frozen > FROZEN_WARN * frames),
        cell(str(report.corrupt), report.corrupt > 0),
        cell(size, bool(more)),
        cell(report.clock, bool(report.clock_fault)),
    ]


def _verdict_lines(verdict: Verdict) -> Table:
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(no_wrap=True, min_width=4)
    lines.add_column(overflow='fold')
    level = Text(verdict.level.name, _STYLES[verdict.level])
    lines.add_row(
        level, Text(printable(verdict.name), 'bold').append(_summary(verdict), 'default')
    )
    for reason in verdict.reasons:
        colour = _STYLES[reason.level].removeprefix('bold ')
        lines.add_row('', Text(printable(reason.text), colour))
        if reason.remedy:
            lines.add_row('', Text(printable(f'  \N{RIGHTWARDS ARROW} {reason.remedy}')))
    for note in verdict.notes:
        lines.add_row('', Text(printable(note), 'dim'))
    return lines


def _summary(verdict: Verdict) -> str:
    if not verdict.cameras:
        return ''
    text = f': {verdict.duration_s:.1f} s, {verdict.sets} set{"s" * (verdict.sets != 1)}'
    if len(verdict.cameras) > 1:
        p50, p95 = verdict.spread_p50_s * 1e3, verdict.spread_p95_s * 1e3
        text += f' of {len(verdict.cameras)} cameras, {verdict.paired:.0%} of the frames'
        text += f', {p50:.0f} ms apart (95 % under {p95:.0f} ms)'
    return text + (f', "{printable(verdict.task)}"' if verdict.task else '')


def _legend() -> Text:
    legend = Text(style='dim')
    for number, (name, meaning) in enumerate(_LEGEND):
        legend.append('\n' if number else '').append(f'{name:8}', 'bold').append(meaning)
    return legend
