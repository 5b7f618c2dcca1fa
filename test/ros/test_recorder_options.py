"""The recorder's options: one table, three ways to set them, and clear words for wrong ones."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest
from smaknet_core.errors import ConfigError
from smaknet_ros import recorder_options
from smaknet_ros.arguments import apart
from smaknet_ros.recorder_options import options_of, parse, resolve, TABLE
import yaml

ROOT = Path(__file__).parents[2]
LEAST = ['--task', 'pour', '--out', 'demos', '--cameras', 'top:=/top/image_raw']


def test_yaml_and_documentation_are_those_of_the_table():
    assert (ROOT / 'config/recorder.yaml').read_text() == recorder_options.to_yaml()
    text = recorder_options.markdown_of(TABLE)
    assert text in (ROOT / 'docs/interfaces.md').read_text()
    for argument, code in (('--yaml', 0), ('--markdown', 0), ('--json', 2)):
        done = subprocess.run(
            [sys.executable, '-m', 'smaknet_ros.recorder_options', argument],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code


def test_yaml_holds_the_defaults():
    values = yaml.safe_load(recorder_options.to_yaml())['/**']['ros__parameters']
    assert resolve({}, values) == resolve({}, {})


def test_the_command_line_wins_over_parameters_and_these_over_defaults():
    given = parse([*LEAST, '--episodes', '3', '--wait'])
    assert given['cameras'] == ['top:=/top/image_raw']
    values = resolve(given, {'episodes': 7, 'episode_time': 20, 'use_sim_time': True})
    options = options_of(values)
    assert (options.episodes, options.episode_time_s, options.countdown_s) == (3, 20.0, 3.0)
    assert (options.wait, options.force) == (True, False)
    assert options.cameras == {'top': '/top/image_raw'}
    assert options.queue_bytes == 256 << 20


@pytest.mark.parametrize(
    ('more', 'complaint'),
    [
        (['--episodes', '0'], 'parameter episodes: expected 1 ... 100000, got 0'),
        (['--episodes', 'two'], "argument --episodes: invalid int value: 'two'"),
        (['--countdown', '-1'], 'parameter countdown: expected 0 ... 3600, got -1'),
        (['--cameras', '/top/image_raw'], "expected name:=/topic, got '/top/image_raw'"),
        (['--cameras', 'top:=/top image'], "'/top image' is no ROS topic name"),
        (['--cameras', 'a:=/x', 'a:=/y'], 'a:=/y names a camera or a topic for the second time'),
        (['--cameras', 'a:=/x', 'b:=/x'], 'b:=/x names a camera or a topic for the second time'),
        (['--topics', '/1'], "--topics: '/1' is no ROS topic name"),
        (['--task', ' '], '--task is not given'),
        (['--out', ''], '--out is not given'),
        (['--speed', '3'], 'unrecognized arguments: --speed 3'),
    ],
)
def test_wrong_options_are_refused_in_one_line(more, complaint):
    with pytest.raises(ConfigError) as caught:
        options_of(resolve(parse([*LEAST, *more]), {}))
    assert complaint in str(caught.value)


def test_unknown_parameters_are_refused():
    with pytest.raises(ConfigError, match="episods does not exist, did you mean 'episodes'"):
        resolve({}, {'episods': 3})


def test_cameras_are_no_remappings():
    """Rclpy's own division would take `top:=/top` away from the recorder, and remap by it."""
    line = [*LEAST, '--ros-args', '-r', '__ns:=/a', '--', '--wait', '--ros-args', '-p', 'a:=1']
    own, ros = apart(line)
    assert own == [*LEAST, '--wait']
    assert ros == ['--ros-args', '-r', '__ns:=/a', '--', '--ros-args', '-p', 'a:=1']
