"""
`smaknet_player`: a recording back to topics, for machines without rosbag2.

Every message is published as recorded, byte for byte, and in recorded time; `--stamp now` alone
changes bytes, those of the header's stamp. Reads whatever `smaknet_core.data.bags` reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
import struct
import sys
import time
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock
from smaknet_core.config import nearest
from smaknet_core.data.bags import IMAGE_TYPES, open_recording, Recording, Topic
from smaknet_core.errors import BagError, printable, SmaknetError
from smaknet_core.interrupts import handled_by
from smaknet_ros import topics
from smaknet_ros.arguments import Parser
from smaknet_ros.conversions import to_time
from smaknet_ros.ending import ends_with, soon
from smaknet_ros.message_types import message_class

REMIND_S = 5.0
ROUND_S = 0.1  # a round of a loop takes at least this long, also that of a single message
ACKNOWLEDGED_S = 2.0  # how long the last messages may take to be acknowledged


@dataclass(frozen=True)
class Options:
    """The command line."""

    bag: Path
    rate: float
    start: str
    loop: bool
    topics: list[str] | None
    stamp: str
    clock: bool
    wait_for_subscribers: int


class PlayerNode(Node):
    """
    Plays one recording.

    Args:
        recording: open.
        options: how.

    Raises:
        BagError: a topic that is not in it, or nothing that can be played.
    """

    def __init__(self, recording: Recording, options: Options) -> None:
        super().__init__('smaknet_player')
        self._recording = recording
        self._options = options
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._outputs: dict[str, Any] = {}
        self._headed: set[str] = set()
        for topic in _chosen(recording, options.topics):
            self._advertise(topic)
        if not self._outputs:
            raise BagError(f'{recording.path}: no topic can be played')
        self._clock_output = self.create_publisher(Clock, '/clock', 10) if options.clock else None
        self._start_ns = _start_ns(recording, options.start)

    def play(self) -> int:
        """Play to the end, or until told to end; return the number of messages published."""
        self._await_subscribers()
        seconds = (self._recording.end_ns - self._start_ns) / 1e9 / self._options.rate
        self.get_logger().info(
            f'playing {self._recording.name}: {len(self._outputs)} topics, {seconds:.1f} s'
            f'{", over and over" if self._options.loop else ""}'
        )
        count = self._play_once()
        while self._options.loop and self.context.ok():
            self._wait_until(self._begun_s + ROUND_S)
            count += self._play_once()
        if self.context.ok():
            for output in self._outputs.values():
                output.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_S))
            self.get_logger().info(f'played {count} messages')
        return count

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.destroy_node()

    def _advertise(self, topic: Topic) -> None:
        kind = message_class(topic.msgtype)
        if kind is None:
            self.get_logger().warning(f'{topic.name}: {topic.msgtype} is not installed, left out')
            return
        try:
            with topics.on(topic.name):
                output = self.create_publisher(kind, topic.name, topics.every_one())
        except InvalidTopicNameException:
            self.get_logger().warning(f'{printable(topic.name)}: no ROS 2 topic name, left out')
            return
        except SmaknetError as err:
            self.get_logger().warning(f'left out: {err}')
            return
        self._outputs[topic.name] = output
        fields = kind.get_fields_and_field_types()
        if next(iter(fields.items()), None) == ('header', 'std_msgs/Header'):
            self._headed.add(topic.name)

    def _await_subscribers(self) -> None:
        wanted, told_s = self._options.wait_for_subscribers, 0.0
        images = [t.name for t in self._recording.topics if t.msgtype in IMAGE_TYPES]
        names = [name for name in images if name in self._outputs] or list(self._outputs)
        while self.context.ok():
            counts = {n: self._outputs[n].get_subscription_count() for n in names}
            missing = [f'{name} ({n} of {wanted})' for name, n in counts.items() if n < wanted]
            if not missing:
                return
            if time.monotonic() - told_s > REMIND_S:
                told_s = time.monotonic()
                self.get_logger().info(f'waiting for subscribers: {", ".join(missing)}')
            self._executor.spin_once(timeout_sec=0.05)

    def _play_once(self) -> int:
        self._begun_s, begun_ns = time.monotonic(), time.time_ns()
        count = 0
        for topic, receive_ns, cdr in self._messages():
            self._wait_until(
                self._begun_s + (receive_ns - self._start_ns) / 1e9 / self._options.rate
            )
            if not self.context.ok():
                break
            if self._clock_output is not None:
                self._clock_output.publish(Clock(clock=to_time(receive_ns)))
            if self._options.stamp == 'now' and topic in self._headed:
                cdr = restamp(cdr, begun_ns, self._start_ns, self._options.rate)
            self._outputs[topic].publish(cdr)
            count += 1
        return count

    def _messages(self) -> Iterator[tuple[str, int, bytes]]:
        for topic, receive_ns, cdr in self._recording.messages(list(self._outputs)):
            if receive_ns >= self._start_ns:
                yield topic.name, receive_ns, cdr

    def _wait_until(self, due_s: float) -> None:
        """Serve the node until it is time; returns at once when the process is to end."""
        while self.context.ok() and (left_s := due_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)


def restamp(cdr: bytes, begun_ns: int, start_ns: int, rate: float) -> bytes:
    """
    Move a serialised message's header stamp to the time it would have if it happened now.

    One that is not set stays so; one that would not fit into a message is cut.

    Args:
        cdr: of a message that begins with a std_msgs/Header.
        begun_ns: when playing began, system clock.
        start_ns: of the recording, where playing began.
        rate: of playing.
    """
    order = '<' if cdr[1] & 1 else '>'
    sec, nanosec = struct.unpack_from(f'{order}iI', cdr, 4)
    recorded_ns = sec * 10**9 + nanosec
    if recorded_ns <= 0:
        return cdr
    time_ = to_time(begun_ns + round((recorded_ns - start_ns) / rate))
    moved = bytearray(cdr)
    struct.pack_into(f'{order}iI', moved, 4, time_.sec, time_.nanosec)
    return bytes(moved)


def _chosen(recording: Recording, names: Sequence[str] | None) -> list[Topic]:
    by_name = {topic.name: topic for topic in recording.topics if topic.count}
    unknown = [name for name in names or () if name not in by_name]
    if unknown:
        hint = nearest(unknown[0], by_name)
        raise BagError(f'{recording.path}: no messages on {unknown[0]}{hint}')
    return list(by_name.values()) if names is None else [by_name[name] for name in names]


def _start_ns(recording: Recording, start: str) -> int:
    """Turn seconds or per cent into a time of the recording; raise BagError."""
    try:
        if start.endswith('%'):
            offset_s = float(start[:-1]) / 100 * recording.duration_s
        else:
            offset_s = float(start)
    except ValueError as err:
        raise BagError(f'--start: expected seconds or per cent, got {start!r}') from err
    if not 0 <= offset_s <= recording.duration_s:
        raise BagError(f'--start: expected 0 ... {recording.duration_s:.1f} s, got {start}')
    return recording.start_ns + round(offset_s * 1e9)


def main(args: Sequence[str] | None = None) -> int:
    """Play a recording; return the exit code."""
    argv = list(sys.argv if args is None else args)
    with handled_by(soon):  # before rclpy, which passes signals on
        try:
            options = _parse(remove_ros_args(argv)[1:])
            rclpy.init(args=argv)
        except SystemExit as err:
            return int(err.code or 0)
        except Exception as err:  # several unrelated types
            return _complain(err)
        try:
            return _run(options)
        finally:
            rclpy.try_shutdown()


def _run(options: Options) -> int:
    try:
        with open_recording(options.bag) as recording:
            try:
                player = PlayerNode(recording, options)
            except Exception as err:  # ours, rclpy's for its own parameters, or told to end
                return _complain(err) if rclpy.ok() else 0
            code = 2  # of a recording that cannot be read on
            try:
                code = _play(player)
            finally:
                ends_with(code)
                player.close()
            return code
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except SmaknetError as err:
        return _complain(err)


def _play(player: PlayerNode) -> int:
    """Play to the end, or until told to end; return the exit code."""
    try:
        player.play()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:  # RCLError: a signal between two calls, and the context is gone
        if rclpy.ok():
            raise
    return 0


def _parse(args: list[str]) -> Options:
    parser = Parser(
        prog='smaknet_player',
        description='Publish a recording on its topics, in recorded time.',
        epilog='example: smaknet_player demos/take_0 --rate 0.5 --start 40%% '
        '--wait-for-subscribers 1',
    )
    parser.add_argument('bag', type=Path, help='rosbag2 folder, or a bare .mcap or .db3 file')
    parser.add_argument('--rate', type=_rate, default=1.0, help='0.5 plays at half the speed')
    parser.add_argument('--start', default='0', metavar='S|P%', help='seconds or per cent')
    parser.add_argument('--loop', action='store_true', help='start over at the end')
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', help='only these')
    parser.add_argument('--stamp', choices=('recorded', 'now'), default='recorded')
    parser.add_argument('--clock', action='store_true', help='publish recorded time on /clock')
    parser.add_argument(
        '--wait-for-subscribers', type=int, default=0, metavar='N', help='on each image topic'
    )
    return Options(**vars(parser.parse_args(args)))


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 100:
        raise argparse.ArgumentTypeError(f'expected 0.01 ... 100, got {text!r}')
    return rate


def _complain(err: Exception) -> int:
    print(f'smaknet_player: {printable(" ".join(str(err).split()))}', file=sys.stderr)
    return ends_with(2)


if __name__ == '__main__':
    sys.exit(main())
