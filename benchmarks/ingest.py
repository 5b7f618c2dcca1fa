"""
Recording to cache, beside nothing but decoding and resizing the same JPEGs in one process.

Also the memory that a build takes for ten seconds and for an hour of recording, and how fast an
existing entry is opened.
"""

from __future__ import annotations

from timing import machine, require, table, threads  # isort: skip

from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import time

import cv2
from materials import CAMERAS, JPEG, jpeg_cdr, make_bag, scene, START_NS
import numpy as np
from smaknet_core.config import DataConfig
from smaknet_core.data import cache
from smaknet_core.data.bag_writer import BagWriter, WrittenTopic
from smaknet_core.data.bags import open_recording
from smaknet_core.data.transforms import resize

SIZE, TURNS = 128, 3
HALF = cv2.IMREAD_REDUCED_GRAYSCALE_2  # what smaknet decodes of such frames; the bit alone
WAYS = ('bare decode and resize', 'bare, decoded at half size', 'recording to cache')
SETTINGS = DataConfig(height=SIZE, width=SIZE)
MEMORY = """
import resource, sys
from pathlib import Path
from smaknet_core.config import DataConfig
from smaknet_core.data import cache
cache.load(Path(sys.argv[1]), (), DataConfig(), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make_hour(path: Path, hz: int = 5) -> Path:
    """Write an hour of two cameras; some pictures come again and again."""
    topics = [WrittenTopic(f'/camera/{camera}/image_raw/compressed', JPEG) for camera in CAMERAS]
    pictures = [
        [cv2.imencode('.jpg', scene(n / 50, camera)[..., ::-1])[1].ravel() for n in range(50)]
        for camera in range(len(CAMERAS))
    ]
    writer = BagWriter(path, path.name, topics)
    for step in range(3600 * hz):
        stamp_ns = START_NS + step * 10**9 // hz
        for camera, seen in enumerate(pictures):
            data = seen[step // 10 % len(seen)]
            writer.write(camera, stamp_ns + 5_000_000, jpeg_cdr(stamp_ns, None, data))
    writer.close()
    return path


def bare(jpegs: list[bytes], reduced: int = 0) -> list[np.ndarray]:
    """Decode and resize, nothing else."""
    flags = cv2.IMREAD_COLOR_RGB | reduced
    return [
        resize(cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags), SIZE, SIZE) for jpeg in jpegs
    ]


def resident_mb(bag: Path, folder: Path) -> float:
    """Give the most memory that building takes, in a process of its own."""
    words = [sys.executable, '-c', MEMORY, str(bag), str(folder)]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    return int(done.stdout) / 1024


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as name, threads(1):
        folder = Path(name)
        cv2.setNumThreads(1)
        bag = make_bag(folder / 'bag', 10, 30)
        hour = make_hour(folder / 'hour')
        with open_recording(bag) as recording:
            jpegs = [bytes(raw.message().data) for raw in recording.raw_frames()]
        ours, theirs, halves, opened = [], [], [], []
        for _ in range(TURNS):
            shutil.rmtree(folder / 'cache', ignore_errors=True)
            start = time.perf_counter()
            clip = cache.load(bag, (), SETTINGS, folder / 'cache').clip
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            bare(jpegs)
            theirs.append(time.perf_counter() - start)
            start = time.perf_counter()
            frames = bare(jpegs, HALF)
            halves.append(time.perf_counter() - start)
            start = time.perf_counter()
            cache.load(bag, (), SETTINGS, folder / 'cache')
            opened.append(time.perf_counter() - start)
        same = np.concatenate([view[:5] for view in clip.views.values()])
        kept = {frame.tobytes() for frame in frames}
        require(all(frame.tobytes() in kept for frame in same), 'cached frames')
        memory = [resident_mb(one, folder / f'cache {n}') for n, one in enumerate((bag, hour))]
        size = sum(file.stat().st_size for file in hour.iterdir()) / 1e9
    ours_s, *bare_s = (float(np.median(times)) for times in (ours, theirs, halves))
    print(f'{machine()}. {len(jpegs)} JPEGs of 640 x 480, to {SIZE} px, one process each.\n')
    rows = [
        [name, len(jpegs) / spent_s, *(f'{one_s / spent_s:.0%}' for one_s in bare_s)]
        for name, spent_s in zip(WAYS, (*bare_s, ours_s), strict=True)
    ]
    print(table(['way', 'frames/s', 'of bare', 'of bare at half size'], rows))
    print(f'An entry that is there opens in {1e3 * np.median(opened):.1f} ms. Memory of a build:')
    print(f'{memory[0]:.0f} MB for 10 s, {memory[1]:.0f} MB for an hour of {size:.1f} GB.')


if __name__ == '__main__':
    main()
