"""
The whole line at work: `FrameSet -> Embedding -> Match`, for the node and for `smaknet follow`.

`Follower` is used live and offline alike. `teach` makes the demonstration it follows. `run_teach`
and `run_follow` are the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig
from smaknet_core.demonstration import Demonstration, printable, refuse_existing
from smaknet_core.errors import DemonstrationError
from smaknet_core.matching import Calibration, make_tracker, measure_views
from smaknet_core.types import FrameSet, Image, Match, State, Vector

if TYPE_CHECKING:
    from smaknet_core.data.bags import Recording

THUMBNAIL_HEIGHT = 48
# Sets embedded at once offline: enough to keep the cores busy, few enough to stay small.
BATCH_SETS = 16

CSV_COLUMNS = (
    'stamp_ns',
    'demonstration',
    'timestep',
    'time_s',
    'progress',
    'rate',
    'distance',
    'confidence',
    'margin',
    'state',
)


class Embeds(Protocol):
    """What is needed of an embedder; `smaknet_core.embedder.Embedder` is the one."""

    @property
    def model_hash(self) -> str:
        """Sha256 (hex) of the model file."""
        ...

    @property
    def calibration(self) -> Calibration:
        """Distance scales measured when the model was trained."""
        ...

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Turn N images of any size into N x D finite numbers."""
        ...


@dataclass(frozen=True)
class Followed:
    """What became of one set."""

    match: Match
    embeddings: Mapping[str, Vector]  # camera -> D, the cameras present
    spread_s: float  # between the set's oldest and newest frame


class Follower:
    """
    Sets in, matches out, with the memory of one stream.

    Args:
        embedder: the model.
        demonstrations: one or more, made with this model, differently named.
        match: how to match.
        stale_s: without a set for this long, the match is STALE.
        lost_s: without a set for this long, it is LOST.

    Raises:
        DemonstrationError: no demonstration, of another model, or two of one name.
    """

    def __init__(
        self,
        embedder: Embeds,
        demonstrations: Sequence[Demonstration],
        match: MatchConfig,
        stale_s: float = 0.5,
        lost_s: float = 2.0,
    ) -> None:
        _check_together(embedder, demonstrations)
        self.embedder = embedder
        self.demonstrations = tuple(demonstrations)
        self.stale_s = stale_s
        self.lost_s = lost_s
        taught = [demonstration.taught() for demonstration in demonstrations]
        self._tracker = make_tracker(taught, embedder.calibration, match)
        self._last: Match | None = None

    def process(self, sets: Sequence[FrameSet]) -> list[Followed]:
        """Embed all frames of all sets in one batch, then match the sets in order."""
        followed = []
        for frames, embeddings in zip(sets, embed_sets(self.embedder, sets), strict=True):
            self._last = self._tracker.update(frames.stamp_ns, embeddings)
            followed.append(Followed(self._last, embeddings, frames.spread_s))
        return followed

    def stale(self, now_ns: int) -> Match | None:
        """
        Say what the last match is still worth at `now_ns` of the stream's clock.

        Returns:
            The last match with its *old* stamp, as STALE or LOST; None while it is fresh enough,
            and before the first set.
        """
        if self._last is None:
            return None
        age_s = (now_ns - self._last.stamp_ns) / 1e9
        if age_s < self.stale_s:
            return None
        return replace(self._last, state=State.LOST if age_s >= self.lost_s else State.STALE)

    def reset(self) -> None:
        """Forget the stream: the next set is the first."""
        self._tracker.reset()
        self._last = None


