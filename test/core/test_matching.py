"""Matching: the fast filter equals a slow obvious one, and does what its users count on."""

from __future__ import annotations

from dataclasses import replace
import functools

from dense_filter import dense_generator, exponential, SlowFilter
from embedding_world import calibrated, EPOCH_NS, follow, ramp, SIZE, World
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.distances import pairwise
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.mappings import from_mapping, to_mapping
from smaknet_core.matching import (
    calibrate,
    Calibration,
    CalibrationRecording,
    distances_to,
    ForwardFilter,
    make_tracker,
    measure_views,
    NearestNeighbour,
    Taught,
)
from smaknet_core.matching.calibration import minimise
from smaknet_core.matching.correspondence import align, choose
from smaknet_core.matching.evidence import (
    log_likelihood,
    MOST_PLACE,
    MOST_PRESENCE,
    presence,
    running_max,
)
from smaknet_core.matching.filter import RESET_GAP_S
from smaknet_core.matching.likeness import look_alikes
from smaknet_core.matching.motion import (
    Motion,
    poisson,
)
from smaknet_core.matching.standstill import stretches
from smaknet_core.matching.summary import Labels, RateMeter, sharpen
from smaknet_core.matching.taught import scaled_distances_to
from smaknet_core.types import State

CONFIG = MatchConfig()
MS = 1_000_000


@functools.cache
def calibration(**world):
    return calibrated(**world)


def tracker(world, config=CONFIG, **taught):
    return ForwardFilter([world.taught(**taught)], calibration(), config)


def actionable(followed):
    return np.array([match.state.actionable for match, _ in followed])


def errors(followed):
    return np.array([abs(match.time_s - moment) for match, moment in followed])


# --- the fast filter is the slow one -----------------------------------------------------------


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


