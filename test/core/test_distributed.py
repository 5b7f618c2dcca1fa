"""Several processes train as one does: real processes, started by torchrun, over gloo."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from clip_maker import make_bag, make_clip, make_config, SIZE
import pytest
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.cli import main
from smaknet_core.config import BatchConfig
from smaknet_core.data.noise import Noise
from smaknet_core.distributed import Ranks
from smaknet_core.errors import ConfigError
from smaknet_core.run_folder import LAST_NAME, SETTINGS_NAME
from smaknet_core.trainer import make_fabric, train
import torch

ROOT = Path(__file__).resolve().parents[2]

# torchrun by itself, as its script would start it
TORCHRUN = (sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2')
SMALL = (
    *('--data.height', SIZE, '--data.width', SIZE, '--batch.pairs', 8, '--device', 'cpu'),
    *('--batch.sequences', 2, '--optim.settle-after', 0.8),
)


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demos')
    for number in range(4):
        make_bag(folder / f'take_{number}', 12, seed=number)
    return folder


def start(demos, out, *options):
    """Start `smaknet train` in two processes."""
    arguments = ('train', demos, '--out', out, '--cache', out.parent / 'cache', *SMALL, *options)
    return subprocess.Popen(
        [*TORCHRUN, '-m', 'smaknet_core', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )


def ended(process):
    """Wait for a training; give its code, what it said, and what it (not torchrun) complained."""
    said, complaints = process.communicate(timeout=120)
    ours = [line for line in complaints.splitlines() if line.startswith('smaknet train:')]
    return process.returncode, said.splitlines(), ours


def weights(out):
    return load_model(out).encoder.state_dict()


def test_two_processes_learn_what_one_does(demos, tmp_path):
    """Also what is not alike for all recordings: other tasks as negatives, settled batch norm."""
    steps = ('--optim.steps', 10, '--optim.evaluate-every', 5)
    arguments = ('train', demos, '--out', tmp_path / 'one', '--cache', tmp_path / 'cache')
    assert main([*map(str, (*arguments, *SMALL, *steps))]) == 0
    code, said, complaints = ended(start(demos, tmp_path / 'two', *steps))
    assert (code, complaints) == (0, [])
    assert ''.join(said).count('camera sets of') == 1, 'one process speaks'
    assert sorted(os.listdir(tmp_path / 'two')) == ['events', LAST_NAME, MODEL_NAME, SETTINGS_NAME]
    assert len(os.listdir(tmp_path / 'two' / 'events')) == 1
    one, two = load_model(tmp_path / 'one'), load_model(tmp_path / 'two')
    assert two.summary['loss'] == pytest.approx(one.summary['loss'], abs=2e-3)
    expected, found = one.encoder.state_dict(), two.encoder.state_dict()
    assert found.keys() == expected.keys()
    begun = torch.manual_seed(0) and type(one.encoder)(one.config.model).state_dict()
    # All at once: where a gradient is next to nothing, Adam makes steps of rounding errors.
    moved = torch.cat([(expected[name] - begun[name]).flatten() for name in expected]).norm()
    away = torch.cat([(expected[name] - found[name]).flatten() for name in expected]).norm()
    assert away < 0.02 * moved
    assert found['normalise.batch.num_batches_tracked'] == 16, '8 steps of 2 recordings each'


@pytest.mark.slow
def test_a_signal_stops_all_and_the_run_goes_on_as_if_unbroken(demos, tmp_path):
    many = ('--optim.steps', 2000, '--optim.evaluate-every', 4)
    out = tmp_path / 'run'
    broken = start(demos, out, *many)
    deadline = time.monotonic() + 60
    while not (out / LAST_NAME).exists():
        assert broken.poll() is None, broken.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    broken.send_signal(signal.SIGINT)
    code, said, complaints = ended(broken)
    steps = load_model(out).summary['steps']
    assert said[-1] == f'saved after step {steps}; continue with --resume'
    assert complaints == []
    assert code != 0, "torchrun's own code: it says 1 whatever its processes say"


@pytest.mark.slow
def test_a_resumed_run_is_the_unbroken_one(demos, tmp_path):
    steps = ('--optim.steps', 8, '--optim.evaluate-every', 4)
    assert ended(start(demos, tmp_path / 'whole', *steps))[0] == 0
    out = tmp_path / 'run'
    script = (
        'import os, signal, sys\n'
        'from smaknet_core import cli, trainer\n'
        'real = trainer.sampler.draw\n'
        'def draw(*arguments):\n'
        '    if arguments[3] == 3 and os.environ["RANK"] == "1":\n'
        '        os.kill(os.getpid(), signal.SIGINT)\n'
        '    return real(*arguments)\n'
        'trainer.sampler.draw = draw\n'
        'sys.exit(cli.main(sys.argv[1:]))'
    )
    (tmp_path / 'stopped.py').write_text(script)
    arguments = ['train', demos, '--out', out, '--cache', tmp_path / 'cache', *SMALL, *steps]
    stopped = subprocess.run(
        [*TORCHRUN, tmp_path / 'stopped.py', *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )
    assert stopped.stdout.splitlines()[-1] == 'saved after step 4; continue with --resume'
    assert 'exitcode  : 130' in stopped.stderr, 'one was asked, both stop as a single one would'
    assert ended(start(demos, out, *steps, '--resume'))[0] == 0
    whole, resumed = weights(tmp_path / 'whole'), weights(out)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (('--optim.learning-rate', 1e30, '--optim.warmup-steps', 0), 'became NaN or infinite at'),
        (('--batch.sequences', 3), '3 recordings cannot be shared out among 2 processes'),
        (('--resume',), 'nothing to resume'),
        (('--batch.pairs', 13), '12 camera sets are too few for batch.pairs = 13'),
    ],
)
def test_one_process_says_why_all_end(demos, tmp_path, options, words):
    code, _, complaints = ended(start(demos, tmp_path / 'run', '--optim.steps', 50, *options))
    assert code != 0
    (line,) = complaints
    assert words in line


@pytest.mark.slow
def test_a_full_disk_of_the_first_ends_all(demos, tmp_path):
    """Nobody waits for a process that is gone."""
    out = tmp_path / 'run'
    process = start(demos, out, '--optim.steps', 100_000, '--optim.evaluate-every', 2)
    deadline = time.monotonic() + 60
    while not (out / LAST_NAME).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (out / MODEL_NAME).unlink()
    (out / MODEL_NAME).mkdir()  # what stands there cannot be replaced by a file
    code, _, complaints = ended(process)
    assert code != 0
    (line,) = complaints
    assert 'cannot be written' in line


def test_one_process_needs_nobody(tmp_path):
    ranks = Ranks(make_fabric(make_config()))
    assert (ranks.count, ranks.rank, ranks.first) == (1, 0, True)
    assert ranks.share([1, 2, 3]) == [1, 2, 3]
    assert ranks.agree(True, 2.5) == (True, 2.5)
    assert ranks.of_first(b'as it is') == b'as it is'
    assert ranks.machine_by_machine(lambda: 7) == 7
    ranks.check(3)


def test_a_batch_that_cannot_be_shared_out():
    ranks = Ranks(make_fabric(make_config()))
    ranks.count = 2
    with pytest.raises(ConfigError, match=r'batch.sequences: 3 .* 2 processes; .* multiple of 2'):
        ranks.check(3)


@pytest.mark.parametrize('ranks', [1, 2, 4])
def test_images_meet_the_same_noise_however_many_processes_there_are(ranks):
    whole = Noise(5).rand(24, 3).view(2, 4, 3, 3)  # 2 views x 4 recordings x 3 moments
    shares = [Noise(5, rank, ranks).rand(24 // ranks, 3) for rank in range(ranks)]
    found = torch.cat([share.view(2, 4 // ranks, 3, 3) for share in shares], 1)
    assert torch.equal(found, whole)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no cuda device')
class TestCuda:
    """The GPU's path: one step, half precision, pinned memory, resuming."""

    CLIPS = [make_clip('one', seed=1), make_clip('two', seed=2)]

    @pytest.mark.parametrize('precision', ['32', 'bf16-mixed', '16-mixed', 'auto'])
    def test_steps_in_every_precision(self, tmp_path, precision):
        config = make_config(3, 3, device='cuda', precision=precision)
        status = train(config, self.CLIPS, [make_clip('held', seed=3)], tmp_path / 'run')
        assert status.step == 3
        assert 0 <= status.alignment <= 1
        kinds = {value.dtype for value in weights(tmp_path / 'run').values()}
        assert kinds <= {torch.float32, torch.int64}

    def test_half_precision_is_chosen_where_it_exists(self):
        fabric = make_fabric(make_config(device='cuda'))
        with fabric.autocast():
            product = torch.ones(2, 2, device='cuda') @ torch.ones(2, 2, device='cuda')
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        assert product.dtype == half

    def test_resuming_there(self, tmp_path):
        config = make_config(4, 2, device='cuda', batch=BatchConfig(sequences=2, pairs=8))
        train(config, self.CLIPS, [], tmp_path / 'run')
        status = train(config, self.CLIPS, [], tmp_path / 'run', resume=True)
        assert status.step == 4
