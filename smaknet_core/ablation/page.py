"""The study's folder: tables as Markdown, CSV and PNG, pictures, and study.md that shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import time

from smaknet_core.ablation import invariance
from smaknet_core.ablation.pictures import curves_picture, trajectories_picture
from smaknet_core.ablation.recordings import MOST_CHANGED, Recordings
from smaknet_core.ablation.references import FILE_NAME, load, load_or_measure
from smaknet_core.ablation.row_file import ROWS_NAME
from smaknet_core.ablation.runs import Run, write_file, write_table
from smaknet_core.ablation.study import Cell, Study
from smaknet_core.ablation.tables import make_table, markdown, Table
from smaknet_core.errors import printable
from smaknet_core.provenance import code_version, machine, software
from smaknet_core.report.table_picture import draw_table

INDEX_NAME = 'study.md'
CURVES_NAME = 'curves.png'
TRAJECTORIES_NAME = 'trajectories.png'
NOTE = (
    "Mean ± standard deviation over seeds; classification error as TCN's code computes it; "
    'strict: classes never found count as missed.'
)
SLIDES_NOTE = (
    "The slides print classification error as TCN's code computes it. They measured on Multi-view "
    'Pouring, so their\nfigures stand beside ours, not against them. A trunk that began at '
    'random, "(random init)", is not the slides\' baseline.'
)

INVARIANCE_NOTE = invariance.NOTE.format(most=MOST_CHANGED)

Runs = Mapping[tuple[str, int], Run]


def write_study(
    study: Study,
    recordings: Recordings,
    runs: Runs,
    command: str,
    unavailable: Mapping[str, str],
    hurried: Callable[[], bool] | None = None,
) -> list[Table]:
    """
    Write tables, pictures and study.md from what has been run so far.

    The tables come first, for somebody may wait no longer; each file is written in one step.

    Args:
        study: what was asked for.
        recordings: as loaded for it.
        runs: all runs there are, failed ones too.
        command: what the user typed.
        unavailable: row -> why it cannot be run here.
        hurried: given when interrupted: no reference is measured any more, and no picture begun
            once it says yes.

    Returns:
        The tables.

    Raises:
        ConfigError: a file cannot be written.
    """
    by_row = finished(study, runs)
    systems = {row.name: study.system(row.name) for row in study.rows}
    folders = {
        name: [study.folder(Cell(*run.key)) for run in found] for name, found in by_row.items()
    }
    path = study.out / FILE_NAME
    references = load(path) if hurried else load_or_measure(path, recordings.test)
    tables = [make_table(layout, by_row, systems, references) for layout in study.layouts]
    figures = {name: [invariance.read(each) for each in found] for name, found in folders.items()}
    tables.append(invariance.invariance_table(figures, systems))
    for table in tables:
        _write_table(study, table)

    def write_index() -> None:
        text = _index(study, recordings, runs, command, unavailable, tables)
        write_file(study.out / INDEX_NAME, text.encode())

    write_index()
    _write_pictures(study, recordings, folders, systems, hurried or (lambda: False))
    write_index()
    return tables


def _write_pictures(
    study: Study,
    recordings: Recordings,
    folders: Mapping[str, Sequence[Path]],
    systems: Mapping[str, str],
    hurried: Callable[[], bool],
) -> None:
    own = {name: found for name, found in folders.items() if study.trained_as(name) == name}
    pictures: dict[str, Callable[[], bytes | None]] = {
        CURVES_NAME: lambda: curves_picture(folders, systems, study.layouts),
        TRAJECTORIES_NAME: lambda: trajectories_picture(own, systems, recordings.test),
    }
    for name, draw in pictures.items():
        picture = None if hurried() else draw()
        if picture is not None:
            write_file(study.out / name, picture)


def finished(study: Study, runs: Runs) -> dict[str, list[Run]]:
    """Give each row its finished runs, those of the row with the same settings included."""
    return {
        row.name: [
            run for run in runs.values() if run.row == study.trained_as(row.name) and not run.error
        ]
        for row in study.rows
    }


def _notes(study: Study) -> tuple[str, ...]:
    return (NOTE,) if study.file else (NOTE, SLIDES_NOTE)


def _write_table(study: Study, table: Table) -> None:
    path = study.out / f'table_{table.name}'
    write_file(path.with_suffix('.md'), markdown(table).encode())
    write_table(path.with_suffix('.csv'), list(table.numbers[0]), table.numbers)
    note = INVARIANCE_NOTE if table.name == invariance.NAME else '\n'.join(_notes(study))
    picture = draw_table(table.title, table.head, table.body, table.trained, note)
    write_file(path.with_suffix('.png'), picture)


def _index(
    study: Study,
    recordings: Recordings,
    runs: Runs,
    command: str,
    unavailable: Mapping[str, str],
    tables: Sequence[Table],
) -> str:
    parts = ['# The study\n', _provenance(study, recordings, runs, command)]
    parts += [markdown(table) + f'\nAs a picture: ![{table.title}](table_{table.name}.png)\n'
              for table in tables]  # fmt: skip
    notes = (' '.join(_notes(study)), f'Invariance: {INVARIANCE_NOTE}')
    parts += [note.replace('\n', ' ') + '\n' for note in notes]
    if (study.out / CURVES_NAME).exists():
        watched = ', '.join(clip.name for clip in recordings.watched)
        parts.append(
            f'## Learning curves\n\n![Learning curves]({CURVES_NAME})\n\n'
            f'Alignment error on {printable(watched)}; seconds are of training alone. A line per '
            'seed.\n'
        )
    if (study.out / TRAJECTORIES_NAME).exists():
        parts.append(
            f'## Trajectories\n\n![Trajectories of embeddings]({TRAJECTORIES_NAME})\n\n'
            'Test recordings, every camera, in the two directions in which the embeddings vary '
            'most; colour is progress. Where a network has learned what time it is, all ways are '
            'one.\n'
        )
    parts += _missing(runs, unavailable)
    return '\n'.join(parts)


def _provenance(study: Study, recordings: Recordings, runs: Runs, command: str) -> str:
    commits = dict.fromkeys(run.commit for run in runs.values()) or {code_version(): None}
    data = study.base.data
    each = f'{study.minutes:g} minutes' if study.minutes else f'{study.base.optim.steps} steps'
    where = 'recordings of their own' if study.test else 'held out, the same for every cell'
    names = ', '.join(clip.name for clip in recordings.test_clips)
    others = f', but for what a row of [{ROWS_NAME}]({ROWS_NAME}) changes' if study.file else ''
    lines = [
        f'* command: `{printable(command)}`',
        f'* date: {time.strftime("%Y-%m-%d %H:%M %z")}',
        f'* machine: {machine()}; {software()}',
        f'* code: {", ".join(commits)}',
        f'* every cell: {each} at {data.width} x {data.height} px' + others,
        f'* learned from {len(recordings.training)} recordings, measured on '
        f'{len(recordings.test)} ({where}): {printable(names)}',
        '* every run, unrounded: [runs.csv](runs.csv); settings: [study.yaml](study.yaml)',
    ]
    same = [
        f'* `{row.name}` has the settings of `{study.trained_as(row.name)}`, and so its runs'
        for row in study.rows
        if study.trained_as(row.name) != row.name
    ]
    return '\n'.join(lines + same) + '\n'


def _missing(runs: Runs, unavailable: Mapping[str, str]) -> list[str]:
    failed = [run for run in runs.values() if run.error]
    if not failed and not unavailable:
        return []
    lines = [f'* `{run.row}` seed {run.seed}: {printable(run.error)}' for run in failed]
    lines += [f'* `{row}`: {printable(reason)}' for row, reason in unavailable.items()]
    return ['## Not run\n\n' + '\n'.join(lines) + '\n']
