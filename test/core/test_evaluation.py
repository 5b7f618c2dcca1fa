"""Evaluation: the figures, the table and the file, on models that know much or nothing."""

from __future__ import annotations

import dataclasses
import io
import json

from bag_maker import START_NS
from clip_maker import make_bag, make_clip, make_model, PERIOD_NS
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.data.labels import ClipLabels
from smaknet_core.embedder import Embedder
from smaknet_core.errors import ConfigError, DataError, ModelError
from smaknet_core.evaluation import evaluate, measure, raw_pixels, run_evaluate
from smaknet_core.evaluation.command import trained_on
from smaknet_core.evaluation.measure import unique_names
from smaknet_core.metrics import (
    alignment,
    alignment_error,
    ATTRIBUTES,
    CHANCE,
    classify,
    compare_order,
    CONSTANT_MIDDLE,
    Embedded,
    measure_progression,
)
from smaknet_core.types import Clip


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    make_model(out / MODEL_NAME, summary={'recordings': ['seen']})
    return out


@pytest.fixture(scope='module')
def embedder(model):
    return Embedder.load(model, 'cpu')


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demos')
    make_bag(folder / 'seen', 8, seed=1)
    make_bag(folder / 'new', 8, seed=2)
    make_bag(folder / 'single', 8, ('left',), seed=3)
    return folder


def mirror(clip):
    """A clip whose second camera is a copy of the first: alignment is easy."""
    views = dict.fromkeys(clip.cameras, clip.views['left'])
    return Clip(clip.name, clip.task, clip.stamps_ns, views)


def test_figures_are_those_of_the_metrics(embedder):
    clips = [make_clip('one', 10, ('left', 'right', 'top'), 1), make_clip('two', 8, seed=2)]
    result = evaluate(embedder, clips)
    three = np.stack([embedder.embed(list(view)) for view in clips[0].views.values()], axis=1)
    assert result['per_recording']['one']['alignment_error'] == alignment(three)[0]
    pair = result['per_recording']['one']['per_pair']['top -> left']
    assert pair == alignment_error(three[:, 2], three[:, 0])
    errors = [row['alignment_error'] for row in result['per_recording'].values()]
    assert result['alignment_error'] == pytest.approx(np.mean(errors))
    both = [result['per_recording'][n]['per_pair']['left -> right'] for n in ('one', 'two')]
    assert result['per_pair']['left -> right'] == pytest.approx(np.mean(both))
    assert result['per_pair']['top -> left'] == pair, 'a pair that one recording has'


def test_keys_and_ranges(embedder):
    result = evaluate(embedder, [make_clip('one', 8)])
    assert set(result) == {
        *('system', 'alignment_error', 'alignment_error_interval', 'alignment_error_both_ways'),
        *('raw_pixels', 'chance', 'constant_middle', 'per_pair', 'per_recording', 'skipped'),
        *('classification_error', 'classification_error_interval', 'classification_error_tcn'),
        *('classification_error_chance', 'classification_error_raw_pixels'),
        'classification_per_attribute',
        *('kendall_tau', 'kendall_tau_interval', 'kendall_tau_undefined'),
        *('kendall_tau_comparisons', 'kendall_tau_per_pair', 'kendall_tau_raw_pixels'),
        *('progression', 'progression_interval', 'progression_undefined'),
        *('progression_comparisons', 'progression_per_pair'),
    }
    assert result['system'] == 'SMAK-Net Att123'
    assert (result['chance'], result['constant_middle']) == (CHANCE, CONSTANT_MIDDLE)
    assert 0 <= result['alignment_error'] <= 1, 'a fraction, not per cent'
    unknown = ('alignment_error_interval', 'classification_error', 'kendall_tau', 'progression')
    assert [result[name] for name in unknown] == [None] * 4, 'one recording, no labels'
    assert set(result['per_recording']['one']) == {
        *('task', 'timesteps', 'alignment_error', 'alignment_error_both_ways'),
        *('raw_pixels', 'per_pair'),
    }
    json.dumps(result, allow_nan=False)


LABELS = {name: np.tile([0.0, 1.0], 5) for name in ATTRIBUTES}
PHASES = np.array(['reach'] * 4 + ['pour'] * 6)


def labelled(clip, **more):
    columns = {**LABELS, 'phase': PHASES, **more}
    return ClipLabels({name: values[: len(clip)] for name, values in columns.items()}, STEPS)


STEPS = np.arange(10)


