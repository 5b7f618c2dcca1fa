"""What one set says: distances to what was taught, and how loudly they are heard."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from dense_filter import SlowFilter
from embedding_world import actionable, calibration, EPOCH_NS, follow, ramp, World
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.distances import pairwise
from smaknet_core.matching import Calibration, ForwardFilter, measure_views, Taught
from smaknet_core.matching.around import running
from smaknet_core.matching.evidence import (
    FAR,
    FARTHEST,
    log_likelihood,
    MOST_ABSENT,
    MOST_PLACE,
    MOST_PRESENT,
    presence,
)
from smaknet_core.matching.measuring import Measuring

CONFIG = MatchConfig()


def measured(taught, embeddings, same_view=1.0):
    return Measuring([taught], same_view).measure(embeddings)[1]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(0, 35))
def test_running_extremes_are_those_within_reach(values, reach):
    slow = [max(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]
    padded = np.pad(np.array(values), reach, constant_values=-np.inf)
    np.testing.assert_array_equal(running(np.maximum, padded, reach), slow)


def test_distances_use_the_view_of_the_same_name_else_the_nearest():
    world = World(50, duration_s=3)
    taught = world.taught(('a', 'b'))
    left, top = world.see(1.0, 'a'), world.see(2.0, 'c')
    views = taught.embeddings
    to_left = pairwise(views[:, 0], left[None])[:, 0]
    to_top = np.minimum(*(pairwise(views[:, v], top[None])[:, 0] for v in (0, 1)))
    np.testing.assert_allclose(measured(taught, {'a': left}), to_left, atol=1e-5)
    np.testing.assert_allclose(measured(taught, {'top': top}), to_top, atol=1e-5)
    both = measured(taught, {'a': left, 'top': top})
    np.testing.assert_allclose(both, (to_left + to_top) / 2, atol=1e-5)


def told(distances, scale, weight=1.0):
    logs, most = log_likelihood(np.array(distances), scale, weight)
    return logs + most


def test_one_set_is_never_heard_too_loudly():
    logs = told([0.0, 0.1, 0.5, 0.9, 5.0], Calibration(0.1, 0.5, 4.0))
    assert logs.max() == -logs.min() == pytest.approx(MOST_PLACE / 2)
    far, near = told([1.3, 1.4, 0.9], Calibration(0.3, 0.5, 4.0))[:2]
    assert far == near
    assert told([0.5], Calibration(0.1, 0.5, 4.0))[0] == pytest.approx(0)


def test_what_is_far_is_told_apart_only_where_something_is_not():
    lost = told([(FARTHEST + 0.01) * 0.5, FAR * 0.5], Calibration(0.3, 0.5, 4.0))
    assert lost.tolist() == [0, 0]
    distances = np.array([FARTHEST - 0.01, 2.2, FAR, 3.0]) * 0.5
    seen = told(distances, Calibration(0.3, 0.5, 4.0))
    assert seen[0] > seen[1] > seen[2] == seen[3]


@given(
    distances=st.lists(st.floats(0, 3), min_size=1, max_size=9),
    sigma=st.floats(0.05, 1),
    slack=st.floats(1, 5),
    sharpness=st.floats(0.3, 8),
    weight=st.floats(0.01, 1),
)
def test_the_likelihood_is_that_of_the_slow_filter(distances, sigma, slack, sharpness, weight):
    scale = Calibration(sigma, slack * sigma, sharpness)
    slow = SlowFilter.logs(SimpleNamespace(calibration=scale), np.array(distances))
    np.testing.assert_allclose(told(distances, scale, weight), weight * slow, atol=1e-6)


def test_presence_is_even_at_the_outlier_level_and_grows_down_to_0():
    evidence = presence(np.array([0.0, 0.25, 0.5, 1.0, 1.2, 2.0, 100.0]), 1.0)
    assert evidence[0] == MOST_PRESENT
    assert evidence[3] == 0
    assert (np.diff(evidence[:5]) < 0).all()
    assert (evidence[5:] == -MOST_ABSENT).all()


def test_the_taught_camera_itself_is_judged_more_strictly():
    world = World(52, duration_s=3)
    taught, seen = world.taught(('a',)), world.see(1.0, 'c')
    scale = replace(calibration(), same_view=0.5)
    raw = measured(taught, {'a': seen})
    np.testing.assert_allclose(measured(taught, {'a': seen}, scale.same_view), raw * 2)
    np.testing.assert_allclose(measured(taught, {'c': seen}, scale.same_view), raw)


def test_a_demonstration_with_its_own_scale_is_judged_by_it():
    world = World(51, noise=0.35, bias=0.35)  # a scene the model is worse at than it knows
    plain = ForwardFilter([world.taught()], calibration(), CONFIG)
    both = world.taught(('a', 'c'))
    own = measure_views(both.embeddings, both.times_s)
    refined = ForwardFilter([world.taught(sigma=own)], calibration(), CONFIG)
    assert own > calibration().sigma
    shares = [
        actionable(follow(fast, world.stream(ramp(2, 18)))).mean() for fast in (plain, refined)
    ]
    assert shares[1] >= shares[0]
    assert shares[1] >= 0.9


@pytest.mark.parametrize(
    ('embeddings', 'times_s', 'cameras'),
    [
        (np.zeros((3, 2, 4)), [0, 1, 2], ('a',)),
        (np.zeros((3, 4)), [0, 1, 2], ('a',)),
        (np.zeros((0, 1, 4)), [], ('a',)),
        (np.zeros((3, 1, 4)), [0, 2, 1], ('a',)),
        (np.zeros((3, 1, 4)), [1, 2, 3], ('a',)),
    ],
)
def test_what_cannot_be_a_demonstration_is_refused(embeddings, times_s, cameras):
    with pytest.raises(ValueError, match='demo: '):
        Taught('demo', embeddings.astype(np.float32), np.array(times_s, np.float64), cameras)


def test_a_demonstration_of_one_timestep_is_matched_all_the_same():
    taught = Taught('demo', np.ones((1, 1, 4), np.float32), np.zeros(1), ('a',))
    fast = ForwardFilter([taught], Calibration(0.3, 0.8, 8.0), CONFIG)
    match = fast.update(EPOCH_NS, {'a': np.ones(4, np.float32)})
    assert (match.timestep, match.progress) == (0, 1.0)
