"""A folder of Multi-view Pouring, or a part of it → what can be imported from where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path, PurePosixPath
import re

from smaknet_core.data.pouring.examples import parse_example
from smaknet_core.data.pouring.footage import DamagedError, Source
from smaknet_core.data.pouring.sequences import LabelledFrames, RecordedSequence, split_task
from smaknet_core.data.pouring.tfrecords import is_tfrecord, read_records, Record
from smaknet_core.data.pouring.videos import NAME, VideoSet
from smaknet_core.errors import DataError, printable

SETS = ('train', 'val', 'test')
LABELLED = 'labelled'  # apart: these frames are also among those of their sequence

_POINTER = b'version https://git-lfs'
_LONGEST_NAME = 120


class Catalogue:
    """
    What a folder holds.

    `problems` names what cannot be read, `others` the files of another kind.

    Args:
        folder: the published set, or any part of it.
        out: where recordings are written; not looked into.

    Raises:
        DataError: it is no folder, or cannot be listed.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        if not folder.is_dir():
            raise DataError(f'{folder}: no such folder')
        self.problems: list[str] = []
        self.others: list[str] = []
        self._folder = folder
        self._videos: dict[PurePosixPath, VideoSet] = {}
        self._sequences: dict[PurePosixPath, RecordedSequence] = {}
        self._labelled: dict[PurePosixPath, LabelledFrames] = {}
        for path in _files(folder, out):
            with self._noting(path):
                self._add(path)

    def sources(self) -> dict[PurePosixPath, list[Source]]:
        """
        Say where each recording can be had: its place below the folder of all -> sources.

        TFRecords come before videos: they are what was trained on, and need no second encoding.
        """
        found: dict[PurePosixPath, list[Source]] = {}
        for kind in (self._sequences, self._labelled, self._videos):
            for place, source in kind.items():
                found.setdefault(place, []).append(source)
        return dict(sorted(found.items()))

    @contextmanager
    def _noting(self, path: Path) -> Iterator[None]:
        """Go on after what cannot be read, and note it."""
        try:
            yield
        except DamagedError as err:
            self.problems.append(str(err))
        except OSError as err:
            self.problems.append(f'{self._origin(path)}: cannot be read ({err.strerror or err})')

    def _add(self, path: Path) -> None:
        """Enter one file; DamagedError or OSError as far as it cannot be read."""
        origin = self._origin(path)
        video = NAME.fullmatch(path.name)
        if not video and not is_tfrecord(path):
            self.others.append(origin)
            return
        with path.open('rb') as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise DamagedError(f'{origin}: is a Git LFS pointer; git lfs pull fetches it')
        belongs = _set_of(path, self._folder)
        if video:
            place = belongs / _file_name(video['name'])
            known = self._videos.setdefault(place, VideoSet(video['name'], origin, {}))
            known.views[video['view'].lower()] = path
            return
        for record in read_records(path, origin):
            with self._noting(path):
                self._add_record(record, origin, belongs)

    def _add_record(self, record: Record, origin: str, belongs: PurePosixPath) -> None:
        try:
            example = parse_example(record.data)
            task = example.text('task')
        except DamagedError as err:
            record.check()  # the better reason
            raise DamagedError(f'{record.where}: {err}') from err
        if not example.lists:
            place = LABELLED / belongs / _file_name(task)
            labelled = self._labelled.setdefault(place, LabelledFrames(task, origin))
            labelled.records.append(record)
            return
        name, number = split_task(task)
        place = belongs / _file_name(name)
        sequence = self._sequences.setdefault(place, RecordedSequence(name, origin))
        if number in sequence.shards:
            raise DamagedError(f'{record.where}: {printable(task)} is there already; not used')
        sequence.shards[number] = record

    def _origin(self, path: Path) -> str:
        return printable(path.relative_to(self._folder).as_posix())


def _files(folder: Path, out: Path) -> Iterator[Path]:
    """Yield all files in order of name, without hidden folders and `out`."""

    def fail(err: OSError) -> None:
        raise DataError(f'{err.filename}: cannot be listed ({err.strerror})') from err

    away = out.resolve()
    for place, folders, files in os.walk(folder, onerror=fail):
        shown = [name for name in sorted(folders) if not name.startswith('.')]
        folders[:] = [name for name in shown if Path(place, name).resolve() != away]
        yield from (Path(place, name) for name in sorted(files) if not name.startswith('.'))


def _set_of(path: Path, folder: Path) -> PurePosixPath:
    """Tell train, val or test by the folders' names; the empty path where none says so."""
    names = [folder.resolve().name, *path.relative_to(folder).parts[:-1]]
    known = [name for name in names if name in SETS]
    return PurePosixPath(*known[-1:])


def _file_name(name: str) -> str:
    """Make a folder's name of a sequence's, which may come from anywhere."""
    safe = re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:_LONGEST_NAME].lstrip('.')
    return safe or 'sequence'
