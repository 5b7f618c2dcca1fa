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
    """Where the recorded joints were: half a radian and a radian per second; still from 3 to 4."""
    moved_s = min(time_s, 3.0) + max(time_s - 4.0, 0.0)
    return [0.5 * moved_s, -1.0 * moved_s]


def write_joints(folder: Path) -> Path:
    def messages() -> Iterator[tuple[int, int, bytes]]:
        none = np.zeros(0)
        for step in range(100):
            stamp_ns = ORIGIN_NS + step * 50_000_000
            fields = {'name': NAMES, 'velocity': none, 'effort': none}
            fields['position'] = np.array(joints_at(step * 0.05))
            yield stamp_ns, 0, serialise(JOINTS, stamp_ns, '', fields)
            # A gripper that tells of itself is none of the arm's joints.
            gripper = {**fields, 'name': ['finger'], 'position': np.array([0.01])}
            yield stamp_ns, 0, serialise(JOINTS, stamp_ns, '', gripper)

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

    def match(
        self,
        time_s: float,
        source: str = 'pour@1a2b3c4d',
        late_s: float = 0.0,
        arm_s: float | None = None,
    ) -> None:
        """Say where in the demonstration the scene is; the arm is there as well, or at its own."""
        joints = joints_at(time_s if arm_s is None else arm_s)
        self._joints.publish(JointState(name=NAMES[::-1], position=joints[::-1]))
        self.graph.spin(0.05)
        msg = TimeReference(source=source, time_ref=to_time(round(time_s * 1e9)))
        msg.header.stamp = to_time(time.time_ns() - round(late_s * 1e9))
        self._matches.publish(msg)

    def command(self, count: int) -> Any:
        """Wait until so many commands have come; give the last one."""
        self.graph.wait(lambda: len(self.commands) >= count, f'{count} commands')
        return self.commands[-1]

    def led(self, count: int) -> Any:
        """Wait until so many commands have led on; give the last of those."""

        def found() -> list[Any]:
            return [command for command in self.commands if len(command.points) > 1]

        self.graph.wait(lambda: len(found()) >= count, f'{count} commands that lead on')
        return found()[-1]


@pytest.fixture
def robot(graph: Any, tmp_path: Path) -> Robot:
    return Robot(graph, tmp_path / 'demonstration')


def seconds(duration: Any) -> float:
    return duration.sec + duration.nanosec / 1e9


def ways(command: Any) -> list[float]:
    """Where the shoulder goes."""
    return [point.positions[0] for point in command.points]


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
    assert ways(command) == sorted(ways(command))  # by the recorded way, not back
    assert ways(command)[0] > joints_at(1.0)[0] - 1e-6
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


def test_an_arm_ahead_of_its_match_goes_on_at_the_recorded_pace_as_far_as_the_lookahead(
    robot: Robot,
) -> None:
    """A match that lags less than that must not slow the arm: what stands still is not matched."""
    robot.match(1.0, arm_s=1.25)
    command = robot.led(1)
    places = [min(1.25 + seconds(point.time_from_start), 1.5) for point in command.points]
    expected = [joints_at(place)[0] for place in places]
    assert ways(command) == pytest.approx(expected, abs=1e-5)
    robot.match(1.0, arm_s=1.5 + 0.3)
    assert ways(robot.led(2)) == pytest.approx([joints_at(1.8)[0]] * len(command.points), abs=1e-5)


def test_an_arm_that_is_held_is_waited_for(robot: Robot) -> None:
    for number in range(1, 8):
        robot.match(1.0 + 0.1 * number, arm_s=1.0)
        command = robot.led(number)
        soon_s = seconds(command.points[0].time_from_start)
        assert command.points[0].positions[0] <= joints_at(1.0 + 0.2 + soon_s)[0] + 1e-6


def test_where_the_recording_stands_still_the_match_says_how_far_the_arm_is(robot: Robot) -> None:
    robot.match(3.8)
    assert robot.led(1).points[-1].positions[0] == pytest.approx(joints_at(4.3)[0], abs=1e-6)


def test_a_recording_without_joints_is_refused_in_one_line(graph: Any, world: Any) -> None:
    process = Process('follow_demonstration', [str(world.bag)], graph.environment, SCRIPT)
    graph.processes.append(process)
    assert graph.wait_for_exit(process) == 2
    no_joints = 'no joint states (sensor_msgs/msg/JointState) to go by'
    assert process.last_line() == f'follow_demonstration: {world.bag}: {no_joints}'
    process = Process('follow_demonstration', [], graph.environment, SCRIPT)
    graph.processes.append(process)
    assert graph.wait_for_exit(process) == 2
    assert process.last_line() == 'follow_demonstration: give one recording with joint states'
