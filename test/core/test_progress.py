"""What training says while it runs, in a terminal and in a log."""

from __future__ import annotations

import io
import math

from rich.console import Console
from smaknet_core.progress import TrainingProgress


def show(updates, terminal=False, steps=100, minutes=0.0):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    with TrainingProgress(console, steps, minutes) as progress:
        for update in updates:
            progress.update(*update)
    return out.getvalue()


def test_a_log_gets_a_line_now_and_then_and_at_the_end():
    seconds = [(step, step * 1.0, 2.5, math.nan) for step in range(1, 101)]
    lines = show(seconds).splitlines()
    assert [line.split(' · ')[0] for line in lines] == [
        'step 30',
        'step 60',
        'step 90',
        'step 100',
    ]
    assert lines[0] == 'step 30 · loss 2.500 · 30 s, about 70 s left'
    assert lines[-1] == 'step 100 · loss 2.500 · 100 s, about 0 s left'


def test_alignment_is_shown_once_it_is_known():
    assert 'alignment' not in show([(100, 1.0, 2.0, math.nan)])
    assert 'held-out alignment 12.3%' in show([(100, 1.0, 2.0, 0.123)])


def test_a_limit_in_minutes_decides_what_is_left():
    shown = show([(10, 45.0, 2.0, math.nan)], minutes=1.0)
    assert shown == 'step 10 · loss 2.000 · 45 s, about 15 s left\n'
    assert 'about 0 s left' in show([(10, 61.0, 2.0, math.nan)], minutes=1.0)


def test_lines_of_a_log_are_plain_text():
    assert '\x1b' not in show([(100, 1.0, 2.0, 0.1)])


def test_a_terminal_gets_a_bar():
    shown = show([(50, 10.0, 1.5, 0.2)], terminal=True)
    assert 'step 50 · loss 1.500 · held-out alignment 20.0%' in shown
    assert 'training' in shown
    assert '\x1b' in shown
