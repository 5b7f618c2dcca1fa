"""Training: it learns, and repeats and resumes to the bit."""

from __future__ import annotations

import math
import os
import signal

from clip_maker import make_clip, make_config
import numpy as np
import pytest
from smaknet_core import trainer
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.config import BatchConfig, DataConfig, LossConfig, ModelConfig, OptimConfig
from smaknet_core.embedder import Embedder
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.evaluation import evaluate
from smaknet_core.metrics import CONSTANT_MIDDLE
from smaknet_core.run_folder import LAST_NAME
from smaknet_core.trainer import hash_seed, Interrupted, make_fabric, train
from smaknet_core.training_run import calibration_clips
import torch

HARD = LossConfig(soft_s=0.0)  # the loss can fall to 0, and chance is known
CHANCE = math.log(2 * 8 - 1)  # of 8 moments seen by two cameras, all but the frame itself
CLIPS = [make_clip('one', seed=1), make_clip('two', seed=2)]
HELD_OUT = [make_clip('held', seed=3)]


class Show:
    """What would be shown, and optionally a signal in the middle of it."""

    def __init__(self, stop_at=None, number=signal.SIGINT):
        self.steps, self.losses, self.alignments = [], [], []
        self._stop_at, self._number = stop_at, number

    def update(self, step, seconds, loss, alignment):
        assert seconds > 0
        self.steps.append(step)
        self.losses.append(loss)
        self.alignments.append(alignment)
        if step == self._stop_at:
            os.kill(os.getpid(), self._number)


def weights(out):
    return load_model(out).encoder.state_dict()


