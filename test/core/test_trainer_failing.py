"""Training that fails says why and loses no model: numbers, disks and memory that run out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
import resource
import signal

from clip_maker import make_clip, make_config
import numpy as np
import pytest
from smaknet_core import trainer, training_run
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.config import BatchConfig, OptimConfig
from smaknet_core.embedder import Embedder
from smaknet_core.errors import SmaknetError, TrainingError
from smaknet_core.run_folder import LAST_NAME
from smaknet_core.trainer import Interrupted, train
import torch

CLIPS = [make_clip('one', seed=1), make_clip('two', seed=2)]
HELD_OUT = [make_clip('held', seed=3)]


class EndsAtOnce:
    """What would be shown, and Ctrl-C in the first step."""

    def update(self, step, *_):
        os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def largest_file(size):
    """No file grows beyond `size` bytes: what the disk's end looks like to the one who writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def most_memory(more):
    """Let this process grow by so many bytes and no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def half_of_the_smallest():
    """Of the numbers that are not denormal."""
    return float(torch.tensor(torch.finfo(torch.float32).tiny) * 0.5)


@pytest.mark.parametrize('clip_norm', [0.0, 5.0])
@pytest.mark.parametrize('good', [0, 3, 4])
def test_nan_names_step_and_recordings_and_keeps_the_last_good_model(
    tmp_path, monkeypatch, clip_norm, good
):
    """From step `good` on the steps are absurdly long; a model is saved after every second."""
    real = trainer.learning_rate
    monkeypatch.setattr(
        trainer, 'learning_rate', lambda o, s: 1e30 if s.step >= good else real(o, s)
    )
    optim = OptimConfig(steps=20, evaluate_every=2, clip_norm=clip_norm)
    out = tmp_path / 'run'
    with pytest.raises(TrainingError) as caught:
        train(make_config(optim=optim), CLIPS, HELD_OUT, out)
    text = str(caught.value)
    assert 'became NaN or infinite at step ' in text
    assert ' on one;' in text or ' on two;' in text
    assert 'lower optim.learning_rate' in text
    if good < 2:
        assert 'no model was saved yet' in text
        assert not (out / MODEL_NAME).exists()
    else:
        assert f'{out / MODEL_NAME} keeps the last good model' in text
        assert load_model(out).summary['steps'] == good // 2 * 2
        assert np.isfinite(Embedder.load(out, 'cpu').embed(list(CLIPS[0].views['left']))).all()


def test_numbers_next_to_nothing_are_nothing_while_training(tmp_path, monkeypatch):
    """They made a step of a network that had died 25 times as long."""
    real, found = trainer.compute_loss, []

    def compute_loss(*arguments):
        found.append(half_of_the_smallest())
        return real(*arguments)

    monkeypatch.setattr(trainer, 'compute_loss', compute_loss)
    train(make_config(optim=OptimConfig(steps=2)), CLIPS, [], tmp_path / 'run')
    assert found == [0, 0]
    assert half_of_the_smallest() > 0


@pytest.mark.parametrize('clip_norm', [0.0, 5.0])
def test_a_finite_loss_without_a_finite_gradient(tmp_path, monkeypatch, clip_norm):
    """The root of nothing: its value is 0, its slope is not a number."""
    real = trainer.compute_loss

    def compute_loss(config, anchors, *more):
        return real(config, anchors, *more) + (0 * anchors.sum()).square().sqrt()

    monkeypatch.setattr(trainer, 'compute_loss', compute_loss)
    optim = OptimConfig(steps=2, clip_norm=clip_norm)
    with pytest.raises(TrainingError, match='the gradient became NaN or infinite at step 0'):
        train(make_config(optim=optim), CLIPS, [], tmp_path / 'run')


@pytest.mark.parametrize(
    ('size', 'name'), [(6_000_000, LAST_NAME), (1_000_000, MODEL_NAME), (200_000, MODEL_NAME)]
)
def test_a_full_disk(tmp_path, size, name):
    out = tmp_path / 'run'
    with largest_file(size), pytest.raises(SmaknetError, match='cannot be written') as caught:
        train(make_config(4, 2), CLIPS, HELD_OUT, out)
    assert str(out / name) in str(caught.value)
    assert not list(out.glob('*.partial'))


def test_a_disk_that_fills_up_keeps_the_last_good_model(tmp_path):
    out = tmp_path / 'run'
    with pytest.raises(Interrupted):
        train(make_config(8, 4), CLIPS, HELD_OUT, out, show=EndsAtOnce())
    good = {name: (out / name).read_bytes() for name in (MODEL_NAME, LAST_NAME)}
    with largest_file(1_000_000), pytest.raises(SmaknetError, match='cannot be written'):
        train(make_config(8, 4), CLIPS, HELD_OUT, out, resume=True)
    assert {name: (out / name).read_bytes() for name in good} == good
    assert train(make_config(8, 4), CLIPS, HELD_OUT, out, resume=True).step == 8


def test_a_disk_too_full_for_events_does_not_hang(tmp_path):
    out = tmp_path / 'run'
    with largest_file(2_000), pytest.raises(TrainingError, match='events.* cannot be written'):
        train(make_config(100, 100), CLIPS, [], out)


@pytest.mark.parametrize('where', ['the first step', 'a later one', 'the calibration'])
def test_out_of_memory_names_what_to_lower(tmp_path, monkeypatch, where):
    good = {'the first step': 0, 'a later one': 3}.get(where, 99)
    real = trainer.compute_loss

    def compute_loss(*arguments):
        nonlocal good
        good -= 1
        if good < 0:
            raise torch.OutOfMemoryError('Tried to allocate 20.00 GiB. GPU 0 has ...')
        return real(*arguments)

    def embed(*_):
        raise torch.OutOfMemoryError('Tried to allocate 20.00 GiB. GPU 0 has ...')

    monkeypatch.setattr(trainer, 'compute_loss', compute_loss)
    if where == 'the calibration':
        monkeypatch.setattr(training_run, 'embed_clip', embed)
    config = make_config(8, 2, batch=BatchConfig(sequences=2, pairs=6))
    with pytest.raises(TrainingError) as caught:
        train(config, CLIPS, HELD_OUT, tmp_path / 'run')
    kept = f'{tmp_path}/run/{MODEL_NAME} keeps the last good model'
    assert str(caught.value) == (
        f'out of memory; {kept if where == "a later one" else "no model was saved yet"}; '
        'lower batch.sequences (2), batch.pairs (6) or data.height and data.width (32 x 32)'
    )


def test_memory_that_really_runs_out(tmp_path):
    """A step of 8,000 frames, where the process may have 200 MB more than it has."""
    clips = [make_clip('long', steps=4000)]
    config = make_config(2, 2, batch=BatchConfig(sequences=1, pairs=4000))
    refusal = pytest.raises(TrainingError, match='^out of memory; no model was saved yet')
    with most_memory(200_000_000), refusal:
        train(config, clips, [], tmp_path / 'run')
