"""The player: the recorded bytes, in recorded time, and clear words when it cannot."""

from __future__ import annotations

import struct
import time

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from sensor_msgs.msg import CompressedImage
from smaknet_core.data.bags import open_recording
from smaknet_ros.player_node import restamp

TOPIC = '/camera/front/image_raw/compressed'


def listen(graph, topic=TOPIC):
    """Subscribe for raw bytes; gives a list of (monotonic seconds, bytes)."""
    seen = []
    graph.node.create_subscription(
        CompressedImage, topic, lambda cdr: seen.append((time.monotonic(), cdr)), 200, raw=True
    )
    return seen


def recorded(world):
    with open_recording(world.bag) as recording:
        return [(ns, bytes(cdr)) for _, ns, cdr in recording.messages([TOPIC])]


def stamp_of(cdr):
    sec, nanosec = struct.unpack_from('<iI', cdr, 4)
    return sec * 10**9 + nanosec


def test_bytes_and_timing_are_as_recorded(graph, world):
    player = graph.spawn(
        'smaknet_player',
        [str(world.bag), '--rate=4', '--wait-for-subscribers=1', '--topics', TOPIC],
    )
    graph.wait(
        lambda: f'waiting for subscribers: {TOPIC} (0 of 1)' in player.log(), 'its patience'
    )
    seen = listen(graph)
    assert graph.wait_for_exit(player) == 0, player.log()
    expected = recorded(world)
    # What is received is padded to four bytes.
    assert [stamp_of(cdr) for _, cdr in seen] == [stamp_of(cdr) for _, cdr in expected]
    for (_, got), (_, cdr) in zip(seen, expected, strict=True):
        assert got.rstrip(b'\0') == cdr.rstrip(b'\0')
    lasted_s = seen[-1][0] - seen[0][0]
    assert lasted_s == pytest.approx((expected[-1][0] - expected[0][0]) / 1e9 / 4, abs=0.5)
    assert f'played {len(expected)} messages' in player.log()


def test_start_and_stamp_now(graph, world):
    seen = listen(graph)
    player = graph.spawn(
        'smaknet_player',
        [str(world.bag), '--rate=4', '--start=60%', '--stamp=now', '--wait-for-subscribers=1']
        + ['--topics', TOPIC],
    )
    assert graph.wait_for_exit(player) == 0, player.log()
    expected = [ns for ns, _ in recorded(world)]
    first = expected[0] + 0.6 * (expected[-1] - expected[0])
    assert abs(len(seen) - sum(ns >= first for ns in expected)) <= 2
    now_ns = time.time_ns()
    assert all(0 <= now_ns - stamp_of(cdr) < 60 * 10**9 for _, cdr in seen)


def test_several_nodes_may_be_told_what_is_wrong_at_once(graph, world):
    bag = str(world.bag)
    cases = {
        'nowhere: no such file or folder': ['nowhere'],
        "no messages on /camera/frnt, did you mean '/camera/front": [
            bag,
            '--topics',
            '/camera/frnt',
        ],
        "--start: expected seconds or per cent, got 'half'": [bag, '--start=half'],
        '--start: expected 0 ... ': [bag, '--start=101%'],
        'argument --rate: expected 0.01 ... 100': [bag, '--rate=0'],
        "expected 0.01 ... 100, got 'fast'": [bag, '--rate=fast'],
        'the following arguments are required: bag': [],
    }
    processes = {text: graph.spawn('smaknet_player', args) for text, args in cases.items()}
    for complaint, process in processes.items():
        assert graph.wait_for_exit(process) == 2, process.log()
        assert complaint in process.log()
        assert 'Traceback' not in process.log()


def test_restamping_moves_the_stamp_and_nothing_else():
    little = b'\0\1\0\0' + struct.pack('<iI', 1000, 500) + b'rest'
    big = b'\0\0\0\0' + struct.pack('>iI', 1000, 500) + b'rest'
    for cdr, order in ((little, '<'), (big, '>')):
        moved = restamp(cdr, 5000 * 10**9, 998 * 10**9, 2.0)
        assert struct.unpack_from(f'{order}iI', moved, 4) == (5001, 250)
        assert (moved[:4], moved[12:]) == (cdr[:4], cdr[12:])


def test_restamping_leaves_what_is_not_set_and_cuts_what_does_not_fit():
    unset = b'\0\1\0\0' + struct.pack('<iI', 0, 0) + b'rest'
    assert restamp(unset, 5000 * 10**9, 998 * 10**9, 0.01) == unset
    for sec, expected in ((1, -(2**31)), (2**31 - 1, 2**31 - 1)):
        cdr = b'\0\1\0\0' + struct.pack('<iI', sec, 500) + b'rest'
        moved = restamp(cdr, 1_700_000_000 * 10**9, 1_600_000_000 * 10**9, 0.01)
        assert struct.unpack_from('<i', moved, 4) == (expected,)


def test_a_loop_of_a_single_message_is_no_flood_and_odd_names_are_left_out(graph, tmp_path):
    """What ROS 2 would not accept as a topic may stand in a recording all the same."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = 'sensor_msgs/msg/CompressedImage'
    with Writer(tmp_path / 'one', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic in (TOPIC, '/odd name/image_raw'):
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 10**18, bytes(4) + struct.pack('<iIIII', 1, 0, 1, 0, 0))
    seen = listen(graph)
    player = graph.spawn('smaknet_player', [str(tmp_path / 'one'), '--loop'])
    graph.wait(lambda: len(seen) >= 5, 'five rounds')
    begun = len(seen)
    graph.spin(1.0)
    assert 2 <= len(seen) - begun <= 20
    assert '/odd name/image_raw: no ROS 2 topic name, left out' in player.log()
    assert player.stop() == 0
    assert 'Traceback' not in player.log()
