"""What a study shows while it runs: cells done, what each came to, time left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from smaknet_core.ablation.runs import Run
from smaknet_core.ablation.study import Cell
from smaknet_core.errors import printable


class StudyProgress:
    """A bar over cells in a terminal; a line per finished cell everywhere."""

    def __init__(self, console: Console, cells: int, workers: int, minutes: float) -> None:
        self._console = console
        self._cells = cells
        self._workers = max(1, min(workers, cells))
        self._expected_s = 60 * minutes  # of a cell, before one was finished
        self._done = 0
        self._began_s = time.monotonic()
        self._bar = Progress(
            TextColumn('cells'),
            BarColumn(),
            TextColumn('{task.fields[text]}'),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task('', total=cells, text=f'0 of {cells}')

    def __enter__(self) -> StudyProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def cell(self, cell: Cell) -> CellProgress:
        """Show one cell's steps within the bar."""
        return CellProgress(self, cell)

    def within(self, text: str) -> None:
        """Show what the present cell is at."""
        shown = f'{self._done} of {self._cells} · {text} · {self._left()}'
        self._bar.update(self._task, completed=self._done, text=shown)

    def finished(self, run: Run) -> None:
        """Count a cell and say what it came to."""
        self._done += 1
        came_to = f'failed: {printable(run.error)}' if run.error else _figures(run)
        said = f'{self._done} of {self._cells} · {run.row} seed {run.seed}: {came_to}'
        self._console.print(Text(f'{said} · {self._left()}'), soft_wrap=True)
        self._bar.update(self._task, completed=self._done, text=f'{self._done} of {self._cells}')

    def _left(self) -> str:
        """Say how long the rest takes, if it goes on as it did."""
        each_s = self._expected_s / self._workers
        if self._done:
            each_s = (time.monotonic() - self._began_s) / self._done
        left_s = each_s * (self._cells - self._done)
        return (
            f'about {left_s / 60:.0f} min left' if left_s >= 90 else f'about {left_s:.0f} s left'
        )


class CellProgress:
    """Passes one cell's steps on."""

    def __init__(self, study: StudyProgress, cell: Cell) -> None:
        self._study = study
        self._cell = cell

    def update(self, step: int, seconds: float, loss: float, alignment: float) -> None:
        """Show a step; `alignment` is not, it stands in the line when the cell is done."""
        self._study.within(f'{self._cell}: step {step}, {seconds:.0f} s, loss {loss:.2f}')


def _figures(run: Run) -> str:
    alignment = (
        ''
        if run.alignment_error != run.alignment_error
        else (f'alignment error {run.alignment_error:.1%}, ')
    )
    return f'{alignment}{run.steps} steps in {run.seconds:.0f} s'
