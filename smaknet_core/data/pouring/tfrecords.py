"""
TFRecord files → their records, every byte checked.

A record is its length (uint64), the length's checksum, its bytes, and their checksum, little
endian. The package `tfrecord` reads the checksums but compares nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import mmap
from pathlib import Path
import struct

from smaknet_core.data.pouring.crc32c import masked_crc32c
from smaknet_core.data.pouring.footage import DamagedError
from smaknet_core.errors import printable

_HEAD = struct.Struct('<QI')
_TAIL = struct.Struct('<I')
NAME = '.tfrecord'  # in the file's name, where it says what it is


@dataclass(frozen=True)
class Record:
    """One record, mapped and not yet looked at."""

    where: str  # for messages
    data: memoryview
    checksum: int

    def check(self) -> None:
        """Raise DamagedError if the bytes are not those that were written."""
        if masked_crc32c(self.data) != self.checksum:
            raise DamagedError(f'{self.where}: its bytes do not have its checksum')


def is_tfrecord(path: Path) -> bool:
    """Tell by the name, or by the first length having its checksum; OSError if unreadable."""
    if NAME in path.name:
        return True
    with path.open('rb') as file:
        head = file.read(_HEAD.size)
    return len(head) == _HEAD.size and masked_crc32c(head[:8]) == _HEAD.unpack(head)[1]


def read_records(path: Path, where: str) -> Iterator[Record]:
    """
    Yield the records of a file; their checksums are checked when asked (`Record.check`).

    Args:
        path: the file; it stays mapped as long as a record of it is held.
        where: what messages call it.

    Raises:
        DamagedError: the rest of the file cannot be read; what came before is good.
    """
    data = _map(path, where)
    position, number = 0, 0
    while position < len(data):
        named = f'{where}, record {number}'
        head = data[position : position + _HEAD.size]
        if len(head) < _HEAD.size:
            raise DamagedError(f'{named}: the file was cut')
        length, checksum = _HEAD.unpack(head)
        if masked_crc32c(head[:8]) != checksum:
            raise DamagedError(f'{named}: its length does not have its checksum; rest not read')
        begin = position + _HEAD.size
        end = begin + length
        if end + _TAIL.size > len(data):
            raise DamagedError(f'{named}: the file was cut')
        yield Record(named, data[begin:end], _TAIL.unpack(data[end : end + _TAIL.size])[0])
        position, number = end + _TAIL.size, number + 1


def _map(path: Path, where: str) -> memoryview:
    try:
        with path.open('rb') as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError as err:  # nothing to map
        raise DamagedError(f'{where}: is empty') from err
    except OSError as err:
        reason = printable(str(err.strerror or err))
        raise DamagedError(f'{where}: cannot be read ({reason})') from err
