"""Single keys of a real (pseudo-)terminal, and none where there is none."""

from __future__ import annotations

import os
import sys
import termios

from smaknet_ros.keyboard import keyboard


def test_keys_are_commands_and_the_terminal_is_left_as_it_was(monkeypatch):
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, 'stdin', terminal)
        with keyboard() as keys:
            assert keys.present
            assert keys.pressed() == []
            os.write(ours, b' Dxr\xff\x1b[Aq')
            assert keys.pressed() == ['toggle', 'discard', 'redo', 'quit']
            assert not termios.tcgetattr(theirs)[3] & termios.ICANON
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_without_a_terminal_there_are_no_keys(monkeypatch, tmp_path):
    with (tmp_path / 'empty').open('w+') as file:
        for stdin in (None, file):
            monkeypatch.setattr(sys, 'stdin', stdin)
            with keyboard() as keys:
                assert not keys.present
                assert keys.pressed() == []
