"""The console scripts on a machine with and without ROS."""

from __future__ import annotations

from pathlib import Path
import signal
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('command', ['matcher', 'player', 'recorder'])
def test_without_ros_one_line_says_what_to_do(command):
    program = (
        "import sys; sys.modules['rclpy'] = None\n"
        f'from smaknet_ros.commands import {command}; sys.exit({command}())'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.count('\n') == 1
    assert f'smaknet_{command}: ' in done.stderr
    assert 'has no rclpy: source' in done.stderr


@pytest.mark.parametrize('command', ['matcher', 'player', 'recorder'])
def test_help_has_an_example(command):
    program = f'from smaknet_ros.commands import {command}; import sys; sys.exit({command}())'
    done = subprocess.run(
        [sys.executable, '-c', program, '--help'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert f'example: smaknet_{command}' in done.stdout


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_while_modules_are_loaded_a_command_says_nothing(how, tmp_path):
    """`ros2 launch` may be interrupted at once; Python would print where it was."""
    (tmp_path / 'slow.py').write_text(
        'import time\nprint("loading", flush=True)\ntime.sleep(60)\n'
    )
    program = (
        f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n'
        "from smaknet_ros.commands import _run; sys.exit(_run('slow', 'slow'))"
    )
    with subprocess.Popen(
        [sys.executable, '-c', program], cwd=ROOT, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout.readline() == 'loading\n'
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, '')
