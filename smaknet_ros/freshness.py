"""
Whether a frame is news: the doubts about one camera, each with its reason.

The synchroniser refuses repeated and backward stamps by itself, the same live as offline; here
they get a camera's name. What it cannot see is a driver that serves its last picture with ever new
stamps, and a stamp that is far ahead of the stream it is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.sync import RESTART_S

# A stamp may be this far off what the time of arrival lets expect, and a multiple of what has
# passed since the last frame, for bags are played fast or slowly. More is another time line,
# believed when a second frame continues it (a bag that loops or starts over).
JUMP_S = 1.0
PACE = 4.0
CONTINUED_PACE = 20.0
FIRST = 4096  # bytes that nearly always tell pictures apart

KINDS = ('bad', 'frozen', 'jump', 'zero_stamp', 'duplicate', 'backward')


@dataclass(frozen=True)
class Refusal:
    """Why a frame is not used."""

    kind: str  # for counting: one of KINDS
    text: str  # for the log


@dataclass(frozen=True)
class _Seen:
    stamp_ns: int
    arrived_ns: int

    def off_s(self, later: _Seen) -> float:
        """Seconds by which a later stamp differs from what its arrival lets expect."""
        return ((later.stamp_ns - self.stamp_ns) - (later.arrived_ns - self.arrived_ns)) / 1e9

    def leads_to(self, later: _Seen, pace: float) -> bool:
        """Whether a later frame can be of the same time line, played up to so much faster."""
        passed_s = max(0.0, (later.arrived_ns - self.arrived_ns) / 1e9)
        return abs(self.off_s(later)) <= JUMP_S + pace * passed_s


class Freshness:
    """
    The judge of one camera's frames.

    Args:
        frozen_after_s: the same bytes for this long are a frozen camera; None never asks.
    """

    def __init__(self, frozen_after_s: float | None) -> None:
        self._frozen_after_s = frozen_after_s
        self._accepted: _Seen | None = None
        self._suspect: _Seen | None = None
        self._bytes: Any = None
        self._same_since_ns = 0

    def judge(self, stamp_ns: int, data: Any, arrived_ns: int) -> Refusal | None:
        """
        Judge the next frame.

        Args:
            stamp_ns: its header stamp.
            data: its undecoded bytes.
            arrived_ns: when it came, by the node's clock.

        Returns:
            None if it may be used.
        """
        if stamp_ns <= 0:
            return Refusal('zero_stamp', 'header.stamp is not set; its driver must set it')
        return self._judge_stamp(stamp_ns, arrived_ns) or self._judge_bytes(data, arrived_ns)

    def _judge_stamp(self, stamp_ns: int, arrived_ns: int) -> Refusal | None:
        seen, last = _Seen(stamp_ns, arrived_ns), self._accepted
        back_s = (last.stamp_ns - stamp_ns) / 1e9 if last else -1.0
        if back_s == 0:
            return Refusal('duplicate', 'header.stamp repeats')
        if 0 < back_s <= RESTART_S:
            return Refusal('backward', f'header.stamp runs back by {back_s:.3f} s')
        if last is not None and not last.leads_to(seen, PACE) and not self._confirmed(seen):
            self._suspect = seen
            return Refusal('jump', f'header.stamp is {last.off_s(seen):+.1f} s off its stream')
        self._accepted, self._suspect = seen, None
        return None

    def _confirmed(self, seen: _Seen) -> bool:
        """Whether a frame goes on where the refused one before it began."""
        suspect = self._suspect
        if suspect is None or seen.stamp_ns <= suspect.stamp_ns:
            return False
        return suspect.leads_to(seen, CONTINUED_PACE)

    def _judge_bytes(self, data: Any, arrived_ns: int) -> Refusal | None:
        if self._frozen_after_s is None:
            return None
        view = np.frombuffer(data, np.uint8)
        if self._bytes is None or not _equal(view, self._bytes):
            self._bytes, self._same_since_ns = view, arrived_ns
            return None
        same_s = (arrived_ns - self._same_since_ns) / 1e9
        if same_s < self._frozen_after_s:
            return None
        return Refusal('frozen', f'repeats the same picture for {same_s:.1f} s')


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Compare bytes, the first few before all of them: raw pictures are large, and most differ."""
    first = one[:FIRST].tobytes() == other[:FIRST].tobytes()
    return first and np.array_equal(one, other)
