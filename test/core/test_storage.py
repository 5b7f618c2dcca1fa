"""What the readers share: stamps, type names, decompression with its limits, the index."""

from __future__ import annotations

from pathlib import Path

from bag_maker import (
    data_file,
    jpeg_cdr,
    Message,
    picture,
    RAW,
    raw_cdr,
    START_NS,
    write_bag,
)
from hypothesis import given
from hypothesis import strategies as st
import lz4.frame
import numpy as np
import pytest
from smaknet_core.data import storage
from smaknet_core.data.bags import open_recording
from smaknet_core.errors import BagError

zstd = storage._zstd()
TEXT = b'a picture is worth a thousand words ' * 500


@given(st.integers(0, 2**31 - 1), st.integers(0, 999_999_999), st.sampled_from('<>'))
def test_header_stamps_of_either_byte_order(seconds, nanoseconds, order):
    kind = 'little' if order == '<' else 'big'
    cdr = bytes([0, order == '<', 0, 0])
    cdr += seconds.to_bytes(4, kind) + nanoseconds.to_bytes(4, kind)
    assert storage.header_stamp_ns(cdr) == seconds * 10**9 + nanoseconds
    assert storage.header_stamp_ns(cdr[:-1]) == 0


def test_header_stamp_of_a_real_message():
    assert storage.header_stamp_ns(jpeg_cdr(12_345_678_901, picture(0))) == 12_345_678_901


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('sensor_msgs/Image', 'sensor_msgs/msg/Image'),
        ('sensor_msgs/msg/Image', 'sensor_msgs/msg/Image'),
        ('nonsense', 'nonsense'),
        ('', ''),
    ],
)
def test_type_names(old, new):
    assert storage.modern_type(old) == new


@pytest.mark.parametrize(
    ('compression', 'compress'), [('zstd', zstd.compress), ('lz4', lz4.frame.compress)]
)
class TestInflate:
    def test_whole(self, compression, compress):
        assert storage.inflate(compress(TEXT), compression, len(TEXT)) == TEXT

    def test_a_cut_stream_gives_its_beginning(self, compression, compress):
        packed = compress(TEXT)
        for end in range(0, len(packed), 5):
            assert TEXT.startswith(storage.inflate(packed[:end], compression, len(TEXT)))

    def test_never_more_than_announced(self, compression, compress):
        bomb = compress(bytes(10_000_000))
        assert len(storage.inflate(bomb, compression, 1000)) <= 1000

    def test_damage(self, compression, compress):
        with pytest.raises(BagError, match=f'damaged {compression} data'):
            storage.inflate(b'nonsense' * 9, compression, 100)


def test_too_much_or_unknown():
    with pytest.raises(BagError, match='announces 1073741825 bytes'):
        storage.inflate(b'', 'zstd', 2**30 + 1)
    with pytest.raises(BagError, match="unknown compression 'rar'"):
        storage.inflate(b'', 'rar', 1)


def test_the_index_sorts_by_time_and_keeps_the_order_of_equals():
    index = storage.MessageIndex()
    for number, receive in enumerate([30, 10, 30, 2**64 - 1, 20]):
        index.add(receive, number, b'', (number, 0, 0))
    index.finish()
    assert index.topic.tolist() == [1, 4, 0, 2, 3]
    assert index.receive_ns.tolist() == [10, 20, 30, 30, 2**63 - 1]
    assert index.place[:, 0].tolist() == [1, 4, 0, 2, 3]


@pytest.mark.parametrize('kind', ['mcap', 'damaged sqlite3'])
def test_a_long_recording_is_little_of_this_process(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(storage, 'RESIDENT_BYTES', 1 << 20)
    big = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    stamps = [START_NS + step * 10**8 for step in range(40)]
    messages = [Message('/top', RAW, stamp, raw_cdr(stamp, big)) for stamp in stamps]
    path = data_file(write_bag(tmp_path / 'long', messages, kind.split()[-1]))
    if kind == 'damaged sqlite3':
        with path.open('r+b') as file:
            file.truncate(path.stat().st_size - 1000)
    assert path.stat().st_size > 14e6
    with open_recording(path) as recording:
        assert 0 < resident_mb(path) < 4
        for _ in recording.messages(['/top']):
            assert resident_mb(path) < 4


def resident_mb(path):
    """How much of a mapped file is this process's memory."""
    lines = Path('/proc/self/smaps').read_text().splitlines()
    heads = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    sizes = [next(line for line in lines[head:] if line.startswith('Rss:')) for head in heads]
    return sum(int(line.split()[1]) for line in sizes) / 1024
