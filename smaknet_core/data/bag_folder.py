"""
Path to recording files: what is a recording, which files it has, what metadata.yaml adds.

The files decide, metadata.yaml only orders them: rosbag2's own sample bags can contradict it,
a killed recorder leaves none, and one that came from elsewhere may point outside its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
import json
import os
from pathlib import Path, PurePosixPath, PureWindowsPath
import re
import tempfile
from typing import Any, Final

from smaknet_core.data.storage import inflate_file, StorageFile, ZSTD_MAGIC
from smaknet_core.data.storage_mcap import MAGIC as MCAP_MAGIC
from smaknet_core.data.storage_mcap import McapFile
from smaknet_core.data.storage_sqlite import MAGIC as SQLITE_MAGIC
from smaknet_core.data.storage_sqlite import SqliteFile
from smaknet_core.errors import BagError

METADATA: Final = 'metadata.yaml'
PARTIAL: Final = '.partial'  # at the end of a folder's name while it is recorded
_ENDINGS: Final = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
_SPLIT: Final = re.compile(r'_\d+$')


@dataclass
class BagFiles:
    """What a path leads to: its files in order, and what metadata.yaml says of them."""

    name: str
    files: list[Path]
    claimed: dict[str, int] = field(default_factory=dict)  # topic -> messages, by metadata.yaml
    notes: list[str] = field(default_factory=list)
    unfinished: bool = False  # metadata.yaml is missing or damaged


def find_recordings(paths: Sequence[Path | str]) -> list[Path]:
    """
    List the recordings that paths lead to: bag folders, bare files, or folders of these.

    Raises:
        BagError: no path is given, one does not exist, or there is no recording in it.
    """
    if not paths:
        raise BagError('no recording given')
    found: list[Path] = []
    for path in map(Path, paths):
        here = [path] if path.is_file() else _recordings_in(path)
        if not here:
            what = 'no recording (.mcap, .db3 or a bag folder) in it'
            raise BagError(f'{path}: {what if path.exists() else "no such file or folder"}')
        found += [recording for recording in here if recording not in found]
    return found


def bag_files(path: Path) -> BagFiles:
    """Find the files of one recording, a bag folder or a bare file; raise BagError."""
    if path.is_file():
        return BagFiles(_stem(path), [path])
    if not path.is_dir():
        raise BagError(f'{path}: no such file or folder')
    present = _files_in(path)
    bag = BagFiles(path.resolve().name.removesuffix(PARTIAL), present)
    if (path / METADATA).is_file():
        _apply_metadata(bag, path, present)
    elif len(present) == 1 or _is_bag(path):
        bag.unfinished = True
        bag.notes.append(f'{METADATA} is missing (was the recorder killed?)')
    else:
        inside = [str(found) for found in _recordings_in(path)]
        hint = f'; choose one of {", ".join(inside[:5])}' if inside else ''
        raise BagError(f'{path}: not one recording{hint}')
    if not bag.files:
        raise BagError(f'{path}: no .mcap or .db3 file in it')
    return bag


def companion(path: Path, name: str) -> Path | None:
    """Find `episode.json` or `labels.csv` beside a recording's data; None where there is none."""
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and not _is_bag(folder):
        return None  # in a folder of bare files it is not clear whose it is
    return folder / name if (folder / name).is_file() else None


def read_episode(path: Path, notes: list[str]) -> tuple[str, dict[str, str]]:
    """
    Read `episode.json`: the task, and the topics of the cameras if the recorder was told names.

    Returns:
        '' and nothing where there is none, and a note if it is damaged.
    """
    episode = companion(path, 'episode.json')
    if episode is None:
        return '', {}
    try:
        content = json.loads(episode.read_text(encoding='utf-8'))
        cameras = content.get('cameras')
        named = cameras.items() if isinstance(cameras, dict) else ()
        return str(content.get('task', '')), {str(name): str(topic) for name, topic in named}
    except (OSError, ValueError, AttributeError, RecursionError):
        notes.append('episode.json cannot be read')
        return '', {}


def open_storage(path: Path) -> StorageFile:
    """Open one recording file by its content, whatever its ending; raise BagError."""
    try:
        with path.open('rb') as file:
            start = file.read(64)
        if start.startswith(MCAP_MAGIC):
            return McapFile(path)
        if start.startswith(SQLITE_MAGIC):
            return SqliteFile(path)
        if start.startswith(ZSTD_MAGIC):
            return _open_inflated(path)
    except OSError as err:
        raise BagError(f'{path}: cannot be read ({err.strerror or err})') from err
    raise BagError(f'{path}: {_what_else(start)}')


