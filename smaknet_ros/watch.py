"""
Why no picture comes: what the ROS graph knows about a camera's topic, in one line.

"It streams, but nothing happens" is mostly a wrong name or an incompatible QoS; both are told.
"""

from __future__ import annotations

from typing import Any

from smaknet_ros import topics

UNKNOWN_NODE = '_NODE_NAME_UNKNOWN_'  # rmw's name for one that was not discovered yet


def describe_topic(node: Any, topic: str, type_name: str) -> str:
    """
    Say who publishes on a topic, with type and QoS, or which image topics there are instead.

    Args:
        node: any rclpy node.
        topic: full name.
        type_name: `sensor_msgs/msg/Image` or the compressed one.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if publishers:
        seen = '; '.join(
            f'{_full_name(p)} ({p.topic_type}, {topics.describe(p.qos_profile)})'
            for p in publishers
        )
        wrong = all(p.topic_type != type_name for p in publishers)
        return f'published by {seen}' + (f', expected {type_name}' if wrong else '')
    others = sorted(name for name, types in node.get_topic_names_and_types() if type_name in types)
    others = [name for name in others if node.count_publishers(name) and name != topic]
    if not others:
        return f'nobody publishes it, nor any other {type_name}'
    return f'nobody publishes it; {type_name} is on {", ".join(others[:8])}'


def describe_silence(node: Any, camera: str, topic: str, type_name: str, silent_s: float) -> str:
    """Say that a camera is silent, and what may be the reason."""
    what = f'camera {camera}: no message on {topic} for {silent_s:.0f} s'
    return f'{what}: {describe_topic(node, topic, type_name)}'


def describe_mismatch(
    node: Any, camera: str, topic: str, type_name: str, mine: Any, policy: str
) -> str:
    """Say that a publisher's QoS does not serve the subscription."""
    return (
        f'camera {camera}: incompatible QoS on {topic} ({policy}): subscribed '
        f'{topics.describe(mine)}, {describe_topic(node, topic, type_name)}'
    )


def are_named(node: Any, topic: str) -> bool:
    """Tell whether the graph knows the node of each publisher on a topic, and there is one."""
    publishers = node.get_publishers_info_by_topic(topic)
    return bool(publishers) and all(p.node_name != UNKNOWN_NODE for p in publishers)


def _full_name(endpoint: Any) -> str:
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
