"""
Recording to Stamped: one open bag, its cameras, its clock, and its frames.

With `bag_folder` and `storage*` this is all that knows bag formats. Type definitions are not
needed from the bag: the two image types have not changed since ROS 2 began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import functools
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data import images
from smaknet_core.data.bag_folder import bag_files, find_recordings, open_storage, read_episode
from smaknet_core.data.cameras import choose_cameras, find_cameras
from smaknet_core.data.clock import choose_clock
from smaknet_core.data.storage import StorageFile, StoredTopic
from smaknet_core.errors import BagError, ImageError, printable
from smaknet_core.types import Size, Stamped

__all__ = [
    'find_recordings',
    'IMAGE_TYPES',
    'open_recording',
    'RawFrame',
    'Recording',
    'Topic',
]

IMAGE_TYPES: Final = frozenset({images.RAW, images.COMPRESSED})


@dataclass(frozen=True)
class Topic:
    """One topic of a recording, over all its files."""

    name: str
    msgtype: str
    count: int


@dataclass(frozen=True)
class RawFrame:
    """One image message, not decoded yet."""

    camera: str
    stamp_ns: int  # of the clock the recording's cameras use
    receive_ns: int
    header_ns: int
    msgtype: str
    cdr: bytes

    def message(self) -> Any:
        """Deserialise, so that `images.decode` can read it; raise ImageError if it is damaged."""
        try:
            return _typestore().deserialize_cdr(self.cdr, self.msgtype)
        except Exception as err:  # rosbags wraps most, but not all, of what damaged bytes cause
            raise ImageError(f'damaged message of {len(self.cdr)} bytes') from err


class Recording:
    """
    An open recording; a context manager, made by `open_recording`.

    path, name: the bag folder or file, and its name without ending.
    topics: all that can be played; cameras: name -> topic, in the order frames are matched by.
    stamp_source: camera -> 'header' or 'bag', the same for all cameras of a recording;
    clock_faults: camera -> why its header stamps cannot be the clock.
    task: from episode.json, '' when unknown.
    notes: what is odd, one sentence each; unfinished: whether other tools will refuse it.
    bad_images: camera -> images that could not be decoded so far; bad_reasons: the first one's.
    """

    def __init__(self, path: Path, cameras: Sequence[str] = ()) -> None:
        bag = bag_files(path)
        self.path = path
        self.name = bag.name
        self.notes = bag.notes
        self._unfinished = bag.unfinished
        self.task, self._named = read_episode(path, self.notes)
        self.bad_images: Counter[str] = Counter()
        self.bad_reasons: dict[str, str] = {}
        self._files = _open_all(bag.files, self.notes)
        try:
            self._index_topics(bag.claimed)
            self._choose(cameras)
            self._decide_clock()
            # Names out of a damaged file end up in them.
            self.notes[:] = map(printable, self.notes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the files."""
        for file in self._files:
            file.close()

    @property
    def cut(self) -> bool:
        """Whether a file ends before the recording did."""
        return any(file.cut for file in self._files)

    @property
    def unfinished(self) -> bool:
        """Whether a file is cut or damaged, or metadata.yaml missing: `repair` makes a copy."""
        return self._unfinished or any(file.damage for file in self._files)

    @property
    def stored_topics(self) -> dict[str, StoredTopic]:
        """Topic -> how a file declares it, with definition and QoS, where it is readable."""
        return {topic.name: topic for file in self._files for topic in file.topics.values()}

    @property
    def start_ns(self) -> int:
        """Receive time of the first message; 0 for an empty recording."""
        return int(self._receive_ns[0]) if len(self._receive_ns) else 0

    @property
    def end_ns(self) -> int:
        """Receive time of the last readable message; 0 for an empty recording."""
        return int(self._receive_ns[-1]) if len(self._receive_ns) else 0

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last readable message."""
        return (self.end_ns - self.start_ns) / 1e9

    def camera_stamps(self, camera: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return receive and header stamps of a camera's frames, int64 N each, as received."""
        rows = self._topic == self._numbers[self.cameras[camera].name]
        return self._receive_ns[rows], self._header_ns[rows]

    def frames(self, at_least: Size | None = None) -> Iterator[Stamped]:
        """
        Yield the cameras' frames in the order they were received, decoded.

        `at_least` is the size they will be resized to, see `images.decode_compressed`.
        An image that cannot be decoded is counted in `bad_images` and skipped.
        """
        for raw in self.raw_frames():
            try:
                image = images.decode(raw.message(), raw.msgtype, at_least)
            except ImageError as err:
                self.count_bad(raw, err)
                continue
            yield Stamped(raw.stamp_ns, raw.camera, image)

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the cameras' frames in the order they were received, without decoding."""
        camera_of = {topic.name: camera for camera, topic in self.cameras.items()}
        for row in self._rows(list(camera_of)):
            topic = self._names[self._topic[row]]
            camera = camera_of[topic]
            receive, header = int(self._receive_ns[row]), int(self._header_ns[row])
            stamp = header if self.stamp_source[camera] == 'header' else receive
            msgtype = self.cameras[camera].msgtype
            yield RawFrame(camera, stamp, receive, header, msgtype, self._read(row))

    def messages(self, topics: Sequence[str] | None = None) -> Iterator[tuple[Topic, int, bytes]]:
        """Yield topic, receive time in ns and serialised message, in order; None means all."""
        by_name = {topic.name: topic for topic in self.topics}
        for row in self._rows(list(by_name) if topics is None else topics):
            topic = by_name[self._names[self._topic[row]]]
            yield topic, int(self._receive_ns[row]), self._read(row)

    def count_bad(self, raw: RawFrame, reason: ImageError) -> None:
        """Count an image that could not be decoded."""
        at_s = (raw.receive_ns - self.start_ns) / 1e9
        self.bad_images[raw.camera] += 1
        self.bad_reasons.setdefault(raw.camera, f'{reason}, at {at_s:.1f} s')

    def _rows(self, topics: Sequence[str]) -> NDArray[np.int64]:
        wanted = [self._numbers[name] for name in topics if name in self._numbers]
        return np.flatnonzero(np.isin(self._topic, wanted))

    def _read(self, row: int) -> bytes:
        file: StorageFile = self._files[self._file[row]]
        return file.read(int(self._row[row]))

    def _index_topics(self, claimed: Mapping[str, int]) -> None:
        """Merge the files' indices by receive time, and number topics across files."""
        self._numbers: dict[str, int] = {}
        types: dict[str, str] = {}
        columns = []
        for number, file in enumerate(self._files):
            for topic in file.topics.values():
                self._numbers.setdefault(topic.name, len(self._numbers))
                types.setdefault(topic.name, topic.msgtype)
            own = {topic.id: self._numbers[topic.name] for topic in file.topics.values()}
            index = file.index
            ids = np.array([own[int(t)] for t in index.topic], np.int64)
            rows = np.arange(len(ids))
            columns.append((index.receive_ns, index.header_ns, ids, rows * 0 + number, rows))
        merged = [np.concatenate(column) for column in zip(*columns, strict=True)]
        order = np.argsort(merged[0], kind='stable')
        self._receive_ns, self._header_ns, self._topic, self._file, self._row = (
            column[order] for column in merged
        )
        self._names = list(self._numbers)
        counts = np.bincount(self._topic, minlength=len(self._names))
        self.topics = tuple(
            Topic(name, types[name], int(counts[number])) for name, number in self._numbers.items()
        )
        self._compare(claimed)
        self._skip_what_is_not_cdr()

    def _compare(self, claimed: Mapping[str, int]) -> None:
        found = {topic.name: topic.count for topic in self.topics}
        for name in sorted(claimed.keys() | found.keys()) if claimed else ():
            if claimed.get(name, 0) != found.get(name, 0):
                self.notes.append(
                    f'metadata.yaml claims {claimed.get(name, 0)} messages on {name}, '
                    f'the files hold {found.get(name, 0)}'
                )

    def _skip_what_is_not_cdr(self) -> None:
        stored = [topic for file in self._files for topic in file.topics.values()]
        foreign = {t.name: t.serialization for t in stored if t.serialization != 'cdr'}
        for name, serialization in foreign.items():
            self.notes.append(f'{name} is serialised as {serialization!r}, not cdr: not used')
        self.topics = tuple(topic for topic in self.topics if topic.name not in foreign)

    def _choose(self, wanted: Sequence[str]) -> None:
        pictures = [topic for topic in self.topics if topic.msgtype in IMAGE_TYPES]
        image_topics = {topic.name: topic.msgtype for topic in pictures if topic.count}
        self.notes += [f'{topic.name} has no messages' for topic in pictures if not topic.count]
        found, notes = find_cameras(image_topics, self._first_encoding)
        by_name = {topic.name: topic for topic in self.topics}
        named = {camera: topic for camera, topic in self._named.items() if topic in image_topics}
        if named:  # the recorder was told which are cameras, and what to call them
            found, notes = (
                named,
                [
                    f'camera {camera}: nothing came from {topic}'
                    for camera, topic in self._named.items()
                    if camera not in named
                ],
            )
        chosen = choose_cameras(wanted, found, image_topics, str(self.path))
        self.cameras = {camera: by_name[topic] for camera, topic in chosen.items()}
        if not wanted:
            self.notes += notes

    def _first_encoding(self, topic: str) -> str:
        """Read what a topic's first message says its pixels are; '' if it cannot be read."""
        row = int(self._rows([topic])[0])
        (msgtype,) = (known.msgtype for known in self.topics if known.name == topic)
        try:
            msg = RawFrame('', 0, 0, 0, msgtype, self._read(row)).message()
        except (BagError, ImageError):
            return ''
        return str(msg.encoding if msgtype == images.RAW else msg.format)

    def _decide_clock(self) -> None:
        headers = {camera: self.camera_stamps(camera)[1] for camera in self.cameras}
        clock, self.clock_faults = choose_clock(headers)
        self.stamp_source = dict.fromkeys(self.cameras, clock)


def open_recording(path: Path, cameras: Sequence[str] = ()) -> Recording:
    """
    Open a recording: a rosbag2 folder or a bare .mcap or .db3 file, whole or cut.

    Args:
        path: folder or file.
        cameras: 'name' selects one of the cameras found, 'name:=/topic' defines one; none of
            either means all that are found.

    Raises:
        BagError: nothing readable, or a camera that is not there (the nearest is offered).
    """
    return Recording(Path(path), cameras)


def _open_all(paths: Sequence[Path], notes: list[str]) -> list[StorageFile]:
    """Open a recording's files; those that cannot be opened are noted while others can."""
    results = [_try_open(path) for path in paths]
    opened = [result for result in results if not isinstance(result, BagError)]
    errors = [result for result in results if isinstance(result, BagError)]
    if not opened:
        raise errors[0]
    notes += [str(err) for err in errors]
    notes += [f'{file.path.name}: {file.damage}' for file in opened if file.damage]
    return opened


def _try_open(path: Path) -> StorageFile | BagError:
    try:
        return open_storage(path)
    except BagError as err:
        return err


@functools.cache
def _typestore() -> Any:
    from rosbags.typesys import get_typestore, Stores

    return get_typestore(Stores.ROS2_HUMBLE)
