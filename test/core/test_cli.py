"""`smaknet`: wrong arguments and bad files are one line and exit code 2, help is instant."""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

from clip_maker import make_bag, make_model
import pytest
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.cli import COMMANDS, main
from smaknet_core.data import cache

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments, **options):
    """Start `python -m smaknet_core`, which is `smaknet`, as a shell would."""
    return subprocess.Popen(
        [sys.executable, '-m', 'smaknet_core', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        **options,
    )


def refused(capsys, *arguments):
    """Run a command that cannot work; give the one line on standard error."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ''
    assert err.count('\n') == 1, err
    assert err.startswith('smaknet')
    assert err.strip().isprintable()
    assert 'Traceback' not in err
    return err


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return make_bag(tmp_path_factory.mktemp('bags') / 'take', 8)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    make_model(out / MODEL_NAME)
    return out


class TestHelp:
    def test_is_instant_and_names_every_command(self):
        began = time.monotonic()
        out, err = start('--help').communicate(timeout=60)
        assert time.monotonic() - began < 3, 'a tenth of a second on an idle machine'
        assert err == ''
        for name, words in COMMANDS.items():
            assert re.search(rf'\n  {name} +{re.escape(words)}\n', out)

    @pytest.mark.parametrize('word', ['--help', '-h', 'help'])
    def test_is_no_mistake(self, capsys, word):
        assert main([word]) == 0
        assert 'usage: smaknet COMMAND' in capsys.readouterr().out

    def test_no_argument_is_one(self, capsys):
        assert main([]) == 2
        assert 'usage: smaknet COMMAND' in capsys.readouterr().out

    @pytest.mark.parametrize('name', COMMANDS)
    def test_of_a_command_shows_an_example(self, capsys, name):
        with pytest.raises(SystemExit) as end:
            main([name, '--help'])
        assert end.value.code == 0
        assert f'Example: smaknet {name}' in capsys.readouterr().out

    def test_of_training_shows_the_settings_of_the_file(self, capsys):
        with pytest.raises(SystemExit):
            main(['train', '--config', str(ROOT / 'config' / 'paper.yaml'), '--help'])
        assert '69000' in capsys.readouterr().out


class TestWrongArguments:
    @pytest.mark.parametrize(
        ('arguments', 'words'),
        [
            (['trian'], "no command 'trian', did you mean 'train'?"),
            (['xyzzy'], "no command 'xyzzy'; known: ablate, check, "),
            (['--version'], "no command '--version'"),
            (['\x1b[2J'], "no command '\\x1b[2J'"),
            (['train'], '--out PATH'),
            (['train', 'x'], '--out PATH'),
            (['train', '--out', 'y'], 'no recording given'),
            (['train', 'x', '--out'], "Missing value for argument '--out'"),
            (['train', 'x', '--out', 'y', '--config'], "Missing value for argument '--config'"),
            (['train', 'x', '--out', 'y', '--optim.stps', '3'], '--optim.stps'),
            (['train', 'x', '--out', 'y', '--optim.steps', 'a'], '--optim.steps'),
            (['train', 'x', '--out', 'y', '--optim.steps', '0'], 'optim.steps: expected >= 1'),
            (['train', 'x', '--out', 'y', '--model.levels', '1', '5'], 'model.levels'),
            (['train', 'x', '--out', 'y', '--seed', '-1'], 'seed: expected 0 ... 2^63'),
            (['train', 'x', '--out', 'y', '--device', 'gpu'], "('auto', 'cpu', 'cuda')"),
            (['train', 'x', '--out', 'y', '--config', 'none.yaml'], 'none.yaml: cannot be read'),
            (['train', 'missing', '--out', 'y'], 'missing: no such file or folder'),
            (['train', 'x', '--out', '.'], '.: exists and is never overwritten'),
            (['train', 'x', '--out', 'missing', '--resume'], 'nothing to resume'),
            (['evaluate'], 'Run folder or model file. (required)'),
            (['evaluate', 'missing', 'x'], 'missing: no model here'),
            (['evaluate', 'x', 'y', '--thread', '3'], 'Perhaps you meant: --threads'),
            (['teach', 'missing', 'x', '--out', 'y'], 'missing: no model here'),
            (['follow', 'x', '--model', 'missing', '--demonstration', 'y'], 'missing: no model'),
            (['follow', 'x', '--match.rate-min', '2'], '--model PATH'),
            (['check', 'missing'], 'missing: no such file or folder'),
            (['simulate', 'x', '--episodes', '0'], 'episodes: expected 1 or more, got 0'),
            (['simulate', 'x', '--scenario', 'norml'], "did you mean 'normal'?"),
            (['simulate', 'a', 'b'], 'Unrecognized options: b'),
        ],
    )
    def test_is_one_line_and_exit_code_2(self, capsys, monkeypatch, tmp_path, arguments, words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv('COLUMNS', '40')  # a narrow terminal breaks no line
        assert words in refused(capsys, *arguments)
        assert os.environ['COLUMNS'] == '40'
        assert os.listdir(tmp_path) == [], 'nothing was begun'

    def test_a_wrong_key_in_a_settings_file(self, capsys, tmp_path):
        path = tmp_path / 'settings.yaml'
        path.write_text('optim: {learning_rat: 1}\n')
        words = refused(capsys, 'train', 'x', '--out', tmp_path / 'y', f'--config={path}')
        assert "optim: unknown key 'learning_rat', did you mean 'learning_rate'?" in words

    def test_cuda_asked_for_and_absent_is_said_before_loading(self, capsys, tmp_path, bag, model):
        import torch

        if torch.cuda.is_available():
            pytest.skip('cuda is there')
        cached = tmp_path / 'cache'
        for arguments in (
            ['train', bag, '--out', tmp_path / 'run', '--cache', cached, '--device', 'cuda'],
            ['evaluate', model, bag, '--cache', cached, '--device', 'cuda:1'],
        ):
            assert 'CUDA' in refused(capsys, *arguments)
        assert os.listdir(tmp_path) == []


class TestBadFiles:
    def test_a_model_that_is_none(self, capsys, tmp_path, bag):
        path = tmp_path / MODEL_NAME
        path.write_bytes(b'nonsense')
        for arguments in (
            ['evaluate', path, bag],
            ['teach', path, bag, '--out', tmp_path / 'demo'],
            ['follow', bag, '--model', path, '--demonstration', tmp_path / 'demo'],
        ):
            assert 'not a readable model file' in refused(capsys, *arguments)

    def test_a_demonstration_that_is_none(self, capsys, tmp_path, bag, model):
        path = tmp_path / 'demo.safetensors'
        path.write_bytes(b'nonsense')
        words = refused(capsys, 'follow', bag, '--model', model, '--demonstration', path)
        assert str(path) in words
        assert 'nothing to follow' in refused(capsys, 'follow', bag, '--model', model)

    @pytest.mark.parametrize('content', [b'', b'nonsense', b'\x89MCAP0\r\n'])
    def test_a_recording_that_is_none(self, capsys, tmp_path, model, content):
        path = tmp_path / 'bag.mcap'
        path.write_bytes(content)
        for arguments in (
            ['train', path, '--out', tmp_path / 'run', '--cache', tmp_path / 'cache'],
            ['evaluate', model, path, '--cache', tmp_path / 'cache'],
            ['teach', model, path, '--out', tmp_path / 'demo'],
        ):
            assert 'bag.mcap' in refused(capsys, *arguments)
        assert not (tmp_path / 'run').exists()
        assert not (tmp_path / 'demo').exists()

    def test_a_camera_that_is_none(self, capsys, tmp_path, bag):
        words = refused(
            capsys, 'train', bag, '--out', tmp_path / 'run', '--cameras', 'left', 'rihgt'
        )
        assert "no camera 'rihgt'" in words
        assert 'right' in words

    @pytest.mark.parametrize('place', ['/proc/nowhere', '/proc/self/status/nowhere'])
    def test_places_that_cannot_be_written(self, capsys, tmp_path, bag, model, place):
        simulate = ['simulate', place, '--episodes', '1']
        for arguments in (
            ['train', bag, '--out', tmp_path / 'run', '--cache', place],
            ['evaluate', model, bag, '--cache', place],
            [*simulate, '--world', 'small'],
            *([simulate] if find_spec('mujoco') else []),  # which `make sim` adds
            ['teach', model, bag, '--out', f'{place}/demo'],
        ):
            assert place in refused(capsys, *arguments)
        assert os.listdir(tmp_path) == []

    def test_a_run_folder_that_cannot_be_written(self, capsys, tmp_path, bag):
        bags = [bag, make_bag(tmp_path / 'other', 8, seed=1)]
        shared = ['--cache', tmp_path / 'cache', '--batch.pairs', 4, '--optim.steps', 2]
        code = main(list(map(str, ['train', *bags, '--out', '/proc/nowhere', *shared])))
        assert code == 2
        err = capsys.readouterr().err
        assert (
            err == 'smaknet train: /proc/nowhere: cannot be written (No such file or directory)\n'
        )

    def test_an_error_of_the_disk_that_nobody_foresaw(self, capsys, monkeypatch):
        from smaknet_core import commands

        def run(_):
            raise OSError(28, 'No space left on device', '/some/file')

        monkeypatch.setattr(commands.Check, 'run', run)
        words = refused(capsys, 'check', 'x')
        assert words == "smaknet check: [Errno 28] No space left on device: '/some/file'\n"


class TestSignals:
    @pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
    def test_while_recordings_are_cached_leave_nothing_half_done(
        self, capsys, monkeypatch, tmp_path, bag, number
    ):
        calls = []
        real = cache.resize

        def resize(*arguments):
            calls.append(arguments)
            if len(calls) == 5:
                os.kill(os.getpid(), number)
            return real(*arguments)

        monkeypatch.setattr(cache, 'resize', resize)
        arguments = ['train', bag, '--out', tmp_path / 'run', '--cache', tmp_path / 'cache']
        assert main(list(map(str, arguments))) == 130
        assert 5 <= len(calls) <= 6
        assert os.listdir(tmp_path / 'cache') == []
        assert os.listdir(tmp_path) == ['cache']
        assert capsys.readouterr().err == ''

    def test_a_reader_that_goes_away_is_no_error(self):
        for arguments in (['--help'], ['check', '--help']):
            process = start(*arguments)
            process.stdout.close()
            assert process.stderr.read() == ''
            process.stderr.close()
            assert process.wait(60) == 0