def test_scores_across_recordings_are_those_of_the_metrics(embedder):
    clips = [make_clip(name, 10, seed=seed) for seed, name in enumerate(('one', 'two', 'three'))]
    labels = [labelled(clip) for clip in clips]
    result = evaluate(embedder, clips, labels)
    embedded = [
        Embedded(
            clip.task,
            clip.cameras,
            np.stack([embedder.embed(list(view)) for view in clip.views.values()], axis=1),
            own.columns,
            own.timesteps,
        )
        for clip, own in zip(clips, labels, strict=True)
    ]
    classified = classify(embedded)
    assert result['classification_error'] == classified.error
    assert result['classification_error_tcn'] == classified.error_tcn
    assert result['classification_error_chance'] == 0.5
    assert set(result['classification_per_attribute']) == set(ATTRIBUTES)
    assert result['kendall_tau'] == compare_order(embedded).mean
    assert result['kendall_tau_comparisons'] == 3 * 2 * 2 * 2
    assert set(result['kendall_tau_per_pair']) == {
        f'{a} -> {b}' for a in ('left', 'right') for b in ('left', 'right')
    }
    assert result['progression'] == measure_progression(embedded).mean
    low, high = result['alignment_error_interval']
    assert low <= result['alignment_error'] <= high
    assert 0 <= result['classification_error_raw_pixels'] <= 1
    assert -1 <= result['kendall_tau_raw_pixels'] <= 1
    json.dumps(result, allow_nan=False)


def test_recordings_of_the_same_name_are_both_there(embedder):
    clips = [make_clip('take', 8, seed=1), make_clip('take', 9, seed=2), make_clip('other', 8)]
    result = evaluate(embedder, clips)
    steps = {name: row['timesteps'] for name, row in result['per_recording'].items()}
    assert steps == {'take': 8, 'take (2)': 9, 'other': 8}
    odd = [make_clip(name, 4) for name in ('a', 'a', 'a (2)', 'a')]
    assert unique_names(odd) == ['a', 'a (2)', 'a (2) (2)', 'a (3)']


def test_a_measurement_is_no_class(embedder):
    clips = [make_clip(str(seed), 10, seed=seed) for seed in range(2)]
    labels = [labelled(c, container_angle=np.arange(10) + 10.0 * n) for n, c in enumerate(clips)]
    with pytest.raises(DataError, match='container_angle has 20 different values'):
        evaluate(embedder, clips, labels)


def test_raw_pixels_of_many_frames_are_left_out(embedder, monkeypatch):
    monkeypatch.setattr(measure, 'MOST_RAW', 31)
    clips = [make_clip(str(seed), 8, seed=seed) for seed in range(2)]
    result = evaluate(embedder, clips)
    assert result['kendall_tau_raw_pixels'] is None
    assert result['kendall_tau'] is not None


def test_two_equal_cameras_are_perfectly_aligned(embedder):
    result = evaluate(embedder, [mirror(make_clip('one', 10))])
    assert result['alignment_error'] == result['alignment_error_both_ways'] == 0
    assert result['raw_pixels'] == 0


def test_raw_pixels_are_small_pictures_in_0_1():
    found = raw_pixels(make_clip(steps=3))
    assert found.shape == (3, 2, 32 * 32 * 3)
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() <= 1


def test_recordings_of_one_camera_are_skipped_and_listed(embedder):
    result = evaluate(embedder, [make_clip('one', 8), make_clip('alone', 8, ('left',))])
    assert result['skipped'] == ['alone']
    assert set(result['per_recording']) == {'one'}
    with pytest.raises(DataError, match='nothing to measure: alignment error needs'):
        evaluate(embedder, [make_clip('alone', 8, ('left',))])


def test_one_camera_each_is_enough_to_compare_recordings(embedder):
    clips = [make_clip(str(seed), 10, ('left',), seed=seed) for seed in range(2)]
    result = evaluate(embedder, clips, [labelled(clip) for clip in clips], invariance=True)
    assert result['alignment_error'] is None
    assert result['per_recording'] == {}
    assert result['invariance'] == {}
    assert 0 <= result['classification_error'] <= 1
    assert result['kendall_tau_comparisons'] == 2


