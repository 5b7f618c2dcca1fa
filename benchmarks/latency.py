"""
From a camera's stamp to its match: the stages inside the node, then the whole node over DDS.

The stages are those of the node's own line, fed with the messages of two VGA cameras and timed in
the thread that computes. Over DDS the player sends the recording at 30 Hz as if it happened now:
alone, beside another process that keeps one core busy, and with a network slower than the cameras.
"""

from __future__ import annotations

from timing import machine, median, p99, require, table, threads  # isort: skip

import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

from materials import CAMERAS, make_bag, make_model
import numpy as np
from rich.console import Console
from sensor_msgs.msg import CompressedImage
from smaknet_core import embedder as embedder_module
from smaknet_core.data.bags import open_recording
from smaknet_core.demonstration import load
from smaknet_core.embedder import Embedder
from smaknet_core.export import run_export
from smaknet_core.follow import Follower, teach
from smaknet_ros import images, parameters
from smaknet_ros.conversions import to_time
from smaknet_ros.health import CameraHealth
from smaknet_ros.line import Line
from smaknet_ros.live import LiveRun, play_into_node
from smaknet_ros.settings import settings_of
from smaknet_ros.slots import Arrival

SECONDS, HZ = 5.0, 30.0
PERIOD_MS = 1e3 / HZ
CLOCK = time.thread_time


class Stage:
    """Times every call of a function that it stands in for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.spent_ms = 0.0

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Call it."""
        start = CLOCK()
        try:
            return self._function(*args, **more)
        finally:
            self.spent_ms += 1e3 * (CLOCK() - start)

    def take(self) -> float:
        """Give the milliseconds since last asked."""
        spent, self.spent_ms = self.spent_ms, 0.0
        return spent


def stages(model: Path, demonstration: Path, bag: Path, engine: str) -> dict[str, np.ndarray]:
    """Put a recording through the node's line, set by set; milliseconds by stage."""
    embedder = Embedder.load(model, 'cpu', engine=engine)
    settings = settings_of(parameters.resolve({'cameras': list(CAMERAS)}))
    follower = Follower(embedder, [load(demonstration)], settings.match)
    health = {name: CameraHealth() for name in CAMERAS}
    line = Line(settings, follower, health, lambda *_: None)
    timed = {
        'decode': Stage(images.decode),
        'resize': Stage(embedder_module.resize_into),
        'network': Stage(embedder.engine.embed),
        'matching': Stage(follower._tracker.update),
    }
    spent: dict[str, list[float]] = {name: [] for name in (*timed, 'all else')}
    before = images.decode, embedder_module.resize_into
    images.decode, embedder_module.resize_into = timed['decode'], timed['resize']
    embedder.engine.embed = timed['network']  # type: ignore[method-assign]
    follower._tracker.update = timed['matching']  # type: ignore[method-assign]
    try:
        for arrivals in _arrivals(bag):
            start = CLOCK()
            results = line.take(arrivals)
            whole = 1e3 * (CLOCK() - start)
            require(len(results) == 1 and not results[0].failure, 'a set was not matched')
            parts = {name: stage.take() for name, stage in timed.items()}
            for name, part in parts.items():
                spent[name].append(part)
            spent['all else'].append(whole - sum(parts.values()))
    finally:
        images.decode, embedder_module.resize_into = before
    return {name: np.array(times[5:]) for name, times in spent.items()}


def _arrivals(bag: Path) -> Iterator[list[Arrival]]:
    waiting: dict[str, Arrival] = {}
    with open_recording(bag) as recording:
        for raw in recording.raw_frames():
            msg = CompressedImage(format='jpeg', data=array.array('B', bytes(raw.message().data)))
            msg.header.stamp = to_time(raw.stamp_ns)
            msg.header.frame_id = raw.camera
            waiting[raw.camera] = Arrival(raw.camera, msg, raw.stamp_ns, time.monotonic())
            if len(waiting) == len(CAMERAS):
                yield list(waiting.values())
                waiting = {}


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy with another process."""
    process = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def summary(name: str, run: LiveRun) -> list[Any]:
    """Give what a run over DDS showed: a row."""
    first: dict[int, Any] = {}
    for status in run.statuses:
        first.setdefault(status.stamp_ns, status)
    latency = np.array([1e3 * float(s.values['latency']) for s in first.values()])[5:]
    third = len(latency) // 3
    growth = float(np.median(latency[-third:]) / np.median(latency[:third]))
    sets = f'{len(first)} of {round(SECONDS * HZ)}'
    return [name, sets, median(latency), p99(latency), f'{p99(latency) / PERIOD_MS:.1f}',
            f'{growth:.2f}']  # fmt: skip


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name, threads(1):
        folder = Path(name)
        model = make_model(folder / 'model.safetensors')
        run_export(model, console=Console(quiet=True))
        slow = make_model(folder / 'slow.safetensors', 512)
        bag = make_bag(folder / 'bag', SECONDS, HZ)
        taught = folder / 'taught.safetensors'
        teach(Embedder.load(model, 'cpu'), bag, [], taught, name='taught')
        taught_slow = folder / 'taught_slow.safetensors'
        short = make_bag(folder / 'short', 2, 10)
        teach(Embedder.load(slow, 'cpu'), short, [], taught_slow, name='taught')
        print(f'{machine()}. Two cameras, 640 x 480 JPEG, 30 Hz, 128 px, one thread.\n')
        inside = {e: stages(model, taught, bag, e) for e in ('torch', 'onnx')}
        _print_stages(inside, whole_jpegs_ms(bag))
        rows = [summary('alone', play_into_node(model, [taught], bag, stamp='now'))]
        with busy_core():
            run = play_into_node(model, [taught], bag, stamp='now')
        rows.append(summary('one core busy', run))
        run = play_into_node(slow, [taught_slow], bag, stamp='now')
        rows.append(summary('network slower than the cameras', run))
    columns = ['node over DDS', 'sets matched', 'ms, median', 'p99', 'periods, p99',
               'last third / first']  # fmt: skip
    print(table(columns, rows))


def whole_jpegs_ms(bag: Path) -> float:
    """Give what decoding all pixels of a set's frames takes."""
    spent = []
    for arrivals in _arrivals(bag):
        start = CLOCK()
        for arrival in arrivals:
            images.decode(arrival.msg)
        spent.append(1e3 * (CLOCK() - start))
    return median(np.array(spent[5:]))


def _print_stages(inside: dict[str, dict[str, np.ndarray]], jpegs_ms: float) -> None:
    rows = [
        [name, *(f(inside[e][name]) for e in inside for f in (median, p99))]
        for name in inside['onnx']
    ]
    print(table(['stage, of a set', 'torch ms', 'p99', 'onnx ms', 'p99'], rows))
    for engine, spent in inside.items():
        own = sum(
            median(times) for name, times in spent.items() if name not in ('network', 'decode')
        )
        network = median(spent['network'])
        allowed = network / 4 + jpegs_ms
        print(
            f'Neither network nor decoding, {engine}: {own:.2f} ms, {own / network:.0%} of the '
            f'network. With decoding: {own + median(spent["decode"]):.2f} ms; asked for: '
            f'{allowed:.2f} ms, a quarter of the network and decoding all pixels.'
        )
    print(flush=True)


if __name__ == '__main__':
    main()
