"""The example consumer, over DDS: ahead of the match by the recorded way, still without one."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import time
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import JointState, TimeReference
from smaknet_core.data.recording_folder import serialise, write_bag
from smaknet_core.simulation.streams import JOINTS, JOINTS_TOPIC
from smaknet_ros.conversions import to_time
from smaknet_ros.processes import Process, ros_args
from smaknet_ros.topics import latched
from std_msgs.msg import String

JointTrajectory = pytest.importorskip('trajectory_msgs.msg').JointTrajectory

SCRIPT = Path(__file__).resolve().parents[2] / 'examples' / 'follow_demonstration.py'
NAMES = ['shoulder', 'elbow']
ORIGIN_NS = 1_700_000_000 * 10**9
LOOKAHEAD_S, TIMEOUT_S = 0.5, 0.4


def joints_at(time_s: float) -> list[float]:
    """Where the recorded joints were: at half a radian and a radian per second."""
    return [0.5 * time_s, -1.0 * time_s]


def write_joints(folder: Path) -> Path:
    def messages() -> Iterator[tuple[int, int, bytes]]:
        none = np.zeros(0)
        for step in range(100):
            stamp_ns = ORIGIN_NS + step * 50_000_000
            fields = {'name': NAMES, 'velocity': none, 'effort': none}
            fields['position'] = np.array(joints_at(step * 0.05))
            yield stamp_ns, 0, serialise(JOINTS, stamp_ns, '', fields)

    write_bag(folder, [(JOINTS_TOPIC, JOINTS)], messages())
    return folder


class Robot:
    """An arm at one time of the recording, and a matcher that says where the scene is."""

    def __init__(self, graph: Any, folder: Path) -> None:
        self.graph, node = graph, graph.node
        self.commands: list[Any] = []
        self._info = node.create_publisher(String, 'smaknet_matcher/info', latched())
        self._matches = node.create_publisher(TimeReference, 'smaknet_matcher/match', 10)
        self._joints = node.create_publisher(JointState, 'joint_states', 10)
        node.create_subscription(JointTrajectory, 'joint_trajectory', self.commands.append, 10)
        taught = [{'source': 'pour@1a2b3c4d', 'origin_stamp_ns': ORIGIN_NS}]
        taught += [{'source': 'stir@00000000', 'origin_stamp_ns': ORIGIN_NS - 10**12}]
        self._info.publish(String(data=json.dumps({'demonstrations': taught})))
        values = ros_args({'lookahead': LOOKAHEAD_S, 'timeout': TIMEOUT_S})
        arguments = [str(write_joints(folder)), *values]
        process = Process('follow_demonstration', arguments, graph.environment, SCRIPT)
        graph.processes.append(process)
        count = self._matches.get_subscription_count
        graph.wait(lambda: count() and node.count_publishers('/joint_trajectory'), 'the consumer')
        self._wait_until_it_knows_the_recording()

    def _wait_until_it_knows_the_recording(self) -> None:
        """Send matches until one is obeyed, none until it holds; then forget all that."""
        asked_s = 0.0

        def obeyed() -> bool:
            nonlocal asked_s
            if time.monotonic() > asked_s + 0.2:
                self.match(1.0 - LOOKAHEAD_S)
                asked_s = time.monotonic()
            return bool(self.commands)

        self.graph.wait(obeyed, 'a first command')
        self.graph.wait(lambda: len(self.commands[-1].points) == 1, 'the arm to be held')
        self.commands.clear()

    def match(self, time_s: float, source: str = 'pour@1a2b3c4d', late_s: float = 0.0) -> None:
        """Say that the scene is at a time of the demonstration, and that the arm is as well."""
        self._joints.publish(JointState(name=NAMES[::-1], position=joints_at(time_s)[::-1]))
        self.graph.spin(0.05)
        msg = TimeReference(source=source, time_ref=to_time(round(time_s * 1e9)))
        msg.header.stamp = to_time(time.time_ns() - round(late_s * 1e9))
        self._matches.publish(msg)

    def command(self, count: int) -> Any:
        """Wait until so many commands have come; give the last one."""
        self.graph.wait(lambda: len(self.commands) >= count, f'{count} commands')
        return self.commands[-1]


@pytest.fixture
def robot(graph: Any, tmp_path: Path) -> Robot:
    return Robot(graph, tmp_path / 'demonstration')


def seconds(duration: Any) -> float:
    return duration.sec + duration.nanosec / 1e9


def test_commands_what_was_recorded_a_little_later_and_holds_when_matches_end(
    robot: Robot,
) -> None:
    robot.match(1.0)
    command = robot.command(1)
    assert command.joint_names == NAMES
    last = command.points[-1]
    assert list(last.positions) == pytest.approx(joints_at(1.0 + LOOKAHEAD_S), abs=1e-6)
    assert LOOKAHEAD_S - 0.2 < seconds(last.time_from_start) <= LOOKAHEAD_S
    dues = [seconds(point.time_from_start) for point in command.points]
    assert dues == sorted(dues)
    assert dues[0] > 0
    ways = [point.positions[0] for point in command.points]
    assert ways == sorted(ways)  # by the recorded way, not back
    assert ways[0] > joints_at(1.0)[0] - 1e-6
    hold = robot.command(2)
    assert dict(zip(hold.joint_names, hold.points[0].positions, strict=True)) == pytest.approx(
        dict(zip(NAMES, joints_at(1.0), strict=True))
    )
    robot.graph.spin(2 * TIMEOUT_S)
    assert len(robot.commands) == 2  # said once
    robot.match(1.2)
    assert len(robot.command(3).points) > 1


def test_old_matches_and_those_of_other_recordings_move_nothing(robot: Robot) -> None:
    robot.match(1.0, late_s=2 * TIMEOUT_S)
    robot.match(1.0, source='stir@00000000')
    robot.match(1.0, source='unheard@ffffffff')
    robot.match(4.9)
    last = robot.command(1).points[-1]  # the first command is that of the last match
    assert list(last.positions) == pytest.approx(
        joints_at(4.95), abs=1e-6
    )  # no further than its end


def test_a_recording_without_joints_is_refused_in_one_line(graph: Any, world: Any) -> None:
    process = Process('follow_demonstration', [str(world.bag)], graph.environment, SCRIPT)
    graph.processes.append(process)
    assert graph.wait_for_exit(process) == 2
    assert process.last_line() == 'follow_demonstration: give one recording with joint states'
