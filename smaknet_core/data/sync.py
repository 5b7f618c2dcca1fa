"""
Stamped to FrameSet: frames of several cameras become sets of concurrent frames.

The same class runs offline over a recording and live in the node, so what was trained is what is
matched. It looks at `stamp_ns` and `camera` only, never at the clock and never at the pixels.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from smaknet_core.types import FrameSet, Stamped

# A camera that jumps back further than this has been restarted, or its bag loops.
RESTART_S: Final = 1.0
# Frames kept per camera while another is silent; 64 is two seconds at 30 Hz.
QUEUE_LENGTH: Final = 64


class Synchroniser:
    """
    Build FrameSets from frames as they arrive, and count what is dropped and why.

    Each camera has a short queue. While every live camera has a head, the newest head is the
    pivot: the other queues move up to it, and beyond it where that makes the set tighter. Heads
    within `max_spread_s` make a set; if they are not, the oldest can have no partner any more
    and is dropped.

    Args:
        cameras: the names a set may hold, in the order it will hold them.
        max_spread_s: largest time between the oldest and the newest frame of a set.
        absent_after_s: sets go on without a camera silent for this long; None requires all.

    `dropped` counts frames by reason: superseded (a newer one was nearer to the set), unmatched
    (no partner within the spread), overflow (too many waited for a silent camera), duplicate and
    backward stamps, unset (stamp zero or negative), late (older than the last set, which went on
    without this camera), restarted (cleared by a restart).
    """

    def __init__(
        self, cameras: Sequence[str], max_spread_s: float, absent_after_s: float | None = None
    ) -> None:
        self.cameras = tuple(cameras)
        self.dropped: Counter[str] = Counter()
        self.restarts = 0
        # Set by a restart; whoever acts on it (the follower resets its tracker) clears it.
        self.restarted = False
        self._spread_ns = round(max_spread_s * 1e9)
        self._absent_ns = None if absent_after_s is None else round(absent_after_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Forget all frames and stamps; keep the counters."""
        self._queues: dict[str, deque[Stamped]] = {camera: deque() for camera in self.cameras}
        self._last_ns: dict[str, int] = {}
        self._suspect_ns: dict[str, int] = {}
        self._first_ns = 0
        self._emitted_ns = 0  # sets leave in the order of their stamps

    def add(self, frame: Stamped) -> list[FrameSet]:
        """Take one frame; return the sets it completes, oldest first (mostly none or one)."""
        if not self._admit(frame):
            return []
        queue = self._queues[frame.camera]
        queue.append(frame)
        if len(queue) > QUEUE_LENGTH:
            queue.popleft()
            self.dropped['overflow'] += 1
        sets = []
        while self._ready():
            found = self._match()
            if found is not None:
                sets.append(found)
        return sets

    def waiting_for(self, now_ns: int) -> list[str]:
        """Say which cameras hold a set up: `top: last seen 3.2 s ago`; `now_ns` of the stamps."""
        reasons = []
        for camera in self.cameras:
            if self._queues[camera]:
                continue
            if camera in self._last_ns:
                age_s = max(0, now_ns - self._last_ns[camera]) / 1e9
                reasons.append(f'{camera}: last seen {age_s:.1f} s ago')
            else:
                reasons.append(f'{camera}: never seen')
        return reasons

    def absent(self) -> tuple[str, ...]:
        """Name the cameras that sets do without at the moment."""
        if self._absent_ns is None or not self._last_ns:
            return ()
        deadline = max(self._last_ns.values()) - self._absent_ns
        return tuple(c for c in self.cameras if self._last_ns.get(c, self._first_ns) < deadline)

    def _admit(self, frame: Stamped) -> bool:
        """Check the stamp against the camera's last one, and note it."""
        camera, stamp = frame.camera, frame.stamp_ns
        if stamp <= 0:
            self.dropped['unset'] += 1
            return False
        last = self._last_ns.get(camera)
        if last is not None and stamp == last:
            self.dropped['duplicate'] += 1
            return False
        if last is not None and stamp < last and not self._is_restart(camera, stamp, last):
            self.dropped['backward'] += 1
            return False
        if stamp <= self._emitted_ns:
            self.dropped['late'] += 1
            return False
        self._suspect_ns.pop(camera, None)
        self._first_ns = min(self._first_ns, stamp) if self._last_ns else stamp
        self._last_ns[camera] = stamp
        return True

    def _is_restart(self, camera: str, stamp: int, last: int) -> bool:
        """
        Tell a restarted stream from one wrong stamp: a second frame must confirm it.

        On a restart everything is forgotten, for old and new frames must not meet in a set.
        """
        if last - stamp <= RESTART_S * 1e9:
            return False
        suspect = self._suspect_ns.get(camera)
        if suspect is None or stamp <= suspect:
            self._suspect_ns[camera] = stamp
            return False
        self.dropped['restarted'] += sum(map(len, self._queues.values()))
        self.reset()
        self.restarts += 1
        self.restarted = True
        return True

    def _ready(self) -> bool:
        """Whether every camera that is not absent has a frame waiting."""
        empty = {camera for camera, queue in self._queues.items() if not queue}
        if not empty or len(empty) == len(self._queues):
            return not empty
        return empty <= set(self.absent())

    def _match(self) -> FrameSet | None:
        """Make a set of the heads, or drop the head that can have no partner any more."""
        queues = [queue for queue in self._queues.values() if queue]
        pivot = max(queue[0].stamp_ns for queue in queues)
        for queue in queues:
            while len(queue) > 1 and queue[1].stamp_ns <= pivot:
                self._supersede(queue)
        for queue in queues:
            if _second_is_nearer(queue, queues):
                self._supersede(queue)
        if _spread_ns(queues) > self._spread_ns:
            min(queues, key=lambda queue: queue[0].stamp_ns).popleft()
            self.dropped['unmatched'] += 1
            return None
        found = FrameSet({queue[0].camera: queue[0] for queue in queues})
        self._emitted_ns = found.stamp_ns
        for queue in queues:
            queue.popleft()
        return found

    def _supersede(self, queue: deque[Stamped]) -> None:
        queue.popleft()
        self.dropped['superseded'] += 1


def _spread_ns(queues: Iterable[deque[Stamped]]) -> int:
    stamps = [queue[0].stamp_ns for queue in queues]
    return max(stamps) - min(stamps)


def _second_is_nearer(queue: deque[Stamped], queues: list[deque[Stamped]]) -> bool:
    """Whether the queue's second frame would make a tighter set than its head does."""
    if len(queue) < 2:
        return False
    others = [other[0].stamp_ns for other in queues if other is not queue]
    low, high = min(others, default=0), max(others, default=0)
    head, second = queue[0].stamp_ns, queue[1].stamp_ns
    return bool(others) and max(high, second) - min(low, second) < max(high, head) - min(low, head)


def synchronise(
    frames: Iterable[Stamped],
    cameras: Sequence[str],
    max_spread_s: float,
    absent_after_s: float | None = None,
) -> Iterator[FrameSet]:
    """Yield the FrameSets of a whole stream; arguments as for `Synchroniser`."""
    synchroniser = Synchroniser(cameras, max_spread_s, absent_after_s)
    for frame in frames:
        yield from synchroniser.add(frame)
