"""Free-start subsequence DTW: every path tried, and what its users count on."""

from __future__ import annotations

from dataclasses import replace

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
    World,
)
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import SubsequenceWarping
from smaknet_core.matching.filter import RESET_GAP_S
from smaknet_core.matching.warping import extend
from smaknet_core.types import State

CONFIG = MatchConfig()


def warping(world, **taught):
    return SubsequenceWarping([world.taught(**taught)], calibration(), CONFIG)


def every_score(earned, costs, keep, s, t):
    """Scores of all paths that end at set s and timestep t, each written out."""
    steps = range(earned.shape[1])
    for u in range(t + 1):  # where the path is when set s comes
        climb = sum(costs[s][u:t])
        yield earned[s, u] - climb  # it begins here
        if s == 0:
            yield earned[s, u] - climb  # from nothing, or from the 0 before the first set
            if u:
                yield earned[s, u] - climb - costs[s][u - 1]
            continue
        for before in every_score(earned, costs, keep, s - 1, u):
            yield before * keep + earned[s, u] - climb
        if u in steps[1:]:
            for before in every_score(earned, costs, keep, s - 1, u - 1):
                yield before * keep - costs[s][u - 1] + earned[s, u] - climb


@st.composite
def tables(draw):
    """What S sets earn at T timesteps, what going on costs, and how much is kept of a score."""
    sets, steps = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    earned, costs = rng.normal(0, 1, (sets, steps)), rng.exponential(0.3, (sets, steps - 1))
    return earned, costs, draw(st.floats(0.1, 1))


@settings(max_examples=60, deadline=None)
@given(tables())
def test_scores_are_those_of_the_best_of_all_paths(table):
    earned, costs, keep = table
    scores = np.zeros(earned.shape[1])
    for s, row in enumerate(earned):
        scores = extend(scores * (keep if s else 1), row, costs[s])
        best = [max(every_score(earned, costs, keep, s, t)) for t in range(len(row))]
        np.testing.assert_allclose(scores, best, atol=1e-9)


@st.composite
def streams(draw):
    """Stamps (ms) and embeddings without any order, near a small demonstration and far from it."""
    steps = draw(st.lists(st.integers(1, 2000), min_size=1, max_size=15))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return np.cumsum(steps), rng.standard_normal((len(steps), SIZE)).astype(np.float32) * 0.3


def run(stamps_ms, vectors, shift_ns=0, demos=None):
    tracker = SubsequenceWarping(demos or [small_demo()], calibration(), CONFIG)
    return tracker, [
        tracker.update(EPOCH_NS + shift_ns + int(stamp) * MS, {'a': vector})
        for stamp, vector in zip(stamps_ms, vectors, strict=True)
    ]


@settings(max_examples=30, deadline=None)
@given(streams())
def test_matches_are_in_range(stream):
    tracker, matches = run(*stream)
    assert 0 <= tracker.elsewhere <= 1
    assert np.isfinite(tracker.scores).all()
    for match in matches:
        assert 0 <= match.timestep < match.timesteps == len(small_demo())
        assert match.time_s == small_demo().times_s[match.timestep]
        assert 0 <= match.confidence <= 1
        assert match.interval_s[0] <= match.interval_s[1]
        assert np.isfinite([match.rate, match.margin]).all()


@settings(max_examples=20, deadline=None)
@given(streams(), st.integers(-(10**18), 10**18))
def test_shifting_all_stamps_changes_only_the_stamps(stream, shift_ns):
    plain, shifted = run(*stream)[1], run(*stream, shift_ns)[1]
    assert [replace(m, stamp_ns=m.stamp_ns - shift_ns) for m in shifted] == plain


