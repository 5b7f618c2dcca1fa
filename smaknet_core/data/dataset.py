"""
Recordings to clips: what training and evaluation start from, split by recording.

A split by frame would put neighbours of the training frames into the held-out set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
import dataclasses
import functools
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from smaknet_core.config import DataConfig, nearest
from smaknet_core.data import cache
from smaknet_core.data.bag_folder import find_recordings
from smaknet_core.errors import DataError
from smaknet_core.types import Clip


def load_clips(
    paths: Sequence[Path],
    cameras: Sequence[str],
    data: DataConfig,
    cache_dir: Path | None = None,
    console: Console | None = None,
) -> list[Clip]:
    """
    Load every recording that the paths lead to, through the cache.

    Args:
        paths: recordings or folders of them.
        cameras: names or `name:=/topic`; none means all that a recording has.
        data: size and largest spread.
        cache_dir: None means `cache.default_dir()`.
        console: where progress and notes go; None is silent.

    Raises:
        BagError: a recording cannot be read, or lacks a camera asked for.
        DataError: a recording gives no clip, or the cache cannot be written.
    """
    recordings = find_recordings(paths)
    folder = cache.default_dir() if cache_dir is None else cache_dir
    console = Console(quiet=True) if console is None else console
    with _progress_bar(console) as bar:
        task = bar.add_task('reading recordings', total=len(recordings), name='')

        def show(done: int, name: str, share: float) -> None:
            bar.update(task, completed=done + share, name=name)

        cached = [
            cache.load(path, cameras, data, folder, functools.partial(show, done))
            for done, path in enumerate(recordings)
        ]
        bar.update(task, completed=len(recordings))
    for entry in cached:
        for note in entry.notes:
            console.print(Text(f'{entry.clip.name}: {note}'))
    clips = _with_unique_names([entry.clip for entry in cached], recordings)
    _tell_missing_cameras(clips, console)
    return clips


def split(clips: Sequence[Clip], data: DataConfig, seed: int) -> tuple[list[Clip], list[Clip]]:
    """
    Part clips into those trained on and those held out; a function of the arguments alone.

    `data.held_out_names` wins over `data.held_out`, a share rounded to at least one recording.
    A single recording is trained on. Raises DataError for an unknown name, or when nothing
    would be left to train on.
    """
    names = [clip.name for clip in clips]
    unknown = [name for name in data.held_out_names if name not in names]
    if unknown:
        raise DataError(f'held_out_names: no recording {unknown[0]!r}{nearest(unknown[0], names)}')
    held = set(data.held_out_names)
    if not held and data.held_out > 0 and len(clips) > 1:
        count = min(max(1, round(data.held_out * len(clips))), len(clips) - 1)
        order = np.random.default_rng([seed, 0]).permutation(len(clips))
        held = {names[int(index)] for index in order[:count]}
    training = [clip for clip in clips if clip.name not in held]
    if not training:
        raise DataError('all recordings are held out, none is left to train on')
    return training, [clip for clip in clips if clip.name in held]


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


def _with_unique_names(clips: Sequence[Clip], paths: Sequence[Path]) -> list[Clip]:
    """Put the parent folder before names that several recordings share."""
    counts = Counter(clip.name for clip in clips)
    return [
        clip
        if counts[clip.name] == 1
        else dataclasses.replace(clip, name=f'{path.resolve().parent.name}/{clip.name}')
        for clip, path in zip(clips, paths, strict=True)
    ]


def _tell_missing_cameras(clips: Sequence[Clip], console: Console) -> None:
    """Views are only compared within a recording, so others may differ; but say so."""
    every = sorted({camera for clip in clips for camera in clip.cameras})
    for clip in clips:
        missing = [camera for camera in every if camera not in clip.views]
        if missing:
            console.print(Text(f'{clip.name}: has no camera {", ".join(missing)}'))
