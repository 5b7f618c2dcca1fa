"""One camera set → its pictures: per camera the frame, and each level's attention over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from smaknet_core.embedder import Embedder
from smaknet_core.overlay import HEIGHT, paint_levels
from smaknet_core.types import FrameSet, Image

INPUT = 'input'  # title of the frame itself; a level's is L1, L2 or L3
STRIP = 22  # pixels above each picture, for its title
GAP = 4  # pixels between pictures

_FONT, _SIZE, _INK, _PAPER = cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 24


@dataclass(frozen=True)
class Moment:
    """What a network looked at in one camera set."""

    time_s: float  # since the recording's first set
    # Camera -> title -> H x W x 3, those of a camera equally large.
    pictures: Mapping[str, Mapping[str, Image]]


def look(embedder: Embedder, frames: FrameSet, start_ns: int) -> Moment:
    """Paint what the network looks at in each frame of a set; `start_ns` is the first set's."""
    pictures = {camera: _paint(embedder, frame.image) for camera, frame in frames.frames.items()}
    return Moment((frames.stamp_ns - start_ns) / 1e9, pictures)


def compose(moment: Moment) -> Image:
    """Put a moment into one titled picture, a row per camera; its sides are even numbers."""
    rows = [
        _row(list(pictures.values()), [f'{camera}  {moment.time_s:.2f} s', *list(pictures)[1:]])
        for camera, pictures in moment.pictures.items()
    ]
    width = max(row.shape[1] for row in rows)
    picture = np.concatenate([_widen(row, width) for row in rows])
    height, width = picture.shape[:2]
    edges = ((0, height % 2), (0, width % 2), (0, 0))  # encoders want even sides
    return np.ascontiguousarray(np.pad(picture, edges, constant_values=_PAPER), np.uint8)


def _paint(embedder: Embedder, image: Image) -> dict[str, Image]:
    levels = paint_levels(image, embedder.attention(image), HEIGHT)
    height, width = next(iter(levels.values())).shape[:2]
    frame = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return {INPUT: frame, **{f'L{level}': picture for level, picture in levels.items()}}


def _row(pictures: Sequence[Image], titles: Sequence[str]) -> Image:
    titled = [_title(picture, title) for picture, title in zip(pictures, titles, strict=True)]
    gap = np.full((titled[0].shape[0], GAP, 3), _PAPER, np.uint8)
    parts = [part for picture in titled for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _title(picture: Image, title: str) -> Image:
    """Write above a picture; OpenCV's fonts know ASCII only and show the rest as `?`."""
    strip = np.full((STRIP, picture.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(strip, title, (4, STRIP - 7), _FONT, _SIZE, _INK, 1, cv2.LINE_AA)
    return np.concatenate([strip, picture])


def _widen(row: Image, width: int) -> Image:
    edges = ((0, 0), (0, width - row.shape[1]), (0, 0))
    return np.pad(row, edges, constant_values=_PAPER)
