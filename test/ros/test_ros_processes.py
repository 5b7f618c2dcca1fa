"""Nodes as processes: on a domain of their own, heard to the last line, and always ended."""

from __future__ import annotations

import os
import signal

import pytest
from smaknet_ros import processes
from smaknet_ros.processes import isolate, own_domain, Process, ros_args
import yaml


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a program in the place of a node."""
    started = []

    def start(program, *arguments):
        (tmp_path / 'stand_in.py').write_text(program)
        monkeypatch.setitem(processes.MODULES, 'stand_in', 'stand_in')
        environment = {**os.environ, 'PYTHONPATH': str(tmp_path)}
        started.append(Process('stand_in', arguments, environment))
        return started[-1]

    yield start
    for process in started:
        process.close()


def wait_for(process, text):
    for _ in range(600):
        if text in process.log():
            return
        try:
            process._popen.wait(0.1)
        except processes.subprocess.TimeoutExpired:
            continue
    pytest.fail(f'{text!r} is not in {process.log()!r}')


def test_what_ignores_signals_is_killed(run):
    process = run(
        'import signal, sys\n'
        'for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n'
        "print('deaf', flush=True)\n"
        'while True: signal.pause()'
    )
    wait_for(process, 'deaf')
    assert process.code() is None
    assert process.stop(within_s=0.3) == -signal.SIGKILL


def test_closing_kills_at_once_and_twice_is_harmless(run):
    process = run('import signal\nsignal.pause()')
    process.close()
    assert process.code() == -signal.SIGKILL
    process._popen.kill()


def test_log_and_exit_code(run):
    process = run(
        'import sys\nprint(sys.argv[1])\nprint("the end", file=sys.stderr)\nexit(3)', 'x'
    )
    assert process._popen.wait(60) == 3
    assert process.stop() == process.code() == 3
    assert process.log() == 'x\nthe end\n'
    assert process.last_line() == 'the end'
    assert run('').last_line() == 'it said nothing'


def test_parameters_survive_the_command_line():
    values = {'a': 'yes', 'b': ['no', '1'], 'c': 1.0, 'd': True, 'e': 'a: b\n# c', 'f': 3}
    words = ros_args(values, ('-r', '__ns:=/x'))
    assert words[:3] == ['--ros-args', '-r', '__ns:=/x']
    assert words[3::2] == ['-p'] * len(values)
    pairs = [word.partition(':=') for word in words[4::2]]
    assert {name: yaml.safe_load(text) for name, _, text in pairs} == values


def test_two_sessions_have_two_domains_and_give_them_back():
    with own_domain() as one, own_domain() as other:
        assert one != other
        assert {one, other} <= set(range(1, 102))
    with own_domain() as again:
        assert again == one
        assert isolate(again)['ROS_DOMAIN_ID'] == str(again)
        assert isolate(again)['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