class TestRun:
    def run(self, model, demos, tmp_path, **more):
        out = io.StringIO()
        console = Console(file=out, width=140)
        result = run_evaluate(
            model, [demos], cache_dir=tmp_path / 'cache', device='cpu', console=console, **more
        )
        return result, out.getvalue()

    def test_table_and_file(self, model, demos, tmp_path):
        path = tmp_path / 'figures.json'
        result, shown = self.run(model, demos, tmp_path, json_path=path)
        assert json.loads(path.read_text()) == json.loads(json.dumps(result))
        rows = [line.split('│') for line in shown.splitlines() if '│' in line]
        cells = {row[1].strip(): row for row in rows}
        assert cells['classification error'][2].strip() == '-', 'there are no labels'
        assert cells["Kendall's tau"][2].strip() == f'{result["kendall_tau"]:.2f}'
        assert 'SMAK-Net Att123' in shown
        assert cells['seen'][2].strip() == 'yes'
        assert cells['new'][2].strip() == 'no'
        assert f'{100 * result["alignment_error"]:.1f}' in cells['mean'][-3]
        caption = ' '.join(shown.split())  # wherever its lines break
        assert all(
            words in caption for words in ('1 left, 2 right', 'chance 33.3%', 'middle 25.0%')
        )
        assert 'single: no alignment error, it has one camera only' in shown

    def test_labels_and_invariance(self, model, tmp_path):
        folder = tmp_path / 'labelled'
        for seed in range(2):
            path = make_bag(folder / str(seed), 8, seed=seed)
            stamps = [START_NS + step * PERIOD_NS for step in range(8)]
            rows = [f'{stamp},{step > 3},{step}'.replace('True', '1').replace('False', '0')
                    for step, stamp in enumerate(stamps)]  # fmt: skip
            text = '\n'.join(['stamp_ns,contact,phase', *rows]) + '\n'
            (path / 'labels.csv').write_text(text)
        result, shown = self.run(model, folder, tmp_path, invariance=True)
        rows = [line.split('│') for line in shown.splitlines() if '│' in line]
        cells = {row[1].strip(): row for row in rows}
        error = result['classification_error']
        assert cells['classification error'][2].strip() == f'{100 * error:.1f}'
        assert cells['contact'][2].strip() == f'{100 * error:.1f}', 'the only attribute'
        assert result['classification_per_attribute']['contact']['classes'] == 2
        assert result['progression_comparisons'] == 8
        assert cells['as recorded'][2].strip() == f'{100 * result["alignment_error"]:.1f}'
        assert {'scale 0.6', 'scale 1.5', 'brightness -25%', 'background'} <= set(cells)

    def test_labels_on_another_clock(self, model, tmp_path):
        path = make_bag(tmp_path / 'take', 8)
        (path / 'labels.csv').write_text('stamp_ns,contact\n1,1\n')
        with pytest.raises(DataError, match='labels.csv: none of its stamps'):
            self.run(model, path, tmp_path)

    def test_a_namesake_was_not_trained_on(self):
        seen, namesake = make_clip('take', 8), make_clip('take', 8)
        later = dataclasses.replace(namesake, stamps_ns=namesake.stamps_ns + 60 * 10**9)
        start = int(seen.stamps_ns[0]) + 40_000_000
        summary = {'recordings': ['take'], 'starts_ns': [start]}
        assert trained_on(summary, [later]) == set()
        assert trained_on(summary, [later, seen]) == {'take (2)'}
        assert trained_on({'recordings': ['take']}, [later]) == {'take'}, 'an older model'

    def test_an_existing_file_is_never_overwritten(self, model, demos, tmp_path):
        path = tmp_path / 'figures.json'
        path.write_text('precious')
        with pytest.raises(ConfigError, match='exists and is never overwritten'):
            self.run(model, demos, tmp_path, json_path=path)
        assert path.read_text() == 'precious'
        assert not (tmp_path / 'cache').exists(), 'refused before any work'

    def test_a_folder_that_is_missing_is_said_before_any_work(self, model, demos, tmp_path):
        with pytest.raises(ConfigError, match='there is no folder'):
            self.run(model, demos, tmp_path, json_path=tmp_path / 'missing' / 'figures.json')
        assert not (tmp_path / 'cache').exists()

    def test_no_model(self, demos, tmp_path):
        with pytest.raises(ModelError, match='no model here'):
            self.run(tmp_path / 'missing', demos, tmp_path)

    def test_names_are_text_to_the_terminal(self, model, demos, tmp_path):
        (tmp_path / 'odd').mkdir()
        make_bag(tmp_path / 'odd' / 'a\x1b[2J[red]b', 8)
        _, shown = self.run(model, tmp_path / 'odd', tmp_path)
        assert '\x1b' not in shown
        assert 'a�[2J[red]b' in shown
