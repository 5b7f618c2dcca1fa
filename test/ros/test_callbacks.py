"""An exception in a callback of the executor would end the node: none gets that far."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from smaknet_ros import topics
from smaknet_ros.cameras import Cameras
from smaknet_ros.health import CameraHealth
from smaknet_ros.matcher_node import MatcherNode
from smaknet_ros.processes import isolate, own_domain
from smaknet_ros.slots import Slots


class Broken:
    """A session whose every tick fails."""

    ticks = 0

    def tick(self, state):
        self.ticks += 1
        raise ZeroDivisionError('the graph is gone')

    def close(self):
        pass


@pytest.fixture
def node():
    with own_domain() as domain_id:
        isolate(domain_id)
        context = Context()
        rclpy.init(args=[], context=context, domain_id=domain_id)
        made = MatcherNode(
            context=context,
            use_global_arguments=False,
            parameter_overrides=[Parameter('cameras', value=['front'])],
        )
        yield made
        made.close()
        made.destroy_node()
        rclpy.try_shutdown(context=context)


def test_a_tick_that_fails_is_followed_by_the_next(node, capfd):
    node._session = broken = Broken()
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + 20
    while broken.ticks < 2 and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.5)
    executor.shutdown()
    assert broken.ticks == 2
    assert capfd.readouterr().err.count('diagnostics: ZeroDivisionError: the graph is gone') == 1


def test_a_policy_that_rclpy_does_not_know_is_told_all_the_same(node):
    told = []
    cameras = Cameras(
        node,
        node.settings,
        Slots(),
        {'front': CameraHealth()},
        lambda key, text: told.append((key, text)),
    )
    (front,) = node.settings.cameras
    camera = node.create_publisher(Image, front.topic, topics.newest_only())
    cameras._note_mismatch(front, topics.newest_only(), SimpleNamespace(last_policy_kind=12345))
    deadline = time.monotonic() + 20
    while not told and time.monotonic() < deadline:
        cameras.check()
    cameras.destroy()
    where = camera.topic_name
    node.destroy_publisher(camera)
    ((key, text),) = told
    assert key == 'front qos'
    assert text.startswith(f'camera front: incompatible QoS on {where} (')
    assert '12345' in text
    assert f'published by {node.get_fully_qualified_name()} (' in text
