"""
How much slower recording simulated pours is than MuJoCo alone: a bare loop of the same scenes.

Bare is what nothing can do without: stepping the liquid's physics, and for every frame the scene's
kinematics and its drawing; the scenes stand still, and composing them is not counted. Recorded is
all that `smaknet simulate` does, from starting its processes to the closed recording.
Proves first that a recording made by two processes is that of one, byte for byte.

Run: `python benchmarks/simulation_speed.py [--episodes N] [--workers W]`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
import filecmp
import multiprocessing
from pathlib import Path
import statistics
import sys
import tempfile
import time
from typing import Any

from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.pouring import Pouring
from smaknet_core.simulation.recorder import plan
from smaknet_core.simulation.streams import capture_times
from smaknet_core.simulation.workers import record_all
from smaknet_core.simulation.worlds import Episode, Settings


def main() -> None:
    """Prove, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n\n')[0])
    parser.add_argument('--episodes', type=int, default=6)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3, help='of bare and recorded, in turn')
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prove_equal(root)
        ratios = []
        for number in range(asked.rounds):
            series = plan(root / f'round_{number}', Settings(), asked.episodes, seed=number)
            bare_s, frames = time_bare([e for _, e in series.missing], asked.workers)
            began_s = time.perf_counter()
            record_all(series.missing, asked.workers, lambda _folder: None)
            recorded_s = time.perf_counter() - began_s
            ratios.append(bare_s / recorded_s)
            print(
                f'{asked.episodes} episodes, {frames} frames: bare {frames / bare_s:.0f}/s, '
                f'recorded {frames / recorded_s:.0f}/s or '
                f'{asked.episodes / recorded_s:.2f} episodes/s; ratio {ratios[-1]:.2f}'
            )
        print(f'recorded at {statistics.median(ratios):.2f} x the bare loop (median)')


def prove_equal(root: Path) -> None:
    """Record two episodes by one process and by two, and compare all files."""
    for workers in (1, 2):
        series = plan(root / f'by_{workers}', Settings(), 2, seed=99)
        record_all(series.missing, workers, lambda _folder: None)
    one, two = root / 'by_1', root / 'by_2'
    names = [str(path.relative_to(one)) for path in sorted(one.glob('*/*'))]
    if filecmp.cmpfiles(one, two, names, shallow=False)[0] != names:
        sys.exit('two processes record other files than one')
    print(f'one process and two record the same {len(names)} files')


def time_bare(episodes: Sequence[Episode], workers: int) -> tuple[float, int]:
    """Return seconds of the slowest process's bare loops, and the frames of all."""
    shares = [episodes[number::workers] for number in range(workers)]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        found = list(pool.map(bare_loops, shares))
    return max(seconds for seconds, _ in found), sum(frames for _, frames in found)


def bare_loops(episodes: Sequence[Episode]) -> tuple[float, int]:
    """Step and draw these episodes with nothing around it: seconds, frames."""
    seconds, frames = 0.0, 0
    for episode in episodes:
        world = Pouring(
            episode.seed,
            episode.scenario,
            episode.cameras,
            episode.size,
            episode.lab,
            episode.demonstrator,
        )
        for camera in world.cameras:
            world.render(camera, world.duration_s / 2)  # composes the scene; something is poured
        count = len(capture_times(world, episode.seed, episode.rate_hz))
        began_s = time.perf_counter()
        world._let_flow()
        for camera in world.cameras:
            draw(world._studio, camera, count)
        seconds += time.perf_counter() - began_s
        frames += count * len(world.cameras)
        world.close()
    return seconds, frames


def draw(studio: Any, camera: str, count: int) -> None:
    """Draw a scene that stands still so many times."""
    mj = mujoco()
    number = studio.model.camera(camera).id
    for _ in range(count):
        mj.mj_kinematics(studio.model, studio.data)
        mj.mj_camlight(studio.model, studio.data)
        studio.renderer.draw(studio.data, number)


if __name__ == '__main__':
    main()
