"""
How long it takes to match one set, by number of timesteps and of demonstrations.

Proves first that the fast filter's belief is that of a dense matrix, then times it beside the bare
products of the set's vectors with those that were taught.
"""

from __future__ import annotations

from timing import machine, median, p99, side_by_side, table, threads  # isort: skip

from collections.abc import Callable, Sequence
import itertools
from pathlib import Path
import sys
import time
import tracemalloc
from typing import Any

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching import Calibration, ForwardFilter, Taught

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'core'))
from dense_filter import SlowFilter
from embedding_world import World

CONFIG = MatchConfig()
SCALES = Calibration(sigma=0.3, outlier=0.5, sharpness=8.0)


def prove_equal() -> float:
    """Compare beliefs over a stream with pauses and jumps."""
    world = World(1, duration_s=1.5)
    taught = [world.taught()]
    fast = ForwardFilter(taught, SCALES, CONFIG)
    slow = SlowFilter(taught, SCALES, CONFIG)
    moments = [*np.arange(0, 1.5, 0.1), *[1.4] * 5, *np.arange(0.3, 1.2, 0.1)]
    for stamp, seen, _ in world.stream(moments):
        fast.update(stamp, seen)
        slow.update(stamp, seen['b'])
    inside, outside = fast.posterior
    worst = np.abs(np.append(inside.ravel(), outside) - slow.belief).max()
    if worst > 1e-3:
        sys.exit(f'the fast filter differs from the dense one by {worst:.1e}')
    return float(worst)


def make_taught(steps: int, count: int, cameras: tuple[str, ...], hz: float) -> list[Taught]:
    """Share timesteps out over demonstrations: walks on the sphere, as embeddings are."""
    rng = np.random.default_rng(0)
    each = steps // count
    taught = []
    for number in range(count):
        walk = rng.standard_normal((each, len(cameras), 32), np.float32)
        walk /= np.linalg.norm(walk, axis=2, keepdims=True)
        taught.append(Taught(f'demo {number}', walk, np.arange(each) / hz, cameras))
    return taught


def bare_product(taught: Sequence[Taught], cameras: int) -> Callable[[], object]:
    """Give what no matcher can do without: each camera's vector times all its views' vectors."""
    views = [
        np.ascontiguousarray(np.concatenate([one.embeddings[:, n] for one in taught]).T)
        for n in range(cameras)
    ]
    query = views[0][:, 0].copy()
    outs = [np.empty(view.shape[1], np.float32) for view in views]

    def product() -> None:
        for view, out in zip(views, outs, strict=True):
            np.dot(query, view, out=out)

    return product


def measure(steps: int, count: int, views: int, hz: float) -> list[Any]:
    """Time updates and products in turns, then count what updates leave allocated: a row."""
    cameras = ('a', 'b', 'c')[:views]
    taught = make_taught(steps, count, cameras, hz)
    tracker = ForwardFilter(taught, SCALES, CONFIG)
    frame = itertools.count()

    def update() -> None:
        i = next(frame)
        vectors = taught[0].embeddings[i % len(taught[0].embeddings)]
        tracker.update(10**18 + round(i / hz * 1e9), dict(zip(cameras, vectors, strict=True)))

    rounds = int(np.clip(2e6 / steps, 10, 300))
    tasks = {'match': update, 'product': bare_product(taught, views)}
    spent = side_by_side(tasks, rounds, 30, time.thread_time)
    tracemalloc.start()
    update()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        update()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    match, product = spent['match'], spent['product']
    return [f'{steps:,}', count, views, f'{median(match):.3f}', f'{p99(match):.3f}',
            f'{median(product):.3f}', f'{median(match) / median(product):.1f}',
            f'{grown / 20:.0f}']  # fmt: skip


def main() -> None:
    """Print a table of milliseconds per set."""
    difference = prove_equal()
    cases = [(100, 1, 1), (1000, 1, 1), (1000, 1, 2), (1000, 10, 2), (10_000, 1, 2),
             (10_000, 100, 2), (100_000, 100, 2), (1_000_000, 100, 2)]  # fmt: skip
    with threads(1):
        rows = [measure(*case, hz=10.0) for case in cases]
    print(f'{machine()}. Belief equals that of a dense matrix to {difference:.0e}.\n')
    columns = ['timesteps', 'demonstrations', 'cameras', 'ms a set, median', 'p99',
               'bare product, ms', 'ratio', 'bytes kept a set']  # fmt: skip
    print(table(columns, rows))


if __name__ == '__main__':
    main()
