"""Intervals over recordings: as wide as the normal approximation says, and honest when unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from smaknet_core.metrics import interval, resample
from smaknet_core.metrics.comparisons import summarise


def test_draws_are_as_many_recordings_as_there_are_and_repeat():
    drawn = resample(7)
    assert (drawn.sum(1) == 7).all()
    assert drawn.mean(0) == pytest.approx(np.ones(7), abs=0.1)
    assert np.array_equal(drawn, resample(7))
    assert not np.array_equal(drawn, resample(7, seed=1))


def test_as_wide_as_the_error_of_a_mean():
    values = np.random.default_rng(0).normal(5, 2, 100)
    low, high = interval(resample(100) @ values / 100, 100)
    error = values.std() / 10
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        values = rng.normal(0, 1, 30)
        low, high = interval(resample(30, 400) @ values / 30, 30)
        covered += low < 0 < high
    assert 0.88 < covered / 200 < 0.99


def test_one_recording_says_nothing_of_others():
    assert interval(np.ones(100), 1) is None
    assert interval(np.full(100, np.nan), 5) is None
    assert interval(np.array([1.0] * 60 + [np.nan] * 40), 5) == (1, 1)


def test_a_comparison_is_drawn_as_often_as_both_its_recordings():
    scores = {
        (a, b): {('l', 'r'): float(10 * a + b)} for a in range(3) for b in range(3) if a != b
    }
    found = summarise(scores, 3)
    slow = []
    for counts in resample(3):
        drawn = [n for n in range(3) for _ in range(int(counts[n]))]
        means = [scores[a, b]['l', 'r'] for a in drawn for b in drawn if a != b]
        slow.append(np.mean(means) if means else math.nan)
    assert found.interval == pytest.approx(interval(np.array(slow), 3))
    assert found.mean == pytest.approx(np.mean([s['l', 'r'] for s in scores.values()]))
