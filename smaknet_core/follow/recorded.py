"""
A recording as a stream: `Recording -> FrameSet -> Match`, with counts of what was dropped.

Frames come in the order they were received, through the synchroniser the node uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from smaknet_core.data.sync import Synchroniser
from smaknet_core.follow.follower import Followed, Follower
from smaknet_core.types import FrameSet, Size

if TYPE_CHECKING:
    from smaknet_core.data.bags import Recording

# Sets embedded at once offline: enough to keep the cores busy, few enough to stay small.
BATCH_SETS = 16


class RecordedSets:
    """
    The sets of a recording, as the node would have made them of its topics.

    Args:
        recording: open.
        cameras: names of those to use.
        max_spread_s: frames of one set may be this far apart.
        absent_after_s: go on without a camera silent for this long; None requires all.
        start_s: skip this much of the recording.
        at_least: size the frames will be resized to, see `images.decode_compressed`.
    """

    def __init__(
        self,
        recording: Recording,
        cameras: Sequence[str],
        max_spread_s: float = 0.05,
        absent_after_s: float | None = 0.5,
        start_s: float = 0.0,
        at_least: Size | None = None,
    ) -> None:
        self._at_least = at_least
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
        for frame in self._recording.frames(self._at_least):
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
