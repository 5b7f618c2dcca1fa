"""
Recordings at a glance: a row per recording and camera, its moments from left to right.

    .venv/bin/python examples/contact_sheet.py RECORDING... --out sheet.jpg
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from smaknet_core.data.bags import open_recording
from smaknet_core.data.sync import Synchroniser
from smaknet_core.types import FrameSet, Image

MOMENTS = 8
GAP = 4  # pixels between recordings


def moments(recording: Path, count: int) -> list[FrameSet]:
    """Read `count` camera sets, evenly spread over a recording."""
    with open_recording(recording) as bag:
        synchroniser = Synchroniser(list(bag.cameras), 0.05, None)
        sets = [found for frame in bag.frames() for found in synchroniser.add(frame)]
    return [sets[i] for i in np.linspace(0, len(sets) - 1, count).round().astype(int)]


def rows_of(sets: Sequence[FrameSet], height: int) -> Image:
    """Put the moments of each camera side by side, cameras below each other."""
    rows = []
    for camera in sets[0].frames:
        images = [found.frames[camera].image for found in sets]
        width = round(images[0].shape[1] * height / images[0].shape[0])
        shrunk = [cv2.resize(i, (width, height), interpolation=cv2.INTER_AREA) for i in images]
        rows.append(np.hstack(shrunk))
    return np.vstack(rows)


def main() -> None:
    """Draw the sheet."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument('recordings', nargs='+', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='.jpg or .png to write')
    parser.add_argument('--moments', type=int, default=MOMENTS)
    parser.add_argument('--height', type=int, default=150, help='of one picture, pixels')
    asked = parser.parse_args()
    sheets = [rows_of(moments(path, asked.moments), asked.height) for path in asked.recordings]
    blank = np.full((GAP, sheets[0].shape[1], 3), 255, np.uint8)
    stacked = np.vstack([part for sheet in sheets for part in (sheet, blank)][:-1])
    cv2.imwrite(str(asked.out), cv2.cvtColor(stacked, cv2.COLOR_RGB2BGR))


if __name__ == '__main__':
    main()
