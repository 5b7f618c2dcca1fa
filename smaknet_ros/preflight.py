"""
Before the first episode: two seconds of every topic, recorded, judged and thrown away.

What a recording would be judged by, its start is judged by now, by the same code; beside it what
only shows live: who publishes, how regularly, and whether the disk is large and fast enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
import shutil
import tempfile
import time

import numpy as np
from smaknet_core.data.verdict import Level, Reason, SHORT_WARN_S, Verdict
from smaknet_ros.episode import Contents, Episode
from smaknet_ros.recorded_topics import Arrived, RecordedTopics
from smaknet_ros.recorder_options import Options

DISCOVERY_S = 8.0  # publishers that are there are known by then, on a busy machine too
MEASURE_S = 2.0
SETTLE_S = 0.5  # a first message of each camera, before measuring begins
ASSUMED_EPISODE_S = 60.0  # for the disk, where an episode has no set length
MANY_MB_PER_S = 50.0  # more than many a disk takes for long
JITTER_WARN = 0.5  # of the period

Spin = Callable[[float], bool]  # serve the node for so long; False: it is to end


@dataclass(frozen=True)
class Stream:
    """What came on one topic."""

    messages: int = 0
    rate_hz: float = 0.0
    jitter_s: float = 0.0  # 95 % of the intervals are within this of the median
    bytes_per_s: float = 0.0


@dataclass
class Findings:
    """What the preflight found out; `lines` say it, `reasons` judge it."""

    lines: list[str] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether recording makes no sense like this."""
        return any(reason.level is Level.BAD for reason in self.reasons)


def run(topics: RecordedTopics, options: Options, contents: Contents, spin: Spin) -> Findings:
    """
    Look, listen and judge; takes as long as publishers need to be found, and two seconds.

    Raises:
        OSError: `--out` cannot be written.
    """
    deadline_s = time.monotonic() + DISCOVERY_S
    while not topics.look() and time.monotonic() < deadline_s and spin(0.1):
        pass
    found = Findings()
    for topic, problem in topics.problems.items():
        reason = f'{topics.title(topic)}: {topic}: {problem}'
        found.reasons.append(Reason(Level.BAD, reason, 'start it, or name another topic'))
    if not topics.known:
        return found
    waits_s = time.monotonic() + SETTLE_S
    while topics.silent_cameras(SETTLE_S) and time.monotonic() < waits_s and spin(0.05):
        pass
    contents = replace(contents, topics=dict(topics.known))
    streams, verdict = _record(topics, options.out, contents, spin)
    found.lines += _lines(topics, streams)
    found.reasons += _of_the_streams(topics, streams)
    if verdict is not None:
        found.reasons += judge_sample(verdict)
        found.lines.append(f'together: {describe(verdict)}')
    free = shutil.disk_usage(options.out).free - options.min_free_bytes
    found.reasons += judge_disk(sum(s.bytes_per_s for s in streams.values()), options, free)
    return found


def measure(arrivals: Sequence[tuple[int, int]]) -> Stream:
    """Measure a topic from what came in `MEASURE_S`: when it was received, ns, and its bytes."""
    steps = np.diff(np.sort(np.array([ns for ns, _ in arrivals], np.int64))) / 1e9
    # What waited when measuring began came as well.
    size = sum(count for _, count in arrivals) / max(MEASURE_S, float(np.sum(steps)))
    if not len(steps) or np.median(steps) <= 0:
        return Stream(len(arrivals), 0.0, 0.0, size)
    period = float(np.median(steps))
    jitter = float(np.percentile(np.abs(steps - period), 95))
    return Stream(len(arrivals), 1 / period, jitter, size)


def judge_sample(verdict: Verdict) -> list[Reason]:
    """Judge two seconds as `smaknet check` would, but for being short."""
    longer = replace(verdict, duration_s=verdict.duration_s + SHORT_WARN_S)
    return longer.reasons


