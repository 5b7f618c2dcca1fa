"""
How long it takes to match one set, by number of timesteps and of demonstrations.

Proves first that the fast filter's belief is that of a dense matrix, and measures how far it is
from that of a filter that follows every pace everywhere; then times it beside the bare products of
the set's vectors with those that were taught. Followed is a demonstration as it was taught, or,
where the table says so, what is in no demonstration.

    .venv/bin/python benchmarks/matching_speed.py --most 1000000
"""

from __future__ import annotations

from timing import machine, median, p99, side_by_side, table, threads  # isort: skip

import argparse
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
from dense_filter import apart, PlainFilter, SlowFilter
from embedding_world import World

CONFIG = MatchConfig()
UPDATES = 60  # over which memory is compared
SCALES = Calibration(sigma=0.3, outlier=0.5, sharpness=8.0, same_view=0.9)


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


def worst_apart() -> tuple[float, float, int]:
    """
    Compare beliefs over jumps, pauses, beginnings and what is hidden, in long demonstrations.

    Returns:
        The largest difference of a place's chance in all sets, its median over the sets, and
        how many there were.
    """
    found = []
    for seed in range(3):
        worlds = [World(10 * seed + n, duration_s=40) for n in range(3)]
        taught = [world.taught(name=str(n)) for n, world in enumerate(worlds)]
        filters = (ForwardFilter(taught, SCALES, CONFIG), PlainFilter(taught, SCALES, CONFIG))
        here, there = worlds[0], worlds[1]
        vectors = [
            *[here.see(t) for t in np.arange(5, 12, 0.1)],
            *[here.see(12)] * 20,
            *[here.see(t) for t in np.arange(0, 4, 0.1)],
            *[there.see(t) for t in np.arange(20, 24, 0.2)],
            *np.eye(32, dtype=np.float32)[:20],
            *[here.see(t) for t in np.arange(30, 34, 0.05)],
        ]
        stream = [(10**18 + number * 10**8, vector) for number, vector in enumerate(vectors)]
        found += apart(*filters, stream).tolist()
    return max(found), float(np.median(found)), len(found)


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


def measure(steps: int, count: int, views: int, hz: float, lost: bool = False) -> list[Any]:
    """Time updates and products in turns, then count what updates leave allocated: a row."""
    cameras = ('a', 'b', 'c')[:views]
    taught = make_taught(steps, count, cameras, hz)
    tracker = ForwardFilter(taught, SCALES, CONFIG)
    frame, rng = itertools.count(), np.random.default_rng(1)
    nowhere = rng.standard_normal((100, views, 32), np.float32)
    nowhere /= np.linalg.norm(nowhere, axis=2, keepdims=True)
    seen = nowhere if lost else taught[0].embeddings

    def update() -> None:
        i = next(frame)
        vectors = seen[i % len(seen)]
        tracker.update(10**18 + round(i / hz * 1e9), dict(zip(cameras, vectors, strict=True)))

    rounds = int(np.clip(2e6 / steps, 10, 300))
    tasks = {'match': update, 'product': bare_product(taught, views)}
    spent = side_by_side(tasks, rounds, 30, time.thread_time)
    tracemalloc.start()
    for _ in range(UPDATES):
        update()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(UPDATES):
        update()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    match, product = spent['match'], spent['product']
    scene = 'in no demonstration' if lost else 'followed'
    return [f'{steps:,}', count, views, scene, f'{median(match):.3f}', f'{p99(match):.3f}',
            f'{median(product):.3f}', f'{median(match) / median(product):.1f}',
            f'{grown / UPDATES:.0f}']  # fmt: skip


def main() -> None:
    """Print a table of milliseconds per set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--most', type=int, default=100_000, help='timesteps (default 100000)')
    most = parser.parse_args().most
    difference, (worst, middle, sets) = prove_equal(), worst_apart()
    cases = [(100, 1, 1), (1000, 1, 1), (1000, 1, 2), (1000, 10, 2), (10_000, 1, 2),
             (10_000, 100, 2), (100_000, 100, 2), (1_000_000, 100, 2)]  # fmt: skip
    cases = [case for case in cases if case[0] <= most]
    with threads(1):
        rows = [measure(*case, hz=10.0) for case in cases]
        rows += [measure(*case, hz=10.0, lost=True) for case in cases[-1:]]
    print(
        f'{machine()}; time of the thread. Beliefs equal those of a dense matrix to '
        f'{difference:.0e}; where not all is near, a chance is off by {worst:.0e} at most '
        f'({middle:.0e} in the median) over {sets} sets that jump, pause, begin and hide.\n'
    )
    columns = ['timesteps', 'demonstrations', 'cameras', 'scene', 'ms a set, median', 'p99',
               'bare product, ms', 'ratio', 'bytes kept a set']  # fmt: skip
    print(table(columns, rows))


if __name__ == '__main__':
    main()
