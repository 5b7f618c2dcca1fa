"""The launch files against setup.py, the configuration and the nodes they start."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest
from sensor_msgs.msg import Image
from smaknet_ros import parameters, recorder_options

ROOT = Path(__file__).parents[2]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
SETUP = (ROOT / 'setup.py').read_text()
NAMES = {
    'params_file',
    'namespace',
    'use_sim_time',
    'autostart',
    'use_respawn',
    'log_level',
    'model',
    'demonstration',
    'device',
}


def calls(path, name):
    """Find the calls of one function in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == name:
            yield node


def text(node):
    return node.value if isinstance(node, ast.Constant) else None


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_executables_are_console_scripts_of_this_package(path):
    nodes = list(calls(path, 'Node'))
    assert nodes
    for node in nodes:
        keywords = {keyword.arg: text(keyword.value) for keyword in node.keywords}
        assert keywords['package'] == 'smaknet_ros'
        assert f"'{keywords['executable']} = smaknet_ros." in SETUP


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_declared_arguments_are_used_and_used_ones_declared(path):
    declared = {text(call.args[0]) for call in calls(path, 'DeclareLaunchArgument')}
    used = {text(call.args[0]) for call in calls(path, 'LaunchConfiguration')}
    assert declared == used
    for call in calls(path, 'DeclareLaunchArgument'):
        assert {'default_value', 'description'} <= {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_configuration_files_exist_and_are_installed(path):
    for call in calls(path, 'PathJoinSubstitution'):
        parts = [text(element) for element in call.args[0].elts[1:]]
        assert ROOT.joinpath(*parts).is_file()
        assert f"glob('{parts[0]}/*')" in SETUP
    assert "glob('launch/*.launch.py')" in SETUP


def test_matcher_has_the_arguments_that_nav2_users_know():
    path = ROOT / 'launch/matcher.launch.py'
    assert {text(call.args[0]) for call in calls(path, 'DeclareLaunchArgument')} == NAMES
    rows = {row.name for row in parameters.TABLE}
    assert {'model', 'demonstration', 'device', 'autostart'} <= rows


def test_recorder_has_the_arguments_that_nav2_users_know_and_its_options():
    path = ROOT / 'launch/record.launch.py'
    declared = {text(call.args[0]) for call in calls(path, 'DeclareLaunchArgument')}
    assert {'params_file', 'namespace', 'use_sim_time', 'log_level'} <= declared
    options = {row.name for row in recorder_options.TABLE}
    rest = declared - {'params_file', 'namespace', 'use_sim_time', 'log_level'}
    assert rest == options - {'max_spread_s', 'min_free_mb', 'queue_mb'}
    words = {node.value for node in ast.walk(ast.parse(path.read_text())) if text(node)}
    for name in rest - {'wait', 'force'}:
        assert f'--{name.replace("_", "-")}' in words


def test_replay_has_the_players_options_and_hands_the_rest_to_the_matcher():
    path = ROOT / 'launch/replay.launch.py'
    declared = {text(call.args[0]) for call in calls(path, 'DeclareLaunchArgument')}
    own = {'bag', 'rate', 'start', 'loop', 'topics', 'wait_for'}
    handed = declared - own
    assert handed == NAMES - {'use_sim_time', 'autostart', 'use_respawn'}
    source = path.read_text()
    tree = ast.parse(source)
    (given,) = (
        {text(key) for key in node.keys} for node in ast.walk(tree) if isinstance(node, ast.Dict)
    )
    assert given == handed | {'use_sim_time'}
    words = {text(node) for node in ast.walk(tree) if text(node)}
    flags = {word for word in words if str(word).startswith('--')} - {'--ros-args', '--log-level'}
    player = (ROOT / 'smaknet_ros/player_node.py').read_text()
    assert flags == {
        '--clock',
        '--rate',
        '--start',
        '--wait-for-subscribers',
        '--loop',
        '--topics',
    }
    assert all(f"'{flag}'" in player for flag in flags)
    (included,) = calls(path, 'PythonLaunchDescriptionSource')
    assert (ROOT / f'launch{text(included.args[0].elts[1])}').is_file()


def test_replay_starts_nothing_before_it_knows_that_it_has_a_recording():
    """Launch that ends by an exception leaves behind what it has just begun to start."""
    (made,) = calls(ROOT / 'launch/replay.launch.py', 'LaunchDescription')
    kinds = [getattr(getattr(entity, 'func', entity), 'id', '') for entity in made.args[0].elts]
    assert kinds.index('OpaqueFunction') < kinds.index('matcher')


def test_nothing_but_launch_is_imported():
    for path in LAUNCH_FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                module = getattr(node, 'module', None) or node.names[0].name
                assert module.partition('.')[0] in ('launch', 'launch_ros')


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_accepts_the_file(path):
    pytest.importorskip('launch_ros', reason='launch_ros is only where ROS is installed')
    spec = importlib.util.spec_from_file_location('launched', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate_launch_description().entities


def test_the_command_line_that_launch_makes_is_understood(graph, world, tmp_path):
    """What `ros2 launch` runs: file, then overrides in a file of their own, names, log level."""
    (tmp_path / 'given.yaml').write_text(
        '/**:\n  ros__parameters:\n    use_sim_time: false\n    autostart: true\n'
        f'    model: "{world.model}"\n    demonstration: "{world.front}"\n'
        '    stale_s: 1\n'  # a whole number, where rclpy would want 1.0
    )
    process = graph.spawn(
        'smaknet_matcher',
        ['--ros-args', '--log-level', 'info', '--ros-args']
        + ['-r', '__node:=smaknet_matcher', '-r', '__ns:=/left']
        + ['--params-file', str(ROOT / 'config/matcher.yaml')]
        + ['--params-file', str(tmp_path / 'given.yaml')],
    )
    camera = graph.camera('/left/camera/image_raw', Image).connect()
    assert graph.state('/left/smaknet_matcher') == 'active'
    camera.close()
    assert process.stop() == 0
