"""
What real cameras do, over DDS: odd stamps, damage, freezes, deaths.

`Stream.finish` checks each time what must never happen.
"""

from __future__ import annotations

import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from sensor_msgs.msg import Image
from streams import (
    close_cleanly,
    count,
    listen_to_diagnostics,
    LOST_S,
    PERIOD_NS,
    SEND_S,
    STALE_S,
    Stream,
)


@pytest.fixture(scope='module')
def node(world, make_graph):
    """One matcher that follows `front`, for all tests with one camera."""
    graph = make_graph()
    parameters = world.parameters('front', stale_s=STALE_S, lost_s=LOST_S)
    graph.start(parameters)
    graph.wait_until_active()
    listen_to_diagnostics(graph)
    yield graph
    close_cleanly(graph)


@pytest.fixture
def front(node):
    camera = node.camera('/front/image_raw/compressed').connect()
    yield camera
    camera.close()


@pytest.fixture
def stream(node):
    return Stream(node)


def test_steady_stream_is_tracked(stream, front, world):
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        stream.send(front, stream.stamp(i), jpeg)
    run = stream.finish(matches=15)
    assert {match.frame_id for match in run.matches} == {'lens'}
    errors = [abs(m.time_s - (m.stamp_ns - stream.base) / 1e9) for m in run.matches]
    assert np.median(errors) < 0.3
    assert run.statuses[-1].values['waiting_for'].startswith('front: last seen')


def test_best_effort_cameras_are_heard_as_well(stream, node, world):
    camera = node.camera('/front/image_raw/compressed', reliable=False).connect()
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        stream.send(camera, stream.stamp(i), jpeg)
    stream.finish()
    camera.close()


def test_zero_stamps_are_never_matched(stream, front, node, world):
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        stream.send(front, stream.stamp(i), jpeg)
        stream.send(front, 0, jpeg, valid=False)
    stream.finish()
    assert count(node, 'zero_stamp') > 0


def test_future_stamps_are_never_matched(stream, front, node, world):
    before = count(node, 'jump')
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        stream.send(front, stream.stamp(i), jpeg)
        if i % 5 == 4:
            stream.send(front, stream.stamp(i) + 3600 * 10**9, jpeg, valid=False)
    stream.finish()
    assert count(node, 'jump') > before


@pytest.mark.parametrize('back_s', [0.35, 900.0])
def test_backward_stamps_are_never_matched(stream, front, node, world, back_s):
    kind = 'backward' if back_s < 1 else 'jump'
    before = count(node, kind)
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        stream.send(front, stream.stamp(i), jpeg)
        if i % 5 == 4:
            odd = stream.stamp(i) - round(back_s * 1e9)
            stream.send(front, odd, jpeg, valid=False)
    stream.finish()
    assert count(node, kind) > before
    assert 'camera front: header.stamp ' in node.processes[0].log()


def test_duplicate_stamps_are_matched_once(stream, front, node, world):
    before = count(node, 'duplicate')
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        stream.send(front, stream.stamp(i), jpeg)
        stream.send(front, stream.stamp(i), world.jpegs['side'][i])
    stream.finish()
    assert count(node, 'duplicate') > before


