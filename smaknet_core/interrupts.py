"""Ctrl-C and SIGTERM as a flag, so that long work ends between two steps, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


class Interruption:
    """
    Ctrl-C and SIGTERM while work ends with finishing touches that are worth waiting for.

    The first one interrupts the work, the second is only noted, so that what is to be written at
    the end is; the third ends that too.
    """

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, *_: object) -> None:
        """Count a signal; the signature is a signal handler's."""
        self._count += 1
        if self._count != 2:
            raise KeyboardInterrupt

    def came(self) -> None:
        """Note that somebody else has handled the first one."""
        self._count = max(self._count, 1)

    @property
    def hurried(self) -> bool:
        """Whether somebody asked again: what takes time is to be left out."""
        return self._count > 1


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Let the first Ctrl-C or SIGTERM interrupt, and what is written thereafter be finished."""
    asked = Interruption()
    with handled_by(asked):
        yield asked


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
    with handled_by(stop):
        yield stop


@contextmanager
def handled_by(handler: Callable[..., None]) -> Iterator[None]:
    """Give SIGINT and SIGTERM to a handler while the block runs."""
    try:
        before = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: the caller handles signals
        yield
        return
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
