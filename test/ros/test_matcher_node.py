"""The matcher as a process over DDS: parameters, lifecycle, services, graph, end."""

from __future__ import annotations

from pathlib import Path
import re
import signal
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, TimeReference
from smaknet_core import demonstration
from smaknet_core.side_by_side import COLOURS, HEIGHT, STRIP
from smaknet_core.types import State
from smaknet_ros.live import play_into_node

PERIOD_NS = 100_000_000
BASE_NS = 1_700_000_000 * 10**9
KINDS = {
    str: ('string_value', ParameterType.PARAMETER_STRING),
    list: ('string_array_value', ParameterType.PARAMETER_STRING_ARRAY),
    float: ('double_value', ParameterType.PARAMETER_DOUBLE),
    int: ('integer_value', ParameterType.PARAMETER_INTEGER),
}


def play(graph, cameras, world, frames, base_ns=BASE_NS, every_s=0.033):
    """Send the recording's frames of all cameras, ten a second by their stamps."""
    for i in frames:
        for name, camera in cameras.items():
            camera.jpeg(base_ns + i * PERIOD_NS, world.jpegs[name][i])
        graph.spin(every_s)


def set_parameters(graph, values, matcher='/smaknet_matcher'):
    """Set parameters; the result with its reason."""
    request = SetParametersAtomically.Request()
    for name, value in values.items():
        kind, number = KINDS[type(value)]
        message = ParameterValue(**{'type': number, kind: value})
        request.parameters.append(Parameter(name=name, value=message))
    name = f'{matcher}/set_parameters_atomically'
    return graph.call(SetParametersAtomically, name, request).result


def assert_clean_end(process, how):
    code = process.stop(how)
    log = process.log()
    assert code == 0, log
    assert 'Traceback' not in log
    assert 'terminate called' not in log


def test_recording_played_into_the_node(world):
    run = play_into_node(world.model, [world.both], world.bag, rate=2.0, deadline_s=90)
    assert run.exit_codes == {'smaknet_matcher': 0, 'smaknet_player': 0}, run.logs
    assert 'Traceback' not in run.logs['smaknet_matcher'] + run.logs['smaknet_player']
    assert len(run.matches) > 40
    assert {match.stamp_ns for match in run.matches} <= run.sent_ns
    assert len(run.statuses) > len(run.matches)
    assert run.embeddings > 40
    demo = demonstration.load(world.both)
    assert {match.source for match in run.matches} == {f'both@{demo.hash[:8]}'}
    assert run.info['demonstrations'][0]['origin_stamp_ns'] == demo.origin_stamp_ns
    errors = [m.time_s - (m.stamp_ns - demo.origin_stamp_ns) / 1e9 for m in run.matches]
    assert np.median(np.abs(errors)) < 0.3
    assert len(run.latencies_s) > 30
    assert 0 < np.median(run.latencies_s) < 0.5


def test_lifecycle_by_hand_and_a_missing_model_that_appears(graph, world):
    parameters = world.parameters('front') | {'model': 'nowhere', 'autostart': False}
    process = graph.start(parameters)
    assert graph.state() == 'unconfigured'
    assert not graph.change_state(Transition.TRANSITION_CONFIGURE)
    assert graph.state() == 'unconfigured'
    assert 'nowhere: no model here' in process.log()
    assert not graph.trigger('reset').success

    assert set_parameters(graph, {'model': str(world.model)}).successful
    assert graph.change_state(Transition.TRANSITION_CONFIGURE)
    assert graph.state() == 'inactive'
    refused = set_parameters(graph, {'model': 'other'})
    assert not refused.successful
    assert 'unconfigured' in refused.reason
    front = graph.camera('/front/image_raw/compressed')
    assert front.output.get_subscription_count() == 0

    for _ in range(2):
        graph.run.info = {}
        assert graph.change_state(Transition.TRANSITION_ACTIVATE)
        graph.wait_until_active()
        front.connect()
        graph.run.matches.clear()
        play(graph, {'front': front}, world, range(40))
        graph.wait(lambda: graph.run.matches, 'a match')
        assert graph.change_state(Transition.TRANSITION_DEACTIVATE)
        graph.wait(lambda: front.output.get_subscription_count() == 0, 'the subscription to go')
    assert graph.change_state(Transition.TRANSITION_CLEANUP)
    assert graph.state() == 'unconfigured'
    graph.wait(lambda: not graph.node.count_publishers('/smaknet_matcher/match'), 'silence')
    assert graph.change_state(Transition.TRANSITION_CONFIGURE)
    assert graph.change_state(Transition.TRANSITION_INACTIVE_SHUTDOWN)
    assert graph.state() == 'finalized'
    assert_clean_end(process, signal.SIGTERM)


