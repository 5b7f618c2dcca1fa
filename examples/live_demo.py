"""
`make demo`: a recorded task followed live over real ROS 2, in minutes and without a robot.

Teaches one of the sample recordings, plays others into the matcher node as a second process,
listens as a third, and writes a page to look at. With `--train` it makes all of it first: episodes
of the small simulated world, and a model trained on them without labels.
"""

from __future__ import annotations

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch: do not spin on a shared CPU

import argparse  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
import dataclasses  # noqa: E402
from dataclasses import dataclass  # noqa: E402
import importlib.metadata  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import platform  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from smaknet_core.checkpoint import load_model  # noqa: E402
from smaknet_core.config import load_yaml, TrainConfig  # noqa: E402
from smaknet_core.data.bags import open_recording  # noqa: E402
from smaknet_core.errors import DataError, SmaknetError  # noqa: E402
from smaknet_core.follow.commands import run_teach  # noqa: E402
from smaknet_core.report import Run, summary_table, write_report  # noqa: E402
from smaknet_core.report.browser import find_browser, take_picture  # noqa: E402
from smaknet_ros.rehearsal import rehearse  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / 'data' / 'sample'
MODEL = ROOT / 'models' / 'pouring.safetensors'
TAUGHT_FROM = 'third_person'  # camera of the sample, if there; seen from another one
CONFIG = ROOT / 'config' / 'quick.yaml'
TRAINING, TESTING, OTHER = 1, 2, 3  # seeds of --train: no episode is in two of the sets
PICTURE = (1280, 1046)  # of --screenshot: the first stream, from its title to its states


@dataclass(frozen=True)
class Stream:
    """One recording to play."""

    title: str
    bag: Path
    taught_by: Sequence[str]  # cameras of the demonstration
    seen_by: Sequence[str]  # cameras the node has
    rate: float = 1.0
    known: bool = True  # whether the scene is in the demonstration at all
    moments: int = 40


@dataclass(frozen=True)
class Material:
    """What a demo is made of."""

    model: Path
    taught: Path  # recording
    streams: Sequence[Stream]


def main() -> int:
    """Run the demo; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'demo', help='folder to write')
    parser.add_argument('--model', type=Path, default=MODEL, help='model file')
    parser.add_argument('--sample', type=Path, default=SAMPLE, help='folder of recordings')
    parser.add_argument('--train', action='store_true', help='simulate and train first')
    parser.add_argument('--steps', type=int, default=500, help='training steps of --train')
    parser.add_argument('--screenshot', type=Path, help='also photograph the page, with Chromium')
    args = parser.parse_args()
    console = Console()
    try:
        if args.screenshot:
            find_browser()  # not only after minutes
        train = args.train
        made = make(args.out, args.steps, console) if train else find(args.model, args.sample)
        page = demonstrate(made, args.out, console)
        if args.screenshot:
            take_picture(page, args.screenshot, PICTURE)
    except SmaknetError as err:
        print(f'live_demo: {err}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def demonstrate(material: Material, out: Path, console: Console) -> Path:
    """Teach, play, and write the page."""
    began_s = time.monotonic()
    runs: list[Run] = []
    demonstrations: dict[tuple[str, ...], Path] = {}
    for stream in material.streams:
        console.rule(f'taught from {_listed(stream.taught_by)}, live: {_listed(stream.seen_by)}')
        key = tuple(stream.taught_by)
        if key not in demonstrations:
            demonstrations[key] = teach(material, key, out, console)
        console.print(f'playing {stream.bag.name} over DDS: {stream.title} ...', highlight=False)
        run, _ = rehearse(
            stream.title,
            material.model,
            demonstrations[key],
            material.taught,
            stream.bag,
            stream.seen_by,
            rate=stream.rate,
            known=stream.known,
            moments=stream.moments,
        )
        runs.append(run)
    console.print(summary_table(runs, 'What a third process heard'))
    page = write(runs, material, out)
    console.print(f'{time.monotonic() - began_s:.0f} s; look at {page}', soft_wrap=True)
    return page


def teach(material: Material, cameras: Sequence[str], out: Path, console: Console) -> Path:
    """Make the demonstration of these cameras anew; give its file."""
    path = out / f'taught_from_{"_".join(cameras)}.safetensors'
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    run_teach(material.model, material.taught, path, cameras=cameras, console=console)
    return path


def write(runs: Sequence[Run], material: Material, out: Path) -> Path:
    """Write the page."""
    return write_report(
        out,
        runs,
        title='Where in the demonstration is the scene now?',
        notes=[
            'A task was shown once. While it is done again, seen from elsewhere, at another pace, '
            'smaknet says at which moment of the demonstration it is, and how sure that is. This '
            'is what its ROS 2 node published while recordings were played to it over DDS; '
            'none of them was trained on.'
        ],
        facts=describe(material),
    )


# The recordings and the model of the repository.


def find(model: Path, sample: Path) -> Material:
    """Choose what to teach and to play among recordings that the model was not trained on."""
    for path in (model, sample):
        if not path.exists():
            raise DataError(
                f'{path} is not here: get it back with `git checkout -- data models`, or do '
                'without by `.venv/bin/python examples/live_demo.py --train`'
            )
    unseen = {bag: task_of(bag) for bag in held_out(sample)}
    task = Counter(unseen.values()).most_common(1)[0][0]
    taught, *same = [bag for bag, its_task in unseen.items() if its_task == task]
    strange = [bag for bag, its_task in unseen.items() if its_task != task]
    with open_recording(taught) as recording:
        cameras = sorted(recording.cameras, key=lambda name: name != TAUGHT_FROM)
    one, another = cameras[0], cameras[min(1, len(cameras) - 1)]
    both = [one, another]
    if not same:
        raise DataError(f'{sample}/README.md: names one held-out recording of its task, not two')
    alike = [bag for bag in same if who_acts(bag) == who_acts(taught)] or same
    others = [bag for bag in same if bag not in alike]
    streams = [
        Stream(f'Taught from {one}, seen from {another}', alike[0], [one], [another]),
        Stream('Both cameras, at double speed', alike[-1], both, both, 2.0),
    ]
    streams += [
        Stream(f'Taught by a {who_acts(taught)}, done by a {who_acts(bag)}', bag, both, both)
        for bag in others[:1]
    ]
    streams += [
        Stream('Another task', bag, both, both, known=False, moments=8) for bag in strange[:1]
    ]
    return Material(model, taught, streams)


def held_out(sample: Path) -> list[Path]:
    """List the recordings that the README beside them calls held out, by their paths in it."""
    try:
        lines = (sample / 'README.md').read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f'{sample}/README.md: cannot be read ({err})') from err
    told = ' '.join(line for line in lines if re.search(r'held.out', line, re.IGNORECASE))
    named = [
        bag
        for bag in recordings(sample)
        if re.search(rf'\b{re.escape(str(bag.relative_to(sample)))}\b', told)
    ]
    if not named:
        raise DataError(f'{sample}/README.md: names no recording that was held out')
    return named


def recordings(sample: Path) -> list[Path]:
    """List the recordings in a folder and its folders."""
    return sorted(path.parent for path in sample.glob('**/metadata.yaml'))


def task_of(bag: Path) -> str:
    """Name a recording's task, '' when unknown."""
    with open_recording(bag) as recording:
        return recording.task


