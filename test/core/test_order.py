"""Kendall's tau across recordings: scipy's, slow words, and what a collapsed network gets."""

from __future__ import annotations

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.metrics import compare_order, Embedded, order
from smaknet_core.metrics.order import kendall_tau


def recording(embeddings, cameras=('a',), task=''):
    return Embedded(task, cameras, np.asarray(embeddings, np.float32))


def ramp(steps, cameras=('a',), task='', noise=0.0, seed=0):
    """Every camera sees time as a place on a line."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, steps)[:, None, None] + np.zeros((1, len(cameras), 2))
    return recording(time + noise * rng.standard_normal(time.shape), cameras, task)


def slow_tau(found):
    """Concordant minus discordant pairs over what they would be without ties in both orders."""
    concordant = discordant = tied = 0
    for i, j in itertools.combinations(range(len(found)), 2):
        concordant += found[j] > found[i]
        discordant += found[j] < found[i]
        tied += found[j] == found[i]
    pairs = concordant + discordant + tied
    untied = pairs - tied
    return (concordant - discordant) / math.sqrt(pairs * untied) if untied else math.nan


sequences = st.lists(st.integers(0, 12), max_size=25)


@given(sequences)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_tau_is_what_the_loop_says(found):
    expected = slow_tau(found)
    assert kendall_tau(np.array(found, np.int64)) == pytest.approx(expected, nan_ok=True)


@given(sequences.filter(lambda found: len(found) > 1))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_tau_is_scipys(found):
    stats = pytest.importorskip('scipy.stats')
    expected = stats.kendalltau(np.arange(len(found)), found).statistic
    assert kendall_tau(np.array(found, np.int64)) == pytest.approx(expected, nan_ok=True)


def test_tau_by_hand():
    assert kendall_tau(np.array([0, 1, 2, 7])) == 1
    assert kendall_tau(np.array([3, 2, 1, 0])) == -1
    assert kendall_tau(np.array([0, 2, 1])) == pytest.approx(1 / 3)
    assert kendall_tau(np.array([0, 0, 1])) == pytest.approx(2 / math.sqrt(3 * 2))
    assert math.isnan(kendall_tau(np.array([4, 4, 4])))


def test_executions_in_one_order_at_other_paces():
    found = compare_order([ramp(10), ramp(25), ramp(17)])
    assert found.mean > 0.97, 'ties are what is missing'
    assert (found.count, found.undefined) == (6, 0)
    assert found.interval[0] <= found.mean <= found.interval[1] + 1e-9
    backwards = recording(ramp(25).embeddings[::-1])
    assert compare_order([ramp(10), backwards]).mean < -0.97


def test_each_view_is_searched_in_each():
    found = compare_order([ramp(9, ('a', 'b')), ramp(9, ('b', 'c'))])
    assert set(found.per_pair) == {
        *itertools.product('ab', 'bc'),
        *itertools.product('bc', 'ab'),
    }
    assert found.count == 8


def slow_order(recordings):
    taus = []
    for first, second in itertools.permutations(recordings, 2):
        if first.task != second.task:
            continue
        for i, j in itertools.product(range(len(first.cameras)), range(len(second.cameras))):
            nearest = [
                int(np.argmin([np.linalg.norm(x - y) for y in second.embeddings[:, j]]))
                for x in first.embeddings[:, i]
            ]
            taus.append(slow_tau(nearest))
    return taus


@given(st.integers(0, 1000), st.integers(2, 4))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_mean_is_over_all_comparisons(seed, count):
    rng = np.random.default_rng(seed)
    given_ones = [
        recording(rng.standard_normal((int(rng.integers(2, 7)), 2, 3)), ('a', 'b'), task)
        for task in rng.choice(['x', 'y'], count)
    ]
    taus = slow_order(given_ones)
    found = compare_order(given_ones)
    assert found.count == len(taus)
    assert found.undefined == np.isnan(taus).sum()
    if taus:
        assert found.mean == pytest.approx(np.nansum(taus) / len(taus))
    else:
        assert math.isnan(found.mean)


def test_a_collapsed_network_gains_nothing_by_giving_no_number():
    """TCC drops what is not a number: one good pair of six would give it a tau of 1."""
    collapsed = recording(np.zeros((8, 1, 2)))
    found = compare_order([ramp(8), recording(ramp(8).embeddings + 0.001), collapsed])
    assert found.undefined == 4
    assert found.count == 6
    assert found.mean == pytest.approx(2 / 6)


def test_recordings_of_other_tasks_are_not_compared():
    assert compare_order([ramp(8, task='pour'), ramp(8, task='stack')]).count == 0
    assert (
        compare_order([ramp(8, task='pour'), ramp(9, task='pour'), ramp(8, task='stack')]).count
        == 2
    )
    assert math.isnan(compare_order([ramp(8)]).mean)
    assert compare_order([]).count == 0


def test_long_and_many_recordings_are_thinned(monkeypatch):
    monkeypatch.setattr(order, 'MOST', 10)
    monkeypatch.setattr(order, 'MOST_RECORDINGS', 3)
    found = compare_order([ramp(95) for _ in range(7)])
    assert found.count == 6
    assert found.mean == 1
