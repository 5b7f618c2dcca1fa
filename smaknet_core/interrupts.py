"""Ctrl-C and SIGTERM as a flag, so that long work ends between two steps, nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import signal


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end work as Ctrl-C does, so that what is half-written is removed."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not the main thread: the caller handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopRequest:
    """Whether somebody asked to stop."""

    requested = False

    def __call__(self, *_: object) -> None:
        """Note the request; the signature is a signal handler's."""
        self.requested = True


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn Ctrl-C and SIGTERM into a flag, so that a run ends between two steps."""
    stop = StopRequest()
    try:
        before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: the caller handles signals
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
