"""Keys of a terminal to commands, as they are pressed; nothing where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import select
import sys

KEYS = {' ': 'toggle', 'd': 'discard', 'r': 'redo', 'q': 'quit'}


class Keyboard:
    """
    Asked for commands between two spins.

    Args:
        descriptor: of the terminal; None when there is none.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def present(self) -> bool:
        """Whether somebody can press keys."""
        return self._descriptor is not None

    def pressed(self) -> list[str]:
        """Give the commands whose keys were pressed since the last call; never waits."""
        if self._descriptor is None or not select.select([self._descriptor], [], [], 0)[0]:
            return []
        data = os.read(self._descriptor, 64)
        if not data:  # the terminal is gone
            self._descriptor = None
        letters = data.decode('utf-8', 'ignore').lower()
        return [KEYS[letter] for letter in letters if letter in KEYS]


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Read single keys while the block runs, if stdin is a terminal; Ctrl-C stays what it is."""
    if not sys.stdin or not sys.stdin.isatty():
        yield Keyboard(None)
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
