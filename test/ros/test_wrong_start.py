"""What a careless user starts: one line, exit code 2, no traceback, no crash on the way out."""

from __future__ import annotations

import dataclasses

from lifecycle_msgs.msg import Transition
import pytest
from smaknet_core import demonstration
from smaknet_ros.processes import MATCHER, PLAYER, Process, ros_args
import torch

QOS = 'qos_overrides./front/image_raw/compressed.subscription.'


def assert_refused(graph, cases):
    """Start all of the command lines at once; each must end with its complaint."""
    for complaint, process in cases.items():
        assert graph.wait_for_exit(process, 60) == 2, process.log()
        (line,) = process.log().splitlines()
        assert complaint in line
        assert 'Traceback' not in line


def test_wrong_parameters_and_arguments(graph, world, tmp_path):
    good = world.parameters('front')
    broken = tmp_path / 'broken.yaml'
    broken.write_text('/**: [')
    unknown = tmp_path / 'unknown.yaml'
    unknown.write_text('/**: {ros__parameters: {match: {evidence: 1.0}}}')
    assert_refused(
        graph,
        {
            "parameter stale does not exist, did you mean 'stale_s'": graph.start(
                good | {'stale': 1.0}
            ),
            "match.evidence does not exist, did you mean 'match.evidence_time_s'": graph.start(
                good, '--params-file', str(unknown)
            ),
            'stale_s: expected number': graph.start(good | {'stale_s': 'soon'}),
            'lost_s: 0.1 is less than stale_s 0.5': graph.start(good | {'lost_s': 0.1}),
            'params file': graph.start(good, '--params-file', str(broken)),
            'unrecognized arguments: --model': graph.spawn(MATCHER, ['--model', 'x']),
            'demonstration: expected texts, got nothing': graph.start(
                good | {'demonstration': []}
            ),
            "'/front//x/compressed' is no ROS topic name": graph.start(
                good | {'camera.front.topic': '/front//x'}
            ),
            f"{QOS}reliability: expected reliable or best_effort or system_default, got 'maybe'": (
                graph.start(good | {f'{QOS}reliability': 'maybe'})
            ),
            "/frnt/image_raw.subscription.depth does not exist, did you mean 'qos_": (
                graph.start(good | {'qos_overrides./frnt/image_raw.subscription.depth': 5})
            ),
            "'use_sim_time' to 'soon' of type 'STRING', expecting type 'BOOL'": graph.start(
                good | {'use_sim_time': 'soon'}
            ),
        },
    )


def test_wrong_files_and_devices(graph, world, tmp_path):
    good = world.parameters('front')
    foreign = dataclasses.replace(demonstration.load(world.front), model_hash='0' * 64)
    foreign.save(tmp_path / 'foreign.safetensors')
    absent = f'cuda:{torch.cuda.device_count()}'
    assert_refused(
        graph,
        {
            f'device: {absent} was asked for': graph.start(good | {'device': absent}),
            'parameter model is not set': graph.start(good | {'model': ''}),
            'parameter demonstration is not set': graph.start(good | {'demonstration': ['']}),
            'made with another model': graph.start(
                good | {'demonstration': [str(tmp_path / 'foreign.safetensors')]}
            ),
            'nowhere\ufffd[2J: no model here': graph.start(good | {'model': 'nowhere\x1b[2J'}),
        },
    )


@pytest.mark.parametrize('name', [MATCHER, PLAYER])
def test_without_a_folder_for_logs(graph, world, name):
    environment = dict(graph.environment)
    for variable in ('HOME', 'ROS_LOG_DIR', 'ROS_HOME'):
        environment.pop(variable, None)
    arguments = ros_args(world.parameters('front')) if name == MATCHER else [str(world.bag)]
    process = Process(name, arguments, environment)
    graph.processes.append(process)
    assert_refused(graph, {f'{name}: failed to initialize logging': process})


def test_an_activation_that_fails_says_why_and_can_be_retried(graph, world):
    """A topic that the node itself has with another type: only subscribing shows that."""
    wrong = world.parameters('front') | {'camera.front.transport': 'raw'}
    wrong['camera.front.topic'] = '/rosout'
    started = graph.start(wrong)
    by_hand = graph.start(wrong | {'autostart': False}, '-r', '__node:=by_hand')
    for _ in range(2):
        assert graph.change_state(Transition.TRANSITION_CONFIGURE, '/by_hand')
        assert not graph.change_state(Transition.TRANSITION_ACTIVATE, '/by_hand')
        assert graph.state('/by_hand') == 'unconfigured'
    assert by_hand.stop() == 0
    assert graph.wait_for_exit(started, 60) == 2
    for process in (started, by_hand):
        assert 'cannot activate: /rosout: ' in process.log()
        assert 'incompatible type' in process.log()
        assert 'Traceback' not in process.log()