def assert_same(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run that learned for a few seconds, and what it showed."""
    out = tmp_path_factory.mktemp('runs') / 'run'
    show = Show()
    config = make_config(60, 30, loss=HARD)
    return out, train(config, CLIPS, HELD_OUT, out, show=show), show


class TestLearning:
    def test_the_loss_falls_far_below_chance(self, trained):
        _, status, show = trained
        assert show.steps == list(range(1, 61))
        assert show.losses[0] > CHANCE, 'sure and wrong at first, or no better than chance'
        assert status.loss < 0.75 * CHANCE

    def test_recordings_it_never_saw_are_aligned(self, trained):
        """The backgrounds differ; only what the disc shows of time carries over."""
        out, status, _ = trained
        assert status.alignment < 0.5 * CONSTANT_MIDDLE
        found = evaluate(Embedder.load(out, 'cpu'), HELD_OUT)
        assert found['alignment_error'] == pytest.approx(status.alignment)

    def test_the_model_file_says_where_it_comes_from(self, trained):
        out, status, _ = trained
        model = load_model(out)
        assert model.config == make_config(60, 30, loss=HARD)
        assert model.cameras == ('left', 'right')
        summary = dict(model.summary)
        assert summary['system'] == 'SMAK-Net Att123'
        assert summary['steps'] == 60
        assert summary['recordings'] == ['one', 'two']
        assert summary['starts_ns'] == [clip.stamps_ns[0] for clip in CLIPS]
        assert summary['held_out'] == ['held']
        assert summary['held_out_alignment'] == status.alignment
        assert [entry['step'] for entry in summary['history']] == [30, 60]
        assert summary['calibrated_on'] == 'held-out recordings'
        assert 0 < model.calibration.sigma <= model.calibration.outlier < 2

    def test_nothing_half_written_is_left(self, trained):
        assert sorted(os.listdir(trained[0])) == ['events', LAST_NAME, MODEL_NAME, 'train.yaml']

    @pytest.mark.parametrize('name', ['triplet_all', 'triplet_semihard'])
    def test_triplets_learn_too(self, tmp_path, name):
        """Their loss tells little: what is semi-hard grows harder while the network learns."""
        config = make_config(60, 60, loss=LossConfig(name=name))
        status = train(config, CLIPS, HELD_OUT, tmp_path / 'run')
        assert status.alignment < 0.5 * CONSTANT_MIDDLE

    def test_instants_that_share_a_target_are_aligned_too(self, tmp_path):
        soft = make_config(60, 60, loss=LossConfig(soft_s=0.4))
        show = Show()
        status = train(soft, CLIPS, HELD_OUT, tmp_path / 'run', show=show)
        assert status.alignment < 0.5 * CONSTANT_MIDDLE
        assert 0 < show.losses[-1] < 0.5 * show.losses[0]

    def test_npairs_learns_too(self, tmp_path):
        model = ModelConfig(embedding_norm='batch')  # as TCN has it; on the sphere dots are small
        config = make_config(30, 30, loss=LossConfig(name='npairs'), model=model)
        show = Show()
        train(config, CLIPS, [], tmp_path / 'run', show=show)
        assert show.losses[-1] < 0.8 * show.losses[0]


class TestRepeating:
    @pytest.fixture(scope='class')
    @classmethod
    def unbroken(cls, tmp_path_factory):
        out = tmp_path_factory.mktemp('unbroken') / 'run'
        show = Show()
        train(make_config(8, 4), CLIPS, HELD_OUT, out, show=show)
        return out, show

    def test_the_same_seed_gives_the_same_model(self, unbroken, tmp_path):
        torch.rand(7)  # whatever was drawn before
        train(make_config(8, 4), CLIPS, HELD_OUT, tmp_path / 'run')
        assert_same(weights(tmp_path / 'run'), weights(unbroken[0]))

    def test_another_seed_gives_another(self, unbroken, tmp_path):
        train(make_config(8, 4, seed=1), CLIPS, HELD_OUT, tmp_path / 'run')
        one, other = weights(tmp_path / 'run'), weights(unbroken[0])
        assert not torch.equal(one['network.globals.weight'], other['network.globals.weight'])

    @pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize('stop_at', [1, 4, 6])
    def test_a_run_broken_anywhere_and_resumed_is_the_unbroken_one(
        self, unbroken, tmp_path, stop_at, number
    ):
        out, config = tmp_path / 'run', make_config(8, 4)
        first, second = Show(stop_at, number), Show()
        # The signal arrives while step `stop_at` is shown: it ends with the step after it.
        with pytest.raises(Interrupted, match=f'saved after step {stop_at + 1}; .* --resume'):
            train(config, CLIPS, HELD_OUT, out, show=first)
        assert load_model(out).summary['steps'] == stop_at + 1
        status = train(config, CLIPS, HELD_OUT, out, resume=True, show=second)
        assert status.step == 8
        assert_same(weights(out), weights(unbroken[0]))
        whole = unbroken[1]
        assert first.losses + second.losses == whole.losses
        assert second.alignments[-1] == whole.alignments[-1]

    def test_what_is_dropped_out_depends_on_seed_and_step_alone(self, tmp_path):
        model = ModelConfig(system='tcn', freeze_backbone=True)
        config = make_config(3, 3, model=model, data=DataConfig(64, 64))
        clips = [make_clip('one', seed=1, size=64)]
        whole, first, second = Show(), Show(1), Show()
        train(config, clips, [], tmp_path / 'unbroken', show=whole)
        with pytest.raises(Interrupted):
            train(config, clips, [], tmp_path / 'run', show=first)
        torch.rand(7)
        train(config, clips, [], tmp_path / 'run', resume=True, show=second)
        assert first.losses + second.losses == whole.losses
        assert_same(weights(tmp_path / 'run'), weights(tmp_path / 'unbroken'))

    def test_a_signal_before_the_first_step_is_heard_after_it(self, tmp_path, monkeypatch):
        """Otherwise it would leave a folder that can neither be resumed nor trained into."""
        start = trainer._start

        def interrupted(*arguments):
            os.kill(os.getpid(), signal.SIGINT)
            return start(*arguments)

        monkeypatch.setattr(trainer, '_start', interrupted)
        with pytest.raises(Interrupted, match='saved after step 1;'):
            train(make_config(8, 4), CLIPS, [], tmp_path / 'run')
        assert load_model(tmp_path / 'run').summary['steps'] == 1

    def test_resuming_what_is_finished_changes_nothing(self, trained):
        before = (trained[0] / MODEL_NAME).read_bytes()
        status = train(make_config(60, 30, loss=HARD), CLIPS, HELD_OUT, trained[0], resume=True)
        assert status.step == 60
        assert (trained[0] / MODEL_NAME).read_bytes() == before

    def test_refusals(self, trained, tmp_path):
        out = trained[0]
        with pytest.raises(ConfigError, match='exists and is never overwritten'):
            train(make_config(60, 30, loss=HARD), CLIPS, HELD_OUT, out)
        with pytest.raises(ConfigError, match='other settings than asked for'):
            train(make_config(61, 30), CLIPS, HELD_OUT, out, resume=True)
        with pytest.raises(ConfigError, match='it learned from other recordings'):
            train(make_config(60, 30, loss=HARD), CLIPS[:1], HELD_OUT, out, resume=True)
        with pytest.raises(ConfigError, match='nothing to resume'):
            train(make_config(60, 30, loss=HARD), CLIPS, HELD_OUT, tmp_path / 'run', resume=True)

    def test_seeds_of_steps_differ(self):
        seeds = {hash_seed(seed, step) for seed in range(30) for step in range(30)}
        assert len(seeds) == 900
        assert all(0 <= seed < 2**63 for seed in seeds)


class TestRecordings:
    def test_one_camera_learns_from_time_alone(self, tmp_path):
        clips = [make_clip(n, 40, ('left',), seed) for seed, n in enumerate(('one', 'two'))]
        batch = BatchConfig(sequences=2, pairs=8, time_contrastive=True)
        config = make_config(40, 40, batch=batch, loss=HARD)
        status = train(config, clips, [], tmp_path / 'run')
        assert status.loss < 0.75 * CHANCE
        embedder = Embedder.load(tmp_path / 'run', 'cpu')
        found = embedder.embed(list(make_clip(steps=40, cameras=('left',), seed=9).views['left']))
        away = np.linalg.norm(found[:, None] - found[None], axis=-1)
        near = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
        assert away[near > 20].mean() > 2 * away[near == 1].mean()

    def test_different_camera_sets(self, tmp_path):
        clips = [
            make_clip('one', cameras=('left', 'right'), seed=1),
            make_clip('two', cameras=('right', 'top', 'wrist'), seed=2),
        ]
        train(make_config(3, 3), clips, [], tmp_path / 'run')
        assert load_model(tmp_path / 'run').cameras == ('left', 'right', 'top', 'wrist')

    def test_nothing_held_out(self, tmp_path):
        status = train(make_config(2, 1), CLIPS, [], tmp_path / 'run')
        assert math.isnan(status.alignment)
        summary = load_model(tmp_path / 'run').summary
        assert summary['held_out_alignment'] is None
        assert summary['calibrated_on'].startswith('training recordings')
        assert summary['history'] == []

    def test_held_out_recordings_of_one_camera_or_too_short_are_left_out(self, tmp_path):
        odd = [make_clip('alone', cameras=('left',)), make_clip('short', steps=3)]
        status = train(make_config(2, 2), CLIPS, [*HELD_OUT, odd[0]], tmp_path / 'a')
        assert 0 <= status.alignment < 1, 'not NaN because one recording has no second view'
        train(make_config(2, 2), CLIPS, odd, tmp_path / 'b')
        summary = load_model(tmp_path / 'b').summary
        assert summary['calibrated_on'].startswith('training recordings')

    def test_calibration_prefers_held_out_recordings_of_known_tasks(self):
        known, other = make_clip('a', task='pour'), make_clip('b', task='stack')
        training = [make_clip('c', task='pour')]
        assert calibration_clips(training, [known, other])[0] == [known]
        assert calibration_clips(training, [other])[0] == training
        assert calibration_clips(training, [])[0] == training

    def test_fewer_recordings_than_a_batch_wants(self, tmp_path):
        config = make_config(2, 2, batch=BatchConfig(sequences=3, pairs=4))
        assert train(config, CLIPS[:1], [], tmp_path / 'run').step == 2

    def test_weights_that_cannot_be_used_leave_no_folder(self, tmp_path):
        model = ModelConfig(system='resnet18', backbone_weights=str(tmp_path / 'missing.pth'))
        with pytest.raises(ConfigError, match='missing.pth: cannot be read'):
            train(make_config(2, 2, model=model), CLIPS, [], tmp_path / 'run')
        assert not (tmp_path / 'run').exists()

    @pytest.mark.parametrize(
        ('clips', 'words'),
        [
            ([], 'no recording to train on'),
            ([make_clip('alone', cameras=('left',))], 'alone: training needs two cameras'),
            ([make_clip('short', steps=7)], 'short: 7 camera sets are too few'),
        ],
    )
    def test_what_cannot_be_trained_on_leaves_no_folder(self, tmp_path, clips, words):
        with pytest.raises(DataError, match=words):
            train(make_config(), clips, [], tmp_path / 'run')
        assert not (tmp_path / 'run').exists()


class TestTasks:
    def strangers(self, tmp_path, monkeypatch, tasks, **loss):
        """Train on recordings of these tasks; give what the loss was told at each step."""
        told = []
        real = trainer.compute_loss

        def compute_loss(config, anchors, positives, strangers, near, times_s):
            assert near is None, 'two cameras look at each recording'
            told.append(None if strangers is None else strangers.tolist())
            return real(config, anchors, positives, strangers, near, times_s)

        monkeypatch.setattr(trainer, 'compute_loss', compute_loss)
        clips = [make_clip(f'{n}', task=task, seed=n) for n, task in enumerate(tasks)]
        optim = OptimConfig(steps=4, evaluate_every=4, settle_after=0.5)
        batch = BatchConfig(sequences=2, pairs=4)
        config = make_config(optim=optim, batch=batch, loss=LossConfig(**loss))
        train(config, clips, [], tmp_path / 'run')
        return told

    def test_other_tasks_are_negatives_once_batch_norm_has_settled(self, tmp_path, monkeypatch):
        told = self.strangers(tmp_path, monkeypatch, ['pour', 'stack'])
        assert told == [None, None, *[[[False, True], [True, False]]] * 2]

    @pytest.mark.parametrize('tasks', [['pour', 'pour'], ['', 'pour'], ['', '']])
    def test_an_unknown_task_is_no_other(self, tmp_path, monkeypatch, tasks):
        told = self.strangers(tmp_path, monkeypatch, tasks)
        assert told[2:] == [[[False, False], [False, False]]] * 2

    def test_unless_told_otherwise(self, tmp_path, monkeypatch):
        assert self.strangers(tmp_path, monkeypatch, ['a', 'b'], other_tasks=False) == [None] * 4


class TestSettling:
    @pytest.mark.parametrize(('settle_after', 'moves'), [(0.0, False), (0.5, True), (1.0, True)])
    def test_running_averages_move_until_then(self, tmp_path, settle_after, moves):
        optim = OptimConfig(steps=2, evaluate_every=2, settle_after=settle_after)
        train(make_config(optim=optim), CLIPS, [], tmp_path / 'run')
        counts = {
            int(value) for name, value in weights(tmp_path / 'run').items() if 'batches' in name
        }
        assert counts == {int(settle_after * 2)}, 'batches that each running average has seen'
        assert moves == weights(tmp_path / 'run')['normalise.batch.running_mean'].any()


class TestLimits:
    def test_a_limit_in_minutes_ends_it_early_but_with_a_model(self, tmp_path):
        optim = OptimConfig(steps=10_000, minutes=0.3 / 60, evaluate_every=10_000)
        status = train(make_config(optim=optim), CLIPS, HELD_OUT, tmp_path / 'run')
        assert 1 <= status.step < 1000
        assert load_model(tmp_path / 'run').summary['steps'] == status.step

    def test_cuda_asked_for_and_absent_leaves_no_folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        with pytest.raises(ConfigError, match='cuda was asked for, but torch sees no CUDA device'):
            train(make_config(device='cuda'), CLIPS, [], tmp_path / 'run')
        assert not (tmp_path / 'run').exists()
        assert make_fabric(make_config(device='auto')).device.type == 'cpu'

    def test_half_precision_is_for_cuda_alone(self):
        fabric = make_fabric(make_config(precision='bf16-mixed'))
        assert type(fabric._precision).__name__ == 'Precision'  # full, as on every CPU
