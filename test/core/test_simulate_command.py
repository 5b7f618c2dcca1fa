"""`smaknet simulate` as a user runs it: what it says, how it is interrupted, how it goes on."""

from __future__ import annotations

import io
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console
from smaknet_core.cli import main
from smaknet_core.simulation import simulate
from smaknet_core.simulation.simulate import Pace, parse_lab, parse_size

ROOT = Path(__file__).resolve().parents[2]
QUICK = ('--world', 'small', '--size', '32x32', '--rate', '5')


def start(*arguments, **options):
    """Start the command as a shell would, in a group of its own that Ctrl-C goes to."""
    return subprocess.Popen(
        [sys.executable, '-m', 'smaknet_core', 'simulate', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        start_new_session=True,
        **options,
    )


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.02)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def under_way(folder: Path) -> int:
    return len([name for name in names(folder) if name.startswith('.')])


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob('*') if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """Four episodes that one process recorded."""
    out = tmp_path_factory.mktemp('alone') / 'demos'
    assert main(['simulate', str(out), '--episodes', '4', '--seed', '2', *QUICK]) == 0
    return out


def test_ctrl_c_leaves_whole_episodes_and_the_same_command_goes_on(alone, tmp_path):
    """Ctrl-C goes to the command and its two workers at once, as a terminal sends it."""
    out = tmp_path / 'demos'
    command = (out, '--episodes', 4, '--seed', 2, '--workers', 2, *QUICK)
    first = start(*command)
    wait_until(lambda: (out / 'episode_000').exists() and under_way(out))
    os.killpg(first.pid, signal.SIGINT)
    said, complaint = first.communicate(timeout=30)
    assert first.returncode == 130
    assert said == ''
    whole = names(out)
    assert 1 <= len(whole) < 4
    assert complaint == (
        f'interrupted: {len(whole)} of 4 episodes are in {out}; the same command goes on\n'
    )
    assert all(contents(out / name) == contents(alone / name) for name in whole)
    kept_at = (out / 'episode_000' / 'metadata.yaml').stat().st_mtime_ns

    second = start(*command)
    said, complaint = second.communicate(timeout=120)
    assert (second.returncode, complaint) == (0, '')
    assert said.startswith(f'{out}: 4 episodes, flowing in ')
    assert (out / 'episode_000' / 'metadata.yaml').stat().st_mtime_ns == kept_at
    assert contents(out) == contents(alone)


def test_a_killed_worker_is_one_line_and_leaves_nothing_half(tmp_path):
    out = tmp_path / 'demos'
    run = start(out, '--episodes', 6, '--workers', 2, *QUICK)
    wait_until(lambda: under_way(out) == 2)
    os.kill(workers_of(run.pid)[0], signal.SIGKILL)
    said, complaint = run.communicate(timeout=30)
    assert (run.returncode, said) == (2, '')
    assert complaint.startswith('smaknet simulate: a worker was killed')
    assert complaint.count('\n') == 1
    assert under_way(out) == 0


def workers_of(pid: int) -> list[int]:
    """Find a process's children that write episodes, by what Linux says of each."""
    found = []
    for status in Path('/proc').glob('[0-9]*/status'):
        words = status.read_text().split()
        command = (status.parent / 'cmdline').read_bytes()
        if int(words[words.index('PPid:') + 1]) == pid and b'spawn_main' in command:
            found.append(int(status.parent.name))
    return found


