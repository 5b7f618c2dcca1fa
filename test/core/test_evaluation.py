"""Evaluation: the figures, the table and the file, on models that know much or nothing."""

from __future__ import annotations

import io
import json

from clip_maker import make_bag, make_clip, make_model
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.embedder import Embedder
from smaknet_core.errors import ConfigError, DataError, ModelError
from smaknet_core.evaluation import evaluate, raw_pixels, run_evaluate
from smaknet_core.metrics import alignment, alignment_error, CHANCE, CONSTANT_MIDDLE
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
        *('alignment_error', 'alignment_error_both_ways', 'raw_pixels', 'per_pair'),
        *('per_recording', 'chance', 'constant_middle', 'skipped'),
    }
    assert (result['chance'], result['constant_middle']) == (CHANCE, CONSTANT_MIDDLE)
    assert 0 <= result['alignment_error'] <= 1, 'a fraction, not per cent'
    assert set(result['per_recording']['one']) == {
        *('task', 'timesteps', 'alignment_error', 'alignment_error_both_ways'),
        *('raw_pixels', 'per_pair'),
    }
    json.dumps(result, allow_nan=False)


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
    with pytest.raises(DataError, match='needs recordings with two cameras; none has'):
        evaluate(embedder, [make_clip('alone', 8, ('left',))])


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
        assert cells['seen'][2].strip() == 'yes'
        assert cells['new'][2].strip() == 'no'
        assert f'{100 * result["alignment_error"]:.1f}' in cells['mean'][-3]
        caption = ' '.join(shown.split())  # wherever its lines break
        assert all(
            words in caption for words in ('1 left, 2 right', 'chance 33.3%', 'middle 25.0%')
        )
        assert 'single: skipped, it has one camera only' in shown

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