def test_services_and_dynamic_parameters(graph, world, tmp_path):
    taught = tmp_path / 'taught.safetensors'
    taught.write_bytes(world.front.read_bytes())
    parameters = world.parameters('front', stale_s=1.0) | {'demonstration': [str(taught)]}
    process = graph.start(parameters)
    graph.wait_until_active()
    front = graph.camera('/front/image_raw/compressed').connect()
    play(graph, {'front': front}, world, range(20))
    graph.wait(lambda: graph.run.matches, 'a match')

    # A reload that fails keeps the old demonstration.
    taught.write_bytes(b'nonsense')
    answer = graph.trigger('reload_demonstration')
    assert not answer.success
    assert 'taught.safetensors' in answer.message
    matches = len(graph.run.matches)
    play(graph, {'front': front}, world, range(20, 30))
    graph.wait(lambda: len(graph.run.matches) > matches, 'matches with the old demonstration')

    # So does a parameter; one that works is told on ~/info, and tracking starts anew.
    answer = set_parameters(graph, {'demonstration': ['nowhere.safetensors']})
    assert not answer.successful
    assert 'nowhere.safetensors' in answer.reason
    graph.run.info = {}
    assert set_parameters(graph, {'demonstration': [str(world.both)]}).successful
    info = graph.wait(lambda: graph.run.info, 'new facts')
    assert info['demonstrations'][0]['name'] == 'both'
    graph.run.statuses.clear()
    play(graph, {'front': front}, world, range(30, 50))
    status = graph.wait(lambda: graph.run.statuses, 'a status')[0]
    assert (status.state, status.values['demonstration'][:5]) == ('INIT', 'both@')

    # Reset: INIT again.
    play(graph, {'front': front}, world, range(50, 60))
    assert graph.trigger('reset').success
    graph.spin(0.1)
    graph.run.statuses.clear()
    play(graph, {'front': front}, world, range(60, 65))
    assert graph.wait(lambda: graph.run.statuses, 'a status')[0].state == 'INIT'

    # Values are checked one by one and together, and descriptions are useful.
    assert not set_parameters(graph, {'lost_s': 0.5}).successful
    assert set_parameters(graph, {'lost_s': 3, 'stale_s': 2.0}).successful
    assert not set_parameters(graph, {'match.lost_above': 7.0}).successful
    for name, value, reason in (
        ('cameras', ['front', 'side'], 'read-only'),
        ('stale_s', 'soon', "parameter stale_s: expected number, got 'soon'"),
        ('max_spread_s', 11.0, 'max_spread_s'),
        ('demonstration', [''], 'parameter demonstration is not set'),
    ):
        answer = set_parameters(graph, {name: value})
        assert not answer.successful
        assert reason in answer.reason
    request = DescribeParameters.Request(names=['max_spread_s', 'cameras'])
    described = graph.call(
        DescribeParameters, '/smaknet_matcher/describe_parameters', request
    ).descriptors
    assert described[0].floating_point_range[0].to_value == 10.0
    assert '[s]' in described[0].description
    assert described[1].read_only
    assert_clean_end(process, signal.SIGINT)


