"""
Cut sqlite3 file to messages: the rows of its leaf pages, without the tree above them.

SQLite moves the first branch page of a table to wherever the file ends when the tree grows, so a
file cut before that page cannot be read through the tree at all, though nearly every row is
there. The leaf pages are recognisable by themselves: https://www.sqlite.org/fileformat.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import struct
from typing import Any, Final

from smaknet_core.data.storage import MappedFile

_LEAF: Final = 0x0D
_FILE_HEADER: Final = 100  # bytes before the header of page 1
# Bytes of each serial type; from 12 on the type tells the size.
_WIDTHS: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}


class SqlitePages:
    """The readable rows of rosbag2's `messages` table in a damaged file."""

    def __init__(self, path: Path) -> None:
        self._file = MappedFile(path)
        self._map = self._file.bytes
        page = int.from_bytes(self._map[16:18], 'big')
        self._page = 65536 if page == 1 else page
        self._usable = self._page - self._map[20]
        self._count = len(self._map) // max(self._page, 1)

    def rows(self) -> Iterator[tuple[int, int, bytes, int]]:
        """Yield topic id, timestamp in ns, serialised message and place, in the file's order."""
        seen = set()
        for place in self._cells():
            try:
                rowid, values = self._row(place)
            except (IndexError, struct.error):
                continue  # the row goes on beyond the cut
            if _is_message(values) and rowid not in seen:
                seen.add(rowid)
                yield values[1], values[2], values[3], place

    def read(self, place: int) -> bytes:
        """Return the serialised message at a place that `rows` gave."""
        return bytes(self._row(place)[1][3])

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _cells(self) -> Iterator[int]:
        """Yield the byte offset of every cell of every whole leaf page."""
        for number in range(self._count):
            start = number * self._page
            head = start + (_FILE_HEADER if number == 0 else 0)
            if self._map[head] != _LEAF:
                continue
            (count,) = struct.unpack_from('>H', self._map, head + 3)
            count = min(count, (self._page - 108) // 2)  # no more pointers than a page can hold
            for offset in struct.unpack_from(f'>{count}H', self._map, head + 8):
                if offset < self._page:
                    yield start + offset

    def _row(self, at: int) -> tuple[int, list[Any]]:
        """Read rowid and columns of the cell at a byte offset; None for texts and floats."""
        size, at = self._varint(at)
        rowid, at = self._varint(at)
        payload = self._payload(at, size)
        length, position = _varint(payload, 0)
        values: list[int | bytes | None] = []
        body = length
        while position < length:
            kind, position = _varint(payload, position)
            width = _WIDTHS[kind] if kind in _WIDTHS else max(0, (kind - 12) // 2)
            raw = payload[body : body + width]
            if len(raw) < width:
                raise IndexError('a value longer than its row')
            body += width
            values.append(_value(kind, raw))
        return rowid, values

    def _payload(self, at: int, size: int) -> bytes:
        """Gather a cell's bytes from its leaf and the chain of overflow pages."""
        if size > len(self._map):
            raise IndexError('a row longer than the file')
        local = self._local_size(size)
        parts = [self._map[at : at + local]]
        if local < size:
            (page,) = struct.unpack_from('>I', self._map, at + local)
            missing = size - local
            while missing > 0:
                if not 0 < page <= self._count:
                    raise IndexError('a page beyond the cut')
                start = (page - 1) * self._page
                (page,) = struct.unpack_from('>I', self._map, start)
                take = min(missing, self._usable - 4)
                parts.append(self._map[start + 4 : start + 4 + take])
                missing -= take
        self._file.let_go(size)
        return b''.join(parts)

    def _local_size(self, size: int) -> int:
        """How much of a row lies in the leaf itself: the format's own formula."""
        largest = self._usable - 35
        if size <= largest:
            return size
        smallest = (self._usable - 12) * 32 // 255 - 23
        fitting = smallest + (size - smallest) % (self._usable - 4)
        return fitting if fitting <= largest else smallest

    def _varint(self, at: int) -> tuple[int, int]:
        value, used = _varint(self._map[at : at + 9], 0)
        return value, at + used


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a big-endian base-128 number of up to 9 bytes; return it and where it ends."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _value(kind: int, raw: bytes) -> int | bytes | None:
    if kind in (8, 9):  # the numbers 0 and 1 take no space
        return kind - 8
    if 0 < kind <= 6:
        return int.from_bytes(raw, 'big', signed=True)
    return raw if kind >= 12 and kind % 2 == 0 else None


def _is_message(values: list[Any]) -> bool:
    """Tell rows of `messages` (id, topic_id, timestamp, data) from those of other tables."""
    return (
        len(values) == 4
        and isinstance(values[1], int)
        and isinstance(values[2], int)
        and isinstance(values[3], bytes)
    )
