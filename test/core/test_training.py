"""`smaknet train` as a user has it: what it says, Ctrl-C in a real process, two at a time."""

from __future__ import annotations

import io
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from clip_maker import make_bag, make_config, SIZE
import pytest
from rich.console import Console
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.config import BatchConfig, DataConfig, load_yaml, TrainConfig
from smaknet_core.data.dataset import load_clips, split
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.run_folder import LAST_NAME, SETTINGS_NAME
from smaknet_core.trainer import Interrupted, train
from smaknet_core.training import run_train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demos')
    for number in range(3):
        make_bag(folder / f'take_{number}', 12, seed=number)
    return folder


def run(demos, out, config=None, **more):
    shown = io.StringIO()
    code = run_train(
        [demos],
        out,
        config or make_config(4, 2),
        cache_dir=out.parent / 'cache',
        console=Console(file=shown, width=200),
        **more,
    )
    return code, shown.getvalue()


class TestWords:
    def test_what_it_says(self, demos, tmp_path):
        code, shown = run(demos, tmp_path / 'run')
        assert code == 0
        first, progress, model, alignment = shown.splitlines()
        assert first.startswith('2 recordings, 24 camera sets of left, right; held out: take_')
        assert progress.startswith('step 4 · loss ')
        assert model.startswith(f'{tmp_path / "run" / MODEL_NAME}: 4 steps in ')
        assert alignment.startswith('held-out alignment error ')
        assert alignment.endswith('(chance 33.3%, constant middle 25.0%)')

    def test_resuming_what_is_finished(self, demos, tmp_path):
        run(demos, tmp_path / 'run')
        before = (tmp_path / 'run' / MODEL_NAME).read_bytes()
        assert run(demos, tmp_path / 'run', resume=True)[0] == 0
        assert (tmp_path / 'run' / MODEL_NAME).read_bytes() == before

    def test_a_single_recording_holds_nothing_out(self, demos, tmp_path):
        _, shown = run(demos / 'take_0', tmp_path / 'run')
        assert 'held out: none' in shown
        assert 'alignment' not in shown

    def test_recordings_with_different_cameras(self, tmp_path):
        make_bag(tmp_path / 'demos' / 'one', 12, ('left', 'right'))
        make_bag(tmp_path / 'demos' / 'two', 12, ('right', 'top', 'wrist'), seed=1)
        data = DataConfig(height=SIZE, width=SIZE, held_out=0.0)
        code, shown = run(tmp_path / 'demos', tmp_path / 'run', make_config(2, 2, data=data))
        assert code == 0
        assert '24 camera sets of left, right, top, wrist' in shown
        assert 'one: has no camera top, wrist' in shown

    def test_one_camera_held_out_says_no_nan(self, demos, tmp_path):
        make_bag(tmp_path / 'demos' / 'alone', 12, ('left',))
        for number in range(2):
            make_bag(tmp_path / 'demos' / f'{number}', 12, seed=number)
        data = DataConfig(height=SIZE, width=SIZE, held_out_names=('alone',))
        code, shown = run(tmp_path / 'demos', tmp_path / 'run', make_config(2, 2, data=data))
        assert code == 0
        assert 'nan' not in shown

    def test_names_are_text_to_the_terminal(self, tmp_path):
        for name in ('a\x1b[2Jb', '[red]c'):
            make_bag(tmp_path / 'demos' / name, 12)
        _, shown = run(tmp_path / 'demos', tmp_path / 'run')
        assert '\x1b' not in shown


