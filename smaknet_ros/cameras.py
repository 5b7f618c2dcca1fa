"""
Topics to slots: the node's image subscriptions, and what is said when nothing comes.

Subscriptions are not managed by a lifecycle node, so they are made on activate and destroyed on
deactivate: an inactive node costs the network nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
import time
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import qos_policy_name_from_kind
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg
from smaknet_ros import topics, watch
from smaknet_ros.health import CameraHealth, Reporter
from smaknet_ros.settings import Camera, Settings
from smaknet_ros.slots import Arrival, Slots

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

SILENT_AFTER_S = 5.0
REMIND_AFTER_S = 30.0
NAMED_WITHIN_S = 5.0  # the graph learns of a publisher first, of its node's name later
TYPE_NAMES = {False: 'sensor_msgs/msg/Image', True: 'sensor_msgs/msg/CompressedImage'}


@dataclass(frozen=True)
class _Mismatch:
    qos: Any  # the subscription's
    policy: str
    since_s: float  # monotonic


class Cameras:
    """
    All subscriptions of an active node.

    Args:
        node: to subscribe with.
        settings: names and topics.
        slots: where messages go.
        health: camera name to where they are counted.
        report: told of incompatible QoS and silence.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Settings,
        slots: Slots,
        health: dict[str, CameraHealth],
        report: Reporter,
    ) -> None:
        self._node = node
        self._slots = slots
        self._health = health
        self._report = report
        self._cameras = settings.cameras
        self._since_s = time.monotonic()
        self._remind_s = dict.fromkeys(settings.camera_names, 0.0)
        self._publishers = dict.fromkeys(settings.camera_names, 1)
        self._mismatches: dict[str, _Mismatch] = {}  # camera to what is to be told
        self._subscriptions = {c.name: self._subscribe(c) for c in settings.cameras}

    @property
    def topics(self) -> dict[str, str]:
        """Camera to full topic name, namespace and remaps applied."""
        return {name: sub.topic_name for name, sub in self._subscriptions.items()}

    def check(self) -> None:
        """Tell of wrong QoS, of silence and of two publishers; call it once a second."""
        now_s = time.monotonic()
        for camera in self._cameras:
            self._tell_mismatch(camera, now_s)
            silent_s = self._health[camera.name].silent_s(now_s, self._since_s)
            if silent_s >= SILENT_AFTER_S and now_s >= self._remind_s[camera.name]:
                self._remind_s[camera.name] = now_s + REMIND_AFTER_S
                where = (self.topics[camera.name], TYPE_NAMES[camera.compressed])
                text = watch.describe_silence(self._node, camera.name, *where, silent_s)
                self._report(f'{camera.name} silent', text)
            self._count_publishers(camera)

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)

    def _count_publishers(self, camera: Camera) -> None:
        topic = self.topics[camera.name]
        count = self._node.count_publishers(topic)
        if count > 1 and count != self._publishers[camera.name]:
            who = watch.describe_topic(self._node, topic, TYPE_NAMES[camera.compressed])
            text = f'camera {camera.name}: {count} publishers on {topic}, expected one: {who}'
            self._report(f'{camera.name} publishers', text)
        self._publishers[camera.name] = count

    def _subscribe(self, camera: Camera) -> Any:
        qos = topics.newest_only()
        events = SubscriptionEventCallbacks(
            incompatible_qos=partial(self._note_mismatch, camera, qos)
        )
        with topics.on(camera.topic):
            return self._node.create_subscription(
                CompressedImage if camera.compressed else ImageMsg,
                camera.topic,
                partial(self._receive, camera.name),
                qos,
                event_callbacks=events,
                qos_overriding_options=topics.overridable(),
            )

    def _receive(self, name: str, msg: Any) -> None:
        arrived_ns, received_s = self._node.get_clock().now().nanoseconds, time.monotonic()
        self._health[name].receive(arrived_ns, received_s)
        self._slots.put(Arrival(name, msg, arrived_ns, received_s))

    def _note_mismatch(self, camera: Camera, qos: Any, event: Any) -> None:
        try:
            policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        except Exception as err:  # of an executor's callback, it would end the node
            policy = repr(err)
        self._mismatches[camera.name] = _Mismatch(qos, policy, time.monotonic())

    def _tell_mismatch(self, camera: Camera, now_s: float) -> None:
        """Say whose QoS does not fit, as soon as the graph knows the name of who publishes."""
        mismatch = self._mismatches.get(camera.name)
        if mismatch is None:
            return
        topic = self.topics[camera.name]
        if now_s < mismatch.since_s + NAMED_WITHIN_S and not watch.are_named(self._node, topic):
            return
        del self._mismatches[camera.name]
        where = (topic, TYPE_NAMES[camera.compressed])
        told = (mismatch.qos, mismatch.policy)
        text = watch.describe_mismatch(self._node, camera.name, *where, *told)
        self._report(f'{camera.name} qos', text)
