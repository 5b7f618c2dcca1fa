"""
How long it takes to match one set, by length of the demonstration and of the stream so far.

Proves first that the fast filter's belief is that of a dense matrix, then times it.
Run: `python benchmarks/matching_speed.py`.
"""

from __future__ import annotations

from pathlib import Path
import sys
import time

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching import Calibration, ForwardFilter, Taught

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'core'))
from dense_filter import SlowFilter
from embedding_world import World

CONFIG = MatchConfig()
SCALES = Calibration(sigma=0.3, outlier=0.5, sharpness=8.0)


def prove_equal() -> None:
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
    print(f'fast and dense belief differ by at most {worst:.0e}')


def time_update(steps: int, cameras: tuple[str, ...], hz: float) -> np.ndarray:
    """Give the milliseconds of each of 1000 updates."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((steps, len(cameras), 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    tracker = ForwardFilter(
        [Taught('demo', vectors, np.arange(steps) / hz, cameras)], SCALES, CONFIG
    )
    spent = []
    for i in range(1000):
        seen = dict(zip(cameras, vectors[i % steps], strict=True))
        start = time.perf_counter()
        tracker.update(10**18 + round(i / hz * 1e9), seen)
        spent.append(1e3 * (time.perf_counter() - start))
    return np.array(spent)


def main() -> None:
    """Print a table of milliseconds per set."""
    prove_equal()
    print('timesteps  cameras   Hz |  p50 ms  p95 ms | p50 of the first and the last hundred')
    for steps, views, hz in (
        (100, 1, 10),
        (300, 2, 10),
        (1000, 1, 10),
        (1000, 3, 30),
        (5000, 2, 30),
    ):
        spent = time_update(steps, ('a', 'b', 'c')[:views], hz)
        p50, p95 = np.quantile(spent, [0.5, 0.95])
        early, late = np.median(spent[:100]), np.median(spent[-100:])
        print(f'{steps:9d} {views:8d} {hz:4d} | {p50:7.3f} {p95:7.3f} | {early:.3f} {late:.3f}')


if __name__ == '__main__':
    main()
