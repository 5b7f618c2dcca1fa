"""Footage → a recording: a rosbag2 folder of compressed images, its labels, where it is from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from smaknet_core.data.images import COMPRESSED
from smaknet_core.data.labels import STAMP
from smaknet_core.data.pouring.footage import DamagedError, Footage, Source
from smaknet_core.data.recording_folder import (
    new_recording,
    read_description,
    remove_scratch,
    serialise,
    write_bag,
    write_description,
    write_labels,
)
from smaknet_core.errors import DataError, printable
from smaknet_core.metrics import ATTRIBUTES

TASK = 'pouring'  # the same for all: recordings of other tasks would be negatives of each other
RATE_HZ = 29.0  # of the cameras; what was published has no stamps
START_NS = 1_483_228_800 * 10**9  # of every recording: 2017-01-01 00:00 UTC
FEWEST_FRAMES = 2
IMPORTER = 1  # raise it when the same file comes to mean another recording

Share = Callable[[float], None]  # of a sequence that is done, 0 ... 1


def import_sequence(source: Source, out: Path, progress: Share) -> list[str]:
    """
    Write one sequence as a recording; it appears whole or not at all.

    Args:
        source: where it is.
        out: the recording's folder; must not exist.
        progress: called after each timestep.

    Returns:
        What was odd, a sentence each.

    Raises:
        DamagedError: the source cannot be read.
        DataError: `out` exists or cannot be written.
    """
    footage = source.open()
    first = list(islice(footage.frames, FEWEST_FRAMES))
    if len(first) < FEWEST_FRAMES:
        raise DamagedError(f'{source.origin}: {len(first)} timesteps of {source.name} are too few')
    _check_images(source, dict(zip(footage.views, first[0], strict=True)))
    remove_scratch(out)
    with new_recording(out) as folder:
        topics = [(f'/camera/{view}/image_raw/compressed', COMPRESSED) for view in footage.views]
        frames = _counted(chain(first, footage.frames), footage.length, progress)
        write_bag(folder, topics, _messages(frames, footage.views))
        if footage.labels:
            _write_labels(folder, footage.labels)
        write_description(folder, _describe(source, footage))
    return footage.notes


def is_kept(out: Path, source: Source) -> bool:
    """Say whether a recording is there; DataError where it is there, but of something else."""
    if not out.exists():
        return False
    found = read_description(out)
    if (found.get('sequence'), found.get('importer')) != (source.name, IMPORTER):
        raise DataError(f'{out} is no import of {printable(source.name)}: take another folder')
    return True


def stamp_of(timestep: int) -> int:
    """Return the stamp that a timestep's frames get, all views at once."""
    return START_NS + round(timestep * 1e9 / RATE_HZ)


def _describe(source: Source, footage: Footage) -> dict[str, Any]:
    return {
        'task': TASK,
        'sequence': source.name,
        'origin': source.origin,
        'importer': IMPORTER,
        'rate_hz': RATE_HZ,
        'cameras': list(footage.views),
    }


def _check_images(source: Source, images: Mapping[str, bytes]) -> None:
    """Look at one image of each view; `smaknet check` looks at all."""
    for view, data in images.items():
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if image is None:
            raise DamagedError(f'{source.origin}: {view} of {source.name} holds no images')


def _counted(
    frames: Iterable[tuple[bytes, ...]], length: int, progress: Share
) -> Iterator[tuple[bytes, ...]]:
    for done, images in enumerate(frames, 1):
        yield images
        progress(min(1.0, done / max(1, length)))


def _messages(
    frames: Iterable[tuple[bytes, ...]], views: Sequence[str]
) -> Iterator[tuple[int, int, bytes]]:
    for timestep, images in enumerate(frames):
        stamp_ns = stamp_of(timestep)
        for index, (view, image) in enumerate(zip(views, images, strict=True)):
            fields = {'format': 'jpeg', 'data': np.frombuffer(image, np.uint8)}
            yield stamp_ns, index, serialise(COMPRESSED, stamp_ns, f'{view}_frame', fields)


def _write_labels(folder: Path, labels: Sequence[Mapping[str, int]]) -> None:
    """Write the attributes that are known by name first, as published, then any others."""
    known = [name for name in ATTRIBUTES if name in labels[0]]
    columns = [*known, *sorted(labels[0].keys() - {*known, STAMP})]
    rows = (
        [stamp_of(timestep), *(row[name] for name in columns)]
        for timestep, row in enumerate(labels)
    )
    write_labels(folder, [STAMP, *columns], rows)
