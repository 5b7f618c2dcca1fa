"""Alignment error against its definition, by hand, and for answers that know nothing."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from smaknet_core.metrics import (
    across_views,
    alignment,
    alignment_error,
    alignment_per_pair,
    CHANCE,
    CONSTANT_MIDDLE,
)

number = st.floats(-10, 10, width=32)


def slow_alignment_error(view, other):
    """TCN's alignment.py in words: for each frame the nearest of the other view, k = 1."""
    errors = []
    for t in range(len(view)):
        away = [float(np.linalg.norm(view[t] - other[s])) for s in range(len(other))]
        errors.append(abs(t - away.index(min(away))) / len(view))
    return sum(errors) / len(errors)


def line(*positions):
    """Embeddings on a line."""
    return np.array(positions, np.float32)[:, None]


@given(st.integers(0, 10_000), st.integers(1, 20))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_agrees_with_the_definition(seed, steps):
    view, other = np.random.default_rng(seed).standard_normal((2, steps, 4)).astype(np.float32)
    expected = slow_alignment_error(view, other)
    assert alignment_error(view, other) == pytest.approx(expected)


def test_hand_cases():
    assert alignment_error(line(0, 1, 2, 3), line(0, 1, 2, 3)) == 0
    assert alignment_error(line(0, 1, 2, 3), line(3, 2, 1, 0)) == (3 + 1 + 1 + 3) / 4 / 4
    assert alignment_error(line(0, 1), line(5, 9)) == (0 + 1) / 2 / 2
    assert alignment_error(line(7), line(8)) == 0
    # a pause is charged: the first of equal places is the answer
    assert alignment_error(line(0, 0, 0), line(0, 0, 0)) == (0 + 1 + 2) / 3 / 3


@given(arrays(np.float32, (12, 3), elements=number), st.permutations(range(3)))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_order_of_dimensions_says_nothing(view, order):
    rng = np.random.default_rng(0)
    other = view + rng.standard_normal(view.shape).astype(np.float32)
    error = alignment_error(view, other)
    assert 0 <= error < 1
    assert alignment_error(view[:, order], other[:, order]) == pytest.approx(error, abs=1e-6)


@given(st.integers(0, 10_000), st.floats(0, 0.01))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_distinct_moments_seen_alike_are_a_perfect_alignment(seed, noise):
    view = np.random.default_rng(seed).standard_normal((30, 8)).astype(np.float32)
    assert alignment_error(view, view + np.float32(noise)) == 0


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_random_matches_are_a_third_wrong(seed):
    rng = np.random.default_rng(seed)
    views = rng.standard_normal((2, 400, 16)).astype(np.float32)
    assert alignment_error(*views) == pytest.approx(CHANCE, abs=0.05)


def test_always_answering_the_middle_is_a_quarter_wrong():
    steps = 1000
    other = np.ones((steps, 2), np.float32)
    other[steps // 2] = 0  # the one place that is near to everything
    error = alignment_error(np.zeros((steps, 2), np.float32), other)
    assert error == pytest.approx(CONSTANT_MIDDLE, abs=0.001)


def test_long_recordings_are_compared_in_parts(monkeypatch):
    view, other = np.random.default_rng(1).standard_normal((2, 50, 4)).astype(np.float32)
    whole = alignment_error(view, other)
    monkeypatch.setattr(across_views, 'ROWS', 7)
    assert alignment_error(view, other) == whole


def test_each_ordered_pair_of_views():
    embeddings = np.random.default_rng(2).standard_normal((9, 3, 4)).astype(np.float32)
    pairs = alignment_per_pair(embeddings)
    assert set(pairs) == {(i, j) for i in range(3) for j in range(3) if i != j}
    for (i, j), error in pairs.items():
        assert error == alignment_error(embeddings[:, i], embeddings[:, j])
    paper, both_ways = alignment(embeddings)
    assert paper == pytest.approx(np.mean([pairs[0, 1], pairs[0, 2], pairs[1, 2]]))
    assert both_ways == pytest.approx(np.mean(list(pairs.values())))


def test_one_view_has_no_alignment():
    assert all(math.isnan(error) for error in alignment(np.zeros((5, 1, 3), np.float32)))


@pytest.mark.parametrize(('steps', 'others'), [(3, 4), (0, 0), (0, 3)])
def test_views_of_different_length_are_a_mistake(steps, others):
    with pytest.raises(ValueError, match='expected two views of equal length'):
        alignment_error(np.zeros((steps, 2), np.float32), np.zeros((others, 2), np.float32))
