"""One recording becomes a demonstration: `FrameSet -> Embedding -> demonstration file`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from smaknet_core.demonstration import Demonstration, refuse_existing
from smaknet_core.errors import DemonstrationError, printable
from smaknet_core.follow.follower import embed_sets, Embeds
from smaknet_core.follow.recorded import RecordedSets
from smaknet_core.matching import measure_views
from smaknet_core.rating import rate
from smaknet_core.types import Image

THUMBNAIL_HEIGHT = 48


def teach(
    embedder: Embeds,
    path: Path,
    cameras: Sequence[str],
    out: Path,
    *,
    name: str = '',
    max_spread_s: float = 0.05,
    progress: Callable[[float], None] | None = None,
) -> Demonstration:
    """
    Make a demonstration of one recording and save it.

    Args:
        embedder: the model to embed it with.
        path: the recording.
        cameras: which cameras, as `open_recording` takes them; empty means all of it.
        out: the file to write; must not exist.
        name: what matches call it; empty means the recording's name.
        max_spread_s: frames of one set may be this far apart.
        progress: called with 0 ... 1.

    Raises:
        DemonstrationError: `out` exists or cannot be written, or too few sets were found.
        BagError: the recording or a camera is not there.
    """
    from smaknet_core.data.bags import open_recording  # the node teaches nothing

    refuse_existing(out)
    with open_recording(path, cameras) as recording:
        names = tuple(recording.cameras)
        size = embedder.input_size
        sets = RecordedSets(recording, names, max_spread_s, absent_after_s=None, at_least=size)
        stamps, embeddings, thumbnails = _embed_recording(embedder, sets, progress)
        if len(stamps) < 2:
            raise DemonstrationError(
                f'{path}: {len(stamps)} complete sets of {", ".join(names)}; '
                f'{sets.describe_dropped()}: try fewer --cameras or a larger spread'
            )
        vectors, times_s = np.stack(embeddings), (np.array(stamps) - stamps[0]) / 1e9
        demonstration = Demonstration(
            name=printable(name or recording.name),
            task=printable(recording.task),
            cameras=names,
            stamps_ns=np.array(stamps, np.int64),
            embeddings=vectors,
            thumbnails=np.stack(thumbnails),
            model_hash=embedder.model_hash,
            sigma=measure_views(vectors, times_s),
        )
    rating = rate(demonstration.taught(), embedder.calibration.sigma)
    demonstration = replace(demonstration, rating=rating)
    demonstration.save(out)
    return demonstration


def _embed_recording(
    embedder: Embeds, sets: RecordedSets, progress: Callable[[float], None] | None
) -> tuple[list[int], list[NDArray[np.float32]], list[NDArray[np.uint8]]]:
    """Give stamps, embeddings (V x D each) and thumbnails (V x h x w x 3 each) of all sets."""
    stamps: list[int] = []
    embeddings, thumbnails = [], []
    size: tuple[int, int] | None = None
    for _, batch in sets.batches():
        # A demonstration is one run of time; what comes after a restart is another.
        later = [frames for frames in batch if not stamps or frames.stamp_ns > stamps[-1]]
        for frames, vectors in zip(later, embed_sets(embedder, later), strict=True):
            stamps.append(frames.stamp_ns)
            embeddings.append(np.stack([vectors[camera] for camera in sets.cameras]))
            images = [frames.frames[camera].image for camera in sets.cameras]
            size = size or _thumbnail_size(images[0])
            thumbnails.append(_thumbnails(images, size))
        if progress is not None:
            progress(sets.progress)
    return stamps, embeddings, thumbnails


def _thumbnail_size(image: Image) -> tuple[int, int]:
    """Give width and height; the same for all of a demonstration, whatever its cameras do."""
    height, width = image.shape[:2]
    wide = round(width * THUMBNAIL_HEIGHT / height)
    return max(1, min(4 * THUMBNAIL_HEIGHT, wide)), THUMBNAIL_HEIGHT


def _thumbnails(images: Sequence[Image], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Give V x h x w x 3 of one set."""
    import cv2

    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(small).astype(np.uint8)
