"""
Let the node run for long under full load, and see whether anything grows, leaks or gets slower.

Two cameras of 640 x 480 JPEG at 30 Hz, published by a second process, are matched by the real
node; a third process (this one) listens, and looks at the node's memory, threads and files.
Run: `python benchmarks/soak.py` (30 minutes) or `--seconds 120`; writes soak.json and soak.png,
and ends with 1 if the node did what it must not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import datetime
import json
import os
from pathlib import Path
import platform
import subprocess
import sys
import tempfile
import time
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'ros'))
from conftest import Graph, make_world, World

DRIVER = Path(__file__).with_name('camera_driver.py')
SIZE = (640, 480)
FADES = 3  # pictures made of each recorded one: 10 Hz become 30
FLAT = 0.05  # share of its memory by which the node may grow after warming up
WARM_UP = 0.25  # share of the time, but not more than a minute
BUCKETS = 30  # points of the latency's curve


@dataclass(frozen=True)
class Sample:
    """What the kernel says of the node at one moment."""

    at_s: float
    memory_mb: float
    threads: int
    files: int


def write_pictures(world: World, folder: Path) -> None:
    """Write what the cameras show: the recording, larger, faded to three times 10 Hz."""
    for camera, images in world.images.items():
        (folder / camera).mkdir(parents=True)
        for number in range((len(images) - 1) * FADES):
            one, other = images[number // FADES], images[number // FADES + 1]
            share = number % FADES / FADES
            picture = cv2.addWeighted(one, 1 - share, other, share, 0)
            large = cv2.resize(picture, SIZE, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / camera / f'{number:05d}.jpg'), large[..., ::-1])


def look_at(pid: int, at_s: float) -> Sample:
    """Read a process's memory, threads and open files."""
    rows = dict(
        row.split(':', 1) for row in Path(f'/proc/{pid}/status').read_text('ascii').splitlines()
    )
    files = len(os.listdir(f'/proc/{pid}/fd'))
    return Sample(at_s, int(rows['VmRSS'].split()[0]) / 1024, int(rows['Threads']), files)


