"""Videos of one sequence, one per view → its frames as JPEG, by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.pouring.footage import DamagedError, Footage, in_order
from smaknet_core.data.recording_folder import JPEG_QUALITY

# As published: <from>_to_<to><number>_<real or fake>_view<0 or 1>.mov
NAME = re.compile(r'(?P<name>.+)_(?P<view>view\d+)\.(mov|mp4|avi)', re.IGNORECASE)
# A header may claim a frame too many; with more than this share missing the file is damaged.
_MISSING = 0.1


@dataclass
class VideoSet:
    """The videos of one sequence."""

    name: str
    origin: str
    views: dict[str, Path]

    def open(self) -> Footage:
        """Open all of them."""
        if len(self.views) < 2:
            raise DamagedError(f'{self.origin}: the other view of {self.name} is missing')
        claimed = {view: _count(self.views[view], self.origin) for view in in_order(self.views)}
        notes: list[str] = []
        length = min(claimed.values())
        return Footage(tuple(claimed), length, self._frames(claimed, notes), notes=notes)

    def _frames(self, claimed: Mapping[str, int], notes: list[str]) -> Iterator[tuple[bytes, ...]]:
        """Yield the frames up to the end of the shortest view."""
        with ExitStack() as stack:
            readers = {view: _open(self.views[view], self.origin) for view in claimed}
            for reader in readers.values():
                stack.callback(reader.release)
            count = 0
            while True:
                read = {view: reader.read() for view, reader in readers.items()}
                ended = [view for view, (there, _) in read.items() if not there]
                if ended:
                    break
                count += 1
                yield tuple(_jpeg(frame) for _, frame in read.values())
            self._check_ends({view: claimed[view] for view in ended}, count)
            for view in readers.keys() - ended:
                more = 1 + _rest(readers[view])
                notes.append(f'{self.origin}: {more} more frames of {view} are cut')

    def _check_ends(self, claimed: Mapping[str, int], count: int) -> None:
        """Tell the end of a video from damage in its middle."""
        for view, frames in claimed.items():
            if count < (1 - _MISSING) * frames:
                told = f'only {count} of {frames} frames of {view} can be decoded'
                raise DamagedError(f'{self.origin}: {told}')


def _count(path: Path, origin: str) -> int:
    reader = _open(path, origin)
    count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    reader.release()
    return count


def _open(path: Path, origin: str) -> cv2.VideoCapture:
    """Open a video; FFmpeg keeps its complaints to itself, ours name the file."""
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    reader = cv2.VideoCapture(str(path))
    if not reader.isOpened():
        raise DamagedError(f'{origin}: {path.name} is no video that OpenCV can read')
    return reader


def _rest(reader: cv2.VideoCapture) -> int:
    count = 0
    while reader.grab():
        count += 1
    return count


def _jpeg(frame: NDArray[Any]) -> bytes:
    """Encode H x W x 3 BGR."""
    done, jpeg = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise DamagedError('a frame cannot be encoded')
    return np.asarray(jpeg, np.uint8).tobytes()
