"""
What is counted while the node runs: frames and their troubles, latencies, and who was told.

No ROS; written by the worker and the executor's thread, read by `diagnostics`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
import threading
import time

import numpy as np
from smaknet_ros.freshness import Refusal

RATE_WINDOW_S = 5.0
REPORT_EVERY_S = 5.0
LATENCIES = 512  # sets; half a minute at 15 Hz


class CameraHealth:
    """Frames of one camera: how many, how often, since when, and what was wrong."""

    def __init__(self) -> None:
        self.received = 0
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._times_s: deque[float] = deque(maxlen=1024)
        self._arrived_ns: int | None = None
        self._accepted_ns: int | None = None
        self._refusal: tuple[Refusal, int] | None = None

    def receive(self, arrived_ns: int, received_s: float) -> None:
        """Note a message, used or not; node clock and monotonic clock."""
        with self._lock:
            self.received += 1
            self._arrived_ns = arrived_ns
            self._times_s.append(received_s)

    def accept(self, arrived_ns: int) -> None:
        """Note a frame that is used."""
        self.accepted += 1
        self._accepted_ns = arrived_ns

    def refuse(self, refusal: Refusal, arrived_ns: int) -> None:
        """Note a frame that is not used, and why."""
        self.refused[refusal.kind] += 1
        self._refusal = (refusal, arrived_ns)

    def silent_s(self, now_s: float, since_s: float) -> float:
        """Seconds without a message, counted from `since_s` at the earliest; monotonic clock."""
        with self._lock:
            last_s = self._times_s[-1] if self._times_s else since_s
        return now_s - max(last_s, since_s)

    def rate(self, now_s: float) -> float:
        """Messages per second in the last seconds; `now_s` of the monotonic clock."""
        with self._lock:
            times = [t for t in self._times_s if t > now_s - RATE_WINDOW_S]
        if len(times) < 2 or times[-1] <= times[0]:
            return 0.0
        return (len(times) - 1) / (times[-1] - times[0])

    def age_s(self, now_ns: int) -> float | None:
        """Seconds since the last message by the node's clock; None before the first."""
        arrived_ns = self._arrived_ns
        return None if arrived_ns is None else max(0.0, (now_ns - arrived_ns) / 1e9)

    def describe_absence(self, now_ns: int, patience_s: float) -> str:
        """Say why there is no usable frame for `patience_s`, '' if there is one."""
        accepted_ns, age_s = self._accepted_ns, self.age_s(now_ns)
        if accepted_ns is not None and (now_ns - accepted_ns) / 1e9 < patience_s:
            return ''
        if age_s is None:
            return 'never seen'
        refusal = self._refusal
        if refusal and refusal[1] >= (accepted_ns or 0) and age_s < patience_s:
            return refusal[0].text
        return f'last seen {age_s:.1f} s ago'


class Latencies:
    """Recent times from receiving a set's oldest frame to publishing its match."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent_s: deque[float] = deque(maxlen=LATENCIES)

    def add(self, latency_s: float) -> None:
        """Note one set."""
        with self._lock:
            self._recent_s.append(latency_s)

    def percentiles(self) -> tuple[float, float] | None:
        """Return median and 95th percentile in seconds, None before the first set."""
        with self._lock:
            recent = list(self._recent_s)
        if not recent:
            return None
        p50, p95 = np.percentile(recent, [50, 95])
        return float(p50), float(p95)


class Reporter:
    """
    Tell the operator once, then at most every few seconds and with a count.

    Args:
        log: takes one line.
        clock: monotonic seconds.
    """

    def __init__(
        self, log: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}  # key -> when, and how many since

    def __call__(self, key: str, text: str) -> None:
        """Log `text` unless something of the same key was logged just now."""
        now_s = self._clock()
        with self._lock:
            told_s, since = self._told.get(key, (-np.inf, 0))
            if now_s - told_s < REPORT_EVERY_S:
                self._told[key] = (told_s, since + 1)
                return
            self._told[key] = (now_s, 0)
        self._log(f'{text} (and {since} more like it)' if since else text)
