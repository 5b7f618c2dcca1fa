"""What training shows while it runs: one line with loss, held-out alignment and time left."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingProgress:
    """A progress bar in a terminal, a line every half minute where there is none."""

    QUIET_PERIOD_S = 30.0

    def __init__(self, console: Console, steps: int, minutes: float) -> None:
        self._console = console
        self._steps = steps
        self._minutes = minutes
        self._said_at = 0.0
        self._bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.fields[text]}'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task('training', total=1.0, text='')

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, step: int, seconds: float, loss: float, alignment: float) -> None:
        """Show a step; `alignment` is a fraction, NaN before the first measurement."""
        done = step / self._steps
        if self._minutes:
            done = max(done, seconds / (60 * self._minutes))
        held_out = '' if alignment != alignment else f' · held-out alignment {alignment:.1%}'
        text = f'step {step} · loss {loss:.3f}{held_out}'
        self._bar.update(self._task, completed=min(done, 1.0), text=text)
        quiet = not self._console.is_terminal
        if quiet and (seconds - self._said_at >= self.QUIET_PERIOD_S or done >= 1):
            self._said_at = seconds
            left = seconds / max(done, 1e-9) * (1 - min(done, 1.0))
            self._console.print(f'{text} · {seconds:.0f} s, about {left:.0f} s left')
