"""
Everything the matcher node publishes, made in one place: results, status, pictures.

The publishers are lifecycle publishers: silent unless the node is active.
"""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image as ImageMsg
from sensor_msgs.msg import TimeReference
from smaknet_core.demonstration import Demonstration
from smaknet_core.embedder import Embedder
from smaknet_core.follow import Follower
from smaknet_core.overlay import paint
from smaknet_core.side_by_side import side_by_side
from smaknet_core.types import Image, Match
from smaknet_ros import conversions, topics
from smaknet_ros.health import Latencies
from smaknet_ros.line import Overdue, Result
from smaknet_ros.settings import Settings
from std_msgs.msg import String


class Outputs:
    """
    The node's publishers.

    Args:
        node: to publish from.
        settings: its parameters.
        latencies: where the time from message to match is noted.
    """

    def __init__(self, node: LifecycleNode, settings: Settings, latencies: Latencies) -> None:
        self._node = node
        self._latencies = latencies
        self._latency_s = 0.0  # of the last set
        self._sources: dict[str, str] = {}
        self._taught: dict[str, Demonstration] = {}
        self._painted_s: dict[str, float] = {}
        self._debugged_s = 0.0
        self._match = self._publisher(TimeReference, topics.MATCH, topics.every_one())
        self._status = self._publisher(DiagnosticArray, topics.MATCH_STATUS, topics.every_one())
        self._embedding = self._publisher(ImageMsg, topics.EMBEDDING, topics.newest_only())
        self._debug = self._publisher(ImageMsg, topics.DEBUG_IMAGE, topics.newest_only())
        self._info = self._publisher(String, topics.INFO, topics.latched())
        self._attention = {
            name: self._publisher(ImageMsg, f'{topics.ATTENTION}/{name}', topics.newest_only())
            for name in settings.camera_names
        }

    def publish_info(self, embedder: Embedder, follower: Follower, settings: Settings) -> None:
        """Say once, also to those who come later, what the results refer to."""
        self._sources = {d.name: conversions.source_of(d) for d in follower.demonstrations}
        self._taught = {d.name: d for d in follower.demonstrations}
        cameras = [
            {
                'name': camera.name,
                'topic': self._node.resolve_topic_name(camera.topic),
                'type': 'CompressedImage' if camera.compressed else 'Image',
            }
            for camera in settings.cameras
        ]
        self._info.publish(conversions.info(embedder.describe(), follower.demonstrations, cameras))

    def publish(self, result: Result) -> None:
        """Publish one set's results; the match first, and only if it can be acted on."""
        match, frame_id = result.followed.match, result.frame_id
        source = self._sources.get(match.demonstration, match.demonstration)
        if match.state.actionable:
            self._match.publish(conversions.time_reference(match, frame_id, source))
        self._latency_s = time.monotonic() - result.received_s
        self._status.publish(
            conversions.match_status(
                match,
                frame_id,
                self._node.get_name(),
                source,
                tuple(result.frames),
                result.followed.spread_s,
                self._latency_s,
                self._latency_s,
                (result.failure,) if result.failure else (),
            )
        )
        if not result.failure:
            self._latencies.add(self._latency_s)
            embeddings = result.followed.embeddings
            image = conversions.embedding_image(match.stamp_ns, frame_id, embeddings)
            if image is not None:
                self._embedding.publish(image)

    def publish_overdue(self, overdue: Overdue) -> None:
        """Publish what the last match is still worth, with its old stamp."""
        match, result = overdue.match, overdue.result
        self._status.publish(
            conversions.match_status(
                match,
                result.frame_id,
                self._node.get_name(),
                self._sources.get(match.demonstration, match.demonstration),
                tuple(result.frames),
                result.followed.spread_s,
                self._latency_s,
                time.monotonic() - result.received_s,
                overdue.waiting_for,
            )
        )

    def publish_attention(self, result: Result, embedder: Embedder, rate: float) -> None:
        """Paint what the network looks at, for cameras somebody watches, `rate` times a second."""
        now_s = time.monotonic()
        for name, frame in result.frames.items():
            publisher = self._attention[name]
            due = now_s - self._painted_s.get(name, 0.0) >= 1 / rate
            if due and publisher.get_subscription_count() > 0:
                self._painted_s[name] = now_s
                weights = embedder.attention(frame.image)
                if not weights:
                    self._say_no_attention(embedder)
                    return
                picture = paint(frame.image, weights)
                msg = conversions.rgb_image(frame.stamp_ns, frame.frame_id, picture)
                publisher.publish(msg)

    def publish_debug(self, match: Match, result: Result, rate: float) -> None:
        """Show the set beside what it was matched with, while somebody looks."""
        now_s = time.monotonic()
        demo = self._taught.get(match.demonstration)
        due = now_s - self._debugged_s >= 1 / rate
        if demo is None or not due or self._debug.get_subscription_count() == 0:
            return
        self._debugged_s = now_s
        pairs = [
            (frame.image, thumbnail(demo, match.timestep, name))
            for name, frame in result.frames.items()
        ]
        picture = side_by_side(pairs, match, demo.duration_s)
        self._debug.publish(conversions.rgb_image(match.stamp_ns, result.frame_id, picture))

    def _say_no_attention(self, embedder: Embedder) -> None:
        system = embedder.describe()['system']
        self._node.get_logger().warning(
            f'{system} has no attention to show; {topics.ATTENTION} stays silent', once=True
        )

    def destroy(self) -> None:
        """Take the publishers off the graph."""
        single = (self._match, self._status, self._embedding, self._debug, self._info)
        for publisher in (*single, *self._attention.values()):
            self._node.destroy_lifecycle_publisher(publisher)

    def _publisher(self, kind: Any, topic: str, qos: Any) -> Any:
        with topics.on(topic):
            return self._node.create_lifecycle_publisher(
                kind, topic, qos, qos_overriding_options=topics.overridable()
            )


def thumbnail(demo: Demonstration, timestep: int, camera: str) -> Image:
    """Give the demonstration's picture by the camera of this name, else by its first."""
    view = demo.cameras.index(camera) if camera in demo.cameras else 0
    pixels: Image = demo.thumbnails[timestep, view]
    return pixels
