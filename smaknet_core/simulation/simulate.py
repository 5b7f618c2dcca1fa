"""The body of `smaknet simulate`: what it shows while it records, and what it says at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import time
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from smaknet_core.data.recording_folder import read_description
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.recorder import plan
from smaknet_core.simulation.workers import record_all
from smaknet_core.simulation.worlds import Settings

QUIET_PERIOD_S = 30.0


def run_simulate(
    out: Path, settings: Settings, *, episodes: int, seed: int = 0, workers: int = 1
) -> int:
    """
    Record a series, show how it goes, and print one line about it; return the exit code.

    Arguments and errors as `recorder.record_many`. Ctrl-C says how to go on, and is raised again.
    """
    series = plan(out, settings, episodes, seed)
    console = Console(stderr=True)
    with Pace(console, len(series.kept), episodes) as pace:
        try:
            record_all(series.missing, workers, pace.count)
        except KeyboardInterrupt:
            there = sum(folder.exists() for folder in series.folders)
            told = f'interrupted: {there} of {episodes} episodes are in {out}'
            console.print(f'{told}; the same command goes on', markup=False, soft_wrap=True)
            raise
    print(f'{out}: {summary(series.folders)}{pace.speed()}')
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH in pixels; ConfigError when it is not that."""
    height, _, width = text.lower().partition('x')
    if not (height.isdecimal() and width.isdecimal()):
        raise ConfigError(f'size: expected HEIGHTxWIDTH such as 96x128, got {text!r}')
    return int(height), int(width)


def parse_lab(text: str) -> int | None:
    """Read the seed of a laboratory, or None of `new`: another one each episode."""
    if text == 'new':
        return None
    if not text.isdecimal():
        raise ConfigError(f"lab: expected a seed (0 or more) or 'new', got {text!r}")
    return int(text)


def summary(folders: Sequence[Path]) -> str:
    """Say what the recordings contain, from what each says of itself."""
    described = [read_description(folder) for folder in folders]
    delivered = [each['delivered'] for each in described if each.get('delivered') is not None]
    flowing = np.mean([each['flowing'] for each in described])
    floor = np.mean([each['ambiguity_floor'] for each in described])
    parts = [f'{len(described)} episodes']
    if delivered:
        parts.append(
            f'delivered {min(delivered):.1%} at least, {np.mean(delivered):.1%} on average'
        )
    parts += [f'flowing in {flowing:.1%} of the frames', f'ambiguity floor {floor:.1%}']
    return ', '.join(parts)


class Pace:
    """How far a series is: a bar in a terminal, a line every half minute where there is none."""

    def __init__(self, console: Console, kept: int, episodes: int) -> None:
        self.finished = kept
        self._kept = kept
        self._episodes = episodes
        self._console = console
        self._began_s = self._said_s = time.monotonic()
        self._bar = Progress(
            TextColumn('simulating'),
            BarColumn(),
            TextColumn('{task.fields[text]}'),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task('', total=episodes, completed=kept, text=self._text())

    def __enter__(self) -> Pace:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def count(self, _folder: Path) -> None:
        """Show that one more episode is finished."""
        self.finished += 1
        self._bar.update(self._task, completed=self.finished, text=self._text())
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._said_s >= QUIET_PERIOD_S:
            self._said_s = now_s
            self._console.print(self._text(), soft_wrap=True)

    def speed(self) -> str:
        """Say how fast those were that were not there before, '' if there were none."""
        made = self.finished - self._kept
        if not made:
            return ''
        return f'; {made / self._seconds():.2g} episodes/s'

    def _text(self) -> str:
        far = f'{self.finished} of {self._episodes} episodes'
        made, left = self.finished - self._kept, self._episodes - self.finished
        if not made or not left:
            return f'{far}{self.speed()}'
        return f'{far}{self.speed()} · about {left * self._seconds() / made:.0f} s left'

    def _seconds(self) -> float:
        return max(time.monotonic() - self._began_s, 1e-3)
