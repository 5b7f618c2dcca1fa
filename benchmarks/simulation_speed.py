"""
How much slower recording simulated pours is than MuJoCo alone: a bare loop of the same scenes.

Bare is what nothing can do without: stepping the liquid's physics, and for every frame the scene's
kinematics and its drawing; the scenes stand still, and composing them is not counted. Recorded is
the command `smaknet simulate` itself, from its start to its end. It is timed as a user runs it:
were it this script that recorded, each of its processes would import what the script does, PyTorch
among that.
Proves first that a recording made by two processes is that of one, byte for byte.

Run: `python benchmarks/simulation_speed.py [--episodes N] [--workers W]`.
"""

from __future__ import annotations

from timing import machine, table  # isort: skip

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
import filecmp
import multiprocessing
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, cast, TYPE_CHECKING

from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.recorder import plan, record_many
from smaknet_core.simulation.streams import capture_times
from smaknet_core.simulation.worlds import Episode, Settings

if TYPE_CHECKING:
    from smaknet_core.simulation.physical.pouring import Pouring


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
        rows = [time_round(root, number, asked) for number in range(asked.rounds)]
    median = statistics.median(row[-1] for row in rows)
    print(
        f'{machine()}. {asked.episodes} episodes of two cameras by {asked.workers} processes; one '
        'process and two\nrecord the same files.\n'
    )
    print(table(['frames', 'bare, frames/s', 'recorded', 'episodes/s', 'of bare'], rows))
    print(f'\n**{median:.2f}** of the bare loop (median; asked: 0.8).')


def time_round(root: Path, number: int, asked: argparse.Namespace) -> list[float]:
    """Time the bare loops, then recording, of the same episodes: a row of the table."""
    out = root / f'round_{number}'
    series = plan(out, Settings(), asked.episodes, seed=number)
    bare_s, frames = time_bare([e for _, e in series.missing], asked.workers)
    recorded_s = time_command(out, asked.episodes, number, asked.workers)
    if plan(out, Settings(), asked.episodes, seed=number).missing:
        sys.exit('the command has recorded other episodes than were drawn bare')
    speeds = [frames / bare_s, frames / recorded_s, asked.episodes / recorded_s]
    return [frames, *speeds, bare_s / recorded_s]


def time_command(out: Path, episodes: int, seed: int, workers: int) -> float:
    """Record by the command, as a user does: seconds from its start to its end."""
    command = [sys.executable, '-m', 'smaknet_core', 'simulate', str(out)]
    command += ['--episodes', str(episodes), '--seed', str(seed), '--workers', str(workers)]
    began_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f'smaknet simulate: {done.stderr.strip()}')
    return time.perf_counter() - began_s


def prove_equal(root: Path) -> None:
    """Record two episodes by one process and by two, and compare all files."""
    for workers in (1, 2):
        record_many(root / f'by_{workers}', episodes=2, seed=99, world='physical', workers=workers)
    one, two = root / 'by_1', root / 'by_2'
    names = [str(path.relative_to(one)) for path in sorted(one.glob('*/*'))]
    if filecmp.cmpfiles(one, two, names, shallow=False)[0] != names:
        sys.exit('two processes record other files than one')


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
        world = cast('Pouring', episode.open())
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