@pytest.mark.parametrize('workers', [1, 2])
def test_a_full_disk_is_one_line(tmp_path, workers):
    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    out = tmp_path / 'demos'
    run = start(out, '--episodes', 3, '--workers', workers, *QUICK, preexec_fn=no_room)
    said, complaint = run.communicate(timeout=60)
    assert (run.returncode, said) == (2, '')
    assert complaint.count('\n') == 1
    assert 'cannot be written' in complaint
    assert names(out) == []


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        (
            ['--scenario', 'skip'],
            "the small world has no 'skip'; known: normal, other-task, pause",
        ),
        (['--scenario', 'paus'], "did you mean 'pause'?"),
        (['--demonstrator', 'hand'], "the small world has no 'hand'; known: robot"),
        (['--size', '96'], "expected HEIGHTxWIDTH such as 96x128, got '96'"),
        (['--size', '96x20'], 'expected 32 ... 1080 pixels, got 96x20'),
        (['--lab', 'old'], "expected a seed (0 or more) or 'new', got 'old'"),
        (['--turn', '10'], 'turn: the cameras of the small world stand where they are'),
        (['--turn', '46'], 'turn: expected -45 ... 45 degrees, got 46'),
        (['--turn', 'nan'], 'turn: expected -45 ... 45 degrees, got nan'),
        (['--views', '5'], 'expected 1 ... 4, got 5'),
        (['--rate', '31'], 'expected 1 ... 30 Hz, got 31.0'),
        (['--workers', '0'], 'workers: expected 1 or more'),
        (['--episodes', '0'], 'episodes: expected 1 or more'),
        (['--seed', '-1'], 'seed: expected 0 or more'),
        (['--world', 'large'], "invalid choice 'large'"),
    ],
)
def test_wrong_arguments_are_one_line(capsys, tmp_path, wrong, said):
    out = tmp_path / 'demos'
    assert main(['simulate', str(out), *QUICK, *wrong]) == 2
    printed, complaint = capsys.readouterr()
    assert printed == ''
    assert complaint.startswith('smaknet simulate: ')
    assert complaint.count('\n') == 1
    assert said in complaint
    assert not out.exists()


def test_check_finds_them_good(alone, tmp_path, capsys):
    pixels = tmp_path / 'pixels'
    assert main(['simulate', str(pixels), '--episodes', '1', '--raw', *QUICK]) == 0
    capsys.readouterr()
    assert main(['check', str(alone), str(pixels)]) == 0
    printed = capsys.readouterr().out
    assert printed.count('GOOD') == 5
    assert 'WARN' not in printed


def test_what_is_there_already_is_only_summed_up(alone, capsys):
    before = contents(alone)
    assert main(['simulate', str(alone), '--episodes', '4', '--seed', '2', *QUICK]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f'{alone}: 4 episodes, flowing in ')
    assert 'episodes/s' not in printed
    assert 'delivered' not in printed  # the small world's liquid cannot miss
    assert contents(alone) == before
    assert main(['simulate', str(alone), '--episodes', '2', '--seed', '3', *QUICK]) == 2
    assert 'episode_000 was made with another seed' in capsys.readouterr().err


def test_the_summary_averages_what_episodes_say(tmp_path):
    for index, values in enumerate(('0.9, "flowing": 0.1', '0.7, "flowing": 0.3')):
        folder = tmp_path / str(index)
        folder.mkdir()
        text = f'{{"delivered": {values}, "ambiguity_floor": 0.02}}'
        (folder / 'episode.json').write_text(text)
    assert simulate.summary(sorted(tmp_path.iterdir())) == (
        '2 episodes, delivered 70.0% at least, 80.0% on average, flowing in 20.0% of the frames,'
        ' ambiguity floor 2.0%'
    )


def test_pace_counts_only_what_is_made_now(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(simulate.time, 'monotonic', lambda: now[0])
    text = io.StringIO()
    with Pace(Console(file=text, width=100), kept=3, episodes=10) as pace:
        assert pace.speed() == ''
        now[0] += 20
        pace.count(Path())
        assert text.getvalue() == ''  # not every episode is a line of a log
        now[0] += 20
        pace.count(Path())
        assert text.getvalue() == '5 of 10 episodes; 0.05 episodes/s · about 100 s left\n'
    assert pace.finished == 5


def test_sizes_and_labs_are_read():
    assert parse_size('96X128') == (96, 128)
    assert (parse_lab('7'), parse_lab('new')) == (7, None)
