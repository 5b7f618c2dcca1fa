"""Simulated episodes of the tests, and how they are read back from their bags."""

from __future__ import annotations

from pathlib import Path

import cv2
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores

SIZE = (48, 64)


def messages(folder: Path):
    """Per topic: header stamps, receive stamps and messages, as recorded."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    topics: dict[str, list] = {}
    with Reader(folder) as bag:
        for connection, receipt, raw in bag.messages():
            message = store.deserialize_cdr(raw, connection.msgtype)
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            topics.setdefault(connection.topic, []).append((stamp, receipt, message))
    return topics


def read(folder: Path):
    """Per image topic: header stamps, receive stamps, frame ids and decoded RGB frames."""
    return {
        topic: [
            (stamp, receipt, message.header.frame_id, decoded(message))
            for stamp, receipt, message in rows
        ]
        for topic, rows in messages(folder).items()
        if '/image_raw' in topic
    }


def decoded(message):
    if hasattr(message, 'format'):
        return cv2.imdecode(message.data, cv2.IMREAD_COLOR)[..., ::-1]
    assert message.encoding == 'rgb8'
    return message.data.reshape(message.height, message.width, 3)
