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
from collections.abc import Iterator, Sequence  # noqa: E402
import csv  # noqa: E402
from dataclasses import asdict, dataclass, replace  # noqa: E402
from datetime import date  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
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
    auroc,
    backward_jumps,
    calibration_error,
    FOUND_S,
    recovery,
    RIGHT_S,
    time_to_lock,
    Told,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tracking_drawing import draw  # noqa: E402
from tracking_streams import (  # noqa: E402
    load,
    NORMAL,
    OTHER,
    recalibrate,
    simulate,
    Stream,
    with_resampled,
)

METHODS = ('filter', 'dtw', 'nearest', 'clock')
# What is to be reached by the filter on normal episodes (the last on the other task).
GOALS = {
    'median_share': ('median error, share of the demonstration', 0.03, 'at most'),
    'within_half': ('share of normal sets within 0.5 s', 0.9, 'at least'),
    'lock_s': ('seconds to lock', 1.0, 'at most'),
    'calibration_error': ('expected calibration error', 0.1, 'at most'),
    'auroc': ('AUROC of LOST', 0.95, 'at least'),
}


HEADINGS = ('scenario', 'method', 'sets', 'mean s', 'median s', 'median %', '<0.25 s', '<0.5 s',
            'told', 'told: mean s', 'told: <0.5 s', 'lock s', 'recovery s', 'back/min', 'ECE',
            'AUROC', 'own phases')  # fmt: skip


@dataclass(frozen=True)
class Followed:
    """One stream followed with one method through one demonstration."""

    told: Told
    stream: Stream
    duration_s: float  # of the demonstration


All = dict[tuple[str, str, str], list[Followed]]  # by views, scenario and method


@dataclass(frozen=True)
class Row:
    """One method on all streams of one scenario; None: there is no such number."""

    views: str  # which cameras were taught and seen
    scenario: str
    method: str
    streams: int  # followed, each as often as demonstrations were taught
    sets: int
    mean_error_s: float | None  # of all sets in the demonstration, published or not
    median_error_s: float | None
    median_share: float | None  # of the errors as shares of the demonstration's duration
    within_quarter: float | None  # share within 0.25 s
    within_half: float | None  # ... and 0.5 s
    published: float  # share of the sets
    published_mean_error_s: float | None
    published_within_half: float | None
    lock_s: float | None  # mean; a stream that is never found counts with its length
    never_locked: int  # streams
    recovery_s: float | None  # mean, likewise
    never_recovered: int | None
    backward_jumps: float  # per minute
    calibration_error: float | None
    auroc: float | None  # of LOST: this scenario's sets against the normal ones
    auroc_own: float | None  # the same of the phases that the normal task does not have


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
    rows = [_row(followed[key], *key) for key in followed]
    for index, row in enumerate(rows):
        if row.scenario == OTHER and row.method != 'clock':
            negatives = followed[row.views, NORMAL, row.method]
            rows[index] = replace(row, **_lost(followed, negatives, row))
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
    _print(about, rows)
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


def _row(followed: Sequence[Followed], views: str, scenario: str, method: str) -> Row:
    """Reduce the streams of one scenario to one row."""
    ones = [one.told for one in followed]
    errors, known, published, confidence = (
        np.concatenate([getattr(one, name) for one in ones])
        for name in ('errors_s', 'known', 'published', 'confidence')
    )
    shares = np.concatenate([one.told.errors_s / one.duration_s for one in followed])
    right = np.nan_to_num(errors, nan=np.inf) <= RIGHT_S
    half = errors[known] <= FOUND_S
    locks = [time_to_lock(one) for one in ones] if known.any() else []
    odd = [one for one in ones if one.calm_from_s is not None]
    back = [recovery(one) for one in odd]
    minutes = sum(one.times_s[-1] for one in ones) / 60
    return Row(
        views,
        scenario,
        method,
        len(ones),
        len(errors),
        mean_error_s=_mean(errors[known]),
        median_error_s=float(np.median(errors[known])) if known.any() else None,
        median_share=float(np.median(shares[known])) if known.any() else None,
        within_quarter=_mean(right[known]),
        within_half=_mean(half),
        published=float(published.mean()),
        published_mean_error_s=_mean(errors[known & published]),
        published_within_half=_mean(half[published[known]]),
        lock_s=_mean_censored(locks, [one.times_s[-1] for one in ones]) if locks else None,
        never_locked=locks.count(None),
        recovery_s=_mean_censored(back, [o.times_s[-1] - (o.calm_from_s or 0) for o in odd]),
        never_recovered=back.count(None) if odd else None,
        backward_jumps=sum(map(backward_jumps, ones)) / minutes,
        calibration_error=None if method == 'clock' else calibration_error(confidence, right),
        auroc=None,
        auroc_own=None,
    )