def _recordings_in(folder: Path) -> list[Path]:
    try:
        return list(_walk(folder, set()))
    except OSError as err:
        raise BagError(f'{err.filename}: cannot be listed ({err.strerror})') from err


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield the recordings in a folder, in order of name; never look into a bag folder."""
    if not folder.is_dir() or folder.resolve() in seen:  # linked folders may form a loop
        return
    seen.add(folder.resolve())
    if _is_bag(folder):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith('.'):
            yield from _walk(path, seen)
        elif path.is_file() and path.name.endswith(_ENDINGS):
            yield path


def _is_bag(folder: Path) -> bool:
    """Tell a bag folder from a folder of bare files, also where metadata.yaml is missing."""
    if (folder / METADATA).is_file():
        return True
    name = folder.resolve().name.removesuffix(
        PARTIAL
    )  # rosbag2 names the files after their folder
    stems = [_stem(path) for path in _files_in(folder)]
    return bool(stems) and all(name in (stem, _SPLIT.sub('', stem)) for stem in stems)


def _files_in(folder: Path) -> list[Path]:
    """List the recording files directly in a folder, split files in order of their number."""
    files = [path for path in folder.iterdir() if path.name.endswith(_ENDINGS)]
    return sorted(files, key=_by_number)


def _by_number(path: Path) -> tuple[str, int, str]:
    stem = _stem(path)
    split = _SPLIT.search(stem)
    return stem[: split.start()] if split else stem, int(split[0][1:]) if split else -1, path.name


def _stem(path: Path) -> str:
    name = path.name.removesuffix('.zstd')
    return name.removesuffix('.mcap').removesuffix('.db3')


def _apply_metadata(bag: BagFiles, folder: Path, present: list[Path]) -> None:
    information = _read_metadata(folder / METADATA)
    if information is None:
        bag.unfinished = True
        bag.notes.append(f'{METADATA} is damaged, the files are read in order of name')
        return
    listed = [_inside(folder, str(name)) for name in information.get('relative_file_paths') or []]
    missing = [path.name for path in listed if path not in present]
    extra = [path.name for path in present if path not in listed]
    if missing:
        bag.notes.append(f'{METADATA} names {", ".join(missing)}, which is not there')
    if extra:
        bag.notes.append(f'{METADATA} does not name {", ".join(extra)}, read all the same')
    bag.files = [path for path in listed if path in present]
    bag.files += [path for path in present if path not in listed]
    bag.claimed = _claimed_counts(information)


def _read_metadata(path: Path) -> dict[str, Any] | None:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        information = content['rosbag2_bagfile_information']
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError):
        return None
    return information if isinstance(information, dict) else None


def _inside(folder: Path, name: str) -> Path:
    """Resolve a path of metadata.yaml; raise BagError where it would leave the folder."""
    parts = PurePosixPath(name).parts
    if not parts or '..' in parts or Path(name).is_absolute() or PureWindowsPath(name).drive:
        raise BagError(f'{folder / METADATA}: refuses to follow {name!r} out of the folder')
    # Before Foxy the paths began with the folder's own name.
    return folder / parts[-1]


def _claimed_counts(information: dict[str, Any]) -> dict[str, int]:
    claimed = {}
    try:
        for entry in information.get('topics_with_message_count') or []:
            claimed[str(entry['topic_metadata']['name'])] = int(entry['message_count'])
    except (KeyError, TypeError, ValueError):
        return {}
    return claimed


def _open_inflated(path: Path) -> StorageFile:
    """Open a file that rosbag2 compressed as a whole, by way of a temporary one."""
    handle, name = tempfile.mkstemp(prefix='smaknet-')
    try:
        with path.open('rb') as packed, os.fdopen(handle, 'wb') as file:
            inflate_file(packed, file)
        storage = open_storage(Path(name))
    except BagError as err:
        raise BagError(str(err).replace(name, f'{path}, decompressed,')) from err
    finally:
        os.unlink(name)  # what is open stays readable
    storage.path = path
    return storage


def _what_else(start: bytes) -> str:
    """Say what a file is that is no recording."""
    if not start:
        return 'is empty (was the recorder killed, or the disk full?)'
    if start.startswith(b'#ROSBAG'):
        return 'is a ROS 1 bag; convert it with rosbags-convert --src IN.bag --dst OUT'
    if start.startswith(b'version https://git-lfs'):
        return 'is a Git LFS pointer; fetch the file with git lfs pull'
    return f'is neither mcap nor sqlite3, it starts with {start[:8].hex(" ")}'
