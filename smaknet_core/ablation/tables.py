"""Runs → the tables: ours, mean ± sd, beside the slides' and beside what needs no learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from smaknet_core.ablation.references import Reference
from smaknet_core.ablation.runs import Run
from smaknet_core.ablation.slides import Layout, Line

NOT_RUN = 'not run'
NO_FIGURE = '-'  # it ran, but the recordings do not let that be measured
NOTHING = ''  # where a figure would have no meaning


@dataclass(frozen=True)
class Column:
    """One figure of each row."""

    title: str
    name: str  # of Run and Reference
    paper: str  # of Line, '' where the slides have no such figure
    show: Callable[[float], str]


def percent(value: float) -> str:
    """Show a fraction as per cent."""
    return f'{100 * value:.1f}'


def plain(value: float) -> str:
    """Show a score as it is."""
    return f'{value:.2f}'


def whole(value: float) -> str:
    """Show a count."""
    return f'{value:,.0f}'


COLUMNS = (
    Column('parameters', 'parameters', 'parameters', whole),
    Column('steps', 'steps', 'iterations', whole),
    Column('seconds', 'seconds', '', whole),
    Column('alignment error, %', 'alignment_error', 'alignment', percent),
    Column('classification error, %', 'classification_error_tcn', 'classification', percent),
    Column('strict, %', 'classification_error', '', percent),
    Column("Kendall's tau", 'kendall_tau', '', plain),
    Column('progression, R²', 'progression', '', plain),
)
PAPER = 'paper'


@dataclass(frozen=True)
class Table:
    """Texts for people, numbers for programs."""

    name: str
    title: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    trained: int  # rows of the body that were trained; those below need no learning
    numbers: tuple[dict[str, Any], ...]


def make_table(
    layout: Layout,
    runs: Mapping[str, Sequence[Run]],
    systems: Mapping[str, str],
    references: Sequence[Reference],
) -> Table:
    """
    Put a table together.

    Args:
        layout: which rows, and the slides' figures.
        runs: row -> its finished runs; a row without any is `not run`.
        systems: row -> what it is called.
        references: what needs no learning.
    """
    papers = [c for c in COLUMNS if any(getattr(line, c.paper, '') for line in layout.lines)]
    head = ['system', 'seeds']
    for column in COLUMNS:
        head += [column.title, PAPER] if column in papers else [column.title]
    body = [
        _trained_row(line, runs.get(line.row, ()), systems[line.row], papers)
        for line in layout.lines
    ]
    body += [_reference_row(reference, papers) for reference in references]
    numbers = [_numbers(line, runs.get(line.row, ()), systems[line.row]) for line in layout.lines]
    numbers += [_reference_numbers(reference) for reference in references]
    return Table(layout.name, layout.title, tuple(head), tuple(body), len(layout.lines),
                 tuple(numbers))  # fmt: skip


def markdown(table: Table) -> str:
    """Write a table as Markdown, with its title."""
    rule = ['---', *['---:' for _ in table.head[1:]]]
    lines = [table.head, rule, *table.body]
    rows = ['| ' + ' | '.join(_escape(cell) for cell in line) + ' |' for line in lines]
    return f'### {table.title}\n\n' + '\n'.join(rows) + '\n'


def _escape(cell: str) -> str:
    return cell.replace('|', r'\|')


def mean_sd(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Show mean ± standard deviation (n - 1), the mean alone of one value, `not run` of none."""
    if not values:
        return NOT_RUN
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return NO_FIGURE
    mean = show(float(np.mean(known)))
    # equal values, such as counts of parameters, have no spread to tell of
    return mean if len(set(known)) < 2 else f'{mean} ± {show(float(np.std(known, ddof=1)))}'


def _trained_row(
    line: Line, runs: Sequence[Run], system: str, papers: Sequence[Column]
) -> tuple[str, ...]:
    cells = [system, str(len(runs))]
    for column in COLUMNS:
        cells.append(mean_sd([getattr(run, column.name) for run in runs], column.show))
        if column in papers:
            cells.append(getattr(line, column.paper))
    return tuple(cells)


def _reference_row(reference: Reference, papers: Sequence[Column]) -> tuple[str, ...]:
    cells = [reference.name, NOTHING]
    values = [getattr(reference, column.name, math.nan) for column in COLUMNS]
    known = not all(map(math.isnan, values))
    for column, value in zip(COLUMNS, values, strict=True):
        lacking = NOTHING if known or column.name != 'alignment_error' else NOT_RUN
        cells.append(lacking if math.isnan(value) else column.show(value))
        cells += [NOTHING] if column in papers else []
    return tuple(cells)


def _numbers(line: Line, runs: Sequence[Run], system: str) -> dict[str, Any]:
    found: dict[str, Any] = {'row': line.row, 'system': system, 'seeds': len(runs)}
    for column in COLUMNS:
        values = np.array([getattr(run, column.name) for run in runs], float)
        values = values[~np.isnan(values)]
        found[column.name] = float(values.mean()) if len(values) else math.nan
        found[f'{column.name}_sd'] = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        if column.paper:
            found[f'{column.paper}_paper'] = getattr(line, column.paper)
    return found


def _reference_numbers(reference: Reference) -> dict[str, Any]:
    found: dict[str, Any] = {'row': '', 'system': reference.name, 'seeds': ''}
    for column in COLUMNS:
        found[column.name] = getattr(reference, column.name, math.nan)
        found[f'{column.name}_sd'] = math.nan
        if column.paper:
            found[f'{column.paper}_paper'] = ''
    return found