def _lost(followed: All, negatives: Sequence[Followed], row: Row) -> dict[str, float | None]:
    """Tell how well sets of the other task are told from normal ones, all and in own phases."""
    positives = followed[row.views, row.scenario, row.method]
    normal, other = (
        np.concatenate([one.told.elsewhere for one in ones]) for ones in (negatives, positives)
    )
    shared = {phase for one in negatives for phase in one.stream.phases}
    own = np.array([phase not in shared for one in positives for phase in one.stream.phases])
    return {
        'auroc': auroc(normal, other),
        'auroc_own': auroc(normal, other[own]) if own.any() else None,
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _mean_censored(seconds: Sequence[float | None], longest: Sequence[float]) -> float | None:
    pairs = zip(seconds, longest, strict=True)
    return _mean(np.array([most if one is None else one for one, most in pairs]))


def _write(out: Path, about: dict, rows: Sequence[Row], followed: All) -> None:
    table = [asdict(row) for row in rows]
    (out / 'tracking.json').write_text(json.dumps({**about, 'rows': table}, indent=1) + '\n')
    with (out / 'tracking.csv').open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    (out / 'tracking.md').write_text('\n\n'.join(map('\n'.join, _markdown(rows))) + '\n')
    told = {key: [one.told for one in ones] for key, ones in followed.items()}
    (out / 'tracking.png').write_bytes(draw(rows, told))


def _print(about: dict, rows: Sequence[Row]) -> None:
    console = Console(width=200)
    for views in dict.fromkeys(row.views for row in rows):
        table = Table(title=f'{views}; {about["date"]}, {about["machine"]}', title_justify='left')
        for heading in HEADINGS:
            table.add_column(heading, justify='right', no_wrap=True)
        for row in (row for row in rows if row.views == views):
            table.add_row(*_cells(row), end_section=row.method == METHODS[-1])
        console.print(table)
        _print_goals(console, [row for row in rows if row.views == views])
    print(about['command'])


def _markdown(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Yield the lines of a table for each choice of cameras."""
    for views in dict.fromkeys(row.views for row in rows):
        cells = [_cells(row) for row in rows if row.views == views]
        lines = [HEADINGS, ['---', '---', *['---:'] * (len(HEADINGS) - 2)], *cells]
        yield [f'**{views}**', '', *(f'| {" | ".join(line)} |' for line in lines)]


def _cells(row: Row) -> list[str]:
    def text(value: float | None, form: str, scale: float = 1.0) -> str:
        return '-' if value is None else format(scale * value, form)

    def with_never(value: float | None, never: int | None) -> str:
        return text(value, '.2f') + (f' ({never} never)' if never else '')

    return [
        row.scenario,
        row.method,
        str(row.sets),
        text(row.mean_error_s, '.2f'),
        text(row.median_error_s, '.2f'),
        text(row.median_share, '.1f', 100),
        text(row.within_quarter, '.0%'),
        text(row.within_half, '.0%'),
        text(row.published, '.0%'),
        text(row.published_mean_error_s, '.2f'),
        text(row.published_within_half, '.0%'),
        with_never(row.lock_s, row.never_locked),
        with_never(row.recovery_s, row.never_recovered),
        text(row.backward_jumps, '.1f'),
        text(row.calibration_error, '.2f'),
        text(row.auroc, '.2f'),
        text(row.auroc_own, '.2f'),
    ]


def _print_goals(console: Console, rows: Sequence[Row]) -> None:
    """Say of each goal whether the filter reaches it, and where nearest neighbour does better."""
    by_key = {(row.scenario, row.method): row for row in rows}
    for name, (text, goal, sense) in GOALS.items():
        row = by_key[OTHER if name == 'auroc' else 'normal', 'filter']
        value = getattr(row, name)
        good = value is not None and (value <= goal if sense == 'at most' else value >= goal)
        reached = 'reached' if good else 'NOT reached'
        console.print(f'  {text}: {value:.3f}, {sense} {goal:g}: {reached}', highlight=False)
    for name, sense in (('mean_error_s', 'lower mean error'), ('backward_jumps', 'fewer jumps')):
        pairs = [(s, getattr(by_key[s, 'filter'], name), getattr(by_key[s, 'nearest'], name))
                 for s in dict.fromkeys(row.scenario for row in rows)]  # fmt: skip
        worse = [s for s, ours, theirs in pairs if ours is not None and ours > theirs]
        where = ', '.join(worse) or 'nowhere'
        console.print(f'  {sense} than nearest neighbour: except {where}', highlight=False)


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