def who_acts(bag: Path) -> str:
    """Say who does the task, hand or robot; '' when unknown."""
    try:
        told = json.loads((bag / 'episode.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return ''
    return str(told.get('demonstrator', '')) if isinstance(told, dict) else ''


# The small world, with training.


def make(out: Path, steps: int, console: Console) -> Material:
    """Simulate and train; what an earlier run left is used again."""
    from smaknet_core.evaluation import run_evaluate
    from smaknet_core.training import run_train

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
    unseen, other = out / 'unseen', out / 'other' / 'episode_000'
    one, both = ['front'], ['front', 'side']
    streams = [
        Stream('Taught from front, seen from side', unseen / 'episode_001', one, ['side']),
        Stream('Both cameras, at double speed', unseen / 'episode_002', both, both, 2.0),
        Stream('Another task', other, both, both, known=False, moments=8),
    ]
    return Material(model / 'model.safetensors', unseen / 'episode_000', streams)


def simulate(out: Path, console: Console) -> None:
    """Record the episodes that are not there yet."""
    from smaknet_core.simulation.recorder import record_many

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


# What the page says it was made with.


def describe(material: Material) -> dict[str, str]:
    """Name model, recordings, machine and versions."""
    model = load_model(material.model)
    summary = model.summary
    played = ', '.join(dict.fromkeys(_shown(stream.bag) for stream in material.streams))
    trained = f'{summary.get("steps", "?")} steps, {len(summary.get("recordings", []))} recordings'
    versions = [f'{name} {importlib.metadata.version(name)}' for name in ('smaknet_ros', 'torch')]
    ros = os.environ.get('ROS_DISTRO') or 'kilted, as wheels'
    return {
        'model': f'{_shown(material.model)}, SHA-256 {model.hash[:16]}…, trained on {trained}',
        'taught': _shown(material.taught),
        'played': played,
        'machine': ', '.join(machine()),
        'software': ', '.join([*versions, f'Python {platform.python_version()}', f'ROS 2 {ros}']),
        'date': time.strftime('%Y-%m-%d %H:%M %z'),
    }


def machine() -> Iterator[str]:
    """Describe this machine: processor, cores it may use, system."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    yield names[0] if names else platform.machine()
    yield f'{len(os.sched_getaffinity(0))} cores'
    yield f'{platform.system()} {platform.release()}'


def _shown(path: Path) -> str:
    """Write a path from the repository on, without what is private about this machine."""
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _listed(names: Sequence[str]) -> str:
    return ' and '.join(names)


if __name__ == '__main__':
    sys.exit(main())
