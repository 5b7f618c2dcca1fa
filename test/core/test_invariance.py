"""What is done to frames to see whether an embedding cares."""

from __future__ import annotations

from clip_maker import make_clip, make_model
import numpy as np
import pytest
from smaknet_core.embedder import Embedder
from smaknet_core.evaluation.invariance import (
    brighten,
    foreign_background,
    measure_invariance,
    mix_background,
    perturbations,
    rescale,
)
from smaknet_core.metrics import alignment


def gradient(height=48, width=64, steps=3):
    """Frames whose pixels tell their row, column and time."""
    rows, cols = np.mgrid[0:height, 0:width]
    return np.stack([np.stack([rows, cols, rows * 0 + t], -1) for t in range(steps)]).astype(
        np.uint8
    )


@pytest.mark.parametrize('scale', [0.6, 0.8, 1.0, 1.25, 1.5])
def test_the_scene_is_as_large_as_asked_and_stays_in_the_middle(scale):
    view = gradient()
    found = rescale(view, scale)
    assert found.shape == view.shape
    assert found.dtype == np.uint8
    middle = found[0, 24, 20:44, 1].astype(float)
    assert np.polyfit(np.arange(24), middle, 1)[0] == pytest.approx(1 / scale, abs=0.05)
    assert int(found[0, 24, 32, 1]) == pytest.approx(32, abs=1.5)
    assert int(found[0, 24, 32, 0]) == pytest.approx(24, abs=1.5)
    assert found[:, 24, 32, 2].tolist() == [0, 1, 2]


def test_the_border_is_drawn_out():
    found = rescale(gradient(), 0.5)
    assert set(np.unique(found[0, :, 0, 1])) <= {0, 1}
    assert set(np.unique(found[0, 0, 20:40, 0])) <= {0, 1}


def test_brightness_stays_within_the_range():
    view = np.array([[[[0, 100, 250]]]], np.uint8)
    assert brighten(view, 0.25)[0, 0, 0].tolist() == [63, 163, 255]
    assert brighten(view, -0.25)[0, 0, 0].tolist() == [0, 36, 186]


def test_what_moves_stays_and_what_stands_still_is_mixed():
    steps, size = 30, 40
    view = np.full((steps, size, size, 3), 90, np.uint8)
    for step in range(steps):
        view[step, 10:18, step : step + 8] = (250, 20, 20)
    found = mix_background(view, seed=1)
    for step in range(steps):
        inner = found[step, 12:16, step + 2 : step + 6]
        assert np.abs(inner.astype(int) - (250, 20, 20)).max() <= 1
    expected = 0.5 * 90 + 0.5 * foreign_background((size, size), 1)
    assert np.abs(found[:, 25:, :] - expected[25:]).max() <= 1
    assert found[0, 25:].std() > 5, 'another background, not another shade'


def test_the_foreign_background_depends_on_the_seed_alone():
    view = make_clip().views['left']
    assert np.array_equal(mix_background(view, 1), mix_background(view, 1))
    assert not np.array_equal(mix_background(view, 1), mix_background(view, 2))


@pytest.fixture(scope='module')
def embedder(tmp_path_factory):
    path = tmp_path_factory.mktemp('run') / 'model'
    make_model(path)
    return Embedder.load(path, 'cpu')


def test_without_a_change_it_is_the_alignment_error(embedder):
    clips = [make_clip('one', 10, ('left', 'right', 'top'), 1), make_clip('two', 8, seed=2)]
    found = measure_invariance(embedder, clips)
    assert list(found) == list(perturbations('one'))
    views = [[embedder.embed(list(v)) for v in clip.views.values()] for clip in clips]
    expected = np.mean([alignment(np.stack(v, axis=1))[0] for v in views])
    assert found['as recorded']['alignment_error'] == pytest.approx(expected)
    assert all(0 <= row['alignment_error'] <= 1 for row in found.values())
    changed = {row['alignment_error'] for row in found.values()}
    assert len(changed) > 1


def test_only_the_searched_for_view_is_changed(embedder):
    """A second camera that copies the first is found exactly, unless one of them is changed."""
    clip = make_clip('one', 16)
    copied = type(clip)(clip.name, '', clip.stamps_ns, dict.fromkeys('ab', clip.views['left']))
    found = measure_invariance(embedder, [copied])
    assert found['as recorded']['alignment_error'] == 0
    assert found['as recorded']['alignment_error_interval'] is None
    assert found['brightness +25%']['alignment_error'] > 0