def test_damaged_pictures_are_counted_and_skipped(stream, front, node, world):
    before = count(node, 'bad')
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        bad = i % 4 == 3
        stream.send(front, stream.stamp(i), jpeg[: len(jpeg) // 2] if bad else jpeg, not bad)
    stream.finish()
    assert count(node, 'bad') >= before + 8
    assert 'camera front: bad frame: corrupt JPEG' in node.processes[0].log()


def test_resolution_may_change(stream, front, world):
    for i, jpeg in enumerate(world.jpegs['front'][:40]):
        if i >= 20:
            pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            jpeg = cv2.imencode('.jpg', cv2.resize(pixels, (320, 240)))[1].tobytes()
        stream.send(front, stream.stamp(i), jpeg)
    run = stream.finish()
    assert any(match.stamp_ns > stream.stamp(20) for match in run.matches)


def test_two_publishers_on_one_topic_are_told_of(stream, front, node, world):
    second = node.camera('/front/image_raw/compressed').connect()
    for i, jpeg in enumerate(world.jpegs['front'][:60]):
        stream.send(front, stream.stamp(i), jpeg)
        stream.send(second, stream.stamp(i) + PERIOD_NS // 3, world.jpegs['side'][i])
    stream.finish(matches=0)
    node.wait(lambda: '2 publishers on /front/image_raw' in node.processes[0].log(), 'a warning')
    second.close()


def test_frozen_camera_goes_stale_though_it_sends(stream, front, world):
    jpegs = world.jpegs['front']
    for i in range(20):
        stream.send(front, stream.stamp(i), jpegs[i])
    frozen_s = time.monotonic()
    for i in range(20, 65):  # 1.5 s: the same picture, ever new stamps
        fresh = time.monotonic() - frozen_s < STALE_S
        stream.send(front, stream.stamp(i), jpegs[19], valid=fresh)
    states = {status.state for status in stream.run.statuses}
    assert 'STALE' in states
    reason = stream.run.statuses[-1].values['waiting_for']
    assert reason.startswith('front: repeats the same picture')
    returned_s = time.monotonic()
    for i in range(65, 85):
        stream.send(front, stream.stamp(i), jpegs[i - 45])
    run = stream.finish()
    assert any(match.received_s > returned_s for match in run.matches)


def test_camera_that_dies_and_returns(stream, node, world):
    jpegs = world.jpegs['front']
    camera = node.camera('/front/image_raw/compressed').connect()
    for i in range(20):
        stream.send(camera, stream.stamp(i), jpegs[i])
    camera.close()
    stream.wait_for_state('LOST')
    stale = [status for status in stream.run.statuses if status.state in ('STALE', 'LOST')]
    assert {status.stamp_ns for status in stale} == {stream.run.matches[-1].stamp_ns}
    silent = len(stream.run.matches)
    camera = node.camera('/front/image_raw/compressed').connect()
    for i in range(35, 65):
        stream.send(camera, stream.stamp(i), jpegs[i - 15])
    run = stream.finish()
    assert len(run.matches) > silent + 5
    camera.close()


def test_stream_that_starts_over_is_tracked_anew(stream, front, world):
    for _ in range(2):
        for i, jpeg in enumerate(world.jpegs['front'][10:40]):
            stream.send(front, stream.stamp(10 + i), jpeg)
    run = stream.finish(turns=2)
    states = [status.state for status in run.statuses]
    again = states.index('INIT', states.index('TRACKING'))
    assert 'TRACKING' in states[again:]
    assert run.statuses[again].stamp_ns < run.statuses[again - 1].stamp_ns


def test_late_joiner_gets_the_facts(node, make_graph):
    late = make_graph(node.domain_id)
    info = late.wait(lambda: late.run.info, '~/info')
    late.close()
    assert info['demonstrations'][0]['name'] == 'front'
    assert info['cameras'][0]['topic'] == '/front/image_raw/compressed'


def test_camera_that_never_comes(graph, world):
    """Without it after absent_after_s, unless every camera is required."""
    demanding = {'stale_s': STALE_S, 'lost_s': LOST_S, 'absent_after_s': 0.0}
    parameters = world.parameters('front', 'side', stale_s=STALE_S, lost_s=LOST_S)
    graph.start(parameters | {'absent_after_s': 0.3})
    graph.start(parameters | demanding, '-r', '__node:=demanding')
    graph.wait_until_active()
    other = []
    graph.node.create_subscription(DiagnosticArray, '/demanding/match_status', other.append, 10)
    front = graph.camera('/front/image_raw/compressed').connect(2)
    stream = Stream(graph)
    for i, jpeg in enumerate(world.jpegs['front'][:60]):
        stream.send(front, stream.stamp(i), jpeg)
    run = stream.finish()
    assert {status.values['cameras'] for status in run.statuses} == {'front'}
    assert other == []
    for process in graph.processes:
        assert process.stop() == 0


def test_raw_images_with_padding_and_other_encodings(graph, world):
    parameters = world.parameters('front', stale_s=STALE_S, lost_s=LOST_S)
    process = graph.start(parameters | {'camera.front.transport': 'raw'})
    graph.wait_until_active()
    front = graph.camera('/front/image_raw', Image).connect()
    stream = Stream(graph)
    for i, image in enumerate(world.images['front'][:40]):
        graph.spin(SEND_S)
        stamp = stream.stamp(i)
        if i % 8 == 7:
            front.raw(stamp, np.zeros((48, 64), np.uint16), '16UC1')
            continue
        stream.valid.append((stamp, time.monotonic()))
        if i >= 30:  # another size, in the middle of the stream
            image = np.ascontiguousarray(image.repeat(2, axis=0).repeat(2, axis=1))
        bgr = np.ascontiguousarray(image[..., ::-1])
        front.raw(stamp, bgr, 'bgr8', padding=i % 3 * 8) if i % 2 else front.raw(stamp, image)
    run = stream.finish()
    assert any(match.stamp_ns > stream.stamp(30) for match in run.matches)
    errors = [abs(m.time_s - (m.stamp_ns - stream.base) / 1e9) for m in run.matches]
    assert np.median(errors) < 0.3
    assert '16UC1 holds distances' in process.log()
