"""Euclidean distances against the definition, where the shortcut through squares loses digits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from smaknet_core.distances import pairwise


def slow(a, b):
    return np.array([[np.linalg.norm(x.astype(np.float64) - y) for y in b] for x in a])


def points(rows, least=-1e3, most=1e3):
    return arrays(np.float32, (rows, 4), elements=st.floats(least, most, width=32))


@given(points(3), points(5))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_agrees_with_the_definition(a, b):
    found = pairwise(a, b)
    assert found.shape == (3, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow(a, b), rtol=1e-5, atol=1e-4)


@given(points(6))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_is_symmetric_and_nobody_is_nearer_than_oneself(a):
    found = pairwise(a, a)
    np.testing.assert_allclose(found, found.T, rtol=1e-5, atol=1e-4)
    assert (found >= 0).all()
    assert (np.diag(found)[:, None] <= found + 1e-4).all()


def test_neighbours_far_from_the_origin_are_told_apart():
    """The embeddings of a fresh network all point the same way: differences are small."""
    rng = np.random.default_rng(0)
    a = (100 + 1e-3 * rng.standard_normal((50, 32))).astype(np.float32)
    np.testing.assert_allclose(pairwise(a, a[::-1]), slow(a, a[::-1]), rtol=1e-2, atol=1e-6)
    assert (pairwise(a, a).argmin(axis=1) == np.arange(50)).all()


def test_huge_finite_numbers_are_no_nan():
    big = np.full((2, 4), 1e30, np.float32)
    assert np.isfinite(pairwise(big, -big)).all()


def test_hand_case_and_empty_sides():
    a, b = np.array([[0, 0], [3, 4]], np.float32), np.array([[0, 0]], np.float32)
    assert pairwise(a, b).tolist() == [[0], [5]]
    assert pairwise(a, b[:0]).shape == (2, 0)


def test_dimensions_must_agree():
    with pytest.raises(ValueError, match='mismatch'):
        pairwise(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))