def run(seconds: float, hz: float) -> dict[str, Any]:
    """Run cameras and node for so long; give the numbers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(folder)
        write_pictures(world, folder / 'pictures')
        graph = Graph()
        try:
            return _run(graph, world, folder / 'pictures', seconds, hz)
        finally:
            graph.close()


def _run(graph: Graph, world: World, pictures: Path, seconds: float, hz: float) -> dict[str, Any]:
    node = graph.start(world.parameters('front', 'side', frozen_check=False))
    graph.wait_until_active()
    command = [sys.executable, str(DRIVER), str(pictures), '--hz', str(hz)]
    with subprocess.Popen(command, env=graph.environment) as driver:
        try:
            graph.wait(lambda: graph.run.statuses, 'the first set')
            samples = _watch(graph, node.pid, seconds)
        finally:
            driver.kill()
    code = node.stop()
    return _numbers(graph, samples, code, node.log())


def _watch(graph: Graph, pid: int, seconds: float) -> list[Sample]:
    samples, began_s = [], time.monotonic()
    every_s = max(0.25, seconds / 600)
    while (at_s := time.monotonic() - began_s) < seconds:
        samples.append(look_at(pid, at_s))
        graph.spin(every_s)
        if sys.stderr.isatty():
            print(f'\r{at_s:5.0f} s, {samples[-1].memory_mb:.0f} MB', end='', file=sys.stderr)
    return samples


def _numbers(graph: Graph, samples: Sequence[Sample], code: int, log: str) -> dict[str, Any]:
    seconds = samples[-1].at_s
    warm_s = min(60.0, WARM_UP * seconds)
    warm = [sample for sample in samples if sample.at_s >= warm_s]
    quarter = max(1, len(warm) // 4)
    first, last = (
        float(np.median([sample.memory_mb for sample in part]))
        for part in (warm[:quarter], warm[-quarter:])
    )
    statuses = graph.run.statuses
    began_s = statuses[0].received_s
    sets = [status for status in statuses if not status.values['waiting_for']]
    latencies = [(s.received_s - began_s, 1e3 * float(s.values['latency'])) for s in sets]
    return {
        'date': datetime.date.today().isoformat(),
        'machine': f'{os.cpu_count()} cores, Python {platform.python_version()}',
        'load': os.getloadavg()[0],
        'seconds': seconds,
        'sets': len(sets),
        'matches': len(graph.run.matches),
        'states': Counter(status.state for status in sets),
        'overdue_ticks': len(statuses) - len(sets),
        'memory_mb': [first, last],
        'growth': last / first - 1,
        'threads': sorted({sample.threads for sample in warm}),
        'files': sorted({sample.files for sample in warm}),
        'latency_ms': _percentiles(latencies, seconds),
        'exit_code': code,
        'traceback': 'Traceback' in log,
        'samples': [asdict(sample) for sample in samples],
    }


def _percentiles(latencies: Sequence[tuple[float, float]], seconds: float) -> list[dict[str, Any]]:
    """Give median, 95th and 99th percentile of each part of the time that had sets."""
    rows = []
    for start in np.linspace(0, seconds, BUCKETS, endpoint=False):
        inside = [ms for at_s, ms in latencies if start <= at_s < start + seconds / BUCKETS]
        if inside:
            p50, p95, p99 = np.percentile(inside, [50, 95, 99]).tolist()
            rows.append({'at_s': float(start), 'sets': len(inside), 'p50': p50, 'p95': p95})
            rows[-1]['p99'] = p99
    return rows


def complaints(numbers: dict[str, Any]) -> list[str]:
    """Say what the node did that it must not; how fast the machine was is no part of it."""
    first, last = numbers['memory_mb']
    checks = {
        f'memory went from {first:.0f} to {last:.0f} MB': numbers['growth'] > FLAT,
        f'threads came or went: {numbers["threads"]}': len(numbers['threads']) > 1,
        f'open files came or went: {numbers["files"]}': len(numbers['files']) > 1,
        f'LOST for {numbers["states"].get("LOST", 0)} sets': 'LOST' in numbers['states'],
        'no set was matched': not numbers['matches'],
        f'exit code {numbers["exit_code"]}': numbers['exit_code'] != 0,
        'a traceback in its log': numbers['traceback'],
    }
    return [text for text, wrong in checks.items() if wrong]


def draw(numbers: dict[str, Any], path: Path) -> None:
    """Draw memory and latency over time."""
    from matplotlib.figure import Figure

    figure = Figure((8, 5), layout='constrained')
    memory, latency = figure.subplots(2, 1, sharex=True)
    samples, rows = numbers['samples'], numbers['latency_ms']
    memory.plot([s['at_s'] for s in samples], [s['memory_mb'] for s in samples])
    most = 1.1 * max(s['memory_mb'] for s in samples)
    memory.set(ylabel='resident memory, MB', ylim=(0, most), title='smaknet_matcher, 2 x VGA JPEG')
    for name in ('p50', 'p95', 'p99'):
        latency.plot([r['at_s'] for r in rows], [r[name] for r in rows], label=name)
    latency.set(ylabel='received to published, ms', xlabel='seconds', ylim=(0, None))
    latency.legend()
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run the soak; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seconds', type=float, default=1800.0, help='how long to stream')
    parser.add_argument('--hz', type=float, default=30.0, help='of each camera')
    parser.add_argument('--out', type=Path, default=Path('out/soak'), help='folder to write')
    args = parser.parse_args()
    numbers = run(args.seconds, args.hz)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'soak.json').write_text(json.dumps(numbers, indent=1), encoding='utf-8')
    draw(numbers, args.out / 'soak.png')
    print(json.dumps({k: v for k, v in numbers.items() if k not in ('samples', 'latency_ms')}))
    wrong = complaints(numbers)
    print('\n'.join(wrong) or 'nothing grew, leaked or got lost', file=sys.stderr)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
