"""
A simulated robot as a ROS 2 robot: two cameras, joint states, a joint trajectory controller.

Publishes /clock (simulated time, at most as fast as real time), `<camera>/image_raw/compressed` at
10 Hz and `joint_states` at 33 Hz; obeys `joint_trajectory`. It waits for somebody to look and
somebody to command, and ends when the arm is where the plan ends, or when its time is over.
"""

from __future__ import annotations

import argparse
import array
from collections.abc import Sequence
import json
from pathlib import Path
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, JointState
from smaknet_core.data.recording_folder import encode_jpeg
from smaknet_core.simulation.physical.beads import EVERY_S
from smaknet_core.simulation.physical.workcell import Workcell
from smaknet_ros.conversions import to_ns, to_time
from trajectory_msgs.msg import JointTrajectory

CAMERAS = ('third_person', 'first_person')
BEGIN_NS = 1_000 * 10**9  # of simulated time: stamps of zero are not set
FRAME_EVERY, JOINTS_EVERY = 10, 3  # steps of the physics
ANSWER_AFTER, ANSWER_WAIT_S = 5, 10.0  # steps until a match is acted on; real time it may take
ARRIVED_RAD, SETTLES_S = 0.03, 0.5
WAIT_S = 300.0  # for somebody to look and to command


class SimulatedRobot(Node):
    """One run of a workcell, as a node."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__('simulated_robot', use_global_arguments=False)
        self._options = options
        self._times_s, self._plan = load_plan(options.plan)
        shift = options.shift
        self.cell = Workcell(options.seed, options.lab, self._plan[0], shift=shift)
        self._dark = np.random.default_rng(options.seed)
        self._ticks = self.create_publisher(Clock, '/clock', 10)
        self._joints = self.create_publisher(JointState, 'joint_states', 10)
        self._images = {
            name: self.create_publisher(CompressedImage, f'{name}/image_raw/compressed', 10)
            for name in CAMERAS
        }
        topic = 'joint_trajectory'
        self._orders = self.create_subscription(JointTrajectory, topic, self._obey, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        status = 'smaknet_matcher/match_status'
        self.create_subscription(DiagnosticArray, status, self._take_status, 10)
        self._taken_ns = self._answered_ns = 0  # stamps: of the last frames, of what answers them
        self._trace: list[tuple[float, float]] = []
        self._taken_cup = False
        self._place = 0  # in the plan, of the arm

    def run(self) -> dict[str, object]:
        """Wait, run, and say what came of it."""
        self._await_others()
        began_s, still_s = time.monotonic(), 0.0
        limit_s = self._options.patience * float(self._times_s[-1])
        while self.cell.time_s < limit_s and still_s < SETTLES_S:
            self._step()
            still_s = still_s + EVERY_S if self._arrived() else 0.0
            ahead_s = self.cell.time_s - (time.monotonic() - began_s)
            self._executor.spin_once(timeout_sec=max(ahead_s, 0.0))
        return {
            'delivered': self.cell.delivered,
            'spilled': max(0.0, self.cell.spilled),
            'touched': self.cell.crashed,
            'taken': self._taken_cup,
            'arrived': still_s >= SETTLES_S,
            'seconds': round(self.cell.time_s, 2),
            'wall_seconds': round(time.monotonic() - began_s, 2),
            'trace': self._trace,
        }

    def _await_others(self) -> None:
        deadline = time.monotonic() + WAIT_S
        eyes = list(self._images.values()) if self._options.watched else []
        if eyes:
            self.cell.render(CAMERAS[0])  # the first picture takes a second
        while any(eye.get_subscription_count() < 1 for eye in eyes) or not self._commanded():
            self._ticks.publish(Clock(clock=to_time(self._now_ns())))
            self._executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > deadline:
                raise SystemExit('simulated_robot: nobody looks, or nobody commands')

    def _commanded(self) -> bool:
        return self.count_publishers(self._orders.topic_name) > 0

    def _now_ns(self) -> int:
        return BEGIN_NS + round(self.cell.time_s * 1e9)

    def _step(self) -> None:
        held = _within(self._options.hold, self.cell.time_s)
        self.cell.servo.speed = 0.0 if held else self._options.speed
        self.cell.advance()
        self._taken_cup |= self.cell.gripper.holds
        step = round(self.cell.time_s / EVERY_S)
        self._ticks.publish(Clock(clock=to_time(self._now_ns())))
        if step % JOINTS_EVERY == 0:
            self._publish_joints()
        if step % FRAME_EVERY == ANSWER_AFTER:
            self._await_match()
        if step % FRAME_EVERY == 0:
            self._trace.append((self._now_ns() / 1e9, self._demonstrated_s()))
            for name in CAMERAS if self._options.watched else ():
                self._publish_image(name)
            self._taken_ns = self._now_ns()

    def _await_match(self) -> None:
        """Let time stand until the last frames are answered: a busy machine changes no result."""
        deadline = time.monotonic() + ANSWER_WAIT_S
        while self._options.watched and self._answered_ns < self._taken_ns:
            self._executor.spin_once(timeout_sec=0.02)
            if time.monotonic() > deadline:
                return  # the matcher may have refused them

    def _take_status(self, msg: DiagnosticArray) -> None:
        """Without a match there is nothing that a command would answer."""
        if msg.status[0].level != DiagnosticStatus.OK:
            self._answered_ns = to_ns(msg.header.stamp)

    def _publish_joints(self) -> None:
        names, positions = list(self.cell.joint_names), self.cell.joints().tolist()
        msg = JointState(name=names, position=positions)
        msg.header.stamp = to_time(self._now_ns())
        self._joints.publish(msg)

    def _publish_image(self, name: str) -> None:
        image = self.cell.render(name)
        if _within(self._options.blackout, self.cell.time_s):
            image = self._dark.integers(0, 4, image.shape).astype(np.uint8)
        fields = encode_jpeg(image, name)
        msg = CompressedImage(format=fields['format'], data=array.array('B', fields['data']))
        msg.header.stamp, msg.header.frame_id = to_time(self._now_ns()), f'{name}_optical_frame'
        self._images[name].publish(msg)

    def _obey(self, msg: JointTrajectory) -> None:
        order = [msg.joint_names.index(name) for name in self.cell.joint_names]
        points = np.array([point.positions for point in msg.points])[:, order]
        stamp_ns = to_ns(msg.header.stamp) or self._now_ns()
        late = [p.time_from_start.sec + p.time_from_start.nanosec / 1e9 for p in msg.points]
        self.cell.command((stamp_ns - BEGIN_NS) / 1e9 + np.array(late), points)
        self._answered_ns = stamp_ns

    def _demonstrated_s(self) -> float:
        """Where in the plan the arm is; it neither goes back in it nor far ahead at once."""
        window = self._plan[self._place : self._place + 40]
        off = np.abs(window - self.cell.joints())
        self._place += int((off.max(axis=1) + 20 * off[:, -1]).argmin())
        return float(self._times_s[self._place])

    def _arrived(self) -> bool:
        off = np.abs(self.cell.joints() - self._plan[-1]).max()
        late = self.cell.time_s > 0.5 * self._times_s[-1]
        return bool(off < ARRIVED_RAD) and bool(late) and not self.cell.gripper.holds


def load_plan(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a recording of joint states: N times from 0, seconds; N x J positions."""
    from recorded_way import RecordedWay

    way = RecordedWay(str(path))
    return way.times_s - way.times_s[0], way.positions


