"""MCAP files of other writers than rosbag2's."""

from __future__ import annotations

from bag_maker import (
    camera_messages,
    read_all,
    START_NS,
    STRING,
    text_cdr,
)
import pytest
from smaknet_core.data.bags import open_recording


@pytest.mark.parametrize(
    ('options', 'mcap_compression'),
    [({}, 'NONE'), ({}, 'LZ4'), ({}, 'ZSTD'), ({'use_chunking': False}, 'NONE')],
)
def test_mcap_of_other_writers(tmp_path, options, mcap_compression):
    """No ros2 profile, checksums, any compression or no chunks at all, times out of order."""
    mcap = pytest.importorskip('mcap.writer')
    messages = camera_messages(count=5)
    with (tmp_path / 'other.mcap').open('wb') as file:
        compression = mcap.CompressionType[mcap_compression]
        writer = mcap.Writer(file, compression=compression, chunk_size=2000, **options)
        writer.start()
        channels = {}
        for message in reversed(messages):
            if message.topic not in channels:
                schema = writer.register_schema(message.msgtype, 'ros2msg', b'')
                channels[message.topic] = writer.register_channel(message.topic, 'cdr', schema)
            ns = message.receive_ns
            writer.add_message(channels[message.topic], ns, message.cdr, publish_time=ns)
        json_channel = writer.register_channel('/web', 'json', 0)
        writer.add_message(json_channel, START_NS, b'{}', publish_time=START_NS)
        writer.finish()
    with open_recording(tmp_path / 'other.mcap') as recording:
        assert read_all(recording) == messages
        assert recording.notes == ["/web is serialised as 'json', not cdr: not used"]
        assert not recording.unfinished


def test_a_changed_byte_is_noticed_by_the_checksum(tmp_path):
    mcap = pytest.importorskip('mcap.writer')
    path = tmp_path / 'flipped.mcap'
    with path.open('wb') as file:
        writer = mcap.Writer(file, compression=mcap.CompressionType.NONE)
        writer.start()
        schema = writer.register_schema(STRING, 'ros2msg', b'')
        channel = writer.register_channel('/chatter', 'cdr', schema)
        writer.add_message(channel, 5, text_cdr('hello'), publish_time=5)
        writer.finish()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'hello', b'hallo'))
    with open_recording(path) as recording:
        assert 'fails its checksum' in recording.notes[0]
        assert recording.unfinished
        assert not recording.cut
        assert len(read_all(recording)) == 1
