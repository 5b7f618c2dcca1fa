"""
The one thread that computes: takes all new frames as one batch, and watches for staleness.

Everything of the stream (line, follower, network) belongs to this thread; others ask it by
`call`, so nothing needs a lock.
"""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any

from smaknet_ros.line import Line, Overdue, Result
from smaknet_ros.slots import Slots

TICK_S = 0.1  # between status messages while there is nothing new
CALL_TIMEOUT_S = 30.0


class Worker:
    """
    Run a line until stopped.

    Args:
        line: owned by the worker from now on.
        slots: where new messages appear.
        now_ns: the node's clock.
        publish: takes the results of one batch.
        publish_overdue: takes what the last match is worth, every tick that nothing is new.
        report: called with (key, text) for what an operator should know.
    """

    def __init__(
        self,
        line: Line,
        slots: Slots,
        now_ns: Callable[[], int],
        publish: Callable[[list[Result]], None],
        publish_overdue: Callable[[Overdue], None],
        report: Callable[[str, str], None],
    ) -> None:
        self._line = line
        self._slots = slots
        self._now_ns = now_ns
        self._publish = publish
        self._publish_overdue = publish_overdue
        self._report = report
        self._ticked_s = 0.0
        self._thread = threading.Thread(target=self._run, name='smaknet worker', daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` in the worker, between two batches, and give its result."""
        return self._slots.call(function).result(CALL_TIMEOUT_S)

    def stop(self) -> None:
        """End the thread; returns when it has."""
        self._slots.close()
        self._thread.join()

    def _run(self) -> None:
        while (arrivals := self._slots.take(TICK_S)) is not None:
            self._step(arrivals)

    def _step(self, arrivals: list[Any]) -> None:
        try:
            self._match(arrivals)
        except Exception as err:  # publishing failed, say; the thread must live
            self._report('worker', f'{type(err).__name__}: {err}')

    def _match(self, arrivals: list[Any]) -> None:
        results = self._line.take(arrivals)
        if results:
            self._publish(results)
            return
        now_s = time.monotonic()
        if now_s - self._ticked_s >= TICK_S:
            self._ticked_s = now_s
            overdue = self._line.overdue(self._now_ns())
            if overdue is not None:
                self._publish_overdue(overdue)
