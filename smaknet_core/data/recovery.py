"""
Cut recording to whole one: what is readable is written to a finished bag beside it.

The original is only read. The copy is a new mcap folder with its index and metadata.yaml, which
ros2 bag, Foxglove and everything else opens.
"""

from __future__ import annotations

from pathlib import Path
import shutil
import tempfile
from typing import Any

from smaknet_core.data.bag_folder import companion
from smaknet_core.data.bag_writer import UNKNOWN_HASH
from smaknet_core.data.bags import open_recording, Recording
from smaknet_core.data.storage import StoredTopic
from smaknet_core.errors import BagError


def repair(path: Path) -> Path:
    """
    Write the readable part of a recording to `<name>_repaired` beside it; return that folder.

    Raises:
        BagError: nothing is readable, the copy exists already, or it cannot be written.
    """
    with open_recording(path) as recording:
        if not any(topic.count for topic in recording.topics):
            raise BagError(f'{path}: no message is readable, there is nothing to repair')
        beside = path.resolve().parent
        out = beside / f'{recording.name}_repaired'
        if out.exists():
            raise BagError(f'{out}: exists already, not overwritten')
        try:
            # Made aside and renamed, so that a copy that exists is always complete.
            with tempfile.TemporaryDirectory(prefix='.repairing-', dir=beside) as folder:
                made = Path(folder, out.name)
                _write(recording, made)
                _copy_companions(path, made)
                made.rename(out)
        except OSError as err:
            raise BagError(f'{out}: cannot be written ({err.strerror or err})') from err
    return out


def _write(recording: Recording, folder: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer

    stored = recording.stored_topics
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for topic in recording.topics:
            declared = _declaration(stored[topic.name])
            connections[topic.name] = writer.add_connection(topic.name, topic.msgtype, **declared)
        for topic, receive_ns, cdr in recording.messages():
            writer.write(connections[topic.name], receive_ns, cdr)


def _declaration(topic: StoredTopic) -> dict[str, Any]:
    """Gather what a writer needs to know of a topic: definition, its hash, and QoS."""
    store = _typestore_with(topic)
    if topic.msgtype in store.fielddefs:
        text, _ = store.generate_msgdef(topic.msgtype, ros_version=2)
        digest = store.hash_rihs01(topic.msgtype)
    else:  # the messages are worth keeping all the same; ROS 2 knows its own types
        text, digest = '', UNKNOWN_HASH
    return {
        'msgdef': topic.definition or text,
        'rihs01': digest,
        'offered_qos_profiles': _qos(topic.qos),
    }


def _typestore_with(topic: StoredTopic) -> Any:
    """Know the standard types, and the topic's own if the bag defines it."""
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    if not topic.definition:
        return store
    parse = get_types_from_msg if topic.definition_format == 'ros2msg' else _parse_idl
    try:
        types = parse(topic.definition, topic.msgtype)
        store.register({name: t for name, t in types.items() if name not in store.fielddefs})
    except Exception:  # a definition we cannot parse is copied as it is
        return store
    return store


def _parse_idl(text: str, _: str) -> Any:
    from rosbags.typesys import get_types_from_idl

    return get_types_from_idl(text)


def _qos(text: str) -> list[Any]:
    from rosbags.rosbag2.metadata import parse_qos

    try:
        return list(parse_qos(text))
    except Exception:  # unreadable QoS: players then use their defaults
        return []


def _copy_companions(path: Path, folder: Path) -> None:
    for name in ('episode.json', 'labels.csv'):
        source = companion(path, name)
        if source is not None:
            shutil.copyfile(source, folder / name)
