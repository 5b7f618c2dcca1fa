"""The forward filter: the fast one equals a slow obvious one, and what holds for any stream."""

from __future__ import annotations

from dataclasses import replace

from dense_filter import SlowFilter
from embedding_world import (
    actionable,
    calibration,
    EPOCH_NS,
    errors,
    follow,
    MS,
    ramp,
    SIZE,
    small_demo,
    tracker,
    World,
)
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import ForwardFilter
from smaknet_core.matching.filter import RESET_GAP_S, TICK_NS
from smaknet_core.types import State

CONFIG = MatchConfig()


def test_filter_equals_the_dense_one():
    rng = np.random.default_rng(0)
    worlds = [World(1, duration_s=1.6), World(2, duration_s=1.2)]
    demos = [world.taught(name=name) for world, name in zip(worlds, 'xy', strict=True)]
    fast = ForwardFilter(demos, calibration(), CONFIG)
    slow = SlowFilter(demos, calibration(), CONFIG)
    stamp = EPOCH_NS
    for moment in [*ramp(0.4, 1), *[1.0] * 5, *ramp(0.5, 1.5, pace=2), *ramp(0, 1.6)]:
        stamp += int(rng.choice([20, 33, 100, 205, 300])) * MS
        vector = worlds[0].see(moment)
        fast.update(stamp, {'live': vector})
        slow.update(stamp, vector)
        inside, outside = fast.posterior
        np.testing.assert_allclose(np.append(inside.ravel(), outside), slow.belief, atol=2e-4)


@st.composite
def streams(draw):
    """Stamps (ms) and embeddings without any order, near a small demonstration and far from it."""
    steps = draw(st.lists(st.integers(1, 2000), min_size=1, max_size=15))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    return np.cumsum(steps), rng.standard_normal((len(steps), SIZE)).astype(np.float32) * 0.3


