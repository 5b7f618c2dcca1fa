"""
Worlds to recordings: writes what a simulated world shows as a rosbag2 folder with its truth.

The folder holds the mcap file and metadata.yaml as a recorder would leave them, `labels.csv` (one
row per camera set) and `episode.json`. The same seed on the same machine gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import csv
import json
from pathlib import Path
import shutil
import tempfile

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import nearest
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.simulation.lab import camera_names
from smaknet_core.simulation.scenarios import make_world, SCENARIOS
from smaknet_core.simulation.world import Truth, World
from smaknet_core.types import Image

COLUMNS = (
    'stamp_ns',
    'contact',
    'distance',
    'container_angle',
    'liquid_flowing',
    'has_liquid',
    'phase',
    'progress',
)
JPEG_QUALITY = 90
# The first episode of seed 0 begins here: 2024-01-01 12:00 UTC.
EPOCH_NS = 1_704_110_400 * 10**9
_TYPE = 'sensor_msgs/msg/CompressedImage'


def record(
    out: Path,
    *,
    seed: int,
    scenario: str = 'normal',
    cameras: int | Sequence[str] = 2,
    rate_hz: float = 10.0,
    size: tuple[int, int] = (96, 128),
    lab: int = 0,
) -> Path:
    """
    Simulate one episode of the small world and write it as a recording.

    Args:
        out: the recording's folder; must not exist.
        seed: decides the episode.
        scenario: 'normal', 'pause' or 'other-task'.
        cameras: how many (1 ... 4), or some of front, side, high, corner.
        rate_hz: frames per second of each camera, 1 ... 30.
        size: height and width of the frames in pixels.
        lab: decides the room, the cameras' places and their backdrops.

    Raises:
        ConfigError: a wrong argument.
        DataError: `out` exists or cannot be written.
    """
    names = camera_names(cameras)
    if scenario not in SCENARIOS:
        raise ConfigError(f'scenario: there is no {scenario!r}{nearest(scenario, SCENARIOS)}')
    if not 1 <= rate_hz <= 30:
        raise ConfigError(f'rate_hz: expected 1 ... 30, got {rate_hz}')
    if not all(32 <= side <= 1080 for side in size):
        raise ConfigError(f'size: expected 32 ... 1080 pixels, got {size[0]}x{size[1]}')
    if seed < 0 or lab < 0:
        raise ConfigError(f'seed, lab: expected 0 or more, got {seed}, {lab}')
    world = make_world(seed, scenario, names, size, lab)
    return write_recording(out, world, seed=seed, scenario=scenario, rate_hz=rate_hz)


def record_many(
    out: Path,
    *,
    episodes: int,
    seed: int = 0,
    scenario: str = 'normal',
    cameras: int | Sequence[str] = 2,
    rate_hz: float = 10.0,
    size: tuple[int, int] = (96, 128),
    lab: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """
    Simulate episodes into `out`/episode_000 ...; those that exist are kept, so it resumes.

    Arguments as `record`; `progress` is called with (finished, episodes) after each.

    Raises:
        ConfigError, DataError: as `record`.
    """
    if episodes < 1:
        raise ConfigError(f'episodes: expected 1 or more, got {episodes}')
    if seed < 0:
        raise ConfigError(f'seed: expected 0 or more, got {seed}')
    written = []
    for index in range(episodes):
        folder = out / f'episode_{index:03d}'
        if not folder.exists():
            record(
                folder,
                seed=episode_seed(seed, index),
                scenario=scenario,
                cameras=cameras,
                rate_hz=rate_hz,
                size=size,
                lab=lab,
            )
        written.append(folder)
        if progress is not None:
            progress(index + 1, episodes)
    return written


def episode_seed(seed: int, index: int) -> int:
    """Seed of the `index`-th episode that `record_many` makes from `seed`."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def write_recording(out: Path, world: World, *, seed: int, scenario: str, rate_hz: float) -> Path:
    """
    Write one episode of any world; arguments as `record`.

    It is written beside `out` and moved there when complete, so an interruption leaves no half
    recording.
    """
    if out.exists():
        raise DataError(f'{out} exists; nothing is overwritten')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{out.name}-', dir=out.parent) as scratch:
            folder = Path(scratch) / out.name
            sets = _write_bag(folder, world, seed, rate_hz)
            _write_labels(folder / 'labels.csv', world, sets)
            _write_description(folder / 'episode.json', world, seed, scenario, rate_hz)
            shutil.move(folder, out)
    except OSError as err:
        raise DataError(f'{out}: cannot be written ({err})') from err
    return out


