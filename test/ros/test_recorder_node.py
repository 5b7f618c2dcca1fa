"""
The recorder over DDS: what came is what is in the recordings, whatever happens to the process.

The cameras publish from a thread of this test; a second subscriber hears what the recorder hears.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time

from mcap.reader import make_reader
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CompressedImage
from smaknet_core.data.bags import open_recording
from smaknet_core.data.quality import examine
from smaknet_core.data.recovery import repair
from smaknet_core.data.verdict import Level
from smaknet_ros.processes import RECORDER
from std_msgs.msg import String
from std_srvs.srv import Trigger

FRONT, SIDE = '/front/image_raw/compressed', '/side/image_raw/compressed'
NOTES = '/notes'
PERIOD_S = 0.04
LATCHED = QoSProfile(
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


class Cameras:
    """A reliable and a best effort camera that see the same, 25 times a second."""

    def __init__(self, graph, world):
        self._front = graph.camera(FRONT)
        self._side = graph.camera(SIDE, reliable=False)
        self._jpegs = world.jpegs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        number = 0
        while not self._ended.wait(PERIOD_S):
            stamp_ns = time.time_ns()
            for camera, name in ((self._front, 'front'), (self._side, 'side')):
                frames = self._jpegs[name]
                camera.jpeg(stamp_ns, frames[number % len(frames)])
            number += 1

    def close(self):
        self._ended.set()
        self._thread.join()


@pytest.fixture
def cameras(graph, world):
    made = Cameras(graph, world)
    yield made
    made.close()


@pytest.fixture
def state(graph):
    """The last message on ~/state."""
    seen = {}
    graph.node.create_subscription(
        String, f'/{RECORDER}/state', lambda msg: seen.update(json.loads(msg.data)), LATCHED
    )
    return seen


def record(graph, out, *more):
    words = ['--task', 'pour it', '--out', str(out), '--countdown', '0.2']
    words += ['--cameras', f'front:={FRONT}', f'side:={SIDE}']
    return graph.spawn(RECORDER, [*words, *more])


def wait_for(graph, state, name):
    graph.wait(lambda: state.get('state') == name, f'state {name}')


def messages_of(path):
    with open_recording(path) as recording:
        return [(topic.name, cdr) for topic, _, cdr in recording.messages()]


def test_a_session_of_two_episodes(graph, cameras, state, tmp_path):
    out = tmp_path / 'demos'
    kept = out / 'episode_004' / 'kept'
    kept.mkdir(parents=True)
    graph.node.create_publisher(String, NOTES, LATCHED).publish(String(data='calibrated'))
    heard = []
    for topic, reliability in (
        (FRONT, QoSReliabilityPolicy.RELIABLE),
        (SIDE, QoSReliabilityPolicy.BEST_EFFORT),
    ):
        qos = QoSProfile(depth=100, reliability=reliability)
        graph.node.create_subscription(CompressedImage, topic, heard.append, qos, raw=True)
    recorder = record(
        graph, out, '--episodes', '2', '--episode-time', '1.6', '--topics', NOTES, FRONT
    )
    wait_for(graph, state, 'RECORDING')
    for topic, expected in ((FRONT, 'RELIABLE'), (SIDE, 'BEST_EFFORT'), (NOTES, 'RELIABLE')):
        asked = graph.node.get_subscriptions_info_by_topic(topic)
        qos = [info.qos_profile for info in asked if info.node_name == RECORDER]
        assert [profile.reliability.name for profile in qos] == [expected]
        latched = qos[0].durability.name == 'TRANSIENT_LOCAL'
        assert latched == (topic == NOTES)
    assert graph.wait_for_exit(recorder) == 0, recorder.log()
    wait_for(graph, state, 'DONE')
    assert 'Traceback' not in recorder.log()
    assert (state['state'], state['recorded'], state['last']) == ('DONE', 2, 'episode_006')
    assert sorted(os.listdir(out)) == ['episode_004', 'episode_005', 'episode_006']
    assert kept.is_dir()
    for name in ('episode_005', 'episode_006'):
        look_at(out / name, heard)
    assert '2 episodes recorded: ' in recorder.log()


def look_at(folder, heard):
    """Compare an episode with what was heard, and with what other readers find in it."""
    got = messages_of(folder)
    images = [cdr for topic, cdr in got if topic != NOTES]
    assert len(images) > 40
    # Between processes the middleware pads to four bytes, within one it does not.
    assert {cdr.rstrip(b'\0') for cdr in images} <= {cdr.rstrip(b'\0') for cdr in heard}
    (note,) = (cdr for topic, cdr in got if topic == NOTES)
    assert b'calibrated' in note
    # Reliable: of what was sent in between, none is missing.
    front = [cdr for topic, cdr in got if topic == FRONT]
    with open_recording(folder) as recording:
        assert list(recording.cameras) == ['front', 'side']
        _, stamps = recording.camera_stamps('front')
        sent = [int.from_bytes(c[4:8], 'little') * 10**9 + int.from_bytes(c[8:12], 'little')
                for c in heard]  # fmt: skip
        between = {ns for ns in sent if stamps[0] <= ns <= stamps[-1]}
        assert set(stamps.tolist()) == between
        assert len(front) == len(set(front))
    about = json.loads((folder / 'episode.json').read_text())
    verdict = examine(folder)
    assert (about['task'], about['verdict']) == ('pour it', verdict.level.name)
    assert about['reasons'] == [reason.text for reason in verdict.reasons]
    with AnyReader([folder]) as reader:
        assert sum(1 for _ in reader.messages()) == len(got)
        kinds = {c.topic: (c.msgtype, c.ext.offered_qos_profiles) for c in reader.connections}
        assert kinds[SIDE][1][0].reliability.name == 'BEST_EFFORT'
        assert kinds[NOTES][1][0].durability.name == 'TRANSIENT_LOCAL'
        for connection, _, cdr in reader.messages():
            reader.deserialize(cdr, connection.msgtype)
    with (folder / f'{folder.name}_0.mcap').open('rb') as file:
        summary = make_reader(file, validate_crcs=True).get_summary()
    schemas = {schema.name: schema.data.decode() for schema in summary.schemas.values()}
    assert 'MSG: builtin_interfaces/Time' in schemas['sensor_msgs/msg/CompressedImage']
    assert all(channel.metadata['topic_type_hash'] for channel in summary.channels.values())
    assert 2 <= len(summary.chunk_indexes) <= 6


def ask(graph, what):
    return graph.call(Trigger, f'/{RECORDER}/{what}', Trigger.Request()).success


def test_services_and_then_a_kill(graph, cameras, state, tmp_path):
    recorder = record(graph, tmp_path, '--episodes', '9', '--wait')
    wait_for(graph, state, 'WAITING')
    assert not ask(graph, 'stop')
    assert ask(graph, 'start')
    wait_for(graph, state, 'RECORDING')
    assert os.listdir(tmp_path) == ['episode_000.partial']
    assert ask(graph, 'discard')
    wait_for(graph, state, 'WAITING')
    assert os.listdir(tmp_path) == []
    assert ask(graph, 'start')
    wait_for(graph, state, 'RECORDING')
    graph.spin(0.3)
    assert ask(graph, 'stop')
    wait_for(graph, state, 'WAITING')
    assert (state['recorded'], state['last']) == (1, 'episode_000')
    assert ask(graph, 'redo')
    wait_for(graph, state, 'RECORDING')
    assert (state['name'], state['recorded']) == ('episode_000', 0)
    kill_while_recording(graph, recorder, tmp_path, random.uniform(1.0, 2.0))


def kill_while_recording(graph, recorder, out, seconds):
    """Kill without warning after so long; at most the last second of what was sent is lost."""
    graph.spin(seconds)
    os.kill(recorder.pid, signal.SIGKILL)
    killed_ns = time.time_ns()
    graph.wait_for_exit(recorder)
    (folder,) = out.glob('*.partial')
    with open_recording(folder) as recording:
        assert set(recording.cameras) == {'front', 'side'}
        for camera in recording.cameras:
            received, stamps = recording.camera_stamps(camera)
            assert killed_ns - received[-1] < 1e9
            assert len(set(stamps)) == len(stamps)
        assert recording.task == 'pour it'
    verdict = examine(folder)
    assert verdict.level == Level.WARN
    assert 'truncated, usable until' in verdict.reasons[0].text
    with AnyReader([repair(folder)]) as reader:
        assert sum(1 for _ in reader.messages()) == len(messages_of(folder))


@pytest.mark.slow
@pytest.mark.parametrize('number', range(12))
def test_a_kill_at_any_moment(graph, cameras, state, tmp_path, number):
    recorder = record(graph, tmp_path)
    wait_for(graph, state, 'RECORDING')
    kill_while_recording(graph, recorder, tmp_path, random.uniform(1.0, 4.0))


def test_preflight_refuses_with_reasons_and_force_goes_on_until_interrupted(
    graph, cameras, state, tmp_path
):
    notes = graph.node.create_publisher(String, NOTES, LATCHED)
    dead = graph.camera('/dead/image_raw/compressed')
    (tmp_path / 'file').write_text('no folder')
    out = tmp_path / 'out'
    words = ['--task', 'pour', '--countdown', '0', '--episodes', '3']
    wrong = ['--cameras', f'front:={FRONT}', 'top:=/front/image', f'notes:={NOTES}']
    wrong += ['dead:=/dead/image_raw/compressed', '--topics', '/joints', '--out']
    small = ['--min-free-mb', '100000', '--episodes', '9']
    refused = graph.spawn(RECORDER, [*words, *wrong, str(out), *small])
    blocked = graph.spawn(
        RECORDER, [*words, '--cameras', f'front:={FRONT}', '--out', str(tmp_path / 'file' / 'out')]
    )
    going_on = tmp_path / 'going_on'
    forced = graph.spawn(RECORDER, [*words, *wrong, str(going_on), '--force'])
    wait_for(graph, state, 'RECORDING')
    graph.spin(0.7)
    assert forced.stop(signal.SIGINT, 30.0) == 0, forced.log()
    assert graph.wait_for_exit(refused) == graph.wait_for_exit(blocked) == 2, refused.log()
    for reason in (
        f"camera top: /front/image: nobody publishes it, did you mean '{FRONT}'",
        f'camera notes: {NOTES}: is std_msgs/msg/String, expected sensor_msgs/msg/Image',
        'camera dead: nothing came in 2 s: published by /',
        '/joints: /joints: nobody publishes it',
        'GB are needed for 9 episodes of 60 s',
        '(--force records all the same)',
    ):
        assert reason in refused.last_line()
    assert 'out: cannot be written (' in blocked.last_line()
    assert os.listdir(out) == []
    assert os.listdir(going_on) == ['episode_000']
    about = json.loads((going_on / 'episode_000' / 'episode.json').read_text())
    verdict = examine(going_on / 'episode_000')
    assert about['verdict'] == verdict.level.name
    assert verdict.sets > 5
    assert any('nothing came from /dead/image_raw' in note for note in verdict.notes)
    assert not [p for p in (refused, blocked, forced) if 'Traceback' in p.log()]
    assert 'camera front: ' in forced.log()
    dead.close()
    graph.node.destroy_publisher(notes)
