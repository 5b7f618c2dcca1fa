"""
Topics to serialised messages: the recorder's subscriptions, never decoded.

Their QoS follows the publishers: reliable where all are, so that nothing is lost, and best effort
where one is, so that it is heard at all. What a latched topic said before an episode begins is
kept, for every episode must hold it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
import time
from typing import Any, NamedTuple

from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from smaknet_core.config import nearest
from smaknet_core.data.bag_writer import UNKNOWN_HASH, WrittenTopic
from smaknet_core.data.bags import IMAGE_TYPES
from smaknet_ros import topics, watch
from smaknet_ros.message_types import definition_of, message_class

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError


class Arrived(NamedTuple):
    """A message as it came."""

    topic: int  # index of the topic
    received_ns: int
    published_ns: int
    cdr: bytes


class RecordedTopics:
    """
    All subscriptions of the recorder.

    Args:
        node: to subscribe with.
        wanted: full topic name -> name of the camera, '' for other topics.

    `sink` is called with every message, by the thread that spins the node. `lost` counts, per
    topic, what the middleware says it lost on the way here.
    """

    def __init__(self, node: Any, wanted: Mapping[str, str]) -> None:
        self._node = node
        self._wanted = dict(wanted)
        self._simulated = bool(node.get_parameter('use_sim_time').value)
        self.sink: Callable[[Arrived], None] = lambda arrived: None
        self.lost: Counter[str] = Counter()
        self.known: dict[int, WrittenTopic] = {}  # topic index -> what a recording says of it
        self.problems: dict[str, str] = {}  # topic -> why it is not subscribed to
        self._subscriptions: dict[int, Any] = {}
        self._latched: dict[int, deque[Arrived]] = {}
        self._last_s: dict[int, float] = {}

    @property
    def names(self) -> list[str]:
        """Full names, in the order of their index."""
        return list(self._wanted)

    @property
    def cameras(self) -> dict[str, str]:
        """Camera -> full topic name."""
        return {camera: topic for topic, camera in self._wanted.items() if camera}

    def title(self, topic: str) -> str:
        """Call a topic by its camera, if it is one's."""
        return f'camera {self._wanted[topic]}' if self._wanted[topic] else topic

    def look(self) -> bool:
        """Subscribe to what is published by now, as it is published; tell whether all is."""
        for index, name in enumerate(self._wanted):
            publishers = self._node.get_publishers_info_by_topic(name)
            problem = self._problem(name, publishers)
            if problem:
                if index not in self._subscriptions:
                    self.problems[name] = problem
                continue
            self.problems.pop(name, None)
            try:
                self._adapt(index, name, publishers)
            except RuntimeError as err:  # RCLError
                self.problems[name] = topics.refusal(err)
        return not self.problems

    def latched(self) -> list[Arrived]:
        """Give what latched topics said so far."""
        return [arrived for kept in self._latched.values() for arrived in kept]

    def silent_cameras(self, longer_than_s: float) -> dict[str, float]:
        """Name the cameras without a message for this long: camera -> seconds (inf: never)."""
        now_s = time.monotonic()
        found = {}
        for index, camera in enumerate(self._wanted.values()):
            silent_s = now_s - self._last_s.get(index, float('-inf'))
            if camera and silent_s > longer_than_s:
                found[camera] = silent_s
        return found

    def describe(self, topic: str) -> str:
        """Say who publishes a topic, or what there is instead."""
        index = self.names.index(topic)
        if self._node.count_publishers(topic):
            kind = self.known[index].msgtype if index in self.known else ''
            return watch.describe_topic(self._node, topic, kind)
        others = [
            name
            for name, kinds in self._node.get_topic_names_and_types()
            if self._node.count_publishers(name)
            and (not self._wanted[topic] or IMAGE_TYPES & set(kinds))
        ]
        return f'nobody publishes it{nearest(topic, others) if others else ""}'

    def qos(self, index: int) -> str:
        """Say how a topic is subscribed to."""
        return topics.describe(self._subscriptions[index].qos_profile)

    def _problem(self, name: str, publishers: list[Any]) -> str:
        kinds = sorted({publisher.topic_type for publisher in publishers})
        if not publishers:
            return self.describe(name)
        if len(kinds) > 1:
            return f'published with several types: {", ".join(kinds)}'
        if self._wanted[name] and kinds[0] not in IMAGE_TYPES:
            return f'is {kinds[0]}, expected sensor_msgs/msg/Image or CompressedImage'
        if message_class(kinds[0]) is None:
            return f'{kinds[0]} is not installed here: source the workspace that has it'
        return ''

    def _adapt(self, index: int, name: str, publishers: list[Any]) -> None:
        """Subscribe, or subscribe anew if the publishers are others now."""
        offered = [publisher.qos_profile for publisher in publishers]
        qos, msgtype = topics.adapted(offered), publishers[0].topic_type
        known = self.known.get(index)
        alike = known is not None and known.msgtype == msgtype
        current = self._subscriptions.get(index)
        if current is not None:
            if alike and _alike(current.qos_profile, qos):
                return
            self._node.destroy_subscription(self._subscriptions.pop(index))
        self._latched.pop(index, None)
        if qos.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL:
            self._latched[index] = deque(maxlen=topics.RECORDED_DEPTH)
        self._subscriptions[index] = self._subscribe(index, name, msgtype, qos)
        if not alike:
            self.known[index] = WrittenTopic(
                name, msgtype, definition_of(msgtype), _hash(publishers[0]), _recorded(offered)
            )

    def _subscribe(self, index: int, name: str, msgtype: str, qos: QoSProfile) -> Any:
        def lost(event: Any) -> None:
            self.lost[name] += event.total_count_change

        arguments = (message_class(msgtype), name, partial(self._receive, index), qos)
        try:
            events = SubscriptionEventCallbacks(message_lost=lost)
            return self._node.create_subscription(*arguments, event_callbacks=events, raw=True)
        except UnsupportedEventTypeError:  # not every middleware counts them
            return self._node.create_subscription(*arguments, raw=True)

    def _receive(self, index: int, cdr: bytes, info: Any) -> None:
        received_ns = info['received_timestamp'] or time.time_ns()
        published_ns = info['source_timestamp'] or received_ns
        if self._simulated:
            received_ns = published_ns = self._node.get_clock().now().nanoseconds
        arrived = Arrived(index, received_ns, published_ns, cdr)
        self._last_s[index] = time.monotonic()
        if index in self._latched:
            self._latched[index].append(arrived)
        self.sink(arrived)


def _alike(one: QoSProfile, other: QoSProfile) -> bool:
    return (one.reliability, one.durability) == (other.reliability, other.durability)


def _hash(publisher: Any) -> str:
    """Give the hash of the message type, where this ROS 2 has one (since Iron)."""
    value = getattr(getattr(publisher, 'topic_type_hash', None), 'value', None)
    return f'RIHS01_{bytes(value).hex()}' if value else UNKNOWN_HASH


def _recorded(offered: list[QoSProfile]) -> tuple[Any, ...]:
    """Write QoS profiles down as recordings keep them; equal ones once."""
    from rosbags import interfaces as kept

    def seconds(duration: Any) -> Any:
        return kept.QosTime(*divmod(duration.nanoseconds, 10**9))

    profiles = [
        kept.Qos(
            kept.QosHistory(int(qos.history)),
            qos.depth,
            kept.QosReliability(int(qos.reliability)),
            kept.QosDurability(int(qos.durability)),
            seconds(qos.deadline),
            seconds(qos.lifespan),
            kept.QosLiveliness(int(qos.liveliness)),
            seconds(qos.liveliness_lease_duration),
            qos.avoid_ros_namespace_conventions,
        )
        for qos in offered
    ]
    return tuple(dict.fromkeys(profiles))
