"""
A consumer of matches: commands the joints a robot had in a demonstration, a little ahead of now.

    python examples/follow_demonstration.py demos/episode_000 --ros-args \
        -r joint_trajectory:=/joint_trajectory_controller/joint_trajectory

Each match asks for the joint states recorded `lookahead` seconds later, to be reached that long
after the frames were taken, by the recorded way from where the arm is: a scene that lags slows it.
Without a match younger than `timeout` the arm is told to hold. Only standard messages come and go.
"""

import bisect
import json
import sys

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.time import Time
from sensor_msgs.msg import JointState, TimeReference
from smaknet_core.data.bags import open_recording
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

POINTS = 6  # of the way, per command
LEAD_NS = 200_000_000  # a command may be so far ahead of the arm, in time of the recording
SAME = 0.003  # rad, or m where a joint slides: postures that differ by less are one


class FollowDemonstration(Node):
    """Turns `~/match` of the matcher into a trajectory of the recorded joint states."""

    def __init__(self, states: list[JointState]) -> None:
        super().__init__('follow_demonstration')
        self._names = list(states[0].name)
        self._stamps = [Time.from_msg(state.header.stamp).nanoseconds for state in states]
        self._positions = np.array([state.position for state in states])
        self._ahead_ns = int(1e9 * self.declare_parameter('lookahead', 0.6).value)  # from seconds
        self._timeout = self.declare_parameter('timeout', 0.5).value  # seconds
        self._origins: dict[str, int] = {}  # of demonstrations, by the `source` of matches
        self._place = 0  # of the arm in the recording
        self._way = ()  # of the last command: two times now, two of the recording
        self._measured, self._matched, self._holds = None, None, False
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, 'smaknet_matcher/info', self._take_info, latched)
        self.create_subscription(TimeReference, 'smaknet_matcher/match', self._take_match, 10)
        self.create_subscription(JointState, 'joint_states', self._take_joints, 10)
        self._output = self.create_publisher(JointTrajectory, 'joint_trajectory', 10)
        self.create_timer(0.05, self._watch)

    def _take_info(self, msg: String) -> None:
        taught = json.loads(msg.data)['demonstrations']
        self._origins = {one['source']: one['origin_stamp_ns'] for one in taught}

    def _take_joints(self, msg: JointState) -> None:
        self._measured = msg

    def _take_match(self, msg: TimeReference) -> None:
        origin = self._origins.get(msg.source, 0)
        mine = self._stamps[0] - 10**9 < origin < self._stamps[-1]  # else of another recording
        if not mine or self._measured is None or self._age(msg.header.stamp) > self._timeout:
            return
        now, begin = (
            self.get_clock().now().nanoseconds,
            Time.from_msg(msg.header.stamp).nanoseconds,
        )
        at = origin + Time.from_msg(msg.time_ref).nanoseconds
        # From where the last command is by now, but not far ahead of where the arm really is.
        by_now = np.interp(now, *self._way) if self._way else at
        by_now = min(by_now, self._arm_is_at() + LEAD_NS)
        self._matched, self._holds = msg.header.stamp, False
        self._way = (np.array([now, begin + self._ahead_ns]), [by_now, at + self._ahead_ns])
        due = np.linspace(now, max(self._way[0][1], now + 10**7), POINTS + 1)[1:]
        places = np.linspace(by_now, at + self._ahead_ns, POINTS + 1)[1:]
        self._command(self._names, [self._recorded(place) for place in places], (due - now) / 1e9)

    def _arm_is_at(self) -> int:
        """Find the time of the recording whose joints are those measured, near where it was."""
        near = range(max(self._place - 50, 0), min(self._place + 50, len(self._stamps)))
        measured = dict(zip(self._measured.name, self._measured.position, strict=True))
        joints = [measured[name] for name in self._names]
        off = np.abs(self._positions[near.start : near.stop] - joints).max(axis=1)
        self._place = near.start + int(np.flatnonzero(off <= off.min() + SAME)[-1])
        return self._stamps[self._place]

    def _recorded(self, stamp_ns: int) -> np.ndarray:
        """Give the joints at a time of the recording, interpolated; its ends beyond them."""
        after = min(max(bisect.bisect(self._stamps, stamp_ns), 1), len(self._stamps) - 1)
        first, last = self._stamps[after - 1], self._stamps[after]
        through = min(max((stamp_ns - first) / (last - first), 0), 1)
        return (1 - through) * self._positions[after - 1] + through * self._positions[after]

    def _watch(self) -> None:
        stale = self._matched is not None and self._age(self._matched) > self._timeout
        if stale and not self._holds and self._measured is not None:
            self.get_logger().warning('no match any more: holding')
            self._command(self._measured.name, [self._measured.position], [0.1])
            self._holds = True

    def _age(self, stamp) -> float:
        return (self.get_clock().now().nanoseconds - Time.from_msg(stamp).nanoseconds) / 1e9

    def _command(self, names, points, seconds) -> None:
        """Ask for joint positions so many seconds after this arrives."""
        msg = JointTrajectory(joint_names=list(names))
        for positions, after in zip(points, seconds, strict=True):
            due = Duration(seconds=float(after)).to_msg()
            msg.points.append(JointTrajectoryPoint(positions=list(positions), time_from_start=due))
        self._output.publish(msg)


def recorded_joints(path: str) -> list[JointState]:
    """Read the joint states of a recording, in order."""
    with open_recording(path) as recording:
        topics = [t.name for t in recording.topics if t.msgtype == 'sensor_msgs/msg/JointState']
        return [deserialize_message(cdr, JointState) for _, _, cdr in recording.messages(topics)]


def main() -> int:
    """Follow until told to end; return the exit code."""
    rclpy.init()
    args = rclpy.utilities.remove_ros_args(sys.argv)[1:]
    states = recorded_joints(args[0]) if len(args) == 1 else []
    if len(states) < 2:
        print('follow_demonstration: give one recording with joint states', file=sys.stderr)
        return 2
    try:
        rclpy.spin(FollowDemonstration(states))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