def test_attention_and_diagnostics_and_embedding(graph, world):
    process = graph.start(world.parameters('front', 'side', attention_rate=30.0))
    graph.wait_until_active()
    pictures, health, embeddings = [], {}, []
    graph.node.create_subscription(
        DiagnosticArray, '/diagnostics', lambda m: health.update({s.name: s for s in m.status}), 10
    )
    graph.node.create_subscription(
        Image, '/smaknet_matcher/embedding', embeddings.append, qos_profile_sensor_data
    )
    graph.node.create_subscription(
        Image, '/smaknet_matcher/attention/side', pictures.append, qos_profile_sensor_data
    )
    cameras = {n: graph.camera(f'/{n}/image_raw/compressed').connect() for n in ('front', 'side')}
    for start in range(0, 90, 30):
        play(graph, cameras, world, range(start, start + 30))
    graph.wait(lambda: pictures, 'attention')
    picture = pictures[-1]
    assert (picture.encoding, picture.height, picture.width) == ('rgb8', 192, 3 * 256)
    assert picture.header.frame_id == 'lens'
    assert len(picture.data) == picture.step * picture.height
    rows = np.frombuffer(embeddings[-1].data, '<f4').reshape(2, 32)
    assert (embeddings[-1].encoding, embeddings[-1].step) == ('32FC1', 128)
    assert np.isfinite(rows).all()
    assert graph.run.statuses[-1].values['cameras'] == 'front side'

    graph.wait(lambda: 'smaknet_matcher: camera side' in health, 'diagnostics')
    camera = {pair.key: pair.value for pair in health['smaknet_matcher: camera side'].values}
    assert camera['topic'] == '/side/image_raw/compressed'
    assert float(camera['rate']) > 0
    matching = health['smaknet_matcher: matching']
    values = {pair.key: pair.value for pair in matching.values}
    assert (values['device'], values['state']) == ('cpu', 'active')
    graph.wait(
        lambda: health['smaknet_matcher: camera side'].level == DiagnosticStatus.STALE, 'silence'
    )
    process.stop(signal.SIGINT)
    assert process.code() == 0


def test_debug_image_shows_live_beside_matched_and_says_stale(graph, world):
    process = graph.start(world.parameters('front', 'side', debug_rate=30.0))
    graph.wait_until_active()
    cameras = {n: graph.camera(f'/{n}/image_raw/compressed').connect() for n in ('front', 'side')}
    play(graph, cameras, world, range(20))  # nobody looks: nothing is drawn or kept
    pictures = []
    debug = '/smaknet_matcher/debug_image'
    graph.node.create_subscription(Image, debug, pictures.append, qos_profile_sensor_data)
    graph.wait(lambda: graph.node.count_publishers(debug), 'the debug image')
    play(graph, cameras, world, range(20, 60))
    graph.wait(lambda: pictures, 'a debug image')
    graph.wait(lambda: graph.run.statuses[-1].state == 'STALE', 'the silence')
    seen = len(pictures)
    graph.wait(lambda: len(pictures) > seen, 'a picture that says so')
    sent = set(cameras['front'].sent_ns)
    for picture in pictures:
        assert picture.header.stamp.sec * 10**9 + picture.header.stamp.nanosec in sent
        assert picture.header.frame_id == 'lens'
        assert (picture.encoding, picture.height) == ('rgb8', 2 * HEIGHT + STRIP)
        assert len(picture.data) == picture.step * picture.height
    shown = [np.frombuffer(p.data, 'u1').reshape(p.height, p.width, 3) for p in pictures]
    strips = [picture[2 * HEIGHT :].reshape(-1, 3).tolist() for picture in shown]
    assert any(list(COLOURS[State.TRACKING]) in strip for strip in strips)
    assert list(COLOURS[State.STALE]) in strips[-1]
    assert_clean_end(process, signal.SIGTERM)


