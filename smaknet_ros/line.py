"""
The line as it runs in the node: arrived messages in, matches out. No ROS calls, no thread.

Decoding, doubts, synchronising and following are the core's or have their own module; this ties
them together, keeps one bad frame from harming the next, and knows what is overdue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

from smaknet_core.data.sync import Synchroniser
from smaknet_core.errors import ImageError
from smaknet_core.follow import Followed, Follower
from smaknet_core.types import FrameSet, Match, Stamped
from smaknet_ros import images
from smaknet_ros.conversions import to_ns
from smaknet_ros.freshness import Freshness, JUMP_S, Refusal
from smaknet_ros.health import CameraHealth
from smaknet_ros.settings import Settings
from smaknet_ros.slots import Arrival


@dataclass(frozen=True)
class Frame(Stamped):
    """A decoded frame that remembers how its message came."""

    frame_id: str
    arrived_ns: int  # node clock
    received_s: float  # monotonic


@dataclass(frozen=True)
class Result:
    """What became of one set."""

    followed: Followed
    frames: Mapping[str, Frame]  # by camera, in declared order
    failure: str = ''  # why it could not be matched; then it is LOST

    @property
    def frame_id(self) -> str:
        """Of the first camera present."""
        return next(iter(self.frames.values())).frame_id

    @property
    def arrived_ns(self) -> int:
        """When the set was complete, by the node's clock."""
        return max(frame.arrived_ns for frame in self.frames.values())

    @property
    def received_s(self) -> float:
        """When its oldest frame came, by the monotonic clock."""
        return min(frame.received_s for frame in self.frames.values())


@dataclass(frozen=True)
class Overdue:
    """The last result, and what it is still worth."""

    match: Match  # STALE or LOST, with its old stamp
    result: Result
    waiting_for: tuple[str, ...]


