"""The body of `smaknet explain`: a recording through the network, watching where it looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from smaknet_core.checkpoint import replace_file
from smaknet_core.data.bags import open_recording, Recording
from smaknet_core.data.sync import synchronise
from smaknet_core.embedder import Embedder
from smaknet_core.errors import BagError, ConfigError, DataError, printable
from smaknet_core.explain.figure import choose_times, draw_figure
from smaknet_core.explain.pictures import compose, look, Moment
from smaknet_core.explain.video import check_video_path, new_video, refuse_existing
from smaknet_core.model import title

USUAL_RATE_HZ = 10.0  # where a recording is too short to have one


class Pace(NamedTuple):
    """What a recording's stamps say of its camera sets before any is read."""

    sets: int  # about
    rate_hz: float
    duration_s: float


def run_explain(
    model: Path,
    bag: Path,
    out: Path,
    *,
    figure: Path | None = None,
    cameras: Sequence[str] = (),
    device: str = 'auto',
    threads: int = 1,
    console: Console | None = None,
) -> None:
    """
    Write the video and the figure of what a network looks at in a recording.

    Args:
        model: a RUN folder or model file.
        bag: the recording.
        out: the video, .mp4 or .avi; must not exist.
        figure: the figure, .png; None means beside the video. Must not exist.
        cameras: which to look at, 'name' or 'name:=/topic'; empty means all.
        device: where to compute.
        threads: torch's, on the CPU.
        console: where to write; None means standard output.

    Raises:
        ConfigError: the network has no attention, or a name another ending.
        BagError: the recording cannot be read, or has no complete camera set.
        DataError: it has no camera; a file exists or cannot be written.
    """
    console = console or Console()
    figure = out.with_suffix('.png') if figure is None else figure
    check_video_path(out)
    _check_figure_path(figure)
    embedder = Embedder.load(model, device, threads)
    _check_attention(embedder, model)
    with open_recording(bag, cameras) as recording:
        pace = _measure(recording)
        with new_video(out, pace.rate_hz) as video, _progress_bar(console) as bar:
            task = bar.add_task(f'explaining {printable(bag.name)}', total=pace.sets)
            times_s = choose_times(pace.duration_s)
            chosen: list[Moment] = []
            for moment in _watch(embedder, recording):
                video.write(compose(moment))
                if len(chosen) < len(times_s) and moment.time_s >= times_s[len(chosen)]:
                    chosen.append(moment)
                bar.update(task, completed=video.count)
    heading = f'{title(embedder.config.model)} on {recording.name}'
    _write_figure(figure, draw_figure(chosen, heading))
    told = '{} frames of {} x {}'.format(video.count, *video.size)
    told = f'{out}: {told} at {pace.rate_hz:.3g} Hz'
    for line in (told, f'{figure}: {len(chosen)} moments'):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _check_figure_path(path: Path) -> None:
    if path.suffix.lower() != '.png':
        raise ConfigError(f'{path}: expected a name that ends in .png')
    refuse_existing(path)


def _check_attention(embedder: Embedder, model: Path) -> None:
    data = embedder.config.data
    if not embedder.attention(np.zeros((data.height, data.width, 3), np.uint8)):
        name = title(embedder.config.model)
        raise ConfigError(f'{model}: {name} has no attention to explain it by')


def _measure(recording: Recording) -> Pace:
    """Find the pace of the slowest camera, for a set needs every one; DataError without any."""
    if not recording.cameras:
        topics = ', '.join(topic.name for topic in recording.topics) or 'none'
        raise DataError(f'{recording.path}: no camera topic in it (topics: {topics})')
    paces = [_pace(recording, camera) for camera in recording.cameras]
    return min(paces, key=lambda pace: pace.rate_hz)


def _pace(recording: Recording, camera: str) -> Pace:
    received, taken = recording.camera_stamps(camera)
    stamps = taken if recording.stamp_source[camera] == 'header' else received
    if len(stamps) < 2:
        return Pace(len(stamps), USUAL_RATE_HZ, 0.0)
    period_s = max(float(np.median(np.diff(stamps))) / 1e9, 1e-3)
    return Pace(len(stamps), 1 / period_s, float(stamps[-1] - stamps[0]) / 1e9)


def _watch(embedder: Embedder, recording: Recording) -> Iterator[Moment]:
    """Yield what the network looks at, set by set; BagError where there is no set."""
    spread_s = embedder.config.data.max_spread_s
    names = tuple(recording.cameras)
    start_ns: int | None = None
    for frames in synchronise(recording.frames(), names, spread_s):
        start_ns = frames.stamp_ns if start_ns is None else start_ns
        yield look(embedder, frames, start_ns)
    if start_ns is None:
        raise BagError(
            f'{recording.path}: no complete set of {", ".join(names)} within '
            f'{spread_s * 1e3:g} ms; smaknet check tells more'
        )


def _write_figure(path: Path, png: bytes) -> None:
    refuse_existing(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, png)
    except OSError as err:
        raise DataError(f'{path}: cannot be written ({err.strerror or err})') from err


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
