"""
What a JPEG costs that is decoded at a part of its size, and how far embeddings are off by it.

A simulated pour of 640 x 480 is recorded first. Every frame is decoded at all, half, a quarter and
an eighth of its height and width, resized to the shipped model's input and embedded. How far an
embedding is off is told beside how far it moves from one frame to the next, and beside what
compressing the same picture once more does to it. Cameras send more grain than a renderer, and
most of a grainy JPEG's time goes to reading its bits: a second table has that.

Run: `python benchmarks/decoding.py`.
"""

from __future__ import annotations

from timing import machine, median, side_by_side, table, threads  # isort: skip

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
import tempfile
import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.data import images
from smaknet_core.data.bags import open_recording
from smaknet_core.data.transforms import resize
from smaknet_core.embedder import Embedder
from smaknet_core.simulation.recorder import record
from smaknet_core.types import Image, Size

MODEL = Path(__file__).resolve().parents[1] / 'models' / 'pouring.safetensors'
CAMERA = 'third_person'
SIZE: Size = (480, 640)
PARTS = {1: 'all', 2: 'half', 4: 'a quarter', 8: 'an eighth'}
QUALITY = 80
GRAINY = [
    (0, 90, False),
    (6, 90, False),
    (6, 95, False),
    (6, 90, True),
]  # sd, quality, progressive


def main() -> None:
    """Record, embed, time, print."""
    with tempfile.TemporaryDirectory() as name:
        bag = record(Path(name) / 'pour', seed=777, world='physical', size=SIZE)
        with open_recording(bag, [CAMERA]) as recording:
            messages = [raw.message() for raw in recording.raw_frames()]
    cv2.setNumThreads(1)
    embedder = Embedder.load(MODEL, 'cpu', engine='torch')
    pictures = {part: _decode_all(messages, part) for part in PARTS}
    pictures[0] = [_compress(image) for image in pictures[1]]
    vectors = {part: embedder.embed(seen) for part, seen in pictures.items()}
    step = float(np.median(np.linalg.norm(np.diff(vectors[1], axis=0), axis=1)))
    with threads(1):
        spent = _time(messages, pictures, embedder.input_size)
    rows = [
        [name, *_cost(spent, part), *_off(vectors[part], vectors[1], step)]
        for part, name in PARTS.items()
    ]
    again = _off(vectors[0], vectors[1], step)
    rows.append([f'all, compressed again at quality {QUALITY}', '-', '-', '-', *again])
    _print(rows, len(messages), embedder.input_size)
    with threads(1):
        grainy = [_compare(pictures[1], *kind, embedder.input_size) for kind in GRAINY]
    columns = ['grain, grey levels', 'quality', 'coded', 'kB', 'all, ms', 'half, ms',
               'times as fast']  # fmt: skip
    print(table(columns, grainy))


def _decode_all(messages: Sequence[Any], part: int) -> list[Image]:
    """Decode as the node does for an input of which the part is just enough."""
    spare = images.SPARE * part
    enough = int(SIZE[0] / spare), int(SIZE[1] / spare)
    return [images.decode_compressed(msg, enough) for msg in messages]


def _resize_all(pictures: Sequence[Image], size: Size) -> list[Image]:
    return [resize(image, *size) for image in pictures]


def _compress(image: Image) -> Image:
    jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def _time(
    messages: Sequence[Any], pictures: dict[int, list[Image]], size: Size
) -> dict[str, float]:
    """Give the milliseconds of a frame, by stage and part, all in turns."""
    tasks: dict[str, Callable[[], Any]] = {}
    for part in PARTS:
        tasks[f'decode {part}'] = partial(_decode_all, messages, part)
        tasks[f'resize {part}'] = partial(_resize_all, pictures[part], size)
    spent = side_by_side(tasks, clock=time.thread_time)
    return {name: median(times) / len(messages) for name, times in spent.items()}


def _cost(spent: dict[str, float], part: int) -> list[float]:
    decode, resize_ = spent[f'decode {part}'], spent[f'resize {part}']
    return [decode, resize_, (spent['decode 1'] + spent['resize 1']) / (decode + resize_)]


def _compare(
    pictures: Sequence[Image], grain: int, quality: int, progressive: bool, size: Size
) -> list[Any]:
    """Code the pictures with noise and time all of them against half."""
    rng, flags = np.random.default_rng(0), [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    noisy = [np.clip(p + rng.normal(0, grain, p.shape), 0, 255).astype(np.uint8) for p in pictures]
    flags += [cv2.IMWRITE_JPEG_QUALITY, quality]
    jpegs = [cv2.imencode('.jpg', picture, flags)[1].tobytes() for picture in noisy]
    messages = [SimpleNamespace(format='jpeg', data=jpeg) for jpeg in jpegs]
    ways: dict[str, Callable[[], Any]] = {
        name: lambda part=part: _resize_all(_decode_all(messages, part), size)  # type: ignore[misc]
        for part, name in ((1, 'all'), (2, 'half'))
    }
    spent = side_by_side(ways, rounds=20, clock=time.thread_time)
    whole, half = (median(times) / len(jpegs) for times in spent.values())
    size_kb = sum(map(len, jpegs)) / len(jpegs) / 1000
    coded = 'progressive' if progressive else 'baseline'
    return [grain, quality, coded, size_kb, whole, half, whole / half]


def _off(
    vectors: NDArray[np.float32], whole: NDArray[np.float32], step: float
) -> tuple[float, float, str]:
    far = np.linalg.norm(vectors - whole, axis=1)
    return float(np.median(far)), float(far.max()), f'{np.median(far) / step:.1%}'


def _print(rows: list[list[Any]], count: int, size: Size) -> None:
    print(
        f'{machine()}. {count} JPEGs of {SIZE[1]} x {SIZE[0]}, to {size[1]} x {size[0]} px; time '
        'of the thread.\n'
    )
    columns = ['decoded', 'decode, ms', 'resize, ms', 'times as fast', 'embeddings off by, median',
               'largest', 'median, of a step to the next frame']  # fmt: skip
    print(table(columns, rows))


if __name__ == '__main__':
    main()
