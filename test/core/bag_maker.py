"""Recordings for tests: written by rosbags, or by hand where rosbags would not do it so badly."""

from __future__ import annotations

from collections.abc import Sequence
import functools
from pathlib import Path
import sqlite3
from typing import NamedTuple

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

RAW = 'sensor_msgs/msg/Image'
JPEG = 'sensor_msgs/msg/CompressedImage'
START_NS = 1_700_000_000_000_000_000
SHARED = Path(__file__).resolve().parents[3] / 'shared' / 'data'
STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


class Message(NamedTuple):
    """What goes into a bag, and what must come out again."""

    topic: str
    msgtype: str
    receive_ns: int
    cdr: bytes


@functools.cache
def store():
    return get_typestore(Stores.ROS2_HUMBLE)


def picture(seed, height=24, width=32):
    """A smooth picture that JPEG keeps, different for every seed, 8-bit RGB."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 5 + seed), np.cos(y / 4 + seed), np.sin((x + y) / 6 - seed)]
    return np.uint8(127 + 100 * np.stack(waves, axis=-1))


def _header(stamp_ns):
    types = store().types
    stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    return types['std_msgs/msg/Header'](stamp, 'camera')


def jpeg_cdr(stamp_ns, rgb, data=None):
    """Serialise a CompressedImage; `data` replaces the JPEG bytes."""
    data = cv2.imencode('.jpg', rgb[..., ::-1])[1].ravel() if data is None else data
    msg = store().types[JPEG](_header(stamp_ns), 'jpeg', np.frombuffer(data, np.uint8))
    return bytes(store().serialize_cdr(msg, JPEG))


def raw_cdr(stamp_ns, rgb, encoding='rgb8'):
    """Serialise an Image whose bytes are those of `rgb`, whatever the encoding says."""
    height, width = rgb.shape[:2]
    data = np.frombuffer(rgb.tobytes(), np.uint8)
    step = len(data) // height
    msg = store().types[RAW](_header(stamp_ns), height, width, encoding, 0, step, data)
    return bytes(store().serialize_cdr(msg, RAW))


def text_cdr(text):
    return bytes(store().serialize_cdr(store().types['std_msgs/msg/String'](text), STRING))


STRING = 'std_msgs/msg/String'


def camera_messages(
    cameras=('top', 'wrist'), count=10, rate_hz=10.0, kind=JPEG, delay_ns=2_000_000
):
    """Frames of cameras that run 3 ms apart, and one text; stamped at capture, 2 ms late."""
    messages = [Message('/chatter', STRING, START_NS, text_cdr('hello'))]
    for step in range(count):
        for number, camera in enumerate(cameras):
            stamp = START_NS + round(step * 1e9 / rate_hz) + number * 3_000_000
            rgb = picture(step + 0.1 * number)
            cdr = jpeg_cdr(stamp, rgb) if kind == JPEG else raw_cdr(stamp, rgb)
            topic = f'/camera/{camera}/image_raw' + ('/compressed' if kind == JPEG else '')
            messages.append(Message(topic, kind, stamp + 2_000_000, cdr))
    return messages


def write_bag(path, messages: Sequence[Message], storage='mcap', compression=None):
    """Write a bag folder; compression is None, 'storage', 'file' or 'message'."""
    writer = Writer(path, version=9, storage_plugin=STORAGES[storage])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for message in messages:
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(
                    message.topic, message.msgtype, typestore=store()
                )
            writer.write(connections[message.topic], message.receive_ns, message.cdr)
    return path


def write_old_db3(path, messages: Sequence[Message], distro='humble'):
    """Write the database of a recorder before Iron, which kept no definitions; no metadata."""
    qos = ', offered_qos_profiles TEXT NOT NULL' if distro == 'humble' else ''
    with sqlite3.connect(path) as db:
        db.execute(
            'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, '
            f'serialization_format TEXT NOT NULL{qos})'
        )
        db.execute(
            'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, '
            'timestamp INTEGER NOT NULL, data BLOB NOT NULL)'
        )
        numbers = {
            topic: i + 1 for i, topic in enumerate(dict.fromkeys(m.topic for m in messages))
        }
        types = {message.topic: message.msgtype for message in messages}
        for topic, number in numbers.items():
            old = types[topic] if distro == 'humble' else types[topic].replace('/msg/', '/')
            row = [number, topic, old, 'cdr'] + ([''] if qos else [])
            db.execute(f'INSERT INTO topics VALUES({", ".join("?" * len(row))})', row)
        db.executemany(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)',
            [(numbers[m.topic], m.receive_ns, m.cdr) for m in messages],
        )
    db.close()
    return path


def data_file(folder):
    """The one .mcap or .db3 file of a bag folder."""
    (found,) = (path for path in folder.iterdir() if path.suffix in ('.mcap', '.db3'))
    return found


def read_all(recording):
    """Everything in an open recording, as what was written."""
    return [Message(t.name, t.msgtype, ns, cdr) for t, ns, cdr in recording.messages()]