class TestRefusals:
    def test_before_anything_is_loaded(self, demos, tmp_path):
        (tmp_path / 'run').mkdir()
        with pytest.raises(ConfigError, match='exists and is never overwritten'):
            run(demos, tmp_path / 'run')
        with pytest.raises(ConfigError, match='nothing to resume'):
            run(demos, tmp_path / 'run', resume=True)
        assert os.listdir(tmp_path) == ['run']

    def test_resuming_with_other_settings_is_told_how(self, demos, tmp_path):
        run(demos, tmp_path / 'run')
        with pytest.raises(ConfigError, match='resume with --config (.*)') as caught:
            run(demos, tmp_path / 'run', make_config(5, 2), resume=True)
        named = Path(str(caught.value).rpartition(' ')[2])
        config = load_yaml(TrainConfig, named)
        assert run(demos, tmp_path / 'run', config, resume=True)[0] == 0

    def test_recordings_too_short_for_a_batch(self, demos, tmp_path):
        config = make_config(batch=BatchConfig(sequences=1, pairs=13))
        with pytest.raises(DataError, match='12 camera sets are too few for batch.pairs = 13'):
            run(demos, tmp_path / 'run', config)
        assert not (tmp_path / 'run').exists()


def start(demos, folder, *options, limit=None):
    """Start `smaknet train` in a process; `limit` is the size at which the disk is full."""
    code = (
        'import resource, sys\n'
        f'limit = {limit}\n'
        'if limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n'
        'from smaknet_core.cli import main\n'
        'sys.exit(main(sys.argv[1:]))'
    )
    arguments = ['train', demos, '--out', folder / 'run', '--cache', folder / 'cache', *options]
    return subprocess.Popen(
        [sys.executable, '-c', code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )


SMALL = ('--data.height', SIZE, '--data.width', SIZE, '--batch.pairs', 8, '--device', 'cpu')


def wait_for_steps(process, out, bytes_of_events=300):
    """Wait until a training process has taken a few steps, as its event file tells."""
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in out.glob('events/*')) < bytes_of_events:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, 'no step within a minute'
        time.sleep(0.05)


class TestProcess:
    def test_ctrl_c_saves_and_the_run_goes_on_from_there(self, demos, tmp_path):
        often = ('--optim.evaluate-every', 2)
        process = start(demos, tmp_path, *SMALL, '--optim.steps', 100_000, *often)
        out = tmp_path / 'run'
        wait_for_steps(process, out)
        config = load_yaml(TrainConfig, out / SETTINGS_NAME)
        with pytest.raises(ConfigError, match=f'^{out}: another process is training into it$'):
            run(demos, out, config, resume=True)
        process.send_signal(signal.SIGINT)
        shown, complaints = process.communicate(timeout=60)
        assert process.returncode == 130
        assert complaints == ''
        steps = load_model(out).summary['steps']
        assert shown.splitlines()[-1] == f'saved after step {steps}; continue with --resume'
        assert sorted(os.listdir(out)) == ['events', LAST_NAME, MODEL_NAME, SETTINGS_NAME]

        clips = load_clips([demos], (), config.data, tmp_path / 'cache')

        class Once:
            """Ask to stop as soon as a step is shown."""

            def update(self, *_):
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(Interrupted, match=f'saved after step {steps + 2};'):
            train(config, *split(clips, config.data, config.seed), out, resume=True, show=Once())

    def test_a_full_disk_is_one_line_and_no_traceback(self, demos, tmp_path):
        options = (*SMALL, '--optim.steps', 3)
        process = start(demos, tmp_path, *options, limit=6_000_000)
        _, complaints = process.communicate(timeout=100)
        assert process.returncode == 2
        assert complaints == (
            f'smaknet train: {tmp_path / "run" / LAST_NAME}: cannot be written (File too large)\n'
        )
        assert load_model(tmp_path / 'run').summary['steps'] == 3, 'the model itself still fitted'

    def test_two_trainings_on_one_cache(self, demos, tmp_path):
        both = []
        for name in 'ab':
            (tmp_path / name).mkdir()
            options = (*SMALL, '--optim.steps', 2, '--cache', tmp_path / 'shared')
            both.append(start(demos, tmp_path / name, *options))
        results = [(*process.communicate(timeout=100), process.returncode) for process in both]
        assert [(err, code) for _, err, code in results] == [('', 0), ('', 0)]
        assert len(os.listdir(tmp_path / 'shared')) == 3, 'one entry per recording'
        one, other = (load_model(tmp_path / name / 'run').encoder.state_dict() for name in 'ab')
        assert all((one[key] == other[key]).all() for key in one)
