"""Work in other processes: all of it, errors passed on, nobody left when it ends early."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest
from smaknet_core.processes import share

ROOT = Path(__file__).resolve().parents[2]


def square(number):
    assert os.environ['OMP_NUM_THREADS'] == '1'
    return number**2, os.getpid()


def fail_or_wait(number):
    if number == 0:
        raise ValueError('the first')
    time.sleep(100)


def interrupt_or_wait(number, parent):
    if number == 0:
        os.kill(parent, signal.SIGINT)
    time.sleep(100)


def test_every_task_is_done_in_other_processes():
    found = []
    share(square, [(n,) for n in range(5)], 2, found.append)
    assert sorted(value for value, _ in found) == [0, 1, 4, 9, 16]
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize(
    ('work', 'more', 'error'),
    [(fail_or_wait, (), ValueError), (interrupt_or_wait, (os.getpid(),), KeyboardInterrupt)],
)
def test_what_ends_it_ends_all(work, more, error):
    began = time.monotonic()
    with pytest.raises(error):
        share(work, [(n, *more) for n in range(3)], 2, print)
    assert time.monotonic() - began < 60
    assert multiprocessing.active_children() == []


TOLD_TWICE = """
import os, signal
from smaknet_core import processes

signal.signal(signal.SIGTERM, processes._end)
processes._at_work = True
try:
    os.kill(os.getpid(), signal.SIGTERM)
except SystemExit as err:
    os.kill(os.getpid(), signal.SIGTERM)
    # Ignored, one that is just coming in would make Python print a traceback.
    assert signal.getsignal(signal.SIGTERM) is processes._end
    print('cleaned up', err.code)
"""


def test_who_is_told_to_end_twice_cleans_up_once_and_says_nothing():
    ended = subprocess.run(
        [sys.executable, '-c', TOLD_TWICE], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ('cleaned up 130\n', '')
