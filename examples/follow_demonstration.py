"""
A consumer of matches: has an arm do again what it did in a recording, while the scene follows.

    python examples/follow_demonstration.py demos/episode_000 --ros-args \
        -r joint_trajectory:=/joint_trajectory_controller/joint_trajectory

Each match commands the recorded way from where the arm is, at the recorded pace, up to `lookahead`
seconds after the match (`recorded_way.py`): an arm that lags is waited for, and so is a scene that
does. Without a match younger than `timeout` the arm is told to hold. Only standard messages come
and go.
"""

import json
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.time import Duration
from recorded_way import RecordedWay
from sensor_msgs.msg import JointState, TimeReference
from smaknet_core.errors import DataError
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint


class FollowDemonstration(Node):
    """Turns `~/match` of the matcher into a trajectory of the recorded joint states."""

    def __init__(self, path: str) -> None:
        super().__init__('follow_demonstration')
        self._way = RecordedWay(path, self.declare_parameter('lookahead', 1.5).value)  # s
        self._timeout = self.declare_parameter('timeout', 2.0).value  # s, as its `lost_s`
        self._origins, self._joints = {}, {}  # by the `source` of matches; by the joints' names
        self._matched = None  # stamp of the match that the arm follows
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, 'smaknet_matcher/info', self._take_info, latched)
        self.create_subscription(JointState, 'joint_states', self._take_joints, 10)
        self.create_subscription(TimeReference, 'smaknet_matcher/match', self._take_match, 10)
        self._output = self.create_publisher(JointTrajectory, 'joint_trajectory', 10)
        self.create_timer(0.05, self._watch)

    def _take_info(self, msg: String) -> None:
        begins = {one['source']: one['origin_stamp_ns'] / 1e9
                  for one in json.loads(msg.data)['demonstrations']}  # fmt: skip
        first, last = self._way.times_s[[0, -1]]  # what begins elsewhere is of another recording
        self._origins = {source: at for source, at in begins.items() if first - 1 < at < last}

    def _take_joints(self, msg: JointState) -> None:
        self._joints.update(zip(msg.name, msg.position, strict=True))

    def _take_match(self, msg: TimeReference) -> None:
        stamp, now = seconds(msg.header.stamp), self._now()
        known = msg.source in self._origins and self._joints.keys() >= set(self._way.names)
        if known and now - stamp <= self._timeout:
            self._matched = stamp
            scene = self._origins[msg.source] + seconds(msg.time_ref)
            self._command(*self._way.onward(now, scene, self._posture()))

    def _posture(self) -> list[float]:
        return [self._joints[name] for name in self._way.names]

    def _watch(self) -> None:
        if self._matched is not None and self._now() - self._matched > self._timeout:
            self.get_logger().warning('no match any more: holding')
            self._command([self._posture()], [0.1])
            self._matched = None
            self._way.stop()

    def _command(self, points, seconds_from_now) -> None:
        msg = JointTrajectory(joint_names=self._way.names)
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


def main() -> int:
    """Follow until told to end; return the exit code."""
    paths = rclpy.utilities.remove_ros_args(sys.argv)[1:]
    if len(paths) != 1:
        print('follow_demonstration: give one recording with joint states', file=sys.stderr)
        return 2
    rclpy.init()
    try:
        rclpy.spin(FollowDemonstration(paths[0]))
    except DataError as err:
        print(f'follow_demonstration: {err}', file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
