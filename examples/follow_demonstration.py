"""
A consumer of matches: has an arm do again what it did in a recording, while the scene follows.

    python examples/follow_demonstration.py demos/episode_000 --ros-args \
        -r joint_trajectory:=/joint_trajectory_controller/joint_trajectory

Each match commands the recorded way from where the arm is, at the recorded pace, up to `lookahead`
seconds after the match: an arm that lags is waited for, and so is a scene that does. Without a
match younger than `timeout` the arm is told to hold. Only standard messages come and go.
"""

import json
import sys

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.time import Duration
from sensor_msgs.msg import JointState, TimeReference
from smaknet_core.data.bags import open_recording
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

LEAD_S = 0.2  # what is commanded for now is at most so far ahead of the arm, in the recording
SLOPE = 0.01  # rad/s: of postures that are alike, the arm is in the one it was to be in by now


class FollowDemonstration(Node):
    """Turns `~/match` of the matcher into a trajectory of the recorded joint states."""

    def __init__(self, states: list[JointState]) -> None:
        super().__init__('follow_demonstration')
        self._names, self._joints = states[0].name, np.array([s.position for s in states])
        self._times = np.array([seconds(state.header.stamp) for state in states])
        self._lookahead = self.declare_parameter('lookahead', 1.5).value  # s
        self._timeout = self.declare_parameter('timeout', 2.0).value  # s, as its `lost_s`
        self._origins, self._measured = {}, {}  # by the `source` of matches; by the joints' names
        self._matched, self._way = None, None  # stamp; of the last command: when, from, to
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, 'smaknet_matcher/info', self._take_info, latched)
        self.create_subscription(JointState, 'joint_states', self._take_joints, 10)
        self.create_subscription(TimeReference, 'smaknet_matcher/match', self._take_match, 10)
        self._output = self.create_publisher(JointTrajectory, 'joint_trajectory', 10)
        self.create_timer(0.05, self._watch)

    def _take_info(self, msg: String) -> None:
        taught = json.loads(msg.data)['demonstrations']
        begins = {one['source']: one['origin_stamp_ns'] / 1e9 for one in taught}
        first, last = self._times[[0, -1]]  # what begins elsewhere is of another recording
        self._origins = {k: at for k, at in begins.items() if first - 1 < at < last}

    def _take_joints(self, msg: JointState) -> None:
        self._measured.update(zip(msg.name, msg.position, strict=True))

    def _take_match(self, msg: TimeReference) -> None:
        stamp, now = seconds(msg.header.stamp), self._now()
        known = msg.source in self._origins and self._measured.keys() >= set(self._names)
        if not known or now - stamp > self._timeout:
            return
        scene = self._origins[msg.source] + seconds(msg.time_ref)
        when, start, end = self._way or (now, scene, scene)
        commanded = min(start + now - when, end)  # for now
        arm = self._arm_is_at(commanded)
        start = np.clip(commanded, arm, arm + LEAD_S)
        end = max(start, scene + self._lookahead)
        self._matched, self._way = stamp, (now, start, end)
        after = np.linspace(0, self._lookahead, 1 + round(10 * self._lookahead))[1:]
        places = np.minimum(start + after, end)
        way = [np.interp(places, self._times, positions) for positions in self._joints.T]
        self._command(np.transpose(way), after)

    def _arm_is_at(self, expected: float) -> float:
        """Find when the arm was recorded to be as it is now."""
        off = np.abs(self._joints - self._posture()).max(axis=1)
        return self._times[np.argmin(off + SLOPE * np.abs(self._times - expected))]

    def _posture(self) -> list[float]:
        return [self._measured[name] for name in self._names]

    def _watch(self) -> None:
        if self._matched is not None and self._now() - self._matched > self._timeout:
            self.get_logger().warning('no match any more: holding')
            self._command([self._posture()], [0.1])
            self._matched, self._way = None, None

    def _command(self, points, seconds_from_now) -> None:
        msg = JointTrajectory(joint_names=self._names)
        msg.header.stamp = self.get_clock().now().to_msg()
        for positions, after in zip(points, seconds_from_now, strict=True):
            due = Duration(seconds=after).to_msg()
            msg.points.append(JointTrajectoryPoint(positions=positions, time_from_start=due))
        self._output.publish(msg)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds / 1e9


def seconds(stamp) -> float:
    """Give a message's time as a number."""
    return stamp.sec + stamp.nanosec / 1e9


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
