"""Two cameras over DDS, one of which fails: the other goes on, and the sick one is named."""

from __future__ import annotations

import pytest
from streams import close_cleanly, count, listen_to_diagnostics, LOST_S, PERIOD_NS, STALE_S, Stream

ABSENT_S, SPREAD_S = 0.35, 0.02
CAMERAS = ('front', 'side')


@pytest.fixture(scope='module')
def node(world, make_graph):
    """One matcher that follows both cameras."""
    graph = make_graph()
    parameters = world.parameters(*CAMERAS, stale_s=STALE_S, lost_s=LOST_S)
    graph.start(parameters | {'absent_after_s': ABSENT_S, 'max_spread_s': SPREAD_S})
    graph.wait_until_active()
    listen_to_diagnostics(graph)
    yield graph
    close_cleanly(graph)


@pytest.fixture
def cameras(node):
    made = {name: node.camera(f'/{name}/image_raw/compressed').connect() for name in CAMERAS}
    yield made
    for camera in made.values():
        camera.close()


@pytest.fixture
def stream(node):
    return Stream(node)


def send_both(stream, cameras, world, numbers, late_ns=5_000_000):
    """A set's frames one after the other; the set has the stamp of the front one."""
    for i in numbers:
        stream.send(cameras['front'], stream.stamp(i), world.jpegs['front'][i])
        cameras['side'].jpeg(stream.stamp(i) + late_ns, world.jpegs['side'][i])


def seen_by(run, after_ns):
    """Which cameras were in the sets after a stamp."""
    return {s.values['cameras'] for s in run.statuses if s.stamp_ns > after_ns}


def test_one_that_dies_is_left_out_and_taken_back(stream, cameras, world):
    send_both(stream, cameras, world, range(20))
    assert 'front side' in seen_by(stream.run, 0)
    for i in range(20, 45):
        stream.send(cameras['front'], stream.stamp(i), world.jpegs['front'][i])
    # Waiting holds the sets up for `absent_after_s` of stamps; then they go on.
    assert stream.run.statuses[-1].stamp_ns > stream.stamp(20 + 10)
    assert seen_by(stream.run, stream.stamp(20 + 5)) == {'front'}
    send_both(stream, cameras, world, range(45, 70))
    run = stream.finish()
    assert run.statuses[-1].values['cameras'] == 'front side'
    assert any(match.stamp_ns > stream.stamp(50) for match in run.matches)


def test_one_that_freezes_is_left_out_and_named(stream, cameras, node, world):
    before = count(node, 'frozen', 'side')
    for i in range(70):
        stream.send(cameras['front'], stream.stamp(i), world.jpegs['front'][i])
        frozen = min(i, 15)  # the same picture, ever new stamps
        cameras['side'].jpeg(stream.stamp(i) + 5_000_000, world.jpegs['side'][frozen])
    run = stream.finish()
    assert seen_by(run, stream.stamp(60)) == {'front'}
    assert count(node, 'frozen', 'side') > before
    assert 'camera side: repeats the same picture' in node.processes[0].log()
    assert 'camera front: repeats' not in node.processes[0].log()


def test_one_whose_clock_jumps_is_left_out_and_named(stream, cameras, node, world):
    """Single stamps an hour off, here and there: no set has them."""
    before = count(node, 'jump', 'side')
    for i in range(50):
        stream.send(cameras['front'], stream.stamp(i), world.jpegs['front'][i])
        off_ns = 3600 * 10**9 * (1 if i % 4 else -1) if i % 3 == 2 else 5_000_000
        cameras['side'].jpeg(stream.stamp(i) + off_ns, world.jpegs['side'][i])
    run = stream.finish()
    assert all(float(status.values['spread']) <= SPREAD_S for status in run.statuses)
    assert count(node, 'jump', 'side') > before


def test_cameras_out_of_step_make_no_set_and_the_status_says_so(stream, cameras, world):
    send_both(stream, cameras, world, range(20))
    last_ns = stream.stamp(19)
    for i in range(20, 60):  # half a period apart
        stream.send(cameras['front'], stream.stamp(i), world.jpegs['front'][i], valid=False)
        cameras['side'].jpeg(stream.stamp(i) + PERIOD_NS // 2, world.jpegs['side'][i])
    stream.wait_for_state('STALE', 'LOST')
    assert all(match.stamp_ns <= last_ns for match in stream.run.matches)
    status = stream.run.statuses[-1]
    assert status.stamp_ns <= last_ns
    assert status.values['waiting_for'] == f'no partner within {SPREAD_S} s'
    send_both(stream, cameras, world, range(62, 80))
    run = stream.finish()
    assert run.statuses[-1].stamp_ns == stream.stamp(79)