def run(stamps_ms, vectors, shift_ns=0, demos=None):
    fast = ForwardFilter(demos or [small_demo()], calibration(), CONFIG)
    return fast, [
        fast.update(EPOCH_NS + shift_ns + int(stamp) * MS, {'a': vector})
        for stamp, vector in zip(stamps_ms, vectors, strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(streams())
def test_the_posterior_is_a_distribution_and_the_match_is_in_range(stream):
    fast, matches = run(*stream)
    inside, outside = fast.posterior
    assert inside.min() >= 0
    assert 0 <= outside <= 1
    assert inside.sum() + outside == pytest.approx(1, abs=1e-5)
    for match in matches:
        assert 0 <= match.timestep < match.timesteps == len(small_demo())
        assert match.time_s == small_demo().times_s[match.timestep]
        assert 0 <= match.progress <= 1
        assert 0 <= match.confidence <= 1
        assert match.interval_s[0] <= match.interval_s[1]
        assert match.distance >= 0
        assert np.isfinite([match.rate, match.margin]).all()


@settings(max_examples=20, deadline=None)
@given(streams(), st.integers(-(10**18), 10**18))
def test_shifting_all_stamps_changes_only_the_stamps(stream, shift_ns):
    plain, shifted = run(*stream)[1], run(*stream, shift_ns)[1]
    assert [replace(m, stamp_ns=m.stamp_ns - shift_ns) for m in shifted] == plain


@settings(max_examples=20, deadline=None)
@given(streams(), st.integers(0, 1000), st.integers(-(10**18), 10**18))
def test_stamps_off_by_less_than_a_tick_hardly_matter(stream, seed, shift_ns):
    stamps_ms, vectors = stream
    off_ns = np.random.default_rng(seed).integers(0, TICK_NS // 2, len(stamps_ms))
    fast = ForwardFilter([small_demo()], calibration(), CONFIG)
    shifted = ForwardFilter([small_demo()], calibration(), CONFIG)
    for stamp_ms, off, vector in zip(stamps_ms, off_ns, vectors, strict=True):
        stamp_ns = EPOCH_NS + int(stamp_ms) * MS + int(off)
        fast.update(stamp_ns, {'a': vector})
        shifted.update(stamp_ns + shift_ns, {'a': vector})
    even, outside = run(*stream)[0].posterior
    np.testing.assert_array_equal(shifted.posterior[0], fast.posterior[0])
    np.testing.assert_allclose(fast.posterior[0].sum(axis=0), even.sum(axis=0), atol=2e-3)
    assert fast.elsewhere == pytest.approx(outside, abs=2e-3)


def test_ticks_add_up_to_the_time_that_passed(monkeypatch):
    fast, passed_s = ForwardFilter([small_demo()], calibration(), CONFIG), []
    predict = fast._belief.predict
    monkeypatch.setattr(fast._belief, 'predict', lambda s: (passed_s.append(s), predict(s)))
    for frame in range(301):  # at 30 Hz, which is no whole number of ticks
        fast.update(EPOCH_NS + frame * 10**9 // 30, {'a': small_demo().embeddings[0, 0]})
    assert sum(passed_s) == pytest.approx(10, abs=TICK_NS / 1e9)
    assert len(set(passed_s)) <= 2


@settings(max_examples=20, deadline=None)
@given(streams())
def test_the_order_of_demonstrations_does_not_matter(stream):
    demos = [small_demo(), replace(World(6, duration_s=4).taught(), name='other')]
    inside, outside = run(*stream, demos=demos)[0].posterior
    swapped, swapped_out = run(*stream, demos=demos[::-1])[0].posterior
    np.testing.assert_allclose(np.roll(swapped, len(demos[0]), axis=1), inside, atol=1e-5)
    assert swapped_out == pytest.approx(outside, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(streams())
def test_reset_forgets_everything(stream):
    fast, matches = run(*stream)
    fast.reset()
    again = [
        fast.update(EPOCH_NS + int(stamp) * MS, {'a': vector})
        for stamp, vector in zip(*stream, strict=True)
    ]
    assert again == matches


@pytest.mark.parametrize('jump_ns', [0, -1, -(10**9), round(RESET_GAP_S * 1e9)])
def test_a_stamp_that_does_not_follow_starts_anew(jump_ns):
    world = World(7)
    fast = tracker(world)
    followed = follow(fast, world.stream(ramp(3, 6)))
    last = followed[-1][0]
    assert last.state is State.TRACKING
    assert fast.update(last.stamp_ns + jump_ns, {'b': world.see(6)}).state is State.INIT


@pytest.mark.parametrize(('hidden', 'wider'), [('a', 1.0), ('b', 1.0), ('b', 1.3)])
def test_what_hides_one_camera_does_not_drown_the_other(hidden, wider):
    world, scales = World(60, duration_s=8), calibration()
    taught = world.taught(('a', 'b'), sigma=wider * scales.sigma)
    followed = ForwardFilter([taught], scales, CONFIG)
    lens = np.eye(32, dtype=np.float32)[7]  # a hand before it, all the same
    matches = []
    for stamp, seen, moment in world.stream(ramp(0, 7), camera='a'):
        seen['b'] = world.see(moment, 'b')
        if 2 <= moment < 5:
            seen[hidden] = lens
        matches.append((followed.update(stamp, seen), moment))
    while_hidden = [pair for pair in matches if 2 <= pair[1] < 5]
    assert actionable(while_hidden).mean() > 0.9
    assert errors(while_hidden).max() < 0.5


def test_what_hides_all_cameras_is_elsewhere():
    world = World(60, duration_s=8)
    followed = ForwardFilter([world.taught(('a', 'b'))], calibration(), CONFIG)
    lens = np.eye(32, dtype=np.float32)
    for number, moment in enumerate(ramp(0, 5)):
        hidden = moment >= 2
        seen = {c: lens[7 + i] if hidden else world.see(moment, c) for i, c in enumerate('ab')}
        match = followed.update(EPOCH_NS + number * 10**8, seen)
    assert match.state is State.LOST
