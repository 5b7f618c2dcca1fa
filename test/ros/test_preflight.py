"""What the preflight makes of numbers; over DDS it is tested with the recorder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from smaknet_core.data.verdict import CameraReport, Level, Verdict
from smaknet_ros import topics
from smaknet_ros.preflight import judge_disk, judge_sample, measure
from smaknet_ros.recorder_options import options_of, resolve


def options(**given):
    least = {'task': 'pour', 'out': 'demos', 'cameras': ['top:=/top']}
    return options_of(resolve({**least, **given}, {}))


def test_rate_jitter_and_size_of_a_stream():
    rng = np.random.default_rng(0)
    off_ns = rng.uniform(-5e6, 5e6, 61)
    arrivals = [(round(n * 1e9 / 30 + off), 1000) for n, off in enumerate(off_ns)]
    stream = measure(arrivals)
    assert stream.messages == 61
    assert stream.rate_hz == pytest.approx(30, abs=2)
    steps = np.diff([ns for ns, _ in arrivals]) / 1e9
    slow = sorted(abs(step - np.median(steps)) for step in steps)[int(0.95 * len(steps))]
    assert stream.jitter_s == pytest.approx(slow, rel=0.1)
    assert stream.bytes_per_s == pytest.approx(61_000 / 2)
    assert measure([]).messages == 0
    assert measure([(5, 10)]).rate_hz == 0
    assert measure([(5, 10), (5, 10)]).rate_hz == 0


def test_two_seconds_are_not_blamed_for_being_short():
    top = CameraReport('top', '/top', 60, 'header', 30.0)
    side = CameraReport('side', '/side', 60, 'header', 30.0)
    verdict = Verdict(
        Path('x'), 'x', cameras=[top, side], topics=['/top', '/side'], duration_s=1.9, sets=60,
        paired=1.0,
    )  # fmt: skip
    assert verdict.level is Level.WARN
    assert judge_sample(verdict) == []
    verdict.paired = 0.2
    assert [reason.level for reason in judge_sample(verdict)] == [Level.BAD]


def test_the_disk_must_hold_all_episodes():
    asked = options(episodes=10, episode_time=20.0)
    assert judge_disk(1e6, asked, 200_000_001) == []
    (reason,) = judge_disk(1e6, asked, 199_999_999)
    assert reason.level is Level.BAD
    assert '0.2 GB are needed for 10 episodes of 20 s' in reason.text
    assert judge_disk(1e6, options(), 60_000_001) == []
    assert judge_disk(0.0, options(), -1)[0].level is Level.BAD
    (reason,) = judge_disk(60e6, options(episode_time=1.0), 10**12)
    assert (reason.level, reason.text) == (Level.WARN, '60 MB/s are to be written')


RELIABLE, EFFORT = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT
KEPT, VOLATILE = QoSDurabilityPolicy.TRANSIENT_LOCAL, QoSDurabilityPolicy.VOLATILE


@pytest.mark.parametrize(
    ('offered', 'asked'),
    [
        ([], (EFFORT, VOLATILE)),
        ([(RELIABLE, KEPT)], (RELIABLE, KEPT)),
        ([(RELIABLE, KEPT), (RELIABLE, VOLATILE)], (RELIABLE, VOLATILE)),
        ([(RELIABLE, VOLATILE), (EFFORT, VOLATILE)], (EFFORT, VOLATILE)),
    ],
)
def test_what_is_asked_for_is_what_all_offer(offered, asked):
    profiles = [QoSProfile(depth=1, reliability=r, durability=d) for r, d in offered]
    qos = topics.adapted(profiles)
    assert (qos.reliability, qos.durability) == asked