def capture_times(world: World, seed: int, rate_hz: float) -> NDArray[np.int64]:
    """
    Return when each camera's frames are taken, T x V nanoseconds from the episode's start.

    Cameras run at one rate but not in step: each has its own offset and jitter of a few ms.
    """
    rng = np.random.default_rng([seed, 17])
    period = 1 / rate_hz
    steps = np.arange(int(world.duration_s * rate_hz))[:, None] * period
    offsets = rng.uniform(0, min(0.010, 0.2 * period), len(world.cameras))
    jitter = rng.uniform(0, min(0.004, 0.1 * period), (len(steps), len(world.cameras)))
    nanoseconds: NDArray[np.int64] = np.rint((steps + offsets + jitter) * 1e9).astype(np.int64)
    return nanoseconds


def _write_bag(folder: Path, world: World, seed: int, rate_hz: float) -> list[tuple[int, float]]:
    """Write the mcap folder; return stamp and time (seconds) of each set."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    times = capture_times(world, seed, rate_hz)
    rng = np.random.default_rng([seed, 19])
    start_ns = EPOCH_NS + (seed % 100_000) * 60 * 10**9 + int(rng.integers(10**9))
    # A driver and the network hand a frame over a few ms after it was taken.
    received = times + rng.integers(3_000_000, 12_000_000, times.shape)
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topics = [
            bag.add_connection(f'/camera/{name}/image_raw/compressed', _TYPE, typestore=store)
            for name in world.cameras
        ]
        # By capture: a world may have to step forward. By receipt: as a recorder writes.
        pending: list[tuple[int, int, bytes]] = []
        for flat in np.argsort(times, axis=None, kind='stable'):
            step, view = divmod(int(flat), len(world.cameras))
            taken = int(times[step, view])
            image = world.render(world.cameras[view], taken / 1e9)
            message = _message(store, world.cameras[view], start_ns + taken, image)
            pending.append((start_ns + int(received[step, view]), view, message))
        for receipt, view, message in sorted(pending, key=lambda item: item[:2]):
            bag.write(topics[view], receipt, message)
    return [(start_ns + int(oldest), int(oldest) / 1e9) for oldest in times.min(axis=1)]


def _message(store: object, camera: str, stamp_ns: int, image: Image) -> bytes:
    """Serialise one frame as a CompressedImage (CDR)."""
    types = store.types  # type: ignore[attr-defined]
    done, jpeg = cv2.imencode(
        '.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise DataError(f'camera {camera}: a frame cannot be encoded')
    stamp = types['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=f'{camera}_optical_frame')
    message = types[_TYPE](header=header, format='jpeg', data=jpeg.reshape(-1))
    return bytes(store.serialize_cdr(message, _TYPE))  # type: ignore[attr-defined]


def _write_labels(path: Path, world: World, sets: Sequence[tuple[int, float]]) -> None:
    with path.open('w', encoding='utf-8', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(COLUMNS)
        for stamp_ns, time_s in sets:
            table.writerow(_row(stamp_ns, world.truth(time_s)))


def _row(stamp_ns: int, truth: Truth) -> list[int | str]:
    return [
        stamp_ns,
        int(truth.contact),
        int(truth.near),
        truth.container_angle,
        int(truth.liquid_flowing),
        int(truth.has_liquid),
        truth.phase,
        f'{truth.progress:.6f}',
    ]


def _write_description(path: Path, world: World, seed: int, scenario: str, rate_hz: float) -> None:
    description = {
        'task': world.task,
        'verdict': 'success',
        'scenario': scenario,
        'seed': seed,
        'rate_hz': rate_hz,
        'cameras': list(world.cameras),
        'phases': list(world.phase_names),
    }
    path.write_text(json.dumps(description, indent=1) + '\n', encoding='utf-8')
