"""
The hand-over from ROS to the worker: one newest message per camera, nothing queues up.

The executor's thread puts, one worker thread takes everything new at once. An image that is
overwritten before it was taken is counted: it is the normal way to keep up with the cameras.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
import threading
from typing import Any


@dataclass(frozen=True)
class Arrival:
    """A message as it came."""

    camera: str
    msg: Any  # sensor_msgs Image or CompressedImage
    arrived_ns: int  # node clock: for ages, follows simulated time
    received_s: float  # monotonic clock: for latencies


class Slots:
    """Thread-safe; see the module."""

    def __init__(self) -> None:
        self.overwritten: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._newest: dict[str, Arrival] = {}
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._closed = False

    def put(self, arrival: Arrival) -> None:
        """Keep the camera's newest message and wake the worker."""
        with self._changed:
            if arrival.camera in self._newest:
                self.overwritten[arrival.camera] += 1
            self._newest[arrival.camera] = arrival
            self._changed.notify()

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Have the worker run `function` between two batches; the future has its result."""
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
            else:
                self._calls.append((function, future))
                self._changed.notify()
        return future

    def take(self, timeout_s: float) -> list[Arrival] | None:
        """
        Wait for something new, run the calls, and give all new messages in arrival order.

        Returns:
            An empty list after `timeout_s` without any; None once closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest or self._calls, timeout_s)
            calls, self._calls = self._calls, []
            arrivals, self._newest = list(self._newest.values()), {}
            closed = self._closed
        for function, future in calls:
            _run(function, future)
        if closed:
            return None
        return sorted(arrivals, key=lambda arrival: arrival.received_s)

    def close(self) -> None:
        """Let the worker end; what was put is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _run(function: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(function())
    except Exception as err:  # belongs to whoever waits for it
        future.set_exception(err)
