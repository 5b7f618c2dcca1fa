"""
Records → sequences: one SequenceExample, the shards of one, or the labelled frames of one.

Training sequences may have been cut into shards (`NAME_shard00` ...), which TCN reads faster; here
they are joined again. Labelled frames come as single Examples that name their sequence, all of a
set in one file or several; those of a sequence are put together in the order of the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import re

from smaknet_core.data.pouring.examples import Example, parse_example, parse_list
from smaknet_core.data.pouring.footage import DamagedError, Footage, in_order
from smaknet_core.data.pouring.tfrecords import Record

_SHARD = re.compile(r'(?P<name>.+)_shard(?P<number>\d+)')
_VIEW = re.compile(r'view\d+')
_IMAGE = 'image/'


@dataclass
class RecordedSequence:
    """One sequence of frames, in one record or several shards."""

    name: str
    origin: str
    shards: dict[int, Record] = field(default_factory=dict)  # number -> record

    def open(self) -> Footage:
        """Check and read the records' structure; frames are taken from them one by one."""
        missing = set(range(max(self.shards))) - set(self.shards)
        if missing:
            raise DamagedError(f'{self.origin}: shard {min(missing)} of {self.name} is missing')
        notes: list[str] = []
        shards = [_read_views(self.shards[number], notes) for number in sorted(self.shards)]
        if len({tuple(views) for views in shards}) > 1:
            raise DamagedError(f'{self.origin}: the shards of {self.name} differ in their views')
        length = sum(min(map(len, views.values())) for views in shards)
        return Footage(tuple(shards[0]), length, _pair(shards), notes=notes)


@dataclass
class LabelledFrames:
    """The labelled frames of one sequence."""

    name: str
    origin: str
    records: list[Record] = field(default_factory=list)

    def open(self) -> Footage:
        """Check and read all records."""
        frames, labels = [], []
        for record in self.records:
            example = _parse(record)
            views = _views(example.strings, _IMAGE)
            frames.append({view: example.bytes(_IMAGE + view) for view in views})
            labels.append(_labels(example))
        first = self.records[0].where
        if len({tuple(frame) for frame in frames}) > 1 or not frames[0]:
            raise DamagedError(f'{first}: its frames, and others of {self.name}, differ in views')
        if len({frozenset(row) for row in labels}) > 1 or not labels[0]:
            raise DamagedError(f'{first}: its frames, and others of {self.name}, differ in labels')
        images = iter([tuple(frame.values()) for frame in frames])
        return Footage(tuple(frames[0]), len(frames), images, labels)


def split_task(task: str) -> tuple[str, int]:
    """Tell a sequence's name and the number of its shard, 0 where it has none."""
    shard = _SHARD.fullmatch(task)
    return (shard['name'], int(shard['number'])) if shard else (task, 0)


def _parse(record: Record) -> Example:
    record.check()
    try:
        return parse_example(record.data)
    except DamagedError as err:
        raise DamagedError(f'{record.where}: {err}') from err


def _read_views(record: Record, notes: list[str]) -> dict[str, list[memoryview]]:
    example = _parse(record)
    try:
        views = {view: parse_list(example.lists[view]) for view in _views(example.lists)}
        claimed = example.number('len')
    except DamagedError as err:
        raise DamagedError(f'{record.where}: {err}') from err
    if not views or not all(views.values()):
        raise DamagedError(f'{record.where}: has no frames of view0, view1 ...')
    shortest = min(map(len, views.values()))
    for view, frames in views.items():
        if len(frames) > shortest:
            notes.append(f'{record.where}: {len(frames) - shortest} more frames of {view} are cut')
    if claimed != shortest:
        notes.append(f'{record.where}: is to have {claimed} timesteps, has {shortest}')
    return views


def _pair(shards: list[dict[str, list[memoryview]]]) -> Iterator[tuple[bytes, ...]]:
    """Yield the concurrent frames of all views, to the end of the shortest in each shard."""
    for views in shards:
        for frames in zip(*views.values(), strict=False):
            yield tuple(frame.tobytes() for frame in frames)


def _views(names: Mapping[str, object], prefix: str = '') -> list[str]:
    """Name the views among features, view0 first."""
    known = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return in_order(name for name in known if _VIEW.fullmatch(name))


def _labels(example: Example) -> dict[str, int]:
    """Take every whole number, one of each; known attributes are all of them, as published."""
    return {name: values[0] for name, values in example.numbers.items() if len(values) == 1}
