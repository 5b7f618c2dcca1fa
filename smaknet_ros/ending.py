"""
How a node's process ends: with the exit code it means to have, whatever DDS does.

Fast DDS 3.2 may never come back from destroying a participant: told to go at the very moment in
which it learns of another's going, `DomainParticipant::set_listener` spins with the lock held that
the other thread waits for, and with Python's own, so that no thread of Python could end it. About
one of a thousand ends did, where many nodes end at once. So a timer of the C library does.

Nor does a signal raise KeyboardInterrupt, which ends as a traceback while modules are loaded, and
as an abort where a library in C++ imports some: `ros2 launch` may be told to end at any moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

SECONDS = 10.0  # a node is off the graph long before
SIGNALLED_S = 4.0  # `ros2 launch` asks once more after 5 s, and then kills
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
    _exit_later(code, within_s)
    return code


def at_once(*_: object) -> None:
    """Handle a signal while modules are loaded: nothing is held yet, so just go."""
    os._exit(0)


def soon(*_: object) -> None:
    """
    Handle a signal that rclpy, which passes it on, has ended its context for.

    The program sees that and ends with 0; it is ended if something keeps it busy. Not for what has
    something to save.
    """
    _exit_later(0, SIGNALLED_S)


def _exit_later(code: int, within_s: float) -> None:
    with contextlib.suppress(AttributeError):  # another C library: it goes without
        _start_timer(ctypes.CDLL(None), code, within_s)


def _start_timer(library: ctypes.CDLL, code: int, within_s: float) -> None:
    end = ctypes.cast(getattr(library, '_exit'), ctypes.c_void_p)  # noqa: B009 (no name of ours)
    event = _Event(value=code, notify=_SIGEV_THREAD, function=end)
    timer = ctypes.c_void_p()
    if library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        return  # none is left
    whole = int(within_s)
    times = _Times(0, 0, whole, max(1, round((within_s - whole) * 1e9)))
    library.timer_settime(timer, 0, ctypes.byref(times), None)
