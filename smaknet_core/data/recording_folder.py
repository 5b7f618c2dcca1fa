"""
Messages → a recording as this project writes it: a rosbag2 folder, its labels and what it shows.

The folder holds the mcap file and metadata.yaml as a recorder would leave them, `episode.json`,
and `labels.csv` where the truth is known. It appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import csv
import functools
import json
from pathlib import Path
import shutil
import tempfile
from typing import Any

import cv2
from smaknet_core.errors import DataError
from smaknet_core.types import Image

DESCRIPTION = 'episode.json'
JPEG_QUALITY = 90


@contextmanager
def new_recording(out: Path) -> Iterator[Path]:
    """
    Give the place to write a recording to, which does not exist yet; move it to `out` at the end.

    It is beside `out`, so an interruption leaves no half recording.

    Args:
        out: the recording's folder; must not exist.

    Raises:
        DataError: `out` exists or cannot be written.
    """
    if out.exists():
        raise DataError(f'{out} exists; nothing is overwritten')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_scratch(out), dir=out.parent) as scratch:
            folder = Path(scratch) / out.name
            yield folder
            folder.rename(out)
    except OSError as err:
        raise DataError(f'{out}: cannot be written ({err})') from err


def remove_scratch(out: Path) -> None:
    """Remove what a killed process left of writing the recording `out`."""
    for scratch in out.parent.glob(f'{_scratch(out)}*'):
        shutil.rmtree(scratch, ignore_errors=True)


def write_bag(
    folder: Path,
    topics: Sequence[tuple[str, str]],
    messages: Iterable[tuple[int, int, bytes]],
) -> None:
    """
    Write the mcap file and metadata.yaml.

    Args:
        folder: made here.
        topics: name and message type.
        messages: in the order of receipt: when, nanoseconds; the topic's index; CDR.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        connections = [
            bag.add_connection(name, msgtype, typestore=typestore()) for name, msgtype in topics
        ]
        for received_ns, index, message in messages:
            bag.write(connections[index], received_ns, message)


def write_labels(
    folder: Path, columns: Sequence[str], rows: Iterable[Sequence[int | str]]
) -> None:
    """Write labels.csv, a row per moment; `data.labels` says which columns mean something."""
    with (folder / 'labels.csv').open('w', encoding='utf-8', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(columns)
        table.writerows(rows)


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write episode.json."""
    text = json.dumps(description, indent=1) + '\n'
    (folder / DESCRIPTION).write_text(text, encoding='utf-8')


def read_description(recording: Path) -> dict[str, Any]:
    """Read what was noted in episode.json; DataError when there is none."""
    path = recording / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as err:
        raise DataError(f'{path}: does not say how the episode was made ({err})') from err
    if not isinstance(description, dict):
        raise DataError(f'{path}: does not say how the episode was made (it is no object)')
    return description


def serialise(msgtype: str, stamp_ns: int, frame_id: str, fields: Mapping[str, Any]) -> bytes:
    """
    Make a message with a header, in CDR.

    Args:
        msgtype: such as 'sensor_msgs/msg/CompressedImage'.
        stamp_ns: of the header.
        frame_id: of the header.
        fields: all the others; messages within it as dicts of their own fields.
    """
    types = typestore().types
    stamp = types['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)
    made = {name: _nested(msgtype, name, value) for name, value in fields.items()}
    message = types[msgtype](header=header, **made)
    return bytes(typestore().serialize_cdr(message, msgtype))


def encode_jpeg(image: Image, camera: str) -> dict[str, Any]:
    """Give the fields of a CompressedImage; DataError where OpenCV cannot."""
    done, jpeg = cv2.imencode(
        '.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise DataError(f'camera {camera}: a frame cannot be encoded')
    return {'format': 'jpeg', 'data': jpeg.reshape(-1)}


@functools.cache
def typestore() -> Any:
    """Give the message definitions that recordings are written with."""
    from rosbags.typesys import get_typestore, Stores

    return get_typestore(Stores.ROS2_HUMBLE)


def _nested(msgtype: str, name: str, value: Any) -> Any:
    """Make a message of a field that is given as a dict of its own fields."""
    if not isinstance(value, dict):
        return value
    definition = typestore().fielddefs[msgtype][1]
    kind = next(shape[1] for field, shape in definition if field == name)
    inner = {key: _nested(kind, key, item) for key, item in value.items()}
    return typestore().types[kind](**inner)


def _scratch(out: Path) -> str:
    """Name the beginning of the hidden folder in which a recording is written."""
    return f'.{out.name}-'
