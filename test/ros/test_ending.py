"""A process ends with its exit code even where something never lets go of Python."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys
import time

import pytest

ROOT = Path(__file__).resolve().parents[2]
# PyDLL keeps Python's lock during the call, as rclpy does while DDS destroys a participant.
STUCK = """
import ctypes, sys
from smaknet_ros.ending import ends_with
print('the last words')
code = ends_with({code}, within_s=0.3)
{then}
sys.exit(code)
"""
NEVER_RETURNS = 'ctypes.PyDLL(None).sleep(60)'


@pytest.mark.parametrize('code', [0, 2])
def test_a_call_that_never_returns_is_ended_with_the_code(code):
    began_s = time.monotonic()
    ended = run(STUCK.format(code=code, then=NEVER_RETURNS))
    assert ended.returncode == code
    assert ended.stdout == 'the last words\n'
    assert 0.3 < time.monotonic() - began_s < 20


def test_who_ends_in_time_is_left_alone():
    assert run(STUCK.format(code=3, then='')).returncode == 3


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
