"""The node's line without a node: the numbers of offline, and no frame harms the next."""

from __future__ import annotations

import array
from dataclasses import replace
import math
import time

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from smaknet_core import demonstration
from smaknet_core.data.bags import open_recording
from smaknet_core.data.cache import build
from smaknet_core.embedder import Embedder
from smaknet_core.follow import Follower, RecordedSets
from smaknet_core.simulation.recorder import record
from smaknet_ros import parameters
from smaknet_ros.conversions import to_time
from smaknet_ros.health import CameraHealth
from smaknet_ros.line import Line
from smaknet_ros.settings import settings_of
from smaknet_ros.slots import Arrival

CAMERAS = ('front', 'side')


@pytest.fixture
def embedder(world):
    return Embedder.load(world.model, 'cpu')


class Fed:
    """A line, what it reported, and a clock that goes as the recording's."""

    def __init__(self, world, embedder, **overrides):
        self.settings = settings_of(parameters.resolve({'cameras': list(CAMERAS), **overrides}))
        self.told = []
        self.health = {name: CameraHealth() for name in CAMERAS}
        follower = Follower(embedder, [demonstration.load(world.both)], self.settings.match)
        self.line = Line(
            self.settings, follower, self.health, lambda key, text: self.told.append(text)
        )

    def arrival(self, camera, stamp_ns, data, arrived_ns=None):
        msg = CompressedImage(format='jpeg', data=array.array('B', data))
        msg.header.stamp, msg.header.frame_id = to_time(stamp_ns), camera
        arrived_ns = stamp_ns if arrived_ns is None else arrived_ns
        self.health[camera].receive(arrived_ns, time.monotonic())
        return Arrival(camera, msg, arrived_ns, time.monotonic())


def assert_lost(results, reason, after_ns):
    """Sets that could not be matched: each LOST under its own stamp, with nothing to act on."""
    for result in results:
        match = result.followed.match
        assert (match.state.value, match.confidence, match.distance) == ('LOST', 0.0, math.inf)
        assert not match.state.actionable
        assert result.failure == reason
        assert result.followed.embeddings == {}
        assert set(result.frames) == set(CAMERAS)
    stamps = [result.followed.match.stamp_ns for result in results]
    assert stamps == sorted(set(stamps))
    assert stamps[0] > after_ns


def recorded(bag):
    with open_recording(bag) as recording:
        for raw in recording.raw_frames():
            yield raw.camera, raw.stamp_ns, bytes(raw.message().data)


def followed_offline(world, embedder, bag, settings):
    follower = Follower(embedder, [demonstration.load(world.both)], settings.match)
    with open_recording(bag) as recording:
        size = embedder.input_size
        sets = RecordedSets(recording, CAMERAS, settings.max_spread_s, at_least=size)
        # One set at a time, as live: larger batches differ in the last bits of a float.
        return [f for _, batch in sets.batches(size=1) for f in follower.process(batch)]


def test_live_gives_the_very_numbers_of_offline(world, embedder):
    fed = Fed(world, embedder)
    live = [r for one in recorded(world.bag) for r in fed.line.take([fed.arrival(*one)])]
    offline = followed_offline(world, embedder, world.bag, fed.settings)
    assert len(live) > 80
    assert [result.followed.match for result in live] == [f.match for f in offline]
    assert [result.followed.spread_s for result in live] == [f.spread_s for f in offline]
    assert {result.frame_id for result in live} == {'front'}


def test_a_large_jpeg_gives_the_same_numbers_live_offline_and_in_the_cache(
    world, embedder, tmp_path
):
    bag = record(tmp_path / 'large', seed=1, cameras=list(CAMERAS), rate_hz=4, size=(480, 640))
    fed = Fed(world, embedder)
    live = [r for one in recorded(bag) for r in fed.line.take([fed.arrival(*one)])]
    offline = followed_offline(world, embedder, bag, fed.settings)
    clip = build(bag, CAMERAS, embedder.config.data, tmp_path / 'cache')
    assert len(live) == len(offline) == len(clip.stamps_ns) > 10
    assert {frame.image.shape for r in live for frame in r.frames.values()} == {(120, 160, 3)}
    for step, (result, one) in enumerate(zip(live, offline, strict=True)):
        trained = embedder.embed([view[step] for view in clip.views.values()])
        for camera, vector in zip(CAMERAS, trained, strict=True):
            np.testing.assert_allclose(result.followed.embeddings[camera], vector, atol=1e-6)
            np.testing.assert_allclose(one.embeddings[camera], vector, atol=1e-6)


