"""
FrameSet to Clip on disk: synchronise and resize a recording once, then map it into memory.

An entry is a folder with `index.json` and one uint8 .npy per camera, T x H x W x 3. Its name holds
a hash of what it was made from (files with size and time, cameras, settings), so a changed
recording finds no entry and is built again. Entries are written aside and renamed when complete:
a reader never sees half of one, and two processes may build the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import re
import shutil
import struct
import tempfile
import time
from typing import Any, Final

import numpy as np
from smaknet_core.config import cache_folder, DataConfig
from smaknet_core.data.bag_folder import bag_files, companion, METADATA
from smaknet_core.data.bags import open_recording, Recording
from smaknet_core.data.sync import Synchroniser
from smaknet_core.data.transforms import resize
from smaknet_core.errors import DataError
from smaknet_core.types import Clip, FrameSet, Image

# Raise when entries change, or what is in them (synchronising, resizing, decoding).
FORMAT: Final = 2
INDEX: Final = 'index.json'
_NPY_HEADER: Final = 128
_BUILDING: Final = '.building-'
_ABANDONED_S: Final = 24 * 3600.0  # a build of this age was killed

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Cached:
    """A clip and what was noticed when it was made."""

    clip: Clip
    notes: tuple[str, ...]


def build(
    path: Path,
    cameras: Sequence[str],
    data: DataConfig,
    cache_dir: Path,
    progress: Progress | None = None,
) -> Clip:
    """Return a recording's clip, as `load`, without the notes."""
    return load(path, cameras, data, cache_dir, progress).clip


def load(
    path: Path,
    cameras: Sequence[str],
    data: DataConfig,
    cache_dir: Path,
    progress: Progress | None = None,
) -> Cached:
    """
    Map a recording's clip from the cache, building it first where there is none.

    Args:
        path: a recording, see `bags.open_recording`.
        cameras: as there; none means all it has.
        data: size and largest spread.
        cache_dir: where entries live; created when needed.
        progress: called with the recording's name and the share done, 0 ... 1, while building.

    Raises:
        BagError: the recording cannot be read.
        DataError: it has no camera or fewer than two sets, or the cache cannot be written.
    """
    entry = cache_dir / _entry_name(path, cameras, data)
    cached = _open(entry)
    if cached is not None:
        return cached
    with open_recording(path, cameras) as recording:
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            _build(recording, data, entry, progress)
        except OSError as err:
            reason = err.strerror or err
            raise DataError(f'{cache_dir}: the cache cannot be written ({reason})') from err
    _prune(entry)
    cached = _open(entry)
    if cached is None:
        raise DataError(f'{entry}: the cache entry cannot be read back; delete it and try again')
    return cached


def default_dir() -> Path:
    """Where the cache is unless said otherwise: $XDG_CACHE_HOME/smaknet or ~/.cache/smaknet."""
    return cache_folder()


def _entry_name(path: Path, cameras: Sequence[str], data: DataConfig) -> str:
    """Name an entry `<recording>-<source and settings>-<state of the files>`."""
    bag = bag_files(path)
    beside = [path / METADATA, companion(path, 'episode.json')]
    files = [*bag.files, *(file for file in beside if file is not None and file.is_file())]
    settings = [data.height, data.width, data.max_spread_s]
    source = [FORMAT, str(path.resolve()), list(cameras), settings]
    stats = [(file.name, file.stat()) for file in files]
    state = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    readable = re.sub(r'[^A-Za-z0-9_.-]', '_', bag.name)[:60]
    return f'{readable}-{_hash(source)}-{_hash(state)}'


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]


