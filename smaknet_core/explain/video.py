"""Pictures → a video file that appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import tempfile

import cv2
import numpy as np
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.types import Image

# Ending -> codec and OpenCV's backend for it: Motion-JPEG is OpenCV's own and always there.
CODECS = {'.mp4': ('mp4v', cv2.CAP_ANY), '.avi': ('MJPG', cv2.CAP_OPENCV_MJPEG)}
# Frames per second; MPEG-4 counts in at most 65,535ths of a second.
SLOWEST_HZ, FASTEST_HZ = 0.1, 500.0


class VideoWriter:
    """Takes pictures of one size; the first decides which, later ones are resized to it."""

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.count = 0
        self.size = (0, 0)  # width and height of the pictures
        self._path = path
        self._rate_hz = round(min(max(rate_hz, SLOWEST_HZ), FASTEST_HZ), 2)
        self._writer: cv2.VideoWriter | None = None

    def write(self, picture: Image) -> None:
        """Append one picture, H x W x 3 RGB; DataError where nothing can encode it."""
        if self._writer is None:
            self.size = picture.shape[1], picture.shape[0]
            self._writer = self._open()
        if picture.shape[1::-1] != self.size:
            smaller = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
            picture = smaller.astype(np.uint8)
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self.count += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()

    def _open(self) -> cv2.VideoWriter:
        codec, backend = CODECS[self._path.suffix.lower()]
        code = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(str(self._path), backend, code, self._rate_hz, self.size)
        if not writer.isOpened():
            raise DataError(
                f'this OpenCV has no {codec} encoder for {self._path.suffix}; an .avi it writes '
                'by itself: --out with that ending'
            )
        return writer


def check_video_path(path: Path) -> None:
    """Raise ConfigError for an ending that says no format, DataError for a file that exists."""
    if path.suffix.lower() not in CODECS:
        raise ConfigError(f'{path}: expected a name that ends in {" or ".join(CODECS)}')
    refuse_existing(path)


def refuse_existing(path: Path) -> None:
    """Raise DataError where a file exists."""
    if os.path.lexists(path):
        raise DataError(f'{path}: exists and is not overwritten')


@contextmanager
def new_video(path: Path, rate_hz: float) -> Iterator[VideoWriter]:
    """
    Write a video beside `path`; move it there when it is complete and can be read back.

    Args:
        path: ends in .mp4 or .avi; must not exist.
        rate_hz: pictures per second.

    Raises:
        ConfigError: another ending.
        DataError: it exists, cannot be written or encoded, or cannot be read back whole.
    """
    check_video_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{path.name}-', dir=path.parent) as scratch:
            draft = Path(scratch) / f'draft{path.suffix}'
            writer = VideoWriter(draft, rate_hz)
            try:
                yield writer
            finally:
                writer.close()
            _check_readable(draft, path, writer.count)
            refuse_existing(path)
            draft.rename(path)
    except OSError as err:
        raise DataError(f'{path}: cannot be written ({err.strerror or err})') from err


def count_frames(path: Path) -> int:
    """Count the frames of a video that can be decoded; 0 for a file that is none."""
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.grab():
        count += 1
    video.release()
    return count


def _check_readable(draft: Path, path: Path, written: int) -> None:
    """A full disk is no error to OpenCV; the video is only shorter, or none."""
    found = count_frames(draft)
    if found != written:
        raise DataError(f'{path}: {written} frames were written, {found} can be read (disk full?)')
