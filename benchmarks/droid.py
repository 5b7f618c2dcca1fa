"""
How well take_0 of DROID is followed, from which camera, and how silent it is on other takes.

Teaches one camera of one take with a trained model, then follows every take from every camera.
In the taught take the truth is known: all cameras share their stamps. In the others, scenes and
tasks differ, so every published match is a false one. With --live the same through player and
node over DDS, for the taught take's cameras and one other take.

    .venv/bin/smaknet train ../shared/data/droid --out out/run --config config/quick.yaml
    .venv/bin/python benchmarks/droid.py --model out/run --data ../shared/data/droid --live
"""

from __future__ import annotations

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch

import argparse  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
import tempfile  # noqa: E402

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from smaknet_core.baselines import nearest_raw_image, thumbnail  # noqa: E402
from smaknet_core.config import MatchConfig  # noqa: E402
from smaknet_core.data.bags import open_recording  # noqa: E402
from smaknet_core.data.sync import synchronise  # noqa: E402
from smaknet_core.demonstration import Demonstration  # noqa: E402
from smaknet_core.embedder import Embedder  # noqa: E402
from smaknet_core.follow import Follower, teach  # noqa: E402
from smaknet_core.types import FrameSet, Match  # noqa: E402

CAMERAS = ('exterior_1', 'exterior_2', 'wrist')
SPREAD_S = 0.05


def main() -> None:
    """Print one row per take and camera."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, required=True)
    parser.add_argument('--data', type=Path, required=True, help='folder of the takes')
    parser.add_argument('--taught', default='take_0')
    parser.add_argument('--camera', default='exterior_1', help='that the take is taught from')
    parser.add_argument('--live', action='store_true', help='also through player and node')
    args = parser.parse_args()
    embedder = Embedder.load(args.model, 'cpu')
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'demonstration.safetensors'
        demo = teach(embedder, args.data / args.taught, [args.camera], file)
        table = _table(f'{args.taught} taught from {args.camera}, followed from')
        takes = sorted(path for path in args.data.iterdir() if path.is_dir())
        trained = set(embedder.summary['recordings'])
        for take in takes:
            for camera in CAMERAS:
                sets = _sets(take, camera)
                matches = _follow(embedder, demo, sets)
                truth = _truth(demo, sets) if take.name == args.taught else None
                raw = _raw_pixels(args.data / args.taught, args.camera, demo, sets)
                seen = 'yes' if take.name in trained else 'no'
                table.add_row(take.name, seen, camera, 'bag', *_cells(matches, truth, raw, demo))
        if args.live:
            for name in (args.taught, takes[-1].name):
                for camera in CAMERAS:
                    row = _live(args.model, file, demo, args.data / name, camera, args.taught)
                    table.add_row(name, '', camera, 'node', *row)
    Console(width=120).print(table)


def _table(title: str) -> Table:
    table = Table(title=title)
    for column in ('take', 'trained on', 'camera', 'through', 'sets', 'silent', 'median error',
                   'within 0.5 s', 'within 1 s', 'raw pixels: median'):  # fmt: skip
        table.add_column(column, justify='right')
    return table


def _sets(take: Path, camera: str) -> list[FrameSet]:
    with open_recording(take, [camera]) as recording:
        return list(synchronise(recording.frames(), (camera,), SPREAD_S))


def _follow(embedder: Embedder, demo: Demonstration, sets: Sequence[FrameSet]) -> list[Match]:
    follower = Follower(embedder, [demo], MatchConfig())
    return [followed.match for one in sets for followed in follower.process([one])]


def _truth(demo: Demonstration, sets: Sequence[FrameSet]) -> np.ndarray:
    """True demonstration seconds: the stamps are the truth, to a camera's jitter."""
    return np.array([frames.stamp_ns - demo.origin_stamp_ns for frames in sets]) / 1e9


def _raw_pixels(
    taught: Path, camera: str, demo: Demonstration, sets: Sequence[FrameSet]
) -> np.ndarray:
    views = {camera: np.stack([thumbnail(s.frames[camera].image) for s in _sets(taught, camera)])}
    return demo.times_s[np.minimum(nearest_raw_image(sets, views), len(demo) - 1)]


def _cells(
    matches: Sequence[Match], truth: np.ndarray | None, raw: np.ndarray, demo: Demonstration
) -> list[str]:
    published = np.array([match.state.actionable for match in matches])
    cells = [str(len(matches)), f'{1 - published.mean():.0%}']
    if truth is None or not published.any():
        return [*cells, '-', '-', '-', '-']
    errors = np.abs(np.array([match.time_s for match in matches]) - truth)[published]
    shares = [f'{(errors <= limit).mean():.0%}' for limit in (0.5, 1.0)]
    return [*cells, f'{np.median(errors):.2f} s', *shares, f'{np.median(abs(raw - truth)):.2f} s']


def _live(
    model: Path, file: Path, demo: Demonstration, take: Path, camera: str, taught: str
) -> list[str]:
    from smaknet_ros.live import play_into_node

    run = play_into_node(model, [file], take, [camera])
    sets = len({status.stamp_ns for status in run.statuses})
    cells = [str(sets), f'{1 - len(run.matches) / sets:.0%}']
    if take.name != taught or not run.matches:
        return [*cells, '-', '-', '-', '-']
    errors = np.array(
        [abs(m.time_s - (m.stamp_ns - demo.origin_stamp_ns) / 1e9) for m in run.matches]
    )
    shares = [f'{(errors <= limit).mean():.0%}' for limit in (0.5, 1.0)]
    return [*cells, f'{np.median(errors):.2f} s', *shares, '']


if __name__ == '__main__':
    main()
