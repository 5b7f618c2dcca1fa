"""`ros2 launch` itself, where it is installed, on a prefix that holds this source tree."""

from __future__ import annotations

from contextlib import suppress
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys

from lifecycle_msgs.msg import Transition
import pytest
from sensor_msgs.msg import TimeReference
from smaknet_ros.processes import Process

ROOT = Path(__file__).parents[2]
WHY = 'ros2launch comes with launch_ros, which is only where ROS is installed'
ROS2 = 'import sys\nfrom ros2cli.cli import main\nsys.exit(main())\n'
COMMAND = '#!{}\nimport sys\nfrom smaknet_ros.commands import {} as run\nsys.exit(run())\n'
FILES = sorted(path.name for path in ROOT.glob('launch/*.launch.py'))


@pytest.fixture(scope='module')
def prefix(tmp_path_factory):
    """What colcon would install."""
    pytest.importorskip('ros2launch', reason=WHY)
    made = tmp_path_factory.mktemp('prefix')
    (made / 'share/ament_index/resource_index/packages').mkdir(parents=True)
    (made / 'share/ament_index/resource_index/packages/smaknet_ros').touch()
    for folder in ('launch', 'config'):
        shutil.copytree(ROOT / folder, made / 'share/smaknet_ros' / folder)
    (made / 'lib/smaknet_ros').mkdir(parents=True)
    for name in ('matcher', 'player', 'recorder'):
        script = made / f'lib/smaknet_ros/smaknet_{name}'
        script.write_text(COMMAND.format(sys.executable, name))
        script.chmod(0o755)
    (made / 'ros2.py').write_text(ROS2)
    return made


@pytest.fixture
def launch(prefix, graph):
    """Launch a file with these arguments; what is left of its nodes at the end is killed."""
    launched = []

    def start(name, *arguments):
        words = ['launch', 'smaknet_ros', name, *arguments]
        process = Process('ros2', words, environment(prefix, graph), prefix / 'ros2.py')
        graph.processes.append(process)
        launched.append(process)
        return process

    yield start
    for process in launched:
        for pid in re.findall(r'process started with pid \[(\d+)\]', process.log()):
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def environment(prefix, graph):
    found = [str(prefix), *filter(None, [os.environ.get('AMENT_PREFIX_PATH')])]
    return graph.environment | {'AMENT_PREFIX_PATH': os.pathsep.join(found)}


@pytest.fixture
def cameras_file(tmp_path):
    path = tmp_path / 'front.yaml'
    path.write_text(
        "/**:\n  ros__parameters:\n    cameras: ['front']\n    camera:\n      front:\n"
        "        topic: '/camera/front/image_raw'\n        transport: 'compressed'\n"
    )
    return f'params_file:={path}'


def followed(world):
    return (f'model:={world.model}', f'demonstration:={world.front}')


def assert_clean_end(process):
    assert process.stop() == 0, process.log()
    assert 'process has finished cleanly' in process.log()
    assert not re.search('Traceback|process has died|terminate called', process.log())


@pytest.mark.parametrize('name', FILES)
def test_arguments_are_shown(prefix, graph, name):
    done = subprocess.run(
        [sys.executable, str(prefix / 'ros2.py'), 'launch', 'smaknet_ros', name, '--show-args'],
        env=environment(prefix, graph),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for argument in ('params_file', 'namespace', 'log_level'):
        assert f"'{argument}':" in done.stdout
    assert 'no description' not in done.stdout


def test_matcher_starts_in_its_namespace_and_ends_with_the_launch(launch, graph, world):
    process = launch('matcher.launch.py', 'namespace:=left', *followed(world))
    graph.wait(lambda: 'active, cameras' in process.log(), 'the node to be active')
    assert graph.state('/left/smaknet_matcher') == 'active'
    assert graph.node.count_subscribers('/left/camera/image_raw') == 1
    assert_clean_end(process)


def test_matcher_waits_for_a_lifecycle_manager(launch, graph, world):
    process = launch('matcher.launch.py', 'autostart:=False', *followed(world))
    assert graph.state() == 'unconfigured'
    assert graph.change_state(Transition.TRANSITION_CONFIGURE)
    assert graph.change_state(Transition.TRANSITION_ACTIVATE)
    assert graph.state() == 'active'
    assert_clean_end(process)


def test_killed_matcher_comes_back(launch, graph, world):
    process = launch('matcher.launch.py', 'use_respawn:=true', *followed(world))
    graph.wait(lambda: 'active, cameras' in process.log(), 'the node to be active')
    (pid,) = re.findall(r'process started with pid \[(\d+)\]', process.log())
    os.kill(int(pid), signal.SIGKILL)
    graph.wait(lambda: process.log().count('active, cameras') == 2, 'the node to be back')
    assert process.stop() == 0
    assert 'process has finished cleanly' in process.log()


def test_replay_matches_and_ends_with_the_recording(launch, graph, world, cameras_file):
    matches = []
    graph.node.create_subscription(TimeReference, '/smaknet_matcher/match', matches.append, 100)
    process = launch(
        'replay.launch.py',
        f'bag:={world.bag}',
        'rate:=2.0',
        'topics:=/camera/front/image_raw/compressed',
        cameras_file,
        *followed(world),
    )
    assert graph.wait_for_exit(process) == 0, process.log()
    assert 'Traceback' not in process.log()
    assert process.log().count('process has finished cleanly') == 2
    assert matches


@pytest.mark.parametrize('bag', ['', 'bag:=/nowhere', 'model'])
def test_replay_that_cannot_be_says_why_and_ends(launch, graph, world, cameras_file, bag):
    given = [cameras_file, *followed(world)]
    if bag == 'model':
        given = [cameras_file, f'bag:={world.bag}', f'demonstration:={world.front}']
    elif bag:
        given.append(bag)
    process = launch('replay.launch.py', *given)
    assert graph.wait_for_exit(process) == 1, process.log()
    assert 'Traceback' not in process.log()
    expected = {
        '': 'bag is not given',
        'bag:=/nowhere': '/nowhere: no such file or folder',
        'model': 'parameter model is not set',
    }
    assert expected[bag] in process.log()
    started = len(re.findall('process started', process.log()))
    assert started == (2 if bag else 0)
    assert len(re.findall('process has finished|process has died', process.log())) == started


def test_recorder_records(launch, graph, world, tmp_path):
    topic = '/camera/front/image_raw/compressed'
    player = graph.spawn('smaknet_player', [str(world.bag), '--loop', '--stamp', 'now'])
    graph.wait(lambda: graph.node.count_publishers(topic), 'the camera')
    process = launch(
        'record.launch.py',
        'task:=pick the cube',
        f'out:={tmp_path}/demos',
        f'cameras:=front:={topic}',
        'countdown:=0',
        'episode_time:=1',
        'force:=True',
    )
    assert graph.wait_for_exit(process) == 0, process.log()
    assert '1 episode recorded' in process.log()
    assert (tmp_path / 'demos/episode_000/episode.json').is_file()
    assert player.stop() == 0
