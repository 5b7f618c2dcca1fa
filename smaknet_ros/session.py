"""
What a configured node holds: model, demonstrations, publishers, and the stream while active.

Made by configure and closed by cleanup; `start` and `stop` are activate and deactivate.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from pathlib import Path
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from smaknet_core import demonstration
from smaknet_core.embedder import Embedder
from smaknet_core.follow import Follower
from smaknet_ros import topics
from smaknet_ros.cameras import Cameras
from smaknet_ros.diagnostics import Diagnostics, Snapshot
from smaknet_ros.health import CameraHealth, Latencies, Reporter
from smaknet_ros.line import Line, Overdue, Result
from smaknet_ros.outputs import Outputs
from smaknet_ros.settings import require_files, Settings
from smaknet_ros.slots import Slots
from smaknet_ros.worker import Worker


class Session:
    """
    Load everything, then run it on demand.

    Args:
        node: to publish and subscribe with.
        settings: its parameters.

    Raises:
        SmaknetError: model, device or a demonstration cannot be used.
    """

    def __init__(self, node: LifecycleNode, settings: Settings) -> None:
        self._node = node
        self.settings = settings
        path = Path(settings.model).expanduser()
        self.embedder = Embedder.load(path, settings.device, settings.threads, settings.engine)
        if self.embedder.note:
            node.get_logger().warning(self.embedder.note)
        self.follower = self.load(settings)
        seconds = self.embedder.warm_up(len(settings.cameras))
        where = f'{self.embedder.device} by {self.embedder.engine.name}'
        node.get_logger().info(f'model {path} on {where}, warm in {seconds:.2f} s')
        self._health = {name: CameraHealth() for name in settings.camera_names}
        self._latencies = Latencies()
        self._report = Reporter(self._warn)
        self._line = Line(settings, self.follower, self._health, self._report)
        self._outputs = Outputs(node, settings, self._latencies)
        self._diagnostics = Diagnostics(self._health, self._latencies)
        with topics.on(topics.DIAGNOSTICS):
            self._diagnosed = node.create_publisher(
                DiagnosticArray,
                topics.DIAGNOSTICS,
                topics.every_one(),
                qos_overriding_options=topics.overridable(),
            )
        self._slots = Slots()
        self._told_overdue = False
        self._cameras: Cameras | None = None
        self._worker: Worker | None = None

    def load(self, settings: Settings) -> Follower:
        """Read the demonstrations anew; raise SmaknetError and change nothing if one is bad."""
        require_files(settings)
        taught = [
            demonstration.load(path, self.embedder.model_hash) for path in settings.demonstrations
        ]
        return Follower(self.embedder, taught, settings.match, settings.stale_s, settings.lost_s)

    def start(self) -> None:
        """Publish the facts, start the worker, subscribe."""
        self._slots = Slots()
        self._line.reset()
        self._outputs.publish_info(self.embedder, self.follower, self.settings)
        self._worker = Worker(
            self._line,
            self._slots,
            lambda: self._node.get_clock().now().nanoseconds,
            self._publish,
            self._publish_overdue,
            self._report,
        )
        self._cameras = Cameras(self._node, self.settings, self._slots, self._health, self._report)

    def stop(self) -> None:
        """Unsubscribe and end the worker; harmless when not started."""
        if self._cameras is not None:
            self._cameras.destroy()
        if self._worker is not None:
            self._worker.stop()
        self._cameras = self._worker = None

    def close(self) -> None:
        """Stop and take everything off the graph."""
        self.stop()
        self._outputs.destroy()
        self._node.destroy_publisher(self._diagnosed)

    def adopt(self, settings: Settings, follower: Follower | None = None) -> None:
        """Go on with other settings; with a new follower, or where they matter to it, anew."""
        rates = {n: getattr(self.settings, n) for n in ('attention_rate', 'debug_rate')}
        alike = dataclasses.replace(settings, **rates)
        if follower is None and alike != self.settings:
            follower = self.load(settings)
        self.settings = settings
        if follower is not None:
            self.follower = follower
            self._in_worker(lambda: self._line.adopt(settings, self.follower))
            if self._worker is not None:
                self._outputs.publish_info(self.embedder, self.follower, settings)

    def reset(self) -> None:
        """Forget the stream; the next match is INIT."""
        self._in_worker(self._line.reset)

    def tick(self, state: str) -> None:
        """Publish /diagnostics and look after the cameras; once a second."""
        now = self._node.get_clock().now()
        waiting: list[str] = []
        if self._cameras is not None:
            self._cameras.check()
            waiting = [w for w in self._line.waiting_for(now.nanoseconds) if ':' in w]
        names = {c.name: self._node.resolve_topic_name(c.topic) for c in self.settings.cameras}
        snapshot = Snapshot(
            node=self._node.get_name(),
            stamp=now.to_msg(),
            now_ns=now.nanoseconds,
            now_s=time.monotonic(),
            state=state,
            device=self.embedder.device,
            stale_s=self.settings.stale_s,
            topics=self._cameras.topics if self._cameras else names,
            overwritten=self._slots.overwritten,
            dropped=dict(self._line.dropped),
            failures=self._line.failures,
            waiting_for='; '.join(waiting),
        )
        self._diagnosed.publish(self._diagnostics.message(snapshot))

    def _publish(self, results: list[Result]) -> None:
        self._told_overdue = False
        for result in results:
            self._outputs.publish(result)
        if not results[-1].failure:
            rate = self.settings.attention_rate
            self._outputs.publish_attention(results[-1], self.embedder, rate)
        last = results[-1]
        self._outputs.publish_debug(last.followed.match, last, self.settings.debug_rate)

    def _publish_overdue(self, overdue: Overdue) -> None:
        self._outputs.publish_overdue(overdue)
        self._outputs.publish_debug(overdue.match, overdue.result, self.settings.debug_rate)
        if not self._told_overdue:  # once, not every tick; silence has its own reminder
            self._told_overdue = True
            self._report('overdue', f'no camera set: {"; ".join(overdue.waiting_for)}')

    def _in_worker(self, function: Callable[[], Any]) -> None:
        """Run where the stream lives, or here while it stands still."""
        if self._worker is None:
            function()
        else:
            self._worker.call(function)

    def _warn(self, text: str) -> None:
        if self._node.context.ok():  # what fails because the process ends is no news
            self._node.get_logger().warning(text)
