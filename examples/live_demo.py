"""
`make demo`: the whole line on the small world, over real ROS 2, in minutes and without a robot.

Simulates demonstrations, trains on them, teaches one that was not trained on, plays another one
into the matcher node as a second process, listens as a third, and writes a page to look at.
"""

from __future__ import annotations

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch: do not spin on a shared CPU

import argparse  # noqa: E402
import dataclasses  # noqa: E402
from pathlib import Path  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from smaknet_core.config import load_yaml, TrainConfig  # noqa: E402
from smaknet_core.errors import SmaknetError  # noqa: E402
from smaknet_core.evaluation import run_evaluate  # noqa: E402
from smaknet_core.follow.commands import run_teach  # noqa: E402
from smaknet_core.report import Run, summary_table, write_report  # noqa: E402
from smaknet_core.simulation.recorder import record_many  # noqa: E402
from smaknet_core.training import run_train  # noqa: E402
from smaknet_ros.rehearsal import rehearse  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'config' / 'quick.yaml'
TRAINING, TESTING, OTHER = 1, 2, 3  # seeds: no episode is in two of the sets


def main() -> int:
    """Run the demo; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'demo', help='folder to write')
    parser.add_argument('--steps', type=int, default=500, help='training steps')
    args = parser.parse_args()
    console = Console()
    try:
        demonstrate(args.out, args.steps, console)
    except SmaknetError as err:
        print(f'live_demo: {err}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def demonstrate(out: Path, steps: int, console: Console) -> None:
    """Do all of it; what an earlier run left (episodes, the trained model) is used again."""
    simulate(out, console)
    model = out / f'run_{steps}_steps'
    if not (model / 'model.safetensors').exists():
        shutil.rmtree(model, ignore_errors=True)  # left by a demo that was interrupted
        console.rule('train, without labels')
        config = load_yaml(TrainConfig, CONFIG)
        config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, steps=steps))
        run_train([out / 'demos'], model, config, cache_dir=out / 'cache', console=console)
    console.rule('how well is an instant found in the other view, on episodes never trained on?')
    run_evaluate(model, [out / 'unseen'], cache_dir=out / 'cache', console=console)

    console.rule('teach one of them, from the front camera only')
    taught = out / 'unseen' / 'episode_000'
    demonstration = out / 'demonstration.safetensors'
    demonstration.unlink(missing_ok=True)
    run_teach(model, taught, demonstration, cameras=['front'], console=console)

    console.rule('live: three processes over DDS, the node sees the side camera only')
    runs = play(model, demonstration, taught, out, console)
    console.print(summary_table(runs, 'What the listener heard'))
    shutil.rmtree(out / 'report', ignore_errors=True)
    page, picture = write_report(
        out / 'report',
        runs,
        title='smaknet: where in the demonstration is the scene now?',
        notes=[
            'The demonstration was taught from the front camera; the node saw the side camera.',
            'None of these episodes was trained on.',
        ],
    )
    console.print(f'look at {page}\n    and {picture}', soft_wrap=True)


def simulate(out: Path, console: Console) -> None:
    """Record the episodes that are not there yet."""
    console.rule('simulate')
    sets = (
        ('demos', 14, TRAINING, 'normal'),
        ('unseen', 3, TESTING, 'normal'),
        ('other', 1, OTHER, 'other-task'),
    )
    with Progress(console=console) as bar:
        for name, count, seed, scenario in sets:
            task = bar.add_task(name, total=count)
            record_many(
                out / name,
                episodes=count,
                seed=seed,
                scenario=scenario,
                progress=lambda done, _total, task=task: bar.update(task, completed=done),
            )


def play(model: Path, demonstration: Path, taught: Path, out: Path, console: Console) -> list[Run]:
    """Play the unseen episode at two paces and the other task into the node."""
    streams = (
        ('same task', 'unseen/episode_001', 1.0, True),
        ('twice as fast', 'unseen/episode_002', 2.0, True),
        ('other task', 'other/episode_000', 1.0, False),
    )
    runs = []
    for title, bag, rate, known in streams:
        console.print(f'playing: {title} ...')
        run, _ = rehearse(
            title, model, demonstration, taught, out / bag, ['side'], rate=rate, known=known
        )
        runs.append(run)
    return runs


if __name__ == '__main__':
    sys.exit(main())