@pytest.mark.parametrize('dt_s', [0.0, 0.01, 0.1, 1.0, 7.0])
def test_prediction_equals_the_matrix_exponential(dt_s):
    rng = np.random.default_rng(1)
    times_s = [np.append(0, np.cumsum(rng.uniform(0.02, 0.3, n))) for n in (12, 7)]
    motion = Motion(times_s, CONFIG)
    inside, outside = rng.random((len(motion.paces), 21)), rng.random()
    total = inside.sum() + outside
    inside, outside = inside / total, outside / total
    slow = exponential(dense_generator(times_s, CONFIG) * dt_s) @ np.append(inside, outside)
    later, later_out = motion.advance(inside.astype(np.float32), outside, dt_s)
    np.testing.assert_allclose(np.append(later, later_out), slow, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(
    first=st.floats(0, 2),
    second=st.floats(0, 2),
    gaps=st.lists(st.floats(0.01, 1), min_size=2, max_size=20),
)
def test_predicting_twice_is_predicting_once_over_the_sum(first, second, gaps):
    motion = Motion([np.append(0, np.cumsum(gaps))], CONFIG)
    start = (motion.start(0.3), 0.3)
    once, once_out = motion.advance(*start, first + second)
    twice, twice_out = motion.advance(*motion.advance(*start, first), second)
    np.testing.assert_allclose(twice, once, atol=5e-5)
    assert twice_out == pytest.approx(once_out, abs=5e-5)
    assert once.sum() + once_out == pytest.approx(1, abs=1e-4)
    assert (once >= 0).all()


def test_the_pace_as_taught_takes_as_long_as_the_demonstration_took():
    times_s = np.sort(np.random.default_rng(2).uniform(0, 10, 80))
    times_s -= times_s[0]
    still = replace(CONFIG, jump_per_s=0.0, leave_per_s=0.0, pause_per_s=0.0)
    motion = Motion([times_s], still)
    inside = np.zeros((len(motion.paces), 80), np.float32)
    inside[list(motion.paces).index(1.0), 0] = 1
    # Paces are drawn anew now and then, so only a short time tells them apart.
    later, _ = motion.advance(inside, 0.0, 0.5)
    assert (later.sum(0) * times_s).sum() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize('mean', [0.0, 0.3, 5.0, 20.0])
def test_poisson_is_a_distribution_with_that_mean(mean):
    weights = poisson(mean)
    assert sum(weights) == pytest.approx(1)
    assert sum(k * weight for k, weight in enumerate(weights)) == pytest.approx(mean, abs=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(0, 35))
def test_running_max_is_the_largest_within_reach(values, reach):
    slow = [max(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]
    np.testing.assert_array_equal(running_max(np.array(values), reach), slow)


# --- what holds for any stream ---------------------------------------------------------------


@st.composite
def streams(draw):
    """Stamps (ms) and embeddings without any order, near a small demonstration and far from it."""
    steps = draw(st.lists(st.integers(1, 2000), min_size=1, max_size=15))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    return np.cumsum(steps), rng.standard_normal((len(steps), SIZE)).astype(np.float32) * 0.3


@functools.cache
def small_demo():
    return World(5, duration_s=3).taught(('a', 'b'))


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


# --- what users count on ---------------------------------------------------------------------


@pytest.mark.parametrize('hz', [5, 10, 30])
@pytest.mark.parametrize('pace', [0.5, 1.0, 2.0])
@pytest.mark.parametrize('seed', [10, 11])
def test_it_follows_another_camera_at_any_pace_and_frame_rate(seed, pace, hz):
    world = World(seed)
    followed = follow(tracker(world), world.stream(ramp(0, 20, pace, hz), hz))
    settled = followed[round(1.0 * hz) :]
    assert actionable(settled).mean() >= 0.98
    assert errors(settled).mean() <= 0.15
    assert np.quantile(errors(settled), 0.95) <= 0.35
    rates = [match.rate for match, _ in followed[round(3.0 * hz) :]]
    assert np.median(rates) == pytest.approx(pace, rel=0.1)


def test_the_frame_rate_does_not_change_the_trajectory():
    times_s = {}
    for hz in (5, 10, 30):
        world = World(12, noise=0.0, bias=0.25)  # without noise, all see the same
        moments = [*ramp(4, 10, hz=hz), *[10.0] * (2 * hz), *ramp(10, 20, pace=2, hz=hz)]
        followed = follow(tracker(world), world.stream(moments, hz))
        times_s[hz] = np.array([match.time_s for match, _ in followed[hz :: hz // 5]])
    for hz in (5, 30):
        assert np.abs(times_s[hz] - times_s[10]).mean() <= 0.05
        assert np.abs(times_s[hz] - times_s[10]).max() <= 0.25


@pytest.mark.parametrize('start_s', [0, 5, 8, 13, 16])
@pytest.mark.parametrize('hz', [5, 10, 30])
def test_a_start_anywhere_locks_within_a_second(start_s, hz):
    world = World(13)
    followed = follow(tracker(world), world.stream(ramp(start_s, start_s + 2, hz=hz), hz))
    assert actionable(followed[hz:]).all()
    assert (errors(followed[hz:]) <= 0.3).all()


@pytest.mark.parametrize('hz', [5, 10, 30])
@pytest.mark.parametrize('camera', ['a', 'b'])
def test_frames_of_the_demonstration_in_no_order_are_no_match(hz, camera):
    world = World(14)
    moments = np.random.default_rng(0).uniform(0, 20, 20 * hz)
    followed = follow(tracker(world), world.stream(moments, hz, camera))
    assert actionable(followed).mean() <= 0.02


def test_neither_are_they_after_a_good_start():
    world = World(14)
    moments = [*ramp(0, 5), *np.random.default_rng(0).uniform(0, 20, 200)]
    followed = follow(tracker(world), world.stream(moments))
    assert actionable(followed[:50]).mean() >= 0.85
    assert actionable(followed[50:]).mean() <= 0.05


@pytest.mark.parametrize('hz', [5, 10, 30])
@pytest.mark.parametrize('other', [500, 501])
def test_another_task_is_lost(hz, other):
    fast = tracker(World(15))
    followed = follow(fast, World(other).stream(ramp(0, 20, hz=hz), hz))
    assert actionable(followed).mean() <= 0.02
    assert followed[-1][0].state is State.LOST


def test_one_lucky_frame_is_no_match():
    world, rng = World(16), np.random.default_rng(0)
    for moment in ramp(0, 20, pace=10):
        fast = tracker(world)
        noise = rng.standard_normal((9, SIZE)).astype(np.float32)
        frames = [world.see(moment, 'a'), *(noise / np.linalg.norm(noise, axis=1)[:, None])]
        stamps = EPOCH_NS + np.arange(10) * 100 * MS
        matches = [fast.update(int(s), {'b': f}) for s, f in zip(stamps, frames, strict=True)]
        assert not any(match.state.actionable for match in matches)


def test_nor_is_it_with_a_long_wait_until_the_next():
    world = World(16)
    fast = tracker(world)
    assert not fast.update(EPOCH_NS, {'b': world.see(5)}).state.actionable
    assert not fast.update(EPOCH_NS + 5 * 10**9, {'b': world.see(5)}).state.actionable


def test_a_pause_is_a_pause():
    world = World(17)
    moments = [*ramp(2, 8), *[8.0] * 30, *ramp(8, 14)]
    followed = follow(tracker(world), world.stream(moments))
    assert actionable(followed[10:]).all()
    assert errors(followed[10:]).max() <= 0.45
    assert abs(followed[60 + 28][0].rate) <= 0.2


@pytest.mark.parametrize('back_to', [0.0, 6.0], ids=['restart', 'repeat'])
def test_what_is_done_again_is_found_again(back_to):
    world = World(18)
    moments = [*ramp(4, 14), *ramp(back_to, back_to + 6)]
    followed = follow(tracker(world), world.stream(moments))
    assert (errors(followed[100 + 15 :]) <= 0.5).all()
    assert actionable(followed[100 + 15 :]).all()


def test_what_is_skipped_is_skipped():
    world = World(19)
    followed = follow(tracker(world), world.stream([*ramp(2, 8), *ramp(13, 19)]))
    assert np.quantile(errors(followed[60 + 12 :]), 0.9) <= 0.5
    assert actionable(followed[60 + 12 :]).all()


@pytest.mark.parametrize('hidden_s', [0.3, 1.0, 4.0])
def test_a_hidden_scene_is_lost_and_found_again(hidden_s):
    world, rng = World(20), np.random.default_rng(0)
    fast = tracker(world)
    stream = list(world.stream(ramp(2, 16)))
    states = []
    for i, (stamp, seen, moment) in enumerate(stream):
        if 60 <= i < 60 + hidden_s * 10:
            noise = rng.standard_normal(SIZE).astype(np.float32)
            seen = {'b': noise / np.linalg.norm(noise)}
        states.append((fast.update(stamp, seen), moment))
    back = round(60 + hidden_s * 10) + 12
    assert actionable(states[back:]).all()
    assert (errors(states[back:]) <= 0.5).all()
    if hidden_s >= 1:
        assert not actionable(states[65 : round(60 + hidden_s * 10)]).any()


def test_memory_tells_apart_what_looks_alike():
    world = World(21, revisit_s=5.0)
    followed = follow(tracker(world), world.stream(ramp(3, 20)))
    nearest = NearestNeighbour([world.taught()], calibration(), CONFIG)
    baseline = follow(nearest, world.stream(ramp(3, 20)))
    assert np.mean(errors(followed[20:]) > 1) <= 0.05
    assert np.mean(errors(baseline[20:]) > 1) >= 0.1


def test_the_end_is_done_and_stays_done():
    world = World(22)
    followed = follow(tracker(world), world.stream([*ramp(12, 20), *[20.0] * 50]))
    states = [match.state for match, _ in followed]
    assert set(states[80:]) == {State.DONE}
    assert State.DONE not in states[:70]


def test_of_two_demonstrations_the_one_that_happens_is_named():
    worlds = {'pour': World(23), 'stack': World(24)}
    demos = [world.taught(name=name) for name, world in worlds.items()]
    for name, world in worlds.items():
        fast = ForwardFilter(demos, calibration(), CONFIG)
        followed = follow(fast, world.stream(ramp(3, 10)))
        assert {match.demonstration for match, _ in followed[8:]} == {name}
        assert (errors(followed[8:]) <= 0.5).all()


# --- a scene that stands still ---------------------------------------------------------------


def off_the_path(world, moment, distance, seed=0):
    """An embedding exactly this far from the nearest timestep of the demonstration."""
    start = world.see(moment, 'a').astype(np.float64)
    direction = np.random.default_rng(seed).standard_normal(SIZE)
    views = world.taught().embeddings[:, 0]
    low, high = 0.0, 3.0
    for _ in range(50):
        middle = (low + high) / 2
        point = start + middle * direction / np.linalg.norm(direction)
        point /= np.linalg.norm(point)
        near = np.linalg.norm(views - point, axis=1).min() < distance
        low, high = (middle, high) if near else (low, middle)
    return {'b': point.astype(np.float32)}


@pytest.mark.parametrize('seed', range(5))
def test_a_still_scene_a_little_nearer_than_elsewhere_never_becomes_certain(seed):
    world, scale = World(25), calibration()
    still = off_the_path(world, 11.0, (scale.sigma + scale.outlier) / 2, seed)
    fast = tracker(world)
    matches = [fast.update(EPOCH_NS + i * 100 * MS, still) for i in range(600)]
    assert not any(match.state.actionable for match in matches)


def test_a_robot_that_waits_at_the_beginning_is_followed_from_there():
    world = World(26)
    fast = tracker(world)
    waiting = {'b': world.see(0.0)}
    matches = [fast.update(EPOCH_NS + i * 100 * MS, waiting) for i in range(50)]
    assert all(match.state is State.TRACKING for match in matches[10:])
    assert max(match.time_s for match in matches) <= 0.3
    followed = follow(fast, world.stream(ramp(0, 6), start_ns=EPOCH_NS + 5 * 10**9))
    assert actionable(followed).all()
    assert errors(followed).max() <= 0.5


def test_a_robot_that_freezes_on_its_way_is_still_there():
    world = World(27)
    fast = tracker(world)
    follow(fast, world.stream(ramp(2, 8)))
    frozen = {'b': world.see(8.0)}
    matches = [fast.update(EPOCH_NS + (6000 + i * 100) * MS, frozen) for i in range(300)]
    assert all(match.state is State.TRACKING for match in matches)
    assert all(abs(match.time_s - 8.0) <= 0.5 for match in matches)


# --- confidence ------------------------------------------------------------------------------


@pytest.mark.parametrize(('noise', 'bias'), [(0.15, 0.15), (0.4, 0.3)])
def test_confidence_is_how_often_it_is_right(noise, bias):
    scale = calibration(noise=noise, bias=bias)
    sure, right = [], []
    for seed in range(30, 34):
        world = World(seed, noise=noise, bias=bias)
        fast = ForwardFilter([world.taught()], scale, CONFIG)
        followed = follow(fast, world.stream(ramp(3, 18)))[8:]
        sure += [match.confidence for match, _ in followed]
        right += list(errors(followed) <= 0.25)
    assert abs(np.mean(sure) - np.mean(right)) <= 0.15


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held = []
    for seed in range(40, 44):
        world = World(seed, noise=0.4, bias=0.3)
        scale = calibration(noise=0.4, bias=0.3)
        fast = ForwardFilter([world.taught()], scale, CONFIG)
        for match, moment in follow(fast, world.stream(ramp(3, 18)))[8:]:
            low, high = match.interval_s
            held.append(low - 0.05 <= moment <= high + 0.05)
    assert np.mean(held) >= 0.8


def test_sharpen_moves_away_from_a_half_when_cold():
    assert sharpen(0.8, 1.0) == pytest.approx(0.8)
    assert sharpen(0.8, 0.5) > 0.8 > sharpen(0.8, 2.0) > 0.5
    assert sharpen(0.5, 3.0) == pytest.approx(0.5)


def test_margin_is_to_the_best_timestep_that_is_not_near():
    vectors = np.eye(SIZE, dtype=np.float32)[:, None]
    taught = Taught('demo', vectors, np.arange(SIZE) * 0.2, ('a',))
    vectors[20] = 0.8 * vectors[5] + 0.6 * vectors[20]
    fast = ForwardFilter([taught], Calibration(0.3, 0.8, 8.0), CONFIG)
    match = fast.update(EPOCH_NS, {'a': vectors[5, 0]})
    assert match.timestep == 5
    assert match.margin == pytest.approx(np.linalg.norm(vectors[20] - vectors[5]), abs=1e-3)


# --- states ----------------------------------------------------------------------------------


def label(labels, outside=0.0, confidence=1.0, remaining_s=10.0, dt_s=0.1):
    return labels.label(dt_s, outside, confidence, remaining_s)


def settled_labels():
    labels = Labels(CONFIG)
    for _ in range(10):
        label(labels)
    return labels


def test_init_lasts_until_the_stream_was_watched():
    labels = Labels(CONFIG)
    states = [labels.label(None, 0.0, 1.0, 10.0)] + [label(labels) for _ in range(9)]
    assert states[: round(CONFIG.settle_s / 0.1)] == [State.INIT] * round(CONFIG.settle_s / 0.1)
    assert states[-1] is State.TRACKING


def test_init_lasts_while_neither_found_nor_lost():
    labels = Labels(CONFIG)
    undecided = (CONFIG.lost_above + CONFIG.found_below) / 2
    assert {label(labels, undecided) for _ in range(50)} == {State.INIT}
    assert label(labels, 0.9) is State.LOST


def test_lost_and_ambiguous_have_hysteresis():
    labels = settled_labels()
    assert label(labels, outside=CONFIG.lost_above - 0.01) is State.TRACKING
    assert label(labels, outside=CONFIG.lost_above + 0.01) is State.LOST
    assert label(labels, outside=CONFIG.found_below + 0.01) is State.LOST
    assert label(labels, outside=CONFIG.found_below - 0.01) is State.TRACKING
    assert label(labels, confidence=CONFIG.ambiguous_below + 0.01) is State.TRACKING
    assert label(labels, confidence=CONFIG.ambiguous_below - 0.01) is State.AMBIGUOUS
    assert label(labels, confidence=CONFIG.certain_above - 0.01) is State.AMBIGUOUS
    assert label(labels, confidence=CONFIG.certain_above + 0.01) is State.TRACKING


def test_done_is_near_the_end_and_certain():
    labels = settled_labels()
    assert label(labels, remaining_s=CONFIG.done_within_s) is State.DONE
    assert label(labels, confidence=0.1, remaining_s=0.0) is State.AMBIGUOUS
    assert label(labels, outside=0.9, remaining_s=0.0) is State.LOST


def test_the_rate_is_the_speed_of_the_match_without_its_jumps():
    rate = RateMeter()
    for i in range(100):
        value = rate.measure('demo', 0.05 * i, 0.1)
    assert value == pytest.approx(0.5, abs=0.01)
    assert rate.measure('demo', 50.0, 0.1) == value
    assert rate.measure('other', 1.0, 0.1) == value
    for _ in range(60):
        value = rate.measure('demo', 5.0, 0.1)
    assert value == pytest.approx(0.0, abs=0.01)


# --- distances and evidence ------------------------------------------------------------------


def test_distances_use_the_view_of_the_same_name_else_the_nearest():
    world = World(50, duration_s=3)
    taught = world.taught(('a', 'b'))
    left, top = world.see(1.0, 'a'), world.see(2.0, 'c')
    views = taught.embeddings
    to_left = pairwise(views[:, 0], left[None])[:, 0]
    to_top = np.minimum(*(pairwise(views[:, v], top[None])[:, 0] for v in (0, 1)))
    np.testing.assert_allclose(distances_to(taught, {'a': left}), to_left, atol=1e-5)
    np.testing.assert_allclose(distances_to(taught, {'top': top}), to_top, atol=1e-5)
    both = distances_to(taught, {'a': left, 'top': top})
    np.testing.assert_allclose(both, (to_left + to_top) / 2, atol=1e-5)


def test_one_set_is_never_heard_too_loudly():
    logs = log_likelihood(np.array([0.0, 0.1, 0.5, 0.9, 5.0]), 0.1, 0.5, 4.0)
    assert logs.max() == -logs.min() == pytest.approx(MOST_PLACE / 2)
    far = log_likelihood(np.array([3.0, 4.0]), 0.1, 0.5, 4.0)
    assert far[0] == far[1]
    assert log_likelihood(np.array([0.5]), 0.1, 0.5, 4.0)[0] == pytest.approx(0)


def test_presence_is_even_at_the_outlier_level():
    evidence = presence(np.array([0.0, 0.5, 1.0, 2.0, 100.0]), 0.5, 1.0)
    assert evidence[0] == evidence[1] == MOST_PRESENCE
    assert evidence[2] == 0
    assert (np.diff(evidence) <= 0).all()
    assert evidence.min() == -MOST_PRESENCE


def test_the_taught_camera_itself_is_judged_more_strictly():
    world = World(52, duration_s=3)
    taught, seen = world.taught(('a',)), world.see(1.0, 'c')
    scale = replace(calibration(), same_view=0.5)
    raw = distances_to(taught, {'a': seen})
    np.testing.assert_allclose(scaled_distances_to(taught, {'a': seen}, scale), raw * 2)
    np.testing.assert_allclose(scaled_distances_to(taught, {'c': seen}, scale), raw)


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


# --- the baseline ----------------------------------------------------------------------------


def test_nearest_neighbour_finds_each_timestep_of_its_own_view():
    world = World(60)
    taught = world.taught()
    nearest = NearestNeighbour([taught], calibration(), CONFIG)
    for step in range(0, len(taught), 7):
        match = nearest.update(EPOCH_NS + step, {'a': taught.embeddings[step, 0]})
        assert match.timestep == step
        assert match.distance == pytest.approx(0, abs=1e-3)
        assert 0 <= match.confidence <= 1
    assert match.state is State.TRACKING


def test_nearest_neighbour_is_lost_beyond_the_outlier_and_done_at_the_end():
    world = World(60)
    nearest = NearestNeighbour([world.taught()], calibration(), CONFIG)
    assert nearest.update(EPOCH_NS, {'b': World(61).see(5)}).state is State.LOST
    assert nearest.update(EPOCH_NS + 1, {'b': world.see(20)}).state is State.DONE
    nearest.reset()
    assert nearest.update(EPOCH_NS, {'b': world.see(5)}).rate == 0


@pytest.mark.parametrize(
    ('method', 'kind'), [('filter', ForwardFilter), ('nearest', NearestNeighbour)]
)
def test_the_method_decides_the_tracker(method, kind):
    made = make_tracker([small_demo()], calibration(), replace(CONFIG, method=method))
    assert type(made) is kind


# --- calibration -----------------------------------------------------------------------------


def test_calibration_of_two_tasks_lies_between_matches_and_non_matches():
    scale = calibration()
    world, other = World(70), World(71)
    taught = world.taught()
    true = [distances_to(taught, {'b': world.see(t)})[i] for i, t in enumerate(taught.times_s)]
    far = [distances_to(taught, {'b': other.see(t)}).min() for t in taught.times_s]
    assert scale.sigma == pytest.approx(np.sqrt(np.mean(np.square(true))), rel=0.2)
    assert np.quantile(true, 0.9) < scale.outlier < np.mean(far)
    assert 'views' in scale.basis
    assert 'other tasks' in scale.basis


def test_calibration_survives_the_model_file():
    scale = calibration()
    assert from_mapping(Calibration, to_mapping(scale), 'file') == scale


@pytest.mark.parametrize('damage', [{'sigma': 0}, {'outlier': 0.01}, {'temperature': np.nan}])
def test_calibration_out_of_range_is_refused(damage):
    with pytest.raises(ConfigError, match='calibration'):
        replace(calibration(), **damage)


def test_one_recording_is_enough():
    scale = calibrate([World(72).recording()])
    assert 'distant moments' in scale.basis
    assert scale.sigma < scale.outlier
    world = World(73)
    fast = ForwardFilter([world.taught()], scale, CONFIG)
    assert actionable(follow(fast, world.stream(ramp(2, 18)))[10:]).mean() >= 0.95
    fast.reset()
    assert actionable(follow(fast, World(501).stream(ramp(0, 20)))).mean() <= 0.1


def test_one_camera_is_enough_and_it_says_what_that_is_worth():
    scale = calibrate([World(74).recording(('a',))])
    assert 'neighbouring timesteps only' in scale.basis
    assert 0 < scale.sigma < calibration().sigma
    world = World(75)
    fast = ForwardFilter([world.taught()], scale, CONFIG)
    assert actionable(follow(fast, world.stream(ramp(2, 18), camera='a'))[10:]).mean() >= 0.95


def test_recordings_of_one_task_are_matched_by_their_alignment():
    slow, fast = World(76).recording(('a',)), World(76).recording(('a',))
    slow = replace(slow, times_s=slow.times_s * 1.5)
    scale = calibrate([slow, fast])
    assert 'recordings of one task' in scale.basis
    assert 'too sure' not in scale.basis


def test_a_collapsed_model_gives_a_calibration_all_the_same():
    recording = World(77).recording()
    same = replace(recording, embeddings=np.ones_like(recording.embeddings))
    scale = calibrate([same])
    assert 0 < scale.sigma <= scale.outlier


def test_long_recordings_are_thinned():
    scale = calibrate([World(78, duration_s=60).recording(hz=30)])
    assert scale.sigma == pytest.approx(calibration().sigma, rel=0.2)


def test_nothing_to_calibrate_on_is_an_error():
    short = CalibrationRecording('t', np.arange(3.0), ('a',), np.zeros((3, 1, 4), np.float32))
    for recordings in ([], [short]):
        with pytest.raises(DataError, match='at least 4 timesteps'):
            calibrate(recordings)


def test_alignment_follows_a_known_warp():
    world = World(79, noise=0.0, bias=0.0)
    taught = world.taught()
    moments = 20 * np.linspace(0, 1, 150) ** 1.5
    seen = np.array([world.see(t) for t in moments])
    aligned = align(pairwise(seen, taught.embeddings[:, 0]).astype(np.float64))
    assert (np.diff(aligned) >= 0).all()
    assert np.abs(taught.times_s[aligned] - moments).mean() <= 0.1


def test_measure_views_is_the_distance_of_concurrent_frames():
    views, times_s = np.zeros((5, 2, 4), np.float32), np.arange(5.0)
    views[:, 1, 0] = 3
    assert measure_views(views, times_s) == pytest.approx(3)
    assert measure_views(views[:, :1], times_s) is None
    assert measure_views(views[:, [0, 0]], times_s) is None


@given(st.lists(st.integers(), max_size=40), st.integers(1, 10))
def test_choose_takes_evenly_and_not_too_many(things, most):
    chosen = choose(list(enumerate(things)), most)
    assert len(chosen) == min(most, len(things))
    gaps = np.diff([index for index, _ in chosen])
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_minimise_finds_the_bottom_of_a_valley():
    assert minimise(lambda x: (np.log(x) - np.log(7)) ** 2, 0.05, 500) == pytest.approx(7, rel=0.1)


def test_stretches_end_where_the_scene_has_moved_away():
    rng = np.random.default_rng(3)
    path = np.cumsum(rng.choice([0.0, 0.4], 600) * rng.choice([-1, 1], 600))
    taught = Taught('demo', path[:, None, None].astype(np.float32), np.arange(600) / 10, ('a',))
    for radius, reach_s in ((0.1, np.inf), (0.5, 2.0)):
        lows, highs = stretches(taught, radius, reach_s)
        reach = min(600, round(min(reach_s, 1e6) * 10))
        for i in range(600):
            low, high = i, i + 1
            while low > max(0, i - reach) and abs(path[low - 1] - path[i]) <= radius:
                low -= 1
            while high < min(600, i + reach + 1) and abs(path[high] - path[i]) <= radius:
                high += 1
            assert (lows[i], highs[i]) == (low, high)


def test_a_standstill_of_the_demonstration_is_not_ambiguous():
    world = World(28)
    taught = world.taught()
    still = taught.embeddings.copy()
    still[50:100] = still[50]
    fast = ForwardFilter([replace(taught, embeddings=still)], calibration(), CONFIG)
    followed = follow(fast, world.stream([*ramp(1, 5), *[5.0] * 50]))
    assert actionable(followed[10:]).all()


# --- what looks alike ------------------------------------------------------------------------


def test_a_demonstration_that_comes_back_is_said_to():
    world = World(80, revisit_s=5.0)
    unique, likenesses = look_alikes(world.taught(), 0.3)
    assert 0.4 <= unique <= 0.65
    assert len(likenesses) == 1
    assert likenesses[0].first_s == pytest.approx((0, 5), abs=0.6)
    assert likenesses[0].second_s == pytest.approx((15, 20), abs=0.6)


def test_standing_still_is_no_likeness():
    taught = World(81).taught()
    still = taught.embeddings.copy()
    still[50:120] = still[50]
    unique, likenesses = look_alikes(replace(taught, embeddings=still), 0.3)
    assert unique >= 0.97
    assert likenesses == []
