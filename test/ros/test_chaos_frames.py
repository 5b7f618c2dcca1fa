"""
Damaged messages through the node's own frame path, in this process: no harm, no false match.

Serialised, damaged, deserialised, put into the slots, carried along the line and turned into the
messages the node would publish. The full count is slow; a sample of it always runs.
"""

from __future__ import annotations

import array
from collections import Counter
import re
import time

from damage import apply, compressed_damages, may_match, raw_damages, receive
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from smaknet_core import demonstration
from smaknet_core.embedder import Embedder
from smaknet_core.follow import Follower
from smaknet_ros import conversions, parameters
from smaknet_ros.health import CameraHealth
from smaknet_ros.line import Line
from smaknet_ros.settings import settings_of
from smaknet_ros.slots import Arrival, Slots
from trials import forget_peak_mb, many, peak_mb

PERIOD_NS = 50_000_000
START_NS = 1_700_000_000 * 10**9
KINDS = {'front': CompressedImage, 'side': Image}
ESCAPED = re.compile(r'bad frame: \w+\(')  # the repr of what is no ImageError
MEMORY_MB = 800  # one picture of 64 megapixels, decoded and turned to RGB

# What a camera does at one moment: None is a good frame, or it is silent, or sends damage.
SILENT = 'silent'
moments = st.tuples(
    st.one_of(st.none(), st.just(SILENT), compressed_damages, compressed_damages),
    st.one_of(st.none(), st.just(SILENT), raw_damages, raw_damages),
)


class Fed:
    """The frame path of a node with one compressed and one raw camera, and all it let out."""

    def __init__(self, world, embedder, counts):
        self.world = world
        cameras = {'cameras': list(KINDS), 'camera.front.transport': 'compressed'}
        self.settings = settings_of(parameters.resolve(cameras))
        self.told = []
        self.demonstration = demonstration.load(world.both)
        follower = Follower(embedder, [self.demonstration], self.settings.match)
        health = {name: CameraHealth() for name in KINDS}
        self.line = Line(
            self.settings, follower, health, lambda key, text: self.told.append((key, text))
        )
        self.slots = Slots()
        self.counts = counts
        self.now_ns = START_NS
        self.moment = 0
        self.valid = set()  # (camera, stamp)
        self.last_ns = 0

    def step(self, front, side):
        """Let one moment pass; check what comes out, and give how many sets."""
        self.moment += 1
        self.now_ns += PERIOD_NS
        usable = [self._send(name, d) for name, d in zip(KINDS, (front, side), strict=True)]
        results = self.line.take(self.slots.take(0.0))
        self._check_told()
        for result in results:
            self._check(result)
        if not any(usable):
            assert not results, 'a match without a picture'
        overdue = self.line.overdue(self.now_ns)
        if overdue is not None:
            assert not overdue.match.state.actionable
            assert overdue.match.stamp_ns == self.last_ns
        return len(results)

    def _send(self, camera, damage):
        if damage == SILENT:
            return False
        msg = self._good(camera)
        if damage is not None:
            self.counts['damaged'] += 1
            msg = receive(apply(damage, msg), KINDS[camera])
        if msg is None:
            self.counts['dropped by the middleware'] += 1
            return False
        usable = may_match(msg)
        self.counts['usable' if usable else 'unusable'] += damage is not None
        if usable:
            self.valid.add((camera, conversions.to_ns(msg.header.stamp)))
        self.slots.put(Arrival(camera, msg, self.now_ns, time.monotonic()))
        return usable

    def _good(self, camera):
        number = self.moment % len(self.world.jpegs[camera])
        if camera == 'front':
            data = self.world.jpegs[camera][number]
            msg = CompressedImage(format='jpeg', data=array.array('B', data))
        else:
            pixels = self.world.images[camera][number]
            msg = Image(height=48, width=64, step=192, encoding='rgb8')
            msg.data = array.array('B', np.ascontiguousarray(pixels).tobytes())
        msg.header.stamp, msg.header.frame_id = conversions.to_time(self.now_ns), 'lens'
        return msg

    def _check_told(self):
        for key, text in self.told:
            assert not ESCAPED.search(text), text
            assert key not in ('failure', 'worker'), text
            if key == 'restart':
                self.last_ns = 0
        self.told.clear()

    def _check(self, result):
        """What DESIGN forbids of a match, looked for in the messages that would be published."""
        match, frames = result.followed.match, result.frames
        reference = conversions.time_reference(match, result.frame_id, 'demo')
        stamp_ns = conversions.to_ns(reference.header.stamp)
        stamps = [frame.stamp_ns for frame in frames.values()]
        assert {(name, frame.stamp_ns) for name, frame in frames.items()} <= self.valid
        assert stamp_ns == min(stamps)
        assert stamp_ns > self.last_ns, 'repeated, or backward'
        assert max(stamps) - stamp_ns <= self.settings.max_spread_s * 1e9
        assert 0 <= match.time_s <= self.demonstration.duration_s
        assert 0 <= match.confidence <= 1
        rows = conversions.embedding_image(stamp_ns, 'lens', result.followed.embeddings)
        assert rows is not None
        self.last_ns = stamp_ns
        self.counts['sets'] += 1


def run(world, examples, length=30):
    """Feed so many streams of so many moments, each into a line of its own; count."""
    embedder, counts = Embedder.load(world.model, 'cpu'), Counter()

    @given(stream=st.lists(moments, min_size=length, max_size=length))
    @many(examples)
    def feed(stream):
        fed = Fed(world, embedder, counts)
        for front, side in stream:
            fed.step(front, side)
        # Whatever that was, good frames are matched again: no damage outlives its message.
        assert sum(fed.step(None, None) for _ in range(12)) > 0

    before, began_s = forget_peak_mb(), time.monotonic()
    feed()
    more_mb = peak_mb() - before
    print(f'{dict(counts)} in {time.monotonic() - began_s:.0f} s, {more_mb:.0f} MB more at most')
    assert more_mb < MEMORY_MB
    return counts


def test_a_sample_of_damaged_messages(world):
    counts = run(world, 8)
    assert counts['damaged'] > 200
    assert counts['sets'] > 50


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_messages(world):
    assert run(world, 450)['damaged'] >= 10_000
