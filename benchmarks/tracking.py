"""
How well streams are followed, by scenario and method, with the truth from the simulator.

Normal episodes are taught in turn, for much depends on which; others that nothing was trained or
calibrated on are followed: as they are, at half and double speed, with dropped frames, with a
pause, a repetition, a short cut, a start in the middle, a hidden camera, and another task. Twice:
taught and seen by all cameras, and taught by one camera and seen by another. Beside the methods
stands the clock, which only counts.

    .venv/bin/python benchmarks/tracking.py --episodes 6 --out out/tracking

Episodes are simulated (`make sim` once) unless --data names a folder of them,
one folder a scenario.
"""

from __future__ import annotations

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch

import argparse  # noqa: E402
from collections.abc import Sequence  # noqa: E402
import csv  # noqa: E402
from dataclasses import asdict  # noqa: E402
from datetime import date  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402
from smaknet_core.config import MatchConfig  # noqa: E402
from smaknet_core.embedder import Embedder  # noqa: E402
from smaknet_core.errors import SmaknetError  # noqa: E402
from smaknet_core.matching import (  # noqa: E402
    Calibration,
    make_tracker,
    measure_views,
    Taught,
    Tracker,
)
from smaknet_core.metrics.following import (  # noqa: E402
    Told,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tracking_drawing import draw  # noqa: E402
from tracking_rows import All, Followed, make_rows, Row  # noqa: E402
from tracking_streams import (  # noqa: E402
    load,
    NORMAL,
    recalibrate,
    simulate,
    Stream,
    with_resampled,
)
from tracking_tables import markdown, print_tables  # noqa: E402

METHODS = ('filter', 'dtw', 'nearest', 'clock')


def main() -> int:
    """Run all of it; return the exit code."""
    args = _arguments()
    try:
        embedder = Embedder.load(args.model, 'cpu')
        args.out.mkdir(parents=True, exist_ok=False)
        data = args.data or args.out / 'data'
        if args.data is None:
            simulate(data, args.episodes, args.seed, args.workers)
        streams = load(data, embedder, args.episodes)
        calibration = (
            embedder.calibration
            if args.calibrate is None
            else recalibrate(args.calibrate, embedder)
        )
    except FileExistsError:
        print(f'{args.out}: exists and is not overwritten; choose another --out', file=sys.stderr)
        return 2
    except SmaknetError as err:
        print(err, file=sys.stderr)
        return 2
    normal = [stream for stream in streams if stream.scenario == NORMAL]
    taught = normal[: args.taught]
    followed: All = {}
    for one in taught:
        others = with_resampled([stream for stream in streams if stream is not one])
        follow_all(calibration, one, list(others), followed)
    rows = make_rows(followed)
    command = ' '.join(['python', 'benchmarks/tracking.py', *sys.argv[1:]])
    about = {
        'date': date.today().isoformat(),
        'machine': f'{_cpu()}, {os.cpu_count()} cores',
        'command': command,
        'model': f'{args.model} {embedder.model_hash[:8]}',
        'calibration': asdict(calibration),
        'demonstrations': [f'{one.scenario}/{one.name}' for one in taught],
    }
    _write(args.out, about, rows, followed)
    print_tables(about, rows)
    return 0


def follow_all(
    calibration: Calibration, taught: Stream, streams: Sequence[Stream], followed: All
) -> None:
    """Follow every stream with every method through one demonstration; add to `followed`."""
    cameras = tuple(taught.cameras)
    views = {'all cameras': (cameras, cameras)}
    if len(cameras) > 1:
        views[f'{cameras[1]} taught, {cameras[0]} seen'] = (cameras[1:2], cameras[:1])
    for name, (shown, seen) in views.items():
        vectors = np.array([[one[c] for c in shown] for one in taught.sets], np.float32)
        sigma = measure_views(vectors, taught.times_s)
        demonstration = Taught('demonstration', vectors, taught.times_s, shown, sigma)
        for stream in streams:
            for method in METHODS:
                told = follow(method, calibration, demonstration, taught, stream, seen)
                ones = followed.setdefault((name, stream.scenario, method), [])
                ones.append(Followed(told, stream, demonstration.duration_s))


def follow(
    method: str,
    calibration: Calibration,
    demonstration: Taught,
    taught: Stream,
    stream: Stream,
    seen: Sequence[str],
) -> Told:
    """Follow one stream with one method."""
    first_s, last_s = stream.true_span_s(taught)
    calm = stream.calm_from_ns
    calm_s = None if calm is None else (calm - int(stream.stamps_ns[0])) / 1e9
    if method == 'clock':
        answers = np.minimum(stream.times_s, demonstration.duration_s)
        columns = [answers, np.ones(len(stream)), *np.full((2, len(stream)), np.nan)]
    else:
        config = MatchConfig(method=method)  # type: ignore[arg-type]
        tracker = make_tracker([demonstration], calibration, config)
        columns = list(np.array([
            _answer(tracker, int(stamp), {camera: one[camera] for camera in seen})
            for stamp, one in zip(stream.stamps_ns, stream.sets, strict=True)
        ]).T)  # fmt: skip
    answers, published, confidence, elsewhere = columns
    return Told(stream.times_s, answers, published > 0, confidence, elsewhere,
                first_s, last_s, calm_s)  # fmt: skip


def _answer(tracker: Tracker, stamp_ns: int, vectors: dict) -> tuple[float, ...]:
    match = tracker.update(stamp_ns, vectors)
    return match.time_s, float(match.state.actionable), match.confidence, tracker.elsewhere


def _write(out: Path, about: dict, rows: Sequence[Row], followed: All) -> None:
    table = [asdict(row) for row in rows]
    (out / 'tracking.json').write_text(json.dumps({**about, 'rows': table}, indent=1) + '\n')
    with (out / 'tracking.csv').open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    (out / 'tracking.md').write_text('\n\n'.join(map('\n'.join, markdown(rows))) + '\n')
    told = {key: [one.told for one in ones] for key, ones in followed.items()}
    (out / 'tracking.png').write_bytes(draw(rows, told))


def _cpu() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(line.split(':', 1)[1].strip() for line in lines if 'model name' in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--episodes', type=int, default=2, help='of each scenario (default 2)')
    parser.add_argument('--taught', type=int, default=3,
                        help='how many normal ones are taught in turn (default 3)')  # fmt: skip
    parser.add_argument('--model', type=Path, default=Path('models/pouring.safetensors'),
                        help='model file or RUN folder (default: the shipped one)')  # fmt: skip
    parser.add_argument('--data', type=Path, help='folder with a folder of episodes per scenario')
    parser.add_argument('--calibrate', type=Path,
                        help='episodes to calibrate on, instead of as in the model')  # fmt: skip
    parser.add_argument('--out', type=Path, default=Path('out/tracking'),
                        help='for table, figure and episodes; must not exist')  # fmt: skip
    parser.add_argument('--seed', type=int, default=900, help='of the episodes (default 900)')
    parser.add_argument('--workers', type=int, default=1, help='processes that simulate')
    args = parser.parse_args()
    if args.episodes < 1:
        parser.error(f'--episodes: expected 1 or more, got {args.episodes}')
    if not 1 <= args.taught <= args.episodes + 1:
        parser.error(f'--taught: expected 1 ... {args.episodes + 1}, got {args.taught}')
    return args


if __name__ == '__main__':
    sys.exit(main())