def test_a_failure_is_counted_told_and_over_with_the_next_frame(world, embedder, monkeypatch):
    fed = Fed(world, embedder)
    frames = list(recorded(world.bag))
    results = [r for f in frames[:20] for r in fed.line.take([fed.arrival(*f)])]
    with monkeypatch.context() as patch:
        patch.setattr(embedder, 'embed', lambda images: 1 / 0)
        broken = [r for f in frames[20:40] for r in fed.line.take([fed.arrival(*f)])]
    after = [r for f in frames[40:60] for r in fed.line.take([fed.arrival(*f)])]
    reason = 'cannot match frames of front, side: division by zero'
    assert results
    assert len(broken) >= 9
    assert_lost(broken, reason, results[-1].followed.match.stamp_ns)
    assert after
    assert not any(result.failure for result in results + after)
    assert fed.line.failures == len(broken)
    assert reason in fed.told[-1]


def test_a_match_that_is_no_number_is_not_let_out(world, embedder, monkeypatch):
    fed = Fed(world, embedder)
    frames = list(recorded(world.bag))
    fine = [r for f in frames[:20] for r in fed.line.take([fed.arrival(*f)])]
    process = Follower.process

    def poisoned(self, sets):
        followed = process(self, sets)
        return [replace(f, match=replace(f.match, confidence=math.nan)) for f in followed]

    with monkeypatch.context() as patch:
        patch.setattr(Follower, 'process', poisoned)
        broken = [r for f in frames[20:24] for r in fed.line.take([fed.arrival(*f)])]
    after = [r for f in frames[24:40] for r in fed.line.take([fed.arrival(*f)])]
    reason = 'cannot match frames of front, side: the match is not a number'
    assert fine
    assert len(broken) == 2
    assert_lost(broken, reason, fine[-1].followed.match.stamp_ns)
    assert set(fed.told) == {reason}
    assert after[0].followed.match.state.value == 'INIT'


def test_what_could_not_be_matched_grows_stale_with_its_reason(world, embedder, monkeypatch):
    """Also where it was the very first set: the status must not fall silent."""
    fed = Fed(world, embedder)
    monkeypatch.setattr(embedder, 'embed', lambda images: 1 / 0)
    results = [r for f in list(recorded(world.bag))[:4] for r in fed.line.take([fed.arrival(*f)])]
    last = results[-1]
    assert fed.line.overdue(last.arrived_ns + 10**8) is None
    for later_ns, state in ((6 * 10**8, 'STALE'), (3 * 10**9, 'LOST')):
        overdue = fed.line.overdue(last.arrived_ns + later_ns)
        assert overdue.match.state.value == state
        assert overdue.match.stamp_ns == last.followed.match.stamp_ns
        assert 'cannot match frames of front, side: division by zero' in overdue.waiting_for
    fed.line.reset()
    assert fed.line.overdue(last.arrived_ns + 10**10) is None


def test_a_bad_frame_names_camera_and_reason_and_spares_the_others(world, embedder):
    fed = Fed(world, embedder)
    results = []
    for i, (camera, stamp_ns, data) in enumerate(recorded(world.bag)):
        if i == 10:
            data = b'no picture'
        results += fed.line.take([fed.arrival(camera, stamp_ns, data)])
        last = stamp_ns
    assert len(results) > 80
    assert sum(health.refused['bad'] for health in fed.health.values()) == 1
    (told,) = fed.told
    assert 'bad frame: neither JPEG nor PNG' in told
    assert told.startswith(('camera front', 'camera side'))
    assert fed.line.overdue(last) is None


def test_overdue_keeps_the_old_stamp_and_names_the_missing(world, embedder):
    fed = Fed(world, embedder)
    assert fed.line.overdue(10**18) is None
    results = []
    for frame in list(recorded(world.bag))[:40]:
        results += fed.line.take([fed.arrival(*frame)])
    last = results[-1]
    fresh_ns = last.arrived_ns + 10**8
    assert fed.line.overdue(fresh_ns) is None
    stale = fed.line.overdue(last.arrived_ns + 6 * 10**8)
    assert stale.match.state.value == 'STALE'
    assert stale.match.stamp_ns == last.followed.match.stamp_ns
    assert [reason.partition(':')[0] for reason in stale.waiting_for] == ['front', 'side']
    lost = fed.line.overdue(last.arrived_ns + 3 * 10**9)
    assert lost.match.state.value == 'LOST'
    fed.line.reset()
    assert fed.line.overdue(last.arrived_ns + 3 * 10**9) is None


def test_clocks_that_differ_are_told_once_per_camera(world, embedder):
    fed = Fed(world, embedder)
    for camera, stamp_ns, data in list(recorded(world.bag))[:20]:
        fed.line.take([fed.arrival(camera, stamp_ns, data, stamp_ns + 3600 * 10**9)])
    assert len(fed.told) == 2
    assert all("-3600.0 s off this node's clock" in text for text in fed.told)
