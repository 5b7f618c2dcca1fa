"""Definitions of installed messages, against an independent reading of the same types."""

from __future__ import annotations

import pytest
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from smaknet_ros.message_types import definition_of, message_class


@pytest.mark.parametrize(
    'name',
    [
        'sensor_msgs/msg/CompressedImage',
        'sensor_msgs/msg/Image',
        'sensor_msgs/msg/JointState',
        'diagnostic_msgs/msg/DiagnosticArray',
        'geometry_msgs/msg/PoseStamped',
        'std_msgs/msg/String',
        'rcl_interfaces/msg/ParameterEvent',
    ],
)
def test_a_definition_is_complete(name):
    """With nothing but the text, rosbags must come to the hash that ROS 2 Jazzy has."""
    types = get_types_from_msg(definition_of(name), name)
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    assert store.hash_rihs01(name) == get_typestore(Stores.ROS2_JAZZY).hash_rihs01(name)


def test_what_is_not_installed_is_not_known():
    for name in ('no_such_msgs/msg/Odd', 'sensor_msgs/msg/Odd', 'json/msg/Odd', ''):
        assert definition_of(name) == ''
    assert message_class('no_such_msgs/msg/Odd') is None
    assert message_class('sensor_msgs/msg/Odd') is None
    assert message_class('sensor_msgs/msg/Image').__name__ == 'Image'
