"""Phase progression: TCC's targets, a regression that is fitted on others, cases by hand."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.metrics import Embedded, measure_progression
from smaknet_core.metrics.progression import key_event_targets, phase_order


def recording(embeddings, phases, cameras=('a',), task='', labelled=None):
    embeddings = np.asarray(embeddings, np.float32)
    labelled = np.arange(len(embeddings)) if labelled is None else np.array(labelled)
    return Embedded(task, cameras, embeddings, {'phase': np.array(phases, str)}, labelled)


def slow_targets(labels, classes):
    """TCC's task_utils.py in words: the last frame before a later class, or that class's first."""
    columns = []
    for number in range(classes - 1):
        event = len(labels) - 1
        for i in range(1, len(labels)):
            if labels[i] > number:
                event = i - 1 if labels[i - 1] == number else i
                break
        columns.append([(t - event) / len(labels) for t in range(len(labels))])
    return np.array(columns).T.reshape(len(labels), classes - 1)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20).map(sorted))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_targets_are_tccs(labels):
    phases = np.array([f'phase {label}' for label in labels])
    names = [f'phase {number}' for number in range(5)]
    np.testing.assert_allclose(key_event_targets(phases, names), slow_targets(labels, 5))


def test_targets_by_hand():
    found = key_event_targets(
        np.array(['reach', 'reach', 'pour', 'leave']), ['reach', 'pour', 'leave']
    )
    expected = [[-1 / 4, -2 / 4], [0, -1 / 4], [1 / 4, 0], [2 / 4, 1 / 4]]
    np.testing.assert_allclose(found, expected)


def test_phases_are_ordered_by_when_they_come():
    """Names need no order of their own, and a recording may lack a phase."""
    one = recording(np.zeros((4, 1, 1)), ['reach', 'grasp', 'pour', 'pour'])
    other = recording(np.zeros((3, 1, 1)), ['reach', 'pour', 'again'])
    assert phase_order([one, other]) == ['reach', 'grasp', 'pour', 'again']


def clocks(steps, cameras=('a',), noise=0.0, seed=0, task=''):
    """Embeddings that tell the share of time, and two phases of equal length."""
    rng = np.random.default_rng(seed)
    share = np.arange(steps) / steps
    embeddings = np.stack([share, np.ones(steps)], -1)[:, None].repeat(len(cameras), 1)
    embeddings = embeddings + noise * rng.standard_normal(embeddings.shape)
    return recording(embeddings, ['a'] * (steps // 2) + ['b'] * (steps // 2), cameras, task)


def test_a_clock_is_a_perfect_progression():
    found = measure_progression([clocks(20), clocks(20), clocks(20)])
    assert found.mean == pytest.approx(1, abs=1e-6)
    assert (found.count, found.undefined) == (3, 0)


def test_noise_knows_nothing():
    rng = np.random.default_rng(0)
    noise = [recording(rng.standard_normal((40, 1, 4)), ['a'] * 20 + ['b'] * 20) for _ in range(6)]
    assert measure_progression(noise).mean < 0.1


def slow_progression(recordings, names):
    """Leave one out, fit by the normal equations, R^2 per column."""
    scores = []
    for left_out in recordings:
        others = [r for r in recordings if r is not left_out]
        for i in range(2):
            x = np.concatenate(
                [np.c_[r.embeddings[:, i], np.ones(len(r.embeddings))] for r in others]
            )
            y = np.concatenate([key_event_targets(r.labels['phase'], names) for r in others])
            weights = np.linalg.solve(x.T @ x, x.T @ y)
            truth = key_event_targets(left_out.labels['phase'], names)
            for j in range(2):
                own = left_out.embeddings[:, j]
                told = np.c_[own, np.ones(len(own))] @ weights
                columns = [
                    1 - np.square(t - y).sum() / np.square(y - y.mean()).sum()
                    for t, y in zip(told.T, truth.T, strict=True)
                ]
                scores.append(np.mean(columns))
    return scores


@pytest.mark.parametrize('seed', range(3))
def test_agrees_with_the_definition(seed):
    rng = np.random.default_rng(seed)
    phases = [sorted(rng.choice(list('abc'), 30)) for _ in range(3)]
    given_ones = [recording(rng.standard_normal((30, 2, 4)), p, ('l', 'r')) for p in phases]
    found = measure_progression(given_ones)
    scores = slow_progression(given_ones, ['a', 'b', 'c'])
    assert found.mean == pytest.approx(np.mean(scores), rel=1e-6)
    assert found.count == len(scores) == 12
    assert set(found.per_pair) == {('l', 'l'), ('l', 'r'), ('r', 'l'), ('r', 'r')}
    assert found.per_pair['l', 'r'] == pytest.approx(np.mean(scores[1::4]), rel=1e-6)


def test_without_another_recording_of_the_task_there_is_none():
    assert measure_progression([clocks(20)]).count == 0
    assert measure_progression([clocks(20, task='pour'), clocks(20, task='stack')]).count == 0
    assert math.isnan(measure_progression([]).mean)
    unlabelled = Embedded('', ('a',), clocks(20).embeddings)
    assert measure_progression([clocks(20), unlabelled]).count == 0


def test_a_single_phase_gives_no_number_and_counts_as_nothing():
    same = [recording(clocks(20).embeddings, ['a'] * 20) for _ in range(3)]
    found = measure_progression(same)
    assert (found.mean, found.undefined, found.count) == (0, 3, 3)


def test_only_labelled_timesteps_count():
    whole = clocks(20)
    spoiled = whole.embeddings.copy()
    spoiled[3] = 1e6
    kept = [step for step in range(20) if step != 3]
    phases = whole.labels['phase'][kept]
    damaged = recording(spoiled, phases, labelled=kept)
    assert measure_progression([whole, damaged, whole]).mean > 0.98


def test_cameras_that_others_lack():
    found = measure_progression([clocks(20, ('a', 'b')), clocks(20, ('b',)), clocks(20, ('c',))])
    assert ('a', 'b') in found.per_pair
    assert ('b', 'b') in found.per_pair
    assert found.mean == pytest.approx(1, abs=1e-6)
