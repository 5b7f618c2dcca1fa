"""
TensorFlow's Example and SequenceExample, read off their protobuf wire format.

    Example          1: Features
    SequenceExample  1: Features (the context)   2: FeatureLists
    Features         1: map of name (1) to Feature (2)
    FeatureLists     1: map of name (1) to FeatureList (2), which is 1: Feature, repeated
    Feature          1: BytesList, 2: FloatList or 3: Int64List, each 1: value, repeated
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from smaknet_core.data.pouring.footage import DamagedError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}

T = TypeVar('T')


@dataclass(frozen=True)
class Example:
    """An Example, or a SequenceExample: that one has lists."""

    strings: dict[str, list[memoryview]]
    numbers: dict[str, list[int]]
    lists: dict[str, memoryview]  # FeatureLists, not looked at yet

    def text(self, name: str) -> str:
        """Return the one string of a name as text; DamagedError where there is none."""
        try:
            return self.bytes(name).decode()
        except UnicodeDecodeError as err:
            raise DamagedError(f'{name} is no text') from err

    def number(self, name: str) -> int:
        """Return the one whole number of a name; DamagedError where there is none."""
        return _only(self.numbers, name)

    def bytes(self, name: str) -> bytes:
        """Return the one string of a name; DamagedError where there is none."""
        return _only(self.strings, name).tobytes()


def parse_example(data: memoryview) -> Example:
    """Read an Example or SequenceExample; DamagedError where it is none."""
    example = Example({}, {}, {})
    for number, value in _messages(data):
        if number == 1:
            for name, feature in _map(value):
                example.strings[name] = _strings(feature)
                example.numbers[name] = _numbers(feature)
        elif number == 2:
            example.lists.update(_map(value))
    return example


def parse_list(data: memoryview) -> list[memoryview]:
    """Read a FeatureList of one string in each Feature, such as JPEG; they stay where they are."""
    found = [_strings(feature) for number, feature in _messages(data) if number == 1]
    counts = {len(strings) for strings in found}
    if counts - {1}:
        raise DamagedError(f'a list has features of {sorted(counts)} strings, not of 1')
    return [strings[0] for strings in found]


def _only(known: Mapping[str, list[T]], name: str) -> T:
    values = known.get(name, [])
    if len(values) != 1:
        raise DamagedError(f'expected one {name}, found {len(values)}')
    return values[0]


def _map(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Read a map of names; where one comes twice the later counts, as protobuf has it."""
    for number, entry in _messages(data):
        if number == 1:
            parts = dict(_messages(entry))
            try:
                yield str(parts.get(1, b''), 'utf-8'), parts.get(2, memoryview(b''))
            except UnicodeDecodeError as err:
                raise DamagedError('a name is no text') from err


def _strings(feature: memoryview) -> list[memoryview]:
    lists = [values for number, values in _messages(feature) if number == 1]
    return [value for values in lists for number, value in _messages(values) if number == 1]


def _numbers(feature: memoryview) -> list[int]:
    found = []
    for values in (values for number, values in _messages(feature) if number == 3):
        for number, value in _fields(values):
            if number == 1:
                found += [value] if isinstance(value, int) else _packed(value)
    return [number - (1 << 64) if number >> 63 else number for number in found]


def _packed(data: memoryview) -> list[int]:
    found, position = [], 0
    while position < len(data):
        number, position = _varint(data, position)
        found.append(number)
    return found


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the fields that have a length: strings, messages, packed numbers."""
    for number, value in _fields(data):
        if not isinstance(value, int):
            yield number, value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield each field's number and value; DamagedError where the bytes are no message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in _SIZES:
            length = _SIZES[kind]
        else:
            raise DamagedError(f'is no protobuf message (a field of kind {kind})')
        if length > len(data) - position:
            raise DamagedError('is no protobuf message (a field beyond its end)')
        yield number, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it and where the next field begins."""
    value = 0
    for count in range(10):
        if position + count >= len(data):
            raise DamagedError('is no protobuf message (a number beyond its end)')
        byte = data[position + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + count + 1
    raise DamagedError('is no protobuf message (a number of more than 64 bits)')
