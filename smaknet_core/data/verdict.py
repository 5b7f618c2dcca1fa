"""
Measurements of a recording to a verdict: is it good to learn from, and if not, what to do.

Pure judging of numbers; `quality` measures them. Every threshold is named and numbered here, and
every reason comes with its remedy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
import enum
from pathlib import Path
from typing import Final

MIN_SETS: Final = 2
# Share of the slowest camera's frames that found partners in all other cameras.
PAIRED_GOOD: Final = 0.9
PAIRED_BAD: Final = 0.5
# Share of a camera's images that cannot be decoded; below it they are skipped, and warned of.
CORRUPT_BAD: Final = 0.05
# Share of a camera's images with the same bytes as the one before: sensor noise never repeats.
FROZEN_WARN: Final = 0.05
# Share of a camera's images without contrast (standard deviation in grey levels): a covered lens.
BLANK_WARN: Final = 0.05
BLANK_CONTRAST: Final = 2.0
GAP_WARN_S: Final = 0.5
RATE_WARN_HZ: Final = 3.0
SHORT_WARN_S: Final = 2.0
# Cameras whose transport delays differ by more than this are on computers with different clocks.
CLOCK_WARN_S: Final = 0.5

REPAIR: Final = 'smaknet check --repair writes a finished copy beside it'


class Level(enum.IntEnum):
    """How a recording is judged; the worst reason decides."""

    GOOD = 0
    WARN = 1
    BAD = 2


@dataclass(frozen=True)
class Reason:
    """Why a recording is not simply good, and what to do about it."""

    level: Level
    text: str
    remedy: str = ''


@dataclass
class CameraReport:
    """What was measured of one camera."""

    name: str
    topic: str
    frames: int
    clock: str  # header or bag
    rate_hz: float = 0.0  # from the median period; 0 with fewer than two frames
    gap_s: float = 0.0  # longest time between two frames
    delay_s: float | None = None  # median from header stamp to arrival; None on the bag's clock
    sizes: Counter[str] = field(default_factory=Counter)  # '640x480' -> frames
    frozen: int = 0  # images with the same bytes as the one before
    blank: int = 0  # images without contrast
    corrupt: int = 0  # images that cannot be decoded
    corrupt_reason: str = ''  # of the first of these
    backward: int = 0  # header stamps that are older than the one before
    clock_fault: str = ''  # why the header stamps cannot be the clock


@dataclass
class Verdict:
    """All that `smaknet check` knows of one recording."""

    path: Path
    name: str
    task: str = ''
    cameras: list[CameraReport] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)  # those with messages
    notes: list[str] = field(default_factory=list)
    duration_s: float = 0.0  # from the first to the last image
    max_spread_s: float = 0.05  # what the sets were made with
    sets: int = 0
    paired: float = 0.0  # share of the slowest camera's frames that are in a set
    spread_p50_s: float = 0.0  # of each such frame and the nearest of every other camera
    spread_p95_s: float = 0.0
    unfinished: bool = False  # a file is cut or damaged, or metadata.yaml is missing
    usable_until_s: float | None = None  # where a file is cut: the last message, from the start
    error: str = ''  # why it cannot be opened at all

    @property
    def reasons(self) -> list[Reason]:
        """What is not good about it, in the order a reader should see."""
        if self.error:
            return [Reason(Level.BAD, self.error)]
        found = [*_of_the_file(self)]
        for report in self.cameras:
            found += _of_a_camera(report)
        return found + [*_of_the_sets(self)]

    @property
    def level(self) -> Level:
        """The worst of the reasons."""
        return max((reason.level for reason in self.reasons), default=Level.GOOD)


def _of_the_file(verdict: Verdict) -> Iterator[Reason]:
    if verdict.usable_until_s is not None:
        text = f'truncated, usable until {verdict.usable_until_s:.1f} s'
        yield Reason(Level.WARN, text, REPAIR)
    elif verdict.unfinished:
        yield Reason(Level.WARN, 'not finished: other tools will refuse it', REPAIR)
    if not verdict.topics:
        yield Reason(Level.BAD, 'no messages in it', 'record again')
    elif not verdict.cameras:
        some = ', '.join(verdict.topics[:4]) + (' ...' if len(verdict.topics) > 4 else '')
        remedy = f'record topics of sensor_msgs/Image or CompressedImage; it has {some}'
        yield Reason(Level.BAD, 'no camera in it', remedy)
    elif verdict.duration_s < SHORT_WARN_S:
        text = f'only {verdict.duration_s:.1f} s long'
        yield Reason(Level.WARN, text, 'record the task from start to end')


def _of_a_camera(report: CameraReport) -> Iterator[Reason]:
    def warn(text: str, remedy: str, level: Level = Level.WARN) -> Reason:
        return Reason(level, f'{report.name}: {text}', remedy)

    frames = max(report.frames, 1)
    if report.corrupt:
        text = f'{report.corrupt} of {frames} images cannot be decoded ({report.corrupt_reason})'
        level = Level.BAD if report.corrupt > CORRUPT_BAD * frames else Level.WARN
        yield warn(text, 'they are skipped; check driver, cable and disk', level)
    if report.frozen > FROZEN_WARN * frames:
        text = f'{report.frozen} of {frames} images repeat the one before'
        yield warn(text, 'the camera froze, or its driver sends more often than it captures')
    if report.blank > BLANK_WARN * frames:
        yield warn(f'{report.blank} of {frames} images are blank', 'is the lens covered?')
    if len(report.sizes) > 1:
        text = f'the image size changes ({", ".join(sorted(report.sizes))})'
        yield warn(text, 'keep one resolution while recording')
    if report.gap_s > GAP_WARN_S and report.gap_s * report.rate_hz > 2:
        yield warn(f'no frame for {report.gap_s:.1f} s', 'record compressed; check cable and disk')
    if 0 < report.rate_hz < RATE_WARN_HZ:
        yield warn(f'only {report.rate_hz:.1f} Hz', f'record at {RATE_WARN_HZ:.0f} Hz or more')
    if report.clock_fault:
        yield warn(report.clock_fault, 'arrival times are used; let the driver stamp captures')


def _of_the_sets(verdict: Verdict) -> Iterator[Reason]:
    """Judge how the cameras fit together."""
    if not verdict.cameras:
        return
    if len(verdict.cameras) == 1:
        text = 'only one camera: it can be followed, but not learned from'
        yield Reason(Level.WARN, text, 'record a second camera at the same time')
    clocks = _clocks_that_differ(verdict)
    if clocks:
        remedy = 'synchronise the computers (chrony, PTP) and record again'
        yield Reason(Level.WARN, clocks, remedy)
    remedy = 'their clocks differ' if clocks else _spread_remedy(verdict)
    if verdict.sets < MIN_SETS:
        sets = 'camera set' if verdict.sets == 1 else 'camera sets'
        text = f'{verdict.sets} {sets}, {MIN_SETS} are the least'
        yield Reason(Level.BAD, text, remedy)
    elif verdict.paired < PAIRED_GOOD:
        level = Level.BAD if verdict.paired < PAIRED_BAD else Level.WARN
        within = f'{verdict.max_spread_s * 1e3:g} ms'
        text = f'only {verdict.paired:.0%} of the frames have partners within {within}'
        yield Reason(level, text, remedy)


def _clocks_that_differ(verdict: Verdict) -> str:
    delays = {r.delay_s: r.name for r in verdict.cameras if r.delay_s is not None}
    if not delays or max(delays) - min(delays) <= CLOCK_WARN_S:
        return ''
    pair = f'{delays[max(delays)]} and {delays[min(delays)]}'
    return f'the clocks of {pair} differ by {max(delays) - min(delays):.1f} s'


def _spread_remedy(verdict: Verdict) -> str:
    empty = [report.name for report in verdict.cameras if report.frames == report.corrupt]
    if empty:
        return f'{", ".join(empty)} shows nothing; choose others with --cameras'
    if min(report.frames for report in verdict.cameras) < MIN_SETS:
        return 'record the task from start to end'
    slowest = min(report.rate_hz for report in verdict.cameras)
    enough = 1.1 * verdict.spread_p95_s
    if slowest and verdict.max_spread_s < enough < 1 / slowest:
        apart = f'{verdict.spread_p50_s * 1e3:.0f} ms apart, 95 % under'
        apart += f' {verdict.spread_p95_s * 1e3:.0f} ms'
        return f'set data.max_spread_s to {enough:.3f}: the cameras are {apart}'
    return 'they did not record at the same times; choose others with --cameras'