@settings(max_examples=20, deadline=None)
@given(streams())
def test_the_order_of_demonstrations_does_not_matter(stream):
    demos = [small_demo(), replace(World(6, duration_s=4).taught(), name='other')]
    plain, swapped = run(*stream, demos=demos)[0], run(*stream, demos=demos[::-1])[0]
    np.testing.assert_allclose(np.roll(swapped.scores, len(demos[0])), plain.scores, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(streams())
def test_reset_forgets_everything(stream):
    tracker, matches = run(*stream)
    tracker.reset()
    again = [
        tracker.update(EPOCH_NS + int(stamp) * MS, {'a': vector})
        for stamp, vector in zip(*stream, strict=True)
    ]
    assert again == matches


@pytest.mark.parametrize('hz', [5, 10, 30])
@pytest.mark.parametrize('pace', [0.5, 1.0, 2.0])
def test_it_follows_another_camera_at_any_pace_and_frame_rate(pace, hz):
    world = World(10)
    followed = follow(warping(world), world.stream(ramp(0, 20, pace, hz), hz))
    settled = followed[hz:]
    assert actionable(settled).mean() >= 0.98
    assert errors(settled).mean() <= 0.15
    rates = [match.rate for match, _ in followed[3 * hz :]]
    assert np.median(rates) == pytest.approx(pace, rel=0.1)


def test_the_frame_rate_does_not_change_the_trajectory():
    times_s = {}
    for hz in (5, 10, 30):
        world = World(12, noise=0.0, bias=0.25)  # without noise, all see the same
        moments = [*ramp(4, 10, hz=hz), *[10.0] * (2 * hz), *ramp(10, 20, pace=2, hz=hz)]
        followed = follow(warping(world), world.stream(moments, hz))
        times_s[hz] = np.array([match.time_s for match, _ in followed[hz :: hz // 5]])
    for hz in (5, 30):
        assert np.abs(times_s[hz] - times_s[10]).mean() <= 0.1
        assert np.abs(times_s[hz] - times_s[10]).max() <= 0.45


@pytest.mark.parametrize('start_s', [0, 5, 13])
def test_a_start_anywhere_locks_within_a_second(start_s):
    world = World(13)
    followed = follow(warping(world), world.stream(ramp(start_s, start_s + 2)))
    assert actionable(followed[10:]).all()
    assert (errors(followed[10:]) <= 0.4).all()


@pytest.mark.parametrize('hz', [5, 10, 30])
def test_another_task_and_frames_in_no_order_are_no_match(hz):
    followed = follow(warping(World(15)), World(500).stream(ramp(0, 20, hz=hz), hz))
    assert actionable(followed).mean() <= 0.02
    assert followed[-1][0].state is State.LOST
    moments = np.random.default_rng(0).uniform(0, 20, 20 * hz)
    world = World(14)
    assert actionable(follow(warping(world), world.stream(moments, hz))).mean() <= 0.05


def test_a_pause_is_a_pause_and_what_is_done_again_is_found_again():
    world = World(17)
    followed = follow(
        warping(world), world.stream([*ramp(2, 8), *[8.0] * 30, *ramp(8, 14), *ramp(6, 12)])
    )
    assert actionable(followed[10:150]).all()
    assert errors(followed[10:150]).max() <= 0.45
    assert (errors(followed[150 + 20 :]) <= 0.5).all()


def test_memory_tells_apart_what_looks_alike():
    world = World(21, revisit_s=5.0)
    followed = follow(warping(world), world.stream(ramp(3, 20)))
    assert np.mean(errors(followed[20:]) > 1) <= 0.05


def test_of_two_demonstrations_the_one_that_happens_is_named():
    worlds = {'pour': World(23), 'stack': World(24)}
    demos = [world.taught(name=name) for name, world in worlds.items()]
    for name, world in worlds.items():
        tracker = SubsequenceWarping(demos, calibration(), CONFIG)
        followed = follow(tracker, world.stream(ramp(3, 10)))
        assert {match.demonstration for match, _ in followed[8:]} == {name}
        assert (errors(followed[8:]) <= 0.5).all()


@pytest.mark.parametrize('jump_ns', [0, -1, round(RESET_GAP_S * 1e9)])
def test_a_stamp_that_does_not_follow_starts_anew(jump_ns):
    world = World(7)
    tracker = warping(world)
    last = follow(tracker, world.stream(ramp(3, 6)))[-1][0]
    assert last.state is State.TRACKING
    assert tracker.update(last.stamp_ns + jump_ns, {'b': world.see(6)}).state is State.INIT
