"""The body of `smaknet import-pouring`: every sequence of a folder becomes a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
import functools
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from smaknet_core.data.pouring.catalogue import Catalogue
from smaknet_core.data.pouring.footage import DamagedError, Source
from smaknet_core.data.pouring.recording import import_sequence, is_kept, Share
from smaknet_core.errors import DataError, printable

MOST_NAMED = 3  # files of other kinds


def run_import(folder: Path, out: Path, console: Console | None = None) -> int:
    """
    Import a folder; recordings that are there already are kept, so the same command goes on.

    Args:
        folder: Multi-view Pouring as published, or any part of it.
        out: gets `train`, `val`, `test` and `labelled`, a recording of each sequence in them.
        console: where to write; None means standard output.

    Returns:
        The exit code: 1 if something could not be read; each is named.

    Raises:
        DataError: there is nothing to import, `out` cannot be written, or what is in it is no
            import of the same.
    """
    log = _Log(console or Console())
    catalogue = Catalogue(folder, out)
    places = catalogue.sources()
    if not places and not catalogue.problems:
        raise DataError(f'{folder}: neither videos (..._view0.mov) nor TFRecords in it')
    missing = {
        place: sources for place, sources in places.items() if not is_kept(out / place, sources[0])
    }
    for problem in catalogue.problems:
        log.skip(problem)
    _import_all(missing, out, len(places), log)
    log.note(_summary(out, places, missing))
    if catalogue.others:
        named = ', '.join(catalogue.others[:MOST_NAMED])
        log.note(f'{len(catalogue.others)} files of other kinds were not read ({named} ...)')
    if log.skipped:
        log.note(f'{log.skipped} damaged, named above')
    return 1 if log.skipped else 0


class _Log:
    """Says what is odd, and counts what cannot be read."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.skipped = 0

    def note(self, line: str) -> None:
        self.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    def skip(self, problem: str) -> None:
        self.skipped += 1
        self.note(f'skipped: {problem}')


def _import_all(
    missing: Mapping[PurePosixPath, Sequence[Source]], out: Path, total: int, log: _Log
) -> None:
    with _progress_bar(log.console) as bar:
        task = bar.add_task('importing', total=total, name='')
        for done, (place, sources) in enumerate(missing.items(), total - len(missing)):
            bar.update(task, completed=done, name=place.name)
            show = functools.partial(_show, bar, task, done)
            _import_one(sources, out / place, show, log)


def _import_one(sources: Sequence[Source], out: Path, show: Share, log: _Log) -> None:
    """Import a sequence from the first of its sources that is whole."""
    for source in sources:
        try:
            notes = import_sequence(source, out, show)
        except DamagedError as err:
            log.skip(str(err))
            continue
        for line in notes:
            log.note(line)
        return


def _show(bar: Progress, task: TaskID, done: int, share: float) -> None:
    bar.update(task, completed=done + share)


def _summary(
    out: Path, places: Iterable[PurePosixPath], missing: Collection[PurePosixPath]
) -> str:
    """Say how many recordings are there, in which sets, and how many were before."""
    there = [place for place in places if (out / place).exists()]
    sets = Counter(place.parent.as_posix() for place in there)
    listed = ', '.join(f'{count} in {name}' for name, count in sorted(sets.items()))
    before = sum(place not in missing for place in there)
    kept = f'; {before} were there before' if before else ''
    return f'{out}: {len(there)} recordings' + (f' ({listed})' if listed else '') + kept


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        TextColumn('{task.completed:.0f} of {task.total:.0f}'),
        TextColumn('{task.fields[name]}', markup=False),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