class Line:
    """
    One stream from messages to matches.

    Args:
        settings: the node's.
        follower: made with these settings.
        health: camera name to where its frames are counted.
        report: called with (key, text) for what an operator should know.
    """

    def __init__(
        self,
        settings: Settings,
        follower: Follower,
        health: Mapping[str, CameraHealth],
        report: Callable[[str, str], None],
    ) -> None:
        self._health = health
        self._report = report
        self._compared: set[str] = set()
        self.failures = 0
        self.dropped: Counter[str] = Counter()
        self.adopt(settings, follower)

    def adopt(self, settings: Settings, follower: Follower) -> None:
        """Go on with other settings or demonstrations, from INIT."""
        self._settings = settings
        self._follower = follower
        self._sync = Synchroniser(
            settings.camera_names, settings.max_spread_s, settings.absent_after_s
        )
        self._sync.dropped = self.dropped
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next set is the first."""
        frozen_after_s = self._settings.stale_s if self._settings.frozen_check else None
        self._fresh = {c: Freshness(frozen_after_s) for c in self._settings.camera_names}
        self._sync.reset()
        self._follower.reset()
        self._last: Result | None = None
        self._failure = ''  # of the last batch

    def take(self, arrivals: Sequence[Arrival]) -> list[Result]:
        """Carry all new messages through as one batch; what cannot be matched is LOST."""
        sets: list[FrameSet] = []
        for arrival in arrivals:
            frame = self._frame(arrival)
            found = self._sync.add(frame) if frame else []
            if self._sync.restarted:
                self._restart()
                sets = []
            sets += found
        results = self._follow(sets)
        if results:
            self._last = results[-1]
        return results

    def overdue(self, now_ns: int) -> Overdue | None:
        """
        Say what the last match is worth when no set came for long; None while all is well.

        `now_ns` is the node's clock. The stream has its own: it stood at the last set's stamp
        when that arrived, and has gone on as the node's clock has.
        """
        if self._last is None:
            return None
        elapsed_ns = now_ns - self._last.arrived_ns
        stamp_ns = self._last.followed.match.stamp_ns
        match = self._follower.stale(stamp_ns + elapsed_ns)
        if match is None:
            return None
        return Overdue(match, self._last, tuple(self.waiting_for(now_ns)))

    def waiting_for(self, now_ns: int) -> list[str]:
        """Say what holds the next set up: for each camera since when and why."""
        reasons = []
        for name in self._settings.camera_names:
            reason = self._health[name].describe_absence(now_ns, self._settings.stale_s)
            if reason:
                reasons.append(f'{name}: {reason}')
        if self._failure:
            reasons.append(self._failure)
        return reasons or [f'no partner within {self._settings.max_spread_s:g} s']

    def _frame(self, arrival: Arrival) -> Frame | None:
        msg, camera = arrival.msg, arrival.camera
        try:
            stamp_ns = _stamp_ns(msg.header)
            refusal = self._fresh[camera].judge(stamp_ns, msg.data, arrival.arrived_ns)
            if refusal is None:
                image = images.decode(msg, self._follower.embedder.input_size)
        except ImageError as err:
            refusal = Refusal('bad', f'bad frame: {err}')
        except Exception as err:  # whatever one message does, the next must get through
            refusal = Refusal('bad', f'bad frame: {err!r}')
        if refusal is not None:
            self._health[camera].refuse(refusal, arrival.arrived_ns)
            self._report(f'{camera} {refusal.kind}', f'camera {camera}: {refusal.text}')
            return None
        self._health[camera].accept(arrival.arrived_ns)
        self._compare_clocks(camera, stamp_ns, arrival.arrived_ns)
        came = (msg.header.frame_id, arrival.arrived_ns, arrival.received_s)
        return Frame(stamp_ns, camera, image, *came)

    def _compare_clocks(self, camera: str, stamp_ns: int, arrived_ns: int) -> None:
        """Tell once if stamps and the node's clock differ; ages do not depend on it."""
        off_s = (stamp_ns - arrived_ns) / 1e9
        if camera not in self._compared and abs(off_s) > JUMP_S:
            self._report(
                f'{camera} clock',
                f"camera {camera}: stamps are {off_s:+.1f} s off this node's clock: right for a "
                'played bag, else the clocks disagree or use_sim_time is wrong',
            )
        self._compared.add(camera)

    def _restart(self) -> None:
        self._report('restart', 'the stamps start over (a bag that loops?): tracking starts anew')
        self._sync.restarted = False
        self._follower.reset()
        self._last = None

    def _follow(self, sets: Sequence[FrameSet]) -> list[Result]:
        if not sets:
            return []
        try:
            followed = self._follower.process(sets)
            if not all(map(_is_finite, followed)):
                self._follower.reset()  # it would stay so for ever
                raise ArithmeticError('the match is not a number')
            self._failure = ''
        except Exception as err:  # out of memory, a damaged model: the next batch may do
            self.failures += len(sets)
            cameras = ', '.join(sorted({c for frames in sets for c in frames.cameras}))
            self._failure = f'cannot match frames of {cameras}: {err}'
            self._report('failure', self._failure)
            followed = [self._follower.give_up(frames) for frames in sets]
        pairs = zip(followed, sets, strict=True)
        return [Result(f, _frames(frames), self._failure) for f, frames in pairs]


def _stamp_ns(header: Any) -> int:
    """Read a header's stamp; a time that is none could not be sent back as it came."""
    if header.stamp.nanosec >= 10**9:
        raise ImageError(f'header.stamp is no time ({header.stamp.nanosec} nanoseconds)')
    return to_ns(header.stamp)


def _is_finite(followed: Followed) -> bool:
    """Whether all numbers are numbers; only the margin may be infinite, where nothing rivals."""
    match = followed.match
    numbers = (match.time_s, match.progress, match.rate, match.distance, match.confidence)
    return all(map(math.isfinite, (*numbers, *match.interval_s))) and not math.isnan(match.margin)


def _frames(frames: FrameSet) -> dict[str, Frame]:
    return {name: f for name, f in frames.frames.items() if isinstance(f, Frame)}