def test_two_nodes_in_one_graph_with_namespace_and_remaps(graph, world):
    for side in ('left', 'right'):
        graph.start(
            world.parameters('front'),
            *('-r', '__node:=eye', '-r', f'__ns:=/{side}'),
            *('-r', f'front/image_raw/compressed:=/rig/{side}'),
        )
    matches = {'left': [], 'right': []}
    for side, seen in matches.items():
        graph.node.create_subscription(TimeReference, f'/{side}/eye/match', seen.append, 10)
    left, right = (graph.camera(f'/rig/{side}').connect() for side in matches)
    play(graph, {'front': left}, world, range(30))
    graph.wait(lambda: matches['left'], 'a match on the left')
    assert matches['right'] == []
    play(graph, {'front': right}, world, range(30))
    graph.wait(lambda: matches['right'], 'a match on the right')
    for process in graph.processes:
        process.stop(signal.SIGTERM)
        assert process.code() == 0


def test_what_keeps_pictures_away_is_told(graph, world):
    """Incompatible QoS, a topic that nobody publishes, and a clock that stands still."""
    parameters = world.parameters('front', 'side')
    parameters |= {
        'qos_overrides./front/image_raw/compressed.subscription.reliability': 'reliable',
        'camera.side.topic': '/sidee/image_raw',
        'use_sim_time': True,
    }
    process = graph.start(parameters)
    graph.wait_until_active()
    front = graph.camera('/front/image_raw/compressed', reliable=False)
    side = graph.camera('/side/image_raw/compressed')
    log = process.log
    graph.wait(lambda: 'camera side: no message on' in log(), 'the silence to be told', 20)
    graph.wait(lambda: 'incompatible QoS' in log(), 'the QoS to be told', 20)
    lines = [line for line in log().splitlines() if 'camera ' in line]
    (mismatch,) = (line for line in lines if 'incompatible QoS' in line)
    assert 'front/image_raw/compressed (reliability): subscribed reliable, volatile' in mismatch
    assert '/smaknet_listener (sensor_msgs/msg/CompressedImage, best effort, volatile)' in mismatch
    (silence,) = (line for line in lines if 'camera side: no message' in line)
    assert re.search(r'/sidee/image_raw/compressed for \d s: nobody publishes it', silence)
    assert '/side/image_raw/compressed' in silence
    assert 'use_sim_time is set, but nothing publishes /clock' in log()
    front.close()
    side.close()


def test_simulated_time_and_a_looping_bag(graph, world):
    parameters = world.parameters('front', use_sim_time=True, stale_s=1.0)
    parameters |= {'camera.front.topic': '/camera/front/image_raw'}
    process = graph.start(parameters)
    graph.wait_until_active()
    player = graph.spawn(
        'smaknet_player',
        [str(world.bag), '--rate=6', '--loop', '--clock', '--wait-for-subscribers=1']
        + ['--topics', '/camera/front/image_raw/compressed'],
    )

    def restarts():
        states = [status.state for status in graph.run.statuses]
        begun = [a == 'INIT' and b != 'INIT' for a, b in zip(states[1:], states, strict=False)]
        return sum(begun) >= 2

    graph.wait(restarts, 'two more turns')
    assert {match.stamp_ns for match in graph.run.matches} <= {
        int(stamp) for stamp in demonstration.load(world.front).stamps_ns
    }
    assert 'off this node' not in process.log()
    assert player.stop(signal.SIGINT) == 0
    assert_clean_end(process, signal.SIGTERM)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_torch_is_loaded_ends_it_without_a_word(graph, world, how):
    process = graph.start(world.parameters('front'))
    maps = Path(f'/proc/{process.pid}/maps')  # seen at once, not when DDS has found the node
    deadline = time.monotonic() + 60
    while 'libtorch_cpu' not in maps.read_text() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert 'warm in' not in process.log(), 'too late to be of interest'
    assert_clean_end(process, how)
    assert process.log() == ''


def test_signals_while_starting_and_while_busy_exit_0(graph, world):
    early = graph.start(world.parameters('front'))
    busy = graph.start(world.parameters('side', 'front'), '-r', '__node:=busy')
    graph.wait(lambda: 'warm in' in early.log(), 'the model')
    assert_clean_end(early, signal.SIGTERM)
    cameras = {n: graph.camera(f'/{n}/image_raw/compressed') for n in ('front', 'side')}
    cameras['side'].connect()
    play(graph, cameras, world, range(5))
    assert_clean_end(busy, signal.SIGINT)
