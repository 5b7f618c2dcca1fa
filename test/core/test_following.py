"""Figures of merit of a followed stream, against slow obvious versions."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.metrics.following import (
    auroc,
    backward_jumps,
    BINS,
    calibration_error,
    recovery,
    time_to_lock,
    Told,
)

scores = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12).map(np.array)


def told(answers, truth, published=None, calm_from_s=None):
    """A stream at 10 Hz."""
    answers, truth = np.array(answers, float), np.array(truth, float)
    published = np.ones(len(answers), bool) if published is None else np.array(published, bool)
    times_s = np.arange(len(answers)) / 10
    nothing = np.full(len(answers), np.nan)
    return Told(times_s, answers, published, nothing, nothing, truth, truth, calm_from_s)


def test_errors_are_to_the_nearest_end_of_the_truth():
    one = replace(told([0, 2, 5], [1, 1, np.nan]), last_s=np.array([3, 3, np.nan]))
    np.testing.assert_array_equal(one.errors_s, [1, 0, np.nan])
    np.testing.assert_array_equal(one.found, [False, True, False])
    np.testing.assert_array_equal(one.known, [True, True, False])


def test_lock_is_the_first_published_answer_near_the_truth():
    assert time_to_lock(told([5, 0.2, 0.2], [0, 0, 0])) == pytest.approx(0.1)
    assert time_to_lock(told([0, 0, 0], [0, 0, 0], [0, 0, 1])) == pytest.approx(0.2)
    assert time_to_lock(told([5, 5], [0, 0])) is None


def test_recovery_counts_from_the_end_of_what_was_odd_and_has_to_last():
    answers = np.zeros(30)
    answers[10:15] = 9  # off until 1.5 s
    answers[18] = 9  # and once more at 1.8 s
    assert recovery(told(answers, np.zeros(30), calm_from_s=1.0)) == pytest.approx(0.9)
    assert recovery(told(answers, np.zeros(30), calm_from_s=2.0)) == pytest.approx(0.0)
    assert recovery(told(answers, np.zeros(30))) is None
    assert recovery(told(answers + 9, np.zeros(30), calm_from_s=1.0)) is None


def test_only_jumps_that_the_scene_does_not_make_are_counted():
    assert backward_jumps(told([5, 4, 4.8, 4.4], [5, 5, 5, 5])) == 1
    assert backward_jumps(told([5, 1, 2], [5, 1, 2])) == 0
    assert backward_jumps(told([5, 1], [np.nan, np.nan])) == 1


@settings(max_examples=100, deadline=None)
@given(scores, scores)
def test_auroc_equals_comparing_every_pair(negatives, positives):
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    assert auroc(negatives, positives) == pytest.approx(np.mean(pairs))
    assert auroc(positives, negatives) == pytest.approx(1 - np.mean(pairs))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_error_equals_the_sum_over_bins(pairs):
    gaps = 0.0
    for k in range(BINS):
        inside = [(c, r) for c, r in pairs if min(int(c * BINS), BINS - 1) == k]
        if inside:
            sure, right = np.mean([c for c, _ in inside]), np.mean([r for _, r in inside])
            gaps += len(inside) / len(pairs) * abs(sure - right)
    confidence, right = map(np.array, zip(*pairs, strict=True))
    assert calibration_error(confidence, right) == pytest.approx(gaps)


def test_calibration_error_of_the_perfectly_sure_and_right_is_nothing():
    assert calibration_error(np.ones(5), np.ones(5, bool)) == 0
    assert calibration_error(np.ones(5), np.zeros(5, bool)) == 1