def _within(span: Sequence[float], time_s: float) -> bool:
    begins, lasts = span
    return begins <= time_s < begins + lasts


def main() -> int:
    """Run; write what came of it as JSON."""
    import rclpy

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'plan', type=Path, help='recording of joint states: where arm begins, ends'
    )
    parser.add_argument('result', type=Path, help='JSON file to write')
    parser.add_argument('--seed', type=int, required=True, help='of the episode whose table it is')
    parser.add_argument('--lab', type=int, default=0)
    parser.add_argument('--watched', action='store_true', help='wait until cameras are watched')
    parser.add_argument('--hold', type=float, nargs=2, default=(0, 0), metavar=('AT', 'SECONDS'))
    parser.add_argument('--speed', type=float, default=1.0, help='share of the usual speed')
    parser.add_argument('--shift', type=float, nargs=2, default=(0, 0), metavar=('X', 'Y'))
    parser.add_argument(
        '--blackout', type=float, nargs=2, default=(0, 0), metavar=('AT', 'SECONDS')
    )
    parser.add_argument('--patience', type=float, default=3.0, help='times the plan, then it ends')
    options = parser.parse_args()
    rclpy.init(args=[])
    node = SimulatedRobot(options)
    try:
        options.result.write_text(json.dumps(node.run()), encoding='utf-8')
    finally:
        node.cell.close()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
