"""
Recording file to raw messages: what the mcap and the sqlite3 readers have in common.

Both read a file once from front to back when it is opened, as far as it goes, and keep an index
of its messages; so a file that was cut is read like a whole one, only shorter. Nothing in a file
is trusted: lengths are checked before they are used, and nothing is written.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
import mmap
from pathlib import Path
import struct
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import BagError

ZSTD_MAGIC: Final = b'\x28\xb5\x2f\xfd'
# Refuse to inflate more than this at once, whatever a header announces.
MAX_INFLATED: Final = 2**30
# What was read of a mapped file is let go of after so many bytes. The system keeps what it has
# room for, but an hour of recording must not count as this process's memory.
RESIDENT_BYTES = 64 << 20


@dataclass(frozen=True)
class StoredTopic:
    """One topic as a file declares it."""

    id: int  # the file's own number for it
    name: str
    msgtype: str  # always package/msg/Name, also for Crystal's package/Name
    serialization: str  # 'cdr', or something we do not read
    definition: str = ''  # message definition, '' when the file carries none
    definition_format: str = ''  # ros2msg, ros2idl or ''
    qos: str = ''  # offered QoS profiles as YAML, '' when unknown


class MessageIndex:
    """
    All readable messages of one file, sorted by receive time.

    `receive_ns`, `topic` and `header_ns` are int64 N; `place` is int64 N x 3, known to the
    reader alone. `header_ns` is what the message starts with if its type has a header.
    """

    def __init__(self) -> None:
        self._rows = array('q')
        self.finish()

    def add(self, receive_ns: int, topic: int, cdr: bytes, place: tuple[int, int, int]) -> None:
        """Note one message; `cdr` may be its first 12 bytes only."""
        receive_ns = min(max(receive_ns, 0), 2**63 - 1)
        self._rows.extend((receive_ns, topic, header_stamp_ns(cdr), *place))

    def finish(self) -> None:
        """Sort by receive time; messages of the same time keep the file's order."""
        rows = np.asarray(self._rows, np.int64).reshape(-1, 6)
        rows = rows[np.argsort(rows[:, 0], kind='stable')]
        self.receive_ns: NDArray[np.int64] = rows[:, 0]
        self.topic: NDArray[np.int64] = rows[:, 1]
        self.header_ns: NDArray[np.int64] = rows[:, 2]
        self.place: NDArray[np.int64] = rows[:, 3:]


class StorageFile(Protocol):
    """An open recording file."""

    path: Path
    topics: dict[int, StoredTopic]
    index: MessageIndex
    damage: str  # '' for a whole file, else what is wrong with it, in words
    cut: bool  # the file ends before the recording did

    def read(self, row: int) -> bytes:
        """Return the serialised message of one row of the index; raise BagError."""

    def close(self) -> None:
        """Release the file."""


class MappedFile:
    """A file's bytes, of which few are this process's memory at a time."""

    def __init__(self, path: Path) -> None:
        with path.open('rb') as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._touched = 0

    def let_go(self, count: int) -> None:
        """Note that so many bytes were read; now and then, give all pages back."""
        self._touched += count
        if self._touched > RESIDENT_BYTES:
            self.bytes.madvise(mmap.MADV_DONTNEED)
            self._touched = 0

    def close(self) -> None:
        """Release the file."""
        self.bytes.close()


def header_stamp_ns(cdr: bytes) -> int:
    """Read header.stamp from the start of a serialised stamped message; 0 if it is too short."""
    if len(cdr) < 12:
        return 0
    seconds, nanoseconds = struct.unpack_from('<iI' if cdr[1] & 1 else '>iI', cdr, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def modern_type(msgtype: str) -> str:
    """Spell a type as ROS 2 does since Dashing: `sensor_msgs/Image` has no `msg` in Crystal."""
    package, slash, name = msgtype.partition('/')
    return f'{package}/msg/{name}' if slash and '/' not in name else msgtype


def inflate(data: bytes, compression: str, size: int) -> bytes:
    """
    Decompress as much as is there, at most `size` bytes; a cut stream gives its beginning.

    Raises:
        BagError: unknown compression, damaged stream, or more than a gigabyte announced.
    """
    if not compression:
        return data
    if size > MAX_INFLATED:
        raise BagError(f'a compressed block announces {size} bytes')
    try:
        if compression == 'zstd':
            return _inflate_zstd(data, size)
        if compression == 'lz4':
            import lz4.frame  # type: ignore[import-untyped]

            return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size))
    except Exception as err:  # each library has its own tree of errors
        raise BagError(f'damaged {compression} data ({err})') from err
    raise BagError(f'unknown compression {compression!r}')


def plain_message(data: bytes) -> bytes:
    """Undo rosbag2's per-message compression; serialised messages never start like zstd."""
    if not data.startswith(ZSTD_MAGIC):
        return data
    return inflate(data, 'zstd', MAX_INFLATED)


def inflate_file(packed: BinaryIO, plain: BinaryIO) -> None:
    """Decompress a whole zstd file, as far as it goes; raise BagError."""
    decompressor = _zstd().ZstdDecompressor()
    try:
        while not decompressor.eof and (block := packed.read(2**20)):
            plain.write(decompressor.decompress(block))
    except Exception as err:
        raise BagError(f'damaged zstd data ({err})') from err


def _inflate_zstd(data: bytes, size: int) -> bytes:
    return bytes(_zstd().ZstdDecompressor().decompress(data, max_length=size))


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
    except ImportError:
        from backports import zstd
    return zstd