def judge_disk(bytes_per_s: float, options: Options, free: int) -> list[Reason]:
    """Compare what will be recorded with the room there is, in bytes."""
    length_s = options.episode_time_s or ASSUMED_EPISODE_S
    needed = bytes_per_s * length_s * options.episodes
    reasons = []
    if free <= 0 or needed > free:
        text = f'{options.out}: {needed / 1e9:.1f} GB are needed for {options.episodes} episodes '
        text += f'of {length_s:g} s, {max(free, 0) / 1e9:.1f} GB are free'
        reasons.append(Reason(Level.BAD, text, 'make room, or record less'))
    if bytes_per_s > MANY_MB_PER_S * 1e6:
        text = f'{bytes_per_s / 1e6:.0f} MB/s are to be written'
        reasons.append(Reason(Level.WARN, text, 'record compressed topics where there are any'))
    return reasons


def describe(verdict: Verdict) -> str:
    """Say how a recording's cameras fit together, in one line."""
    text = f'{verdict.sets} sets'
    if len(verdict.cameras) > 1:
        p50, p95 = verdict.spread_p50_s * 1e3, verdict.spread_p95_s * 1e3
        text += f' of {len(verdict.cameras)} cameras, {verdict.paired:.0%} of the frames'
        text += f', {p50:.0f} ms apart (95 % under {p95:.0f} ms)'
    clocks = {camera.clock for camera in verdict.cameras}
    return text + (f', stamps of the {" and ".join(sorted(clocks))}' if clocks else '')


def _record(
    topics: RecordedTopics, out: Path, contents: Contents, spin: Spin
) -> tuple[dict[int, Stream], Verdict | None]:
    """Record as an episode would be, beside where they will be."""
    arrivals: dict[int, list[tuple[int, int]]] = {index: [] for index in topics.known}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.preflight-', dir=out) as scratch:
        episode = Episode(Path(scratch, 'sample'), contents)

        def take(arrived: Arrived) -> None:
            arrivals[arrived.topic].append((arrived.received_ns, len(arrived.cdr)))
            episode.put(arrived)

        topics.sink = take
        until_s = time.monotonic() + MEASURE_S
        while time.monotonic() < until_s and spin(until_s - time.monotonic()):
            pass
        topics.sink = lambda arrived: None
        episode.finish()
        while not episode.done.is_set() and spin(0.05):
            pass
        episode.close(0.0)
        if episode.problem and not episode.saved:
            raise OSError(episode.problem)
    return {index: measure(came) for index, came in arrivals.items()}, episode.verdict


def _lines(topics: RecordedTopics, streams: Mapping[int, Stream]) -> list[str]:
    lines = []
    for index, stream in streams.items():
        known = topics.known[index]
        name = (
            known.name
            if topics.title(known.name) == known.name
            else (f'{topics.title(known.name)}: {known.name}')
        )
        came = f'{stream.messages} messages'
        if stream.rate_hz:
            came = f'{stream.rate_hz:.1f} Hz within {stream.jitter_s * 1e3:.0f} ms'
        size = f'{stream.bytes_per_s / 1e6:.2f} MB/s'
        lines.append(f'{name}: {known.msgtype}, {topics.qos(index)}, {came}, {size}')
    return lines


def _of_the_streams(topics: RecordedTopics, streams: Mapping[int, Stream]) -> list[Reason]:
    reasons = []
    cameras = set(topics.cameras.values())
    for index, stream in streams.items():
        topic = topics.known[index].name
        title = topics.title(topic)
        if topic in cameras and not stream.messages:
            text = f'{title}: nothing came in {MEASURE_S:g} s: {topics.describe(topic)}'
            reasons.append(Reason(Level.BAD, text, 'is the camera running?'))
        elif topic in cameras and stream.jitter_s * stream.rate_hz > JITTER_WARN:
            period = f'{1e3 / stream.rate_hz:.0f} ms'
            text = f'{title}: frames come up to {stream.jitter_s * 1e3:.0f} ms off their {period}'
            reasons.append(Reason(Level.WARN, text, 'record compressed; is the machine busy?'))
    return reasons
