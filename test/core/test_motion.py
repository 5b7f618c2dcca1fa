"""How a scene moves unseen: a Markov chain in continuous time, against its matrix exponential."""

from __future__ import annotations

from dataclasses import replace

from dense_filter import advance, dense_generator, exponential
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import hopping
from smaknet_core.matching.motion import Motion, poisson, TIMES_KEPT

CONFIG = MatchConfig()


@pytest.mark.parametrize('dt_s', [0.0, 0.01, 0.1, 1.0, 7.0])
def test_prediction_equals_the_matrix_exponential(dt_s):
    rng = np.random.default_rng(1)
    times_s = [np.append(0, np.cumsum(rng.uniform(0.02, 0.3, n))) for n in (12, 7)]
    motion = Motion(times_s, CONFIG)
    inside, outside = rng.random((len(motion.paces), 21)), rng.random()
    total = inside.sum() + outside
    inside, outside = inside / total, outside / total
    slow = exponential(dense_generator(times_s, CONFIG) * dt_s) @ np.append(inside, outside)
    later, later_out = advance(motion, inside.astype(np.float32), outside, dt_s)
    np.testing.assert_allclose(np.append(later, later_out), slow, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(
    first=st.floats(0, 2),
    second=st.floats(0, 2),
    gaps=st.lists(st.floats(0.01, 1), min_size=2, max_size=20),
)
def test_predicting_twice_is_predicting_once_over_the_sum(first, second, gaps):
    motion = Motion([np.append(0, np.cumsum(gaps))], CONFIG)
    inside = 0.7 * np.outer(motion.pace_prior, motion.place_prior)
    start = (inside.astype(np.float32), 0.3)
    once, once_out = advance(motion, *start, first + second)
    twice, twice_out = advance(motion, *advance(motion, *start, first), second)
    np.testing.assert_allclose(twice, once, atol=5e-5)
    assert twice_out == pytest.approx(once_out, abs=5e-5)
    assert once.sum() + once_out == pytest.approx(1, abs=1e-4)
    assert (once >= 0).all()


def test_a_prediction_over_a_time_known_already_is_the_same_and_few_are_kept():
    times_s = [np.arange(20) / 10]
    motion = Motion(times_s, CONFIG)
    inside = (0.7 * np.outer(motion.pace_prior, motion.place_prior)).astype(np.float32)
    first, _ = advance(motion, inside, 0.3, 0.1)
    for dt_s in np.linspace(0, 2, 3 * TIMES_KEPT):
        advance(motion, inside, 0.3, float(dt_s))
        assert len(motion._sums) <= TIMES_KEPT
    for _ in range(2):
        np.testing.assert_array_equal(advance(motion, inside, 0.3, 0.1)[0], first)


def test_a_long_chain_is_predicted_in_parts(monkeypatch):
    rng = np.random.default_rng(3)
    motion = Motion([np.append(0, np.cumsum(rng.uniform(0.05, 0.15, 399)))], CONFIG)
    inside = (rng.random((len(motion.paces), 400)) / 2400).astype(np.float32)
    whole, _ = advance(motion, inside, 0.2, 0.3)
    monkeypatch.setattr(hopping, 'COLUMNS', 64 * len(motion.paces))
    parts, _ = advance(motion, inside, 0.2, 0.3)
    np.testing.assert_allclose(parts, whole, atol=1e-9, rtol=1e-5)


def test_the_pace_as_taught_takes_as_long_as_the_demonstration_took():
    times_s = np.sort(np.random.default_rng(2).uniform(0, 10, 80))
    times_s -= times_s[0]
    still = replace(CONFIG, jump_per_s=0.0, leave_per_s=0.0, pause_per_s=0.0)
    motion = Motion([times_s], still)
    inside = np.zeros((len(motion.paces), 80), np.float32)
    inside[list(motion.paces).index(1.0), 0] = 1
    # Paces are drawn anew now and then, so only a short time tells them apart.
    later, _ = advance(motion, inside, 0.0, 0.5)
    assert (later.sum(0) * times_s).sum() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize('mean', [0.0, 0.3, 5.0, 20.0])
def test_poisson_is_a_distribution_with_that_mean(mean):
    weights = poisson(mean)
    assert sum(weights) == pytest.approx(1)
    assert sum(k * weight for k, weight in enumerate(weights)) == pytest.approx(mean, abs=1e-3)
