"""
Messages as they come → a rosbag2 folder that survives what happens to its writer.

Every `sync` closes the mcap chunk and waits for the disk, so a process or a machine that dies
loses what came after the last one and no more. `close` adds the index and metadata.yaml as
rosbag2 leaves them. The mcap file is made by the format's own package; serialised messages pass
through as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path
from typing import Any, Final

# What rosbag2 writes since Jazzy; what Humble and Iron read.
VERSION: Final = 9
OLD_VERSION: Final = 8
OLD_DISTROS: Final = ('humble', 'iron')
CHUNK_BYTES: Final = 4 << 20  # a chunk is closed at this size, also between two syncs
# What metadata.yaml needs where a message type's hash cannot be known.
UNKNOWN_HASH: Final = f'RIHS01_{0:064x}'


@dataclass(frozen=True)
class WrittenTopic:
    """What a recording says of a topic."""

    name: str
    msgtype: str  # 'sensor_msgs/msg/Image'
    definition: str = ''  # ros2msg, with those of the messages in it; '' where it is not known
    type_hash: str = UNKNOWN_HASH
    qos: tuple[Any, ...] = ()  # `rosbags.interfaces.Qos` of its publishers


class BagWriter:
    """
    Write one recording; not safe to use from two threads at once.

    Args:
        folder: made here; must not exist.
        name: of the recording; the file is `<name>_0.mcap`.
        topics: what is recorded; `write` takes their index.

    Raises:
        OSError: as all methods but `abandon` do: the folder exists, the disk is full ... What has
            been written ends between two records then.
    """

    def __init__(self, folder: Path, name: str, topics: Sequence[WrittenTopic]) -> None:
        from mcap.writer import CompressionType, Writer

        folder.mkdir(parents=True)
        self._folder = folder
        self._topics = tuple(topics)
        self._file = _RecordFile(folder / f'{name}_0.mcap')
        # JPEG cannot be compressed, and raw images not fast enough.
        output: Any = self._file
        self._mcap: Any = Writer(output, CHUNK_BYTES, CompressionType.NONE)
        self._mcap.start('ros2', 'smaknet')
        by_type = {topic.msgtype: topic for topic in self._topics}
        schemas = {name: self._schema(topic) for name, topic in by_type.items()}
        self._channels = [self._channel(topic, schemas) for topic in self._topics]
        self.counts = [0] * len(self._topics)
        self._start_ns: int | None = None
        self._end_ns = 0

    @property
    def size(self) -> int:
        """Bytes in the file so far; what waits for its chunk to close not counted."""
        return self._file.tell()

    def write(
        self, topic: int, received_ns: int, cdr: bytes, published_ns: int | None = None
    ) -> None:
        """Append a message; `topic` is an index, without a time of publishing it is the same."""
        published_ns = received_ns if published_ns is None else published_ns
        self.counts[topic] += 1
        self._start_ns = min(received_ns, self._start_ns or received_ns)
        self._end_ns = max(received_ns, self._end_ns)
        self._mcap.add_message(
            self._channels[topic], received_ns, cdr, published_ns, self.counts[topic]
        )

    def sync(self) -> None:
        """Close the chunk and wait until it is on the disk."""
        self._mcap.flush()
        self._file.sync()

    def close(self) -> None:
        """Add index and metadata.yaml, wait until all is on the disk."""
        import yaml

        information = self._information()
        self._mcap.flush()
        text = yaml.safe_dump(information, sort_keys=False)
        self._mcap.add_metadata('rosbag2', {'serialized_metadata': text})
        self._mcap.finish()
        self._file.close()
        content = yaml.safe_dump({'rosbag2_bagfile_information': information}, sort_keys=False)
        write_whole(self._folder / 'metadata.yaml', content)

    def abandon(self) -> None:
        """Close the file as it is: without index, readable up to the last chunk."""
        self._file.abandon()

    def _schema(self, topic: WrittenTopic) -> int:
        encoding = 'ros2msg' if topic.definition else ''
        return int(self._mcap.register_schema(topic.msgtype, encoding, topic.definition.encode()))

    def _channel(self, topic: WrittenTopic, schemas: dict[str, int]) -> int:
        import yaml

        qos = yaml.safe_dump(_dump_qos(topic, VERSION), sort_keys=False) if topic.qos else ''
        about = {'offered_qos_profiles': qos, 'topic_type_hash': topic.type_hash}
        schema = schemas[topic.msgtype]
        return int(self._mcap.register_channel(topic.name, 'cdr', schema, about))

    def _information(self) -> dict[str, Any]:
        """Say in metadata.yaml what is in the file."""
        distro = os.environ.get('ROS_DISTRO', '')
        version = OLD_VERSION if distro in OLD_DISTROS else VERSION
        name = self._file.path.name
        return {
            'version': version,
            'storage_identifier': 'mcap',
            **self._span(),
            'topics_with_message_count': [
                {'topic_metadata': _describe(topic, version), 'message_count': count}
                for topic, count in zip(self._topics, self.counts, strict=True)
            ],
            'compression_format': '',
            'compression_mode': '',
            'relative_file_paths': [name],
            'files': [{'path': name, **self._span()}],
            'custom_data': None,
            'ros_distro': distro,
        }

    def _span(self) -> dict[str, Any]:
        start_ns = self._start_ns or 0
        return {
            'duration': {'nanoseconds': self._end_ns - start_ns},
            'starting_time': {'nanoseconds_since_epoch': start_ns},
            'message_count': sum(self.counts),
        }


class _RecordFile:
    """What the mcap package writes to: each of its writes is one or more whole records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open('xb', buffering=0)
        self._end = 0

    def write(self, data: bytes) -> None:
        """Write all of it, or leave nothing of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end += len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self._end

    def flush(self) -> None:
        """Nothing waits here."""

    def sync(self) -> None:
        """Wait for the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Wait for the disk, and close."""
        self.sync()
        self._file.close()

    def abandon(self) -> None:
        """Close, whatever the disk says."""
        self._file.close()


def write_whole(path: Path, text: str) -> None:
    """Write a small file aside, wait for the disk and move it to its name: old or new, no mix."""
    aside = path.with_name(f'.{path.name}.new')
    with aside.open('w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe(topic: WrittenTopic, version: int) -> dict[str, Any]:
    return {
        'name': topic.name,
        'type': topic.msgtype,
        'serialization_format': 'cdr',
        'offered_qos_profiles': _dump_qos(topic, version),
        'type_description_hash': topic.type_hash,
    }


def _dump_qos(topic: WrittenTopic, version: int) -> Any:
    from rosbags.rosbag2.metadata import dump_qos_v8, dump_qos_v9

    dump = dump_qos_v9 if version >= VERSION else dump_qos_v8
    return dump(list(topic.qos))
