"""
The line over real ROS 2: a recording is played into the node, and a third process listens.

Player and matcher run as processes of their own; the caller's process is the third. It knows
standard messages only, as any consumer would. For the demo and for tests of the whole line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
import struct
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, TimeReference
from sensor_msgs.msg import Image as ImageMsg
from smaknet_core.data.bags import open_recording, Recording
from smaknet_core.errors import SmaknetError
from smaknet_ros.conversions import to_ns
from smaknet_ros.processes import isolate, MATCHER, own_domain, PLAYER, Process, ros_args
from std_msgs.msg import String


@dataclass(frozen=True)
class LiveMatch:
    """One message on ~/match."""

    stamp_ns: int
    time_s: float  # of the demonstration
    source: str
    frame_id: str
    received_s: float  # monotonic
    latency_s: float | None  # since the frame with this stamp was received, by the same process


@dataclass(frozen=True)
class LiveStatus:
    """One message on ~/match_status."""

    stamp_ns: int
    state: str
    values: Mapping[str, str]
    received_s: float  # monotonic


@dataclass
class LiveRun:
    """What the third process saw."""

    matches: list[LiveMatch] = field(default_factory=list)
    statuses: list[LiveStatus] = field(default_factory=list)
    embeddings: int = 0
    info: dict[str, Any] = field(default_factory=dict)
    sent_ns: frozenset[int] = frozenset()  # header stamps of the recording's frames
    exit_codes: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def latencies_s(self) -> list[float]:
        """Of the matches whose frame was seen."""
        return [match.latency_s for match in self.matches if match.latency_s is not None]


class Listener:
    """
    Somebody on the graph who knows standard messages only.

    Args:
        matcher: full name of the matcher node.
        images: image topics to listen to as well, name -> type.
        domain_id: ROS domain.
    """

    def __init__(self, matcher: str, images: Mapping[str, str], domain_id: int) -> None:
        self.run = LiveRun()
        self.domain_id = domain_id
        self._seen_s: dict[int, float] = {}
        isolate(domain_id)
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain_id)
        self.node = Node('smaknet_listener', context=self._context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self._subscribe(TimeReference, f'{matcher}/match', self._take_match, 100)
        self._subscribe(DiagnosticArray, f'{matcher}/match_status', self._take_status, 100)
        self._subscribe(ImageMsg, f'{matcher}/embedding', self._take_embedding, 1)
        self._subscribe(String, f'{matcher}/info', self._take_info, latched)
        for topic, msgtype in images.items():
            kind = CompressedImage if msgtype.endswith('CompressedImage') else ImageMsg
            self.node.create_subscription(kind, topic, self._take_frame, 100, raw=True)

    def spin(self, seconds: float) -> None:
        """Listen for at most this long, or until something came."""
        self._executor.spin_once(timeout_sec=seconds)

    def outlast(self, seconds: float = 1.0) -> None:
        """Wait until the others have left the graph: who goes with them may hang (`ending`)."""
        deadline = time.monotonic() + seconds
        while len(self.node.get_node_names()) > 1 and time.monotonic() < deadline:
            self.spin(0.02)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _subscribe(self, kind: Any, topic: str, callback: Any, qos: Any) -> None:
        if topic.endswith('/embedding'):
            qos = rclpy.qos.qos_profile_sensor_data
        self.node.create_subscription(kind, topic, callback, qos)

    def _take_frame(self, cdr: bytes) -> None:
        sec, nanosec = struct.unpack_from('<iI', cdr, 4)
        self._seen_s.setdefault(sec * 10**9 + nanosec, time.monotonic())

    def _take_match(self, msg: TimeReference) -> None:
        now_s, stamp_ns = time.monotonic(), to_ns(msg.header.stamp)
        seen_s = self._seen_s.get(stamp_ns)
        self.run.matches.append(
            LiveMatch(
                stamp_ns=stamp_ns,
                time_s=to_ns(msg.time_ref) / 1e9,
                source=msg.source,
                frame_id=msg.header.frame_id,
                received_s=now_s,
                latency_s=None if seen_s is None else now_s - seen_s,
            )
        )

    def _take_status(self, msg: DiagnosticArray) -> None:
        (status,) = msg.status
        values = {pair.key: pair.value for pair in status.values}
        stamp_ns = to_ns(msg.header.stamp)
        self.run.statuses.append(LiveStatus(stamp_ns, status.message, values, time.monotonic()))

    def _take_embedding(self, _: ImageMsg) -> None:
        self.run.embeddings += 1

    def _take_info(self, msg: String) -> None:
        self.run.info = json.loads(msg.data)


def play_into_node(
    model: Path,
    demonstrations: Sequence[Path],
    bag: Path,
    cameras: Sequence[str] = (),
    *,
    rate: float = 1.0,
    start: str = '0',
    stamp: str = 'recorded',
    parameters: Mapping[str, Any] | None = None,
    deadline_s: float = 300.0,
) -> LiveRun:
    """
    Play a recording into a matcher node and listen to what it says.

    Args:
        model: model file or run folder.
        demonstrations: what to follow.
        bag: the recording.
        cameras: of the recording, as `open_recording` takes them; empty means all.
        rate: of playing.
        start: where to begin, seconds or per cent as the player takes them.
        stamp: 'recorded', or 'now' to move header stamps as if it happened at this rate now.
        parameters: further ones of the matcher, by full name.
        deadline_s: everything is killed after this long.

    Raises:
        SmaknetError: a process ended early, or the deadline passed; with the end of its log.
    """
    with open_recording(bag, cameras) as recording:
        topics = {topic.name: topic.msgtype for topic in recording.cameras.values()}
        values = {'model': str(model), 'demonstration': [str(path) for path in demonstrations]}
        values |= {**camera_parameters(recording), **(parameters or {})}
        sent_ns = frozenset(
            int(ns) for name in recording.cameras for ns in recording.camera_stamps(name)[1]
        )
    playing = [str(bag), f'--rate={rate}', f'--start={start}', f'--stamp={stamp}']
    playing += ['--wait-for-subscribers=2', '--topics', *topics]
    with own_domain() as domain_id:
        listener = Listener(f'/{MATCHER}', topics, domain_id)
        try:
            run = _play(listener, values, playing, deadline_s)
        finally:
            listener.outlast()
            listener.close()
    run.sent_ns = sent_ns
    return run


def _play(
    listener: Listener, values: Mapping[str, Any], playing: Sequence[str], deadline_s: float
) -> LiveRun:
    """Run matcher and player to the end of the recording, with the listener listening."""
    environment = isolate(listener.domain_id)
    deadline, run = time.monotonic() + deadline_s, listener.run
    processes = [Process(MATCHER, ros_args(values), environment)]
    try:
        _listen_until(listener, processes, deadline, lambda: bool(run.info))
        processes.append(Process(PLAYER, playing, environment))
        _listen_until(listener, processes, deadline, lambda: processes[1].code() is not None)
        # The node is through with the last frame when it says that nothing comes any more.
        _listen_until(listener, processes[:1], deadline, lambda: _quiet(run))
        run.exit_codes = {process.name: process.stop() for process in processes}
        run.logs = {process.name: process.log() for process in processes}
    finally:
        for process in processes:
            process.close()
    return run


def camera_parameters(recording: Recording) -> dict[str, Any]:
    """Write the matcher's parameters that make it listen to a recording's topics."""
    values: dict[str, Any] = {'cameras': list(recording.cameras)}
    for name, topic in recording.cameras.items():
        compressed = topic.msgtype.endswith('CompressedImage')
        values[f'camera.{name}.topic'] = topic.name
        values[f'camera.{name}.transport'] = 'compressed' if compressed else 'raw'
    return values


def _listen_until(
    listener: Listener, processes: Sequence[Process], deadline: float, done: Any
) -> None:
    while not done():
        listener.spin(0.05)
        for process in processes:
            if process.code() not in (None, 0):
                raise SmaknetError(f'{process.name} ended: {process.last_line()}')
            if time.monotonic() > deadline:
                raise SmaknetError(f'{process.name} is too slow: {process.last_line()}')


def _quiet(run: LiveRun) -> bool:
    """Whether the node has nothing to say any more, or never had."""
    if len(run.statuses) < 2:
        return not run.statuses
    last, before = run.statuses[-1], run.statuses[-2]
    return last.state in ('STALE', 'LOST') and last.stamp_ns == before.stamp_ns
