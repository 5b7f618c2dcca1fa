"""Over DDS: damaged messages among good ones, and cameras killed and started again and again."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
import time

from damage import apply, compressed_damages, may_match, receive
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import pytest
from sensor_msgs.msg import CompressedImage
from smaknet_ros.conversions import to_ns, to_time
from streams import close_cleanly, LOST_S, SLACK_S, STALE_S, Stream

DRIVER = Path(__file__).resolve().parents[2] / 'benchmarks' / 'camera_driver.py'
FRAMES, DAMAGED = 40, 8  # good frames, and damaged ones before each


@pytest.fixture(scope='module')
def node(world, make_graph):
    graph = make_graph()
    graph.start(world.parameters('front', stale_s=STALE_S, lost_s=LOST_S))
    graph.wait_until_active()
    yield graph
    close_cleanly(graph)


def drawn(strategy, count):
    """Give so many examples, the same every time."""
    examples = []

    @given(value=st.lists(strategy, min_size=count, max_size=count))
    @settings(
        max_examples=2, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def keep(value):
        examples.append(value)

    keep()
    return examples[-1]


def test_damaged_messages_on_the_wire(node, world):
    camera = node.camera('/front/image_raw/compressed').connect()
    stream = Stream(node)
    damages = iter(drawn(compressed_damages, FRAMES * DAMAGED))
    for i, jpeg in enumerate(world.jpegs['front'][:FRAMES]):
        for part in range(DAMAGED):
            msg = CompressedImage(format='jpeg', data=jpeg)
            msg.header.stamp = to_time(stream.stamp(i) - (DAMAGED - part) * 1_000_000)
            wire = apply(next(damages), msg)
            got = receive(wire, CompressedImage)
            if got is not None and may_match(got):
                stream.valid.append((to_ns(got.header.stamp), time.monotonic()))
            camera.output.publish(wire)
        stream.send(camera, stream.stamp(i), jpeg)
    stream.finish(matches=0)
    for i, jpeg in enumerate(world.jpegs['front'][:FRAMES]):  # it goes on as if nothing had been
        stream.send(camera, stream.stamp(FRAMES + i), jpeg)
    stream.finish(matches=5)
    camera.close()


def kill_cameras(node, world, folder, times):
    """Start a driver, wait for a match, kill it, see the match end; so many times."""
    for camera in ('front',):
        (folder / camera).mkdir()
        for number, jpeg in enumerate(world.jpegs[camera]):
            (folder / camera / f'{number:04d}.jpg').write_bytes(jpeg)
    node.trigger('reset')
    run = node.run
    for _ in range(times):
        run.matches.clear()
        run.statuses.clear()
        with driver(node, folder):
            node.wait(lambda: run.matches, 'a match')
        killed_s = time.monotonic()
        node.wait(lambda: run.statuses[-1].state in ('STALE', 'LOST'), 'the match to be stale')
        node.spin(0.2)
        last = run.matches[-1]
        assert last.received_s - killed_s < STALE_S + SLACK_S
        after = [s for s in run.statuses if s.received_s > last.received_s]
        assert {s.stamp_ns for s in after if s.state == 'STALE'} <= {
            s.stamp_ns for s in run.statuses if s.state != 'STALE'
        }
        stamps = [match.stamp_ns for match in run.matches]
        assert stamps == sorted(set(stamps)), 'repeated, or backward'


@contextmanager
def driver(node, folder):
    """Run a camera driver in a process of its own; kill it."""
    command = [sys.executable, str(DRIVER), str(folder), '--hz', '20']
    with subprocess.Popen(command, env=node.environment) as process:
        try:
            yield
        finally:
            process.kill()


def test_cameras_killed_and_started_again(node, world, tmp_path):
    kill_cameras(node, world, tmp_path, 5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_cameras_killed_fifty_times(node, world, tmp_path):
    kill_cameras(node, world, tmp_path, 50)
