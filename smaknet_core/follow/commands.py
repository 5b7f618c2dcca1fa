"""
The commands `teach` and `follow`: files in, files and a table out.

They raise SmaknetErrors; the command line turns those into one line and exit code 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
import csv
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from smaknet_core.config import MatchConfig
from smaknet_core.data.bags import open_recording
from smaknet_core.demonstration import Demonstration, load
from smaknet_core.embedder import Embedder
from smaknet_core.errors import BagError, DataError, printable
from smaknet_core.follow.follower import Followed, Follower
from smaknet_core.follow.recorded import follow_recording, RecordedSets
from smaknet_core.follow.teaching import teach
from smaknet_core.metrics import alignment_per_pair, CHANCE
from smaknet_core.types import Match, State

# Likenesses told of; a demonstration with more of them is in one class.
MAX_TOLD = 8

CSV_COLUMNS = (
    'stamp_ns',
    'demonstration',
    'timestep',
    'time_s',
    'progress',
    'rate',
    'distance',
    'confidence',
    'margin',
    'state',
)


def run_teach(
    model: Path,
    bag: Path,
    out: Path,
    *,
    cameras: Sequence[str] = (),
    name: str = '',
    max_spread_s: float | None = None,
    device: str = 'auto',
    threads: int = 1,
    engine: str = 'auto',
    console: Console | None = None,
) -> Demonstration:
    """
    Teach one recording and say how good a demonstration it is.

    Args:
        model: a RUN folder or model file.
        bag: the recording.
        out: the demonstration file to write; must not exist.
        cameras: which to use, 'name' or 'name:=/topic'; empty means all.
        name: what matches call the demonstration; empty means the recording's name.
        max_spread_s: of one set; None means as in training.
        device: where to embed.
        threads: of one operator, on the CPU.
        engine: auto, torch or onnx.
        console: where to write; None means standard output.
    """
    console = console or Console()
    embedder = Embedder.load(model, device, threads, engine)
    if embedder.note:
        console.print(f'note: {embedder.note}', markup=False, highlight=False)
    spread_s = embedder.config.data.max_spread_s if max_spread_s is None else max_spread_s
    with _progress_bar(console) as bar:
        task = bar.add_task(f'teaching {printable(bag.name)}', total=1.0)
        demonstration = teach(
            embedder,
            bag,
            cameras,
            out,
            name=name,
            max_spread_s=spread_s,
            progress=lambda done: bar.update(task, completed=done),
        )
    for line in describe_demonstration(demonstration):
        console.print(line, markup=False, highlight=False)
    console.print(f'written: {out}', markup=False, highlight=False)
    return demonstration


def run_follow(
    model: Path,
    demonstrations: Sequence[Path],
    bag: Path,
    *,
    cameras: Sequence[str] = (),
    csv_path: Path | None = None,
    start_s: float = 0.0,
    max_spread_s: float | None = None,
    absent_after_s: float | None = 0.5,
    match: MatchConfig | None = None,
    device: str = 'auto',
    threads: int = 1,
    engine: str = 'auto',
    console: Console | None = None,
) -> list[Match]:
    """
    Follow a recording through demonstrations, as the node would, and show what came of it.

    Args:
        model: a RUN folder or model file.
        demonstrations: files taught with this model.
        bag: the recording.
        cameras: which to use; empty means those that were taught, or all if none was.
        csv_path: where to write one row per set (`CSV_COLUMNS`); must not exist.
        start_s: skip this much of the recording.
        max_spread_s: of one set; None means as in training.
        absent_after_s: go on without a camera silent for this long; None requires all.
        match: how to match; None means the defaults.
        device: where to embed.
        threads: of one operator, on the CPU.
        engine: auto, torch or onnx.
        console: where to write; None means standard output.

    Returns:
        The matches, one per set.
    """
    console = console or Console()
    embedder = Embedder.load(model, device, threads, engine)
    if embedder.note:
        console.print(f'note: {embedder.note}', markup=False, highlight=False)
    loaded = [load(path, embedder.model_hash) for path in demonstrations]
    follower = Follower(embedder, loaded, match or MatchConfig())
    spread_s = embedder.config.data.max_spread_s if max_spread_s is None else max_spread_s
    with open_recording(bag, cameras or choose_cameras(bag, loaded)) as recording:
        names, size = tuple(recording.cameras), embedder.input_size
        sets = RecordedSets(recording, names, spread_s, absent_after_s, start_s, size)
        with _progress_bar(console) as bar:
            followed = _shown(follow_recording(follower, sets), sets, bar)
            matches = list(_write_csv(followed, csv_path))
        notes = list(recording.notes)
    console.print(_state_table(matches, f'{printable(bag.name)} by {", ".join(sets.cameras)}'))
    for line in (*describe_matches(matches), f'frames in no set: {sets.describe_dropped()}'):
        console.print(line, markup=False, highlight=False)
    for note in notes:
        console.print(f'note: {printable(note)}', markup=False, highlight=False)
    return matches


def choose_cameras(bag: Path, demonstrations: Sequence[Demonstration]) -> tuple[str, ...]:
    """Name the cameras of a recording that were taught, or all of them if none was."""
    with open_recording(bag) as recording:
        present = tuple(recording.cameras)
    taught = {camera for demonstration in demonstrations for camera in demonstration.cameras}
    return tuple(camera for camera in present if camera in taught) or present


def describe_demonstration(demonstration: Demonstration) -> Iterator[str]:
    """Say in a few lines how good a demonstration is, as far as its file tells."""
    yield (
        f'{demonstration.name}: {len(demonstration)} timesteps, '
        f'{demonstration.duration_s:.1f} s, cameras {", ".join(demonstration.cameras)}'
    )
    errors = alignment_per_pair(demonstration.embeddings)
    for (i, j), error in errors.items():
        pair = f'{demonstration.cameras[i]} found in {demonstration.cameras[j]}'
        yield f'  {pair}: alignment error {error:.1%} (chance {CHANCE:.1%})'
    if not errors:
        yield '  one camera: how well another view would find its way cannot be told'
    rating = demonstration.rating
    if rating is None:
        return
    yield f'  {rating.unique:.0%} of it looks like no other part of it'
    for one in rating.likenesses[:MAX_TOLD]:
        yield (
            f'  {one.first_s[0]:.1f}-{one.first_s[1]:.1f} s looks like '
            f'{one.second_s[0]:.1f}-{one.second_s[1]:.1f} s: told apart only by what came before'
        )
    if len(rating.likenesses) > MAX_TOLD:
        yield f'  and {len(rating.likenesses) - MAX_TOLD} more'
    yield f'  quality {rating.score:.2f} of 1'


def describe_matches(matches: Sequence[Match]) -> Iterator[str]:
    """Say which part of which demonstrations was matched in states that can be acted on."""
    acted = [match for match in matches if match.state.actionable]
    if not acted:
        yield 'nothing was matched'
    for name, sets in Counter(match.demonstration for match in acted).most_common():
        times = [match.time_s for match in acted if match.demonstration == name]
        yield f'{name}: {sets} sets at {min(times):.1f} ... {max(times):.1f} s of it'


def _state_table(matches: Sequence[Match], title: str) -> Table:
    table = Table(title=Text(title), title_justify='left')
    table.add_column('state')
    for heading in ('sets', 'share', 'mean confidence', 'mean distance'):
        table.add_column(heading, justify='right')
    for state in State:
        of_state = [match for match in matches if match.state is state]
        if of_state:
            count = len(of_state)
            table.add_row(
                state.value,
                str(count),
                f'{count / len(matches):.1%}',
                f'{sum(match.confidence for match in of_state) / count:.2f}',
                f'{sum(match.distance for match in of_state) / count:.3f}',
            )
    return table


def _write_csv(followed: Iterable[Followed], path: Path | None) -> Iterator[Match]:
    """Pass matches on, writing each to the file as it comes."""
    if path is None:
        yield from (one.match for one in followed)
        return
    with _open_new(path) as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for one in followed:
            writer.writerow(_row(one.match))
            yield one.match


def _open_new(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open('x', newline='', encoding='utf-8')
    except FileExistsError as err:
        raise DataError(f'{path}: exists and is not overwritten') from err
    except OSError as err:
        raise DataError(f'{path}: cannot be written ({err.strerror})') from err


def _row(match: Match) -> tuple[object, ...]:
    return (
        match.stamp_ns,
        match.demonstration,
        match.timestep,
        f'{match.time_s:.3f}',
        f'{match.progress:.4f}',
        f'{match.rate:.3f}',
        f'{match.distance:.4f}',
        f'{match.confidence:.3f}',
        f'{match.margin:.4f}',
        match.state.value,
    )


def _shown(followed: Iterable[Followed], sets: RecordedSets, bar: Progress) -> Iterator[Followed]:
    """Pass results on, moving the bar."""
    task = bar.add_task('following', total=1.0)
    any_yet = False
    for one in followed:
        any_yet = True
        bar.update(task, completed=sets.progress)
        yield one
    if not any_yet:
        raise BagError(
            f'no complete set of {", ".join(sets.cameras)} was found; frames in no set: '
            f'{sets.describe_dropped()}: try other --cameras or a larger spread'
        )


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