def embed_sets(embedder: Embeds, sets: Sequence[FrameSet]) -> list[dict[str, Vector]]:
    """Embed all frames of all sets in one batch; give camera -> D of each set."""
    images = [frame.image for frames in sets for frame in frames.frames.values()]
    vectors = iter(embedder.embed(images)) if images else iter(())
    return [
        dict(zip(frames.cameras, islice(vectors, len(frames.cameras)), strict=True))
        for frames in sets
    ]


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
    from smaknet_core.data.bags import open_recording

    refuse_existing(out)
    with open_recording(path, cameras) as recording:
        names = tuple(recording.cameras)
        sets = RecordedSets(recording, names, max_spread_s, absent_after_s=None)
        stamps, embeddings, thumbnails = _embed_recording(embedder, sets, progress)
        if len(stamps) < 2:
            raise DemonstrationError(
                f'{path}: {len(stamps)} complete sets of {", ".join(names)}; '
                f'{sets.describe_dropped()}: try fewer --cameras or a larger spread'
            )
        demonstration = Demonstration(
            name=printable(name or recording.name),
            task=printable(recording.task),
            cameras=names,
            stamps_ns=np.array(stamps, np.int64),
            embeddings=np.stack(embeddings),
            thumbnails=np.stack(thumbnails),
            model_hash=embedder.model_hash,
            sigma=measure_views(np.stack(embeddings)),
        )
    demonstration.save(out)
    return demonstration


class RecordedSets:
    """
    The sets of a recording, as the node would have made them of its topics.

    Args:
        recording: open.
        cameras: names of those to use.
        max_spread_s: frames of one set may be this far apart.
        absent_after_s: go on without a camera silent for this long; None requires all.
        start_s: skip this much of the recording.
    """

    def __init__(
        self,
        recording: Recording,
        cameras: Sequence[str],
        max_spread_s: float = 0.05,
        absent_after_s: float | None = 0.5,
        start_s: float = 0.0,
    ) -> None:
        from smaknet_core.data.sync import Synchroniser

        self._recording = recording
        self._start_ns = round(start_s * 1e9)
        self._frames_expected = sum(recording.cameras[c].count for c in cameras)
        self.cameras = tuple(cameras)
        self.synchroniser = Synchroniser(cameras, max_spread_s, absent_after_s)
        self.frames_read = 0

    @property
    def progress(self) -> float:
        """How much of the recording was read, 0 ... 1."""
        return min(1.0, self.frames_read / max(1, self._frames_expected))

    def batches(self, size: int = BATCH_SETS) -> Iterator[tuple[bool, list[FrameSet]]]:
        """Yield up to `size` sets at a time, and whether the stream restarted before them."""
        batch: list[FrameSet] = []
        restarted = False
        for found in self._sets():
            if self.synchroniser.restarted or len(batch) >= size:
                yield restarted, batch
                restarted, batch = self.synchroniser.restarted, []
                self.synchroniser.restarted = False
            batch.append(found)
        yield restarted, batch

    def describe_dropped(self) -> str:
        """Say how many frames made no set and why."""
        counts = {**self.synchroniser.dropped}
        bad = sum(self._recording.bad_images.values())
        counts.update({'corrupt': bad} if bad else {})
        return ', '.join(f'{n} {reason}' for reason, n in sorted(counts.items())) or 'none'

    def _sets(self) -> Iterator[FrameSet]:
        first_ns: int | None = None
        for frame in self._recording.frames():
            if frame.camera not in self.cameras:
                continue
            self.frames_read += 1
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            if frame.stamp_ns - first_ns >= self._start_ns:
                yield from self.synchroniser.add(frame)


def follow_recording(follower: Follower, sets: RecordedSets) -> Iterator[Followed]:
    """Follow a recording as the node would follow its cameras."""
    for restarted, batch in sets.batches():
        if restarted:
            follower.reset()
        yield from follower.process(batch)


def _check_together(embedder: Embeds, demonstrations: Sequence[Demonstration]) -> None:
    if not demonstrations:
        raise DemonstrationError('nothing to follow: give at least one demonstration')
    names = [demonstration.name for demonstration in demonstrations]
    for demonstration in demonstrations:
        if demonstration.model_hash != embedder.model_hash:
            raise DemonstrationError(
                f'demonstration {demonstration.name!r} was made with another model: '
                'run `smaknet teach` again with this one'
            )
        if names.count(demonstration.name) > 1:
            raise DemonstrationError(
                f'two demonstrations are called {demonstration.name!r}: teach one of them again '
                'under another --name'
            )


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