def _open(entry: Path) -> Cached | None:
    """Map an entry; None where there is none, or a damaged one."""
    try:
        index = json.loads((entry / INDEX).read_text(encoding='utf-8'))
        stamps = np.array(index['stamps_ns'], np.int64)
        views = {
            str(camera): np.load(entry / f'view_{number}.npy', mmap_mode='r', allow_pickle=False)
            for number, camera in enumerate(index['cameras'])
        }
        whole = all(len(view) == len(stamps) and view.dtype == np.uint8 for view in views.values())
        clip = Clip(str(index['name']), str(index['task']), stamps, views)
        return Cached(clip, tuple(map(str, index['notes']))) if whole and views else None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _build(recording: Recording, data: DataConfig, entry: Path, progress: Progress | None) -> None:
    folder = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=entry.parent))
    try:
        _write(recording, data, folder, progress)
        _publish(folder, entry)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    recording: Recording, data: DataConfig, folder: Path, progress: Progress | None
) -> None:
    cameras = tuple(recording.cameras)
    if not cameras:
        topics = ', '.join(topic.name for topic in recording.topics) or 'none'
        raise DataError(f'{recording.path}: no camera topic in it (topics: {topics})')
    synchroniser = Synchroniser(cameras, data.max_spread_s)
    writers = [
        _ViewWriter(folder / f'view_{number}.npy', data.height, data.width)
        for number in range(len(cameras))
    ]
    stamps: list[int] = []
    total = sum(topic.count for topic in recording.cameras.values())
    try:
        for done, frame in enumerate(recording.frames((data.height, data.width))):
            for found in synchroniser.add(frame):
                stamps.append(found.stamp_ns)
                _append(found, writers, data)
            if progress is not None:
                progress(recording.name, (done + 1) / max(total, 1))
        if len(stamps) < 2:
            raise DataError(_too_few(recording, len(stamps), synchroniser, data))
        for writer in writers:
            writer.finish()
    finally:
        for writer in writers:
            writer.release()
    index = {
        'name': recording.name,
        'task': recording.task,
        'cameras': cameras,
        'notes': [*recording.notes, *_losses(recording, synchroniser)],
        'stamps_ns': stamps,
    }
    (folder / INDEX).write_text(json.dumps(index), encoding='utf-8')


def _append(found: FrameSet, writers: Sequence[_ViewWriter], data: DataConfig) -> None:
    for writer, frame in zip(writers, found.frames.values(), strict=True):
        writer.append(resize(frame.image, data.height, data.width))


def _losses(recording: Recording, synchroniser: Synchroniser) -> list[str]:
    """Say what is not as it should be, and what did not make it into the clip."""
    odd = [
        f'{camera}: {fault}, so times of arrival are used for all cameras'
        for camera, fault in recording.clock_faults.items()
    ]
    odd += [
        f'{camera}: {count} images skipped ({recording.bad_reasons[camera]})'
        for camera, count in recording.bad_images.items()
    ]
    dropped = ', '.join(f'{count} {reason}' for reason, count in synchroniser.dropped.items())
    return odd + ([f'frames without a set: {dropped}'] if dropped else [])


def _too_few(
    recording: Recording, count: int, synchroniser: Synchroniser, data: DataConfig
) -> str:
    losses = '; '.join(['', *_losses(recording, synchroniser)])
    names = ', '.join(f'{name} ({topic.count})' for name, topic in recording.cameras.items())
    return (
        f'{recording.path}: {count} sets of {names} within {data.max_spread_s * 1e3:g} ms, at '
        f'least 2 are needed{losses}; smaknet check tells more'
    )


def _publish(folder: Path, entry: Path) -> None:
    """Rename a complete entry into place, unless another process was faster."""
    try:
        folder.rename(entry)
    except OSError:
        if _open(entry) is None:  # what lies there is damaged
            shutil.rmtree(entry, ignore_errors=True)
            folder.rename(entry)


def _prune(entry: Path) -> None:
    """Delete what older states of the same recording's files and killed builds left behind."""
    stem = entry.name.rpartition('-')[0]
    old = [other for other in entry.parent.glob(f'{stem}-*') if other != entry]
    for build_folder in entry.parent.glob(f'{_BUILDING}*'):
        with contextlib.suppress(OSError):  # another process may just have finished it
            if time.time() - build_folder.stat().st_mtime > _ABANDONED_S:
                old.append(build_folder)
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)


class _ViewWriter:
    """Append images to an .npy file whose length is not known yet."""

    def __init__(self, path: Path, height: int, width: int) -> None:
        self._file = path.open('wb')
        self._shape = (height, width, 3)
        self._count = 0
        self._file.write(bytes(_NPY_HEADER))

    def append(self, image: Image) -> None:
        self._file.write(image.tobytes())
        self._count += 1

    def finish(self) -> None:
        """Complete the file: its header, now that the length is known."""
        shape = (self._count, *self._shape)
        text = repr({'descr': '|u1', 'fortran_order': False, 'shape': shape}) + '\n'
        size = _NPY_HEADER - 10
        header = b'\x93NUMPY\x01\x00' + struct.pack('<H', size) + text.rjust(size).encode()
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()
        os.fsync(self._file.fileno())

    def release(self) -> None:
        """Close without writing what is buffered, which on a full disk would fail again."""
        self._file.raw.close()
