"""The parameter table against the YAML file, the README, the launch file and wrong input."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import subprocess
import sys

import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.errors import ConfigError
from smaknet_ros import parameters
from smaknet_ros.settings import settings_of
import yaml

ROOT = Path(__file__).parents[2]


def flatten(tree, prefix=''):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def test_yaml_file_is_the_one_the_table_writes():
    assert (ROOT / 'config/matcher.yaml').read_text() == parameters.to_yaml()


def test_readme_holds_the_table():
    assert parameters.to_markdown() in (ROOT / 'README.md').read_text()


def test_yaml_file_says_the_defaults_in_the_right_types():
    tree = yaml.safe_load(parameters.to_yaml())
    assert list(tree) == ['/**']
    values = dict(flatten(tree['/**']['ros__parameters']))
    assert parameters.resolve(values) == parameters.resolve({})
    for name, value in values.items():
        assert type(value) is type(parameters.resolve({})[name]), name


def test_every_match_setting_is_a_parameter_with_the_same_default():
    settings = settings_of(parameters.resolve({}))
    assert settings.match == MatchConfig()
    names = {row.name for row in parameters.TABLE if row.name.startswith('match.')}
    assert names == {f'match.{field.name}' for field in dataclasses.fields(MatchConfig)}


@pytest.mark.parametrize(
    ('overrides', 'complaint'),
    [
        ({'stale': 1.0}, "did you mean 'stale_s'"),
        ({'match.evidence': 1.0}, "did you mean 'match.evidence_time_s'"),
        ({'camera.wrist.topic': '/a'}, '`cameras` names camera'),
        ({'camera.camera.transprt': 'raw'}, "did you mean 'camera.camera.transport'"),
        ({'stale_s': 'soon'}, "stale_s: expected number, got 'soon'"),
        ({'stale_s': True}, 'expected number'),
        ({'stale_s': 0.0}, 'expected 0.05 ... 60'),
        ({'stale_s': float('nan')}, 'expected 0.05 ... 60'),
        ({'model': 3}, 'model: expected text'),
        ({'cameras': []}, 'expected different ROS names'),
        ({'cameras': ['a', 'a']}, 'expected different ROS names'),
        ({'cameras': ['left wrist']}, 'expected different ROS names'),
        ({'cameras': [1, 2]}, 'cameras: expected texts'),
        ({'camera.camera.transport': 'theora'}, 'expected raw or compressed'),
        ({'camera.camera.topic': 'a b'}, "camera.camera.topic: 'a b' is no ROS topic name"),
        ({'camera.camera.topic': '/a//b'}, 'is no ROS topic name'),
        ({'camera.camera.topic': '/a/'}, 'is no ROS topic name'),
        ({'camera.camera.topic': '/1a'}, 'is no ROS topic name'),
        (
            {'cameras': ['a', 'b'], 'camera.a.topic': 'b/image_raw'},
            'b/image_raw is that of a, too',
        ),
        ({'demonstration': None}, 'demonstration: expected texts, got nothing'),
        ({'stale_s': 2.0, 'lost_s': 1.0}, 'less than stale_s'),
        ({'match.found_below': 0.9}, 'found_below, lost_above'),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(overrides, complaint):
    with pytest.raises(ConfigError) as caught:
        parameters.resolve(overrides)
    assert complaint in str(caught.value)
    assert '\n' not in str(caught.value)


def test_what_rclpy_and_qos_overrides_declare_is_left_alone():
    parameters.resolve({'use_sim_time': True, 'qos_overrides./a.subscription.depth': 5})


OWN = {'subscription': ['/rig/top/image_raw'], 'publisher': ['/n/match', '/n/attention/top']}


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('/rig/top/image_raw.subscription.reliability', 'reliable'),
        ('/rig/top/image_raw.subscription.depth', 5),
        ('/n/match.publisher.history', 'keep_all'),
        ('/clock.subscription.depth', 'whatever rclpy makes of it'),
        ('/parameter_events.publisher.depth', 10),
    ],
)
def test_qos_of_topics_that_there_are(name, value):
    parameters.check_qos({f'qos_overrides.{name}': value, 'stale_s': 1.0}, OWN)


@pytest.mark.parametrize(
    ('name', 'value', 'complaint'),
    [
        (
            '/rig/top/image.subscription.depth',
            5,
            "did you mean 'qos_overrides./rig/top/image_raw.",
        ),
        ('/rig/top/image_raw.subscription.depht', 5, 'image_raw.subscription.depth'),
        ('/rig/top/image_raw.publisher.depth', 5, 'does not exist'),
        ('/n/match.publisher.durability', 'volatile', 'does not exist'),
        ('/n/match.publisher.depth', 0, 'expected 1 ... 1000, got 0'),
        ('/n/match.publisher.depth', True, 'expected 1 ... 1000, got True'),
        ('/n/match.publisher.depth', '5', "expected 1 ... 1000, got '5'"),
        ('/n/match.publisher.reliability', 'Reliable', "system_default, got 'Reliable'"),
    ],
)
def test_qos_that_would_be_ignored_is_refused(name, value, complaint):
    with pytest.raises(ConfigError) as caught:
        parameters.check_qos({f'qos_overrides.{name}': value}, OWN)
    assert complaint in str(caught.value)


def test_friendly_conversions():
    values = parameters.resolve({'stale_s': 1, 'demonstration': 'a.safetensors'})
    assert values['stale_s'] == 1.0
    assert isinstance(values['stale_s'], float)
    settings = settings_of(values)
    assert settings.demonstrations == (Path('a.safetensors'),)


def test_topics_of_cameras():
    settings = settings_of(
        parameters.resolve(
            {
                'cameras': ['wrist', 'top'],
                'camera.wrist.transport': 'compressed',
                'camera.top.topic': '/rig/top/compressed',
                'camera.top.transport': 'compressed',
                'absent_after_s': 0.0,
            }
        )
    )
    topics = [camera.topic for camera in settings.cameras]
    assert topics == ['wrist/image_raw/compressed', '/rig/top/compressed']
    assert settings.absent_after_s is None


@pytest.mark.parametrize(('argument', 'code'), [('--yaml', 0), ('--nonsense', 2)])
def test_command(argument, code):
    done = subprocess.run(
        [sys.executable, '-m', 'smaknet_ros.parameters', argument],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert done.stdout == (parameters.to_yaml() if code == 0 else '')
