"""
MCAP file to raw messages: record by record, as far as the file goes.

The summary at the end is not used, because it is what a killed recorder never wrote. The file is
mapped, so walking over uncompressed chunks reads record headers only, unless there is a checksum.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
import mmap
from pathlib import Path
import struct
from typing import Final, TypeAlias
import zlib

from smaknet_core.data.storage import (
    inflate,
    MappedFile,
    MessageIndex,
    modern_type,
    plain_message,
    StoredTopic,
    ZSTD_MAGIC,
)
from smaknet_core.errors import BagError

MAGIC: Final = b'\x89MCAP0\r\n'
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_MESSAGE_HEAD: Final = struct.Struct('<HIQQ')  # channel, sequence, log time, publish time
_CHUNK_HEAD: Final = struct.Struct('<QQQI')  # start, end, size of the records, their checksum
_LENGTH: Final = struct.Struct('<Q')
_CHUNKS_KEPT: Final = 8  # inflated chunks in memory: neighbours in time share few chunks

Buffer: TypeAlias = 'mmap.mmap | bytes'
# What reading a damaged record can raise.
_DAMAGE: Final = (BagError, struct.error, UnicodeDecodeError, IndexError)


class McapFile:
    """An mcap file open for reading; see `StorageFile`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.topics: dict[int, StoredTopic] = {}
        self.index = MessageIndex()
        self.damage = ''
        self.cut = False
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._inflated: OrderedDict[int, tuple[Buffer, int, int, bool]] = OrderedDict()
        self._file = MappedFile(path)
        self._map = self._file.bytes
        try:
            self._scan()
        except BaseException:
            self.close()
            raise
        self.index.finish()

    def read(self, row: int) -> bytes:
        """Return the serialised message of one row of the index; raise BagError."""
        chunk, start, end = (int(value) for value in self.index.place[row])
        source = self._map if chunk < 0 else self._open_chunk(chunk)[0]
        message = plain_message(bytes(source[start:end]))
        self._file.let_go(end - start)
        return message

    def close(self) -> None:
        """Release the file."""
        self._inflated.clear()
        self._file.close()

    def _scan(self) -> None:
        """Walk the top level to the end of the data section, or to where the file is cut."""
        at, size = len(MAGIC), len(self._map)
        for opcode, start, end in _records(self._map, at, size):
            if opcode == _DATA_END:
                if self._map[-len(MAGIC) :] != MAGIC:
                    self._note_cut('its index is missing, all messages are there')
                return
            at = start
            self._file.let_go(end - start)
            try:
                if opcode == _CHUNK:
                    self._scan_chunk(start)
                elif end <= size:
                    self._note(self._map, opcode, start, end, -1)
            except _DAMAGE as err:
                if end <= size:
                    self.damage = f'the chunk at byte {start} is damaged ({err})'
        self._note_cut(f'it ends within the record at byte {at}')

    def _note_cut(self, how: str) -> None:
        self.cut = True
        self.damage = f'cut: {how}'

    def _scan_chunk(self, start: int) -> None:
        data, first, last, compressed = self._open_chunk(start)
        for opcode, begin, end in _records(data, first, last):
            if end <= last:
                self._note(data, opcode, begin, end, start if compressed else -1)

    def _open_chunk(self, start: int) -> tuple[Buffer, int, int, bool]:
        """Return the records of a chunk: a buffer, where they start and end, if inflated."""
        if start in self._inflated:
            self._inflated.move_to_end(start)
            return self._inflated[start]
        (length,) = _LENGTH.unpack_from(self._map, start - _LENGTH.size)
        end = min(start + length, len(self._map))
        *_, size, checksum = _CHUNK_HEAD.unpack_from(self._map, start)
        compression, at = _text(self._map, start + _CHUNK_HEAD.size)
        at += _LENGTH.size
        if not compression:
            if checksum and _fails(self._map[at : at + size], size, checksum):
                # One wrong byte spoils one message, so the others are read all the same.
                self.damage = f'the chunk at byte {start} fails its checksum'
            return self._map, at, min(at + size, end), False
        data = inflate(self._map[at:end], compression, size)
        if checksum and _fails(data, size, checksum):
            raise BagError('it fails its checksum')
        self._inflated[start] = (data, 0, len(data), True)
        if len(self._inflated) > _CHUNKS_KEPT:
            self._inflated.popitem(last=False)
        return data, 0, len(data), True

    def _note(self, data: Buffer, opcode: int, start: int, end: int, chunk: int) -> None:
        if opcode == _MESSAGE:
            channel, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(data, start)
            start += _MESSAGE_HEAD.size
            cdr = data[start : min(start + 12, end)]
            if cdr.startswith(ZSTD_MAGIC):
                cdr = plain_message(data[start:end])
            if channel in self.topics:
                self.index.add(log_ns, channel, cdr, (chunk, start, end))
        elif opcode == _SCHEMA:
            name, at = _text(data, start + 2)
            encoding, at = _text(data, at)
            self._schemas[_number(data, start)] = (name, encoding, _text(data, at)[0])
        elif opcode == _CHANNEL:
            topic, at = _text(data, start + 4)
            serialization, at = _text(data, at)
            name, encoding, text = self._schemas.get(_number(data, start + 2), ('', '', ''))
            channel = _number(data, start)
            qos = _pairs(data, at).get('offered_qos_profiles', '')
            self.topics[channel] = StoredTopic(
                channel, topic, modern_type(name), serialization, text, encoding, qos
            )


def _records(data: Buffer, at: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, start and end of each record; the last one's end may be past the limit."""
    while at + 9 <= limit and data[at]:  # there is no opcode 0: zeros are a lost page
        (length,) = _LENGTH.unpack_from(data, at + 1)
        yield data[at], at + 9, at + 9 + length
        at += 9 + length


def _fails(data: bytes, size: int, checksum: int) -> bool:
    return len(data) == size and zlib.crc32(data) != checksum


def _number(data: Buffer, at: int) -> int:
    return int.from_bytes(data[at : at + 2], 'little')


def _text(data: Buffer, at: int) -> tuple[str, int]:
    """Read a string behind its 32-bit length; return it and where it ends."""
    (length,) = struct.unpack_from('<I', data, at)
    end = at + 4 + length
    if end > len(data):
        raise IndexError(f'a text of {length} bytes at byte {at}')
    return data[at + 4 : end].decode('utf-8'), end


def _pairs(data: Buffer, at: int) -> dict[str, str]:
    """Read a map of texts behind its length in bytes."""
    (length,) = struct.unpack_from('<I', data, at)
    at, end = at + 4, at + 4 + length
    pairs = {}
    while at < end:
        key, at = _text(data, at)
        pairs[key], at = _text(data, at)
    return pairs
