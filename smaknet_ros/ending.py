"""
How a node's process ends: with the exit code it means to have, whatever DDS does.

Fast DDS 3.2 may never come back from destroying a participant: told to go at the very moment in
which it learns of another's going, `DomainParticipant::set_listener` spins with the lock held that
the other thread waits for, and with Python's own, so that no thread of Python could end it. About
one of a thousand ends did, where many nodes end at once. So a timer of the C library does.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

SECONDS = 10.0  # a node is off the graph long before
_CLOCK_MONOTONIC = 1
_SIGEV_THREAD = 2


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux: call a function, with a value, in a thread of its own."""

    _fields_ = [
        ('value', ctypes.c_void_p),
        ('signal', ctypes.c_int),
        ('notify', ctypes.c_int),
        ('function', ctypes.c_void_p),
        ('attributes', ctypes.c_void_p),
        ('padding', ctypes.c_byte * 32),
    ]


class _Times(ctypes.Structure):
    """`struct itimerspec`: interval and first time, each in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ('every_s', 'every_ns', 'after_s', 'after_ns')]


def ends_with(code: int, within_s: float = SECONDS) -> int:
    """
    Say that this process is about to end; if it has not after `within_s`, it is ended.

    For the last act of a program: nothing can call it off.

    Args:
        code: exit code, 0 ... 255.
        within_s: seconds.

    Returns:
        The code.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    with contextlib.suppress(AttributeError):  # another C library: it goes without
        _exit_later(ctypes.CDLL(None), code, within_s)
    return code


def _exit_later(library: ctypes.CDLL, code: int, within_s: float) -> None:
    end = ctypes.cast(getattr(library, '_exit'), ctypes.c_void_p)  # noqa: B009 (no name of ours)
    event = _Event(value=code, notify=_SIGEV_THREAD, function=end)
    timer = ctypes.c_void_p()
    if library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        return  # none is left
    whole = int(within_s)
    times = _Times(0, 0, whole, max(1, round((within_s - whole) * 1e9)))
    library.timer_settime(timer, 0, ctypes.byref(times), None)
