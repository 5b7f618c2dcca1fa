"""Matching: what its users count on, for any pace, frame rate and interruption."""

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
    tracker,
    World,
)
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import (
    ForwardFilter,
    make_tracker,
    NearestNeighbour,
    SubsequenceWarping,
)
from smaknet_core.types import State

CONFIG = MatchConfig()


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


@pytest.mark.parametrize('method', ['filter', 'dtw'])
@pytest.mark.parametrize('hz', [5, 10, 30])
def test_dropped_frames_do_not_change_the_trajectory(hz, method):
    world = World(25, noise=0.0, bias=0.25)
    stream = list(world.stream(ramp(2, 18, hz=hz), hz))
    kept = np.random.default_rng(hz).random(len(stream)) >= 0.3
    kept[5 * hz : 5 * hz + hz // 2] = False  # and half a second at once
    taught = [world.taught()]
    config = replace(CONFIG, method=method)
    full = follow(make_tracker(taught, calibration(), config), stream)
    whole = {match.stamp_ns: match.time_s for match, _ in full}
    few = [one for one, keep in zip(stream, kept, strict=True) if keep]
    followed = follow(make_tracker(taught, calibration(), config), few)
    apart = [abs(match.time_s - whole[match.stamp_ns]) for match, _ in followed[hz:]]
    assert np.mean(apart) <= 0.15
    assert np.quantile(apart, 0.95) <= 0.35


@pytest.mark.parametrize('method', ['filter', 'dtw'])
def test_of_several_demonstrations_the_change_from_one_to_another_is_found(method):
    worlds = {name: World(seed) for name, seed in (('pour', 26), ('stack', 27), ('wipe', 28))}
    demos = [world.taught(name=name) for name, world in worlds.items()]
    several = make_tracker(demos, calibration(), replace(CONFIG, method=method))
    first = follow(several, worlds['stack'].stream(ramp(5, 12)))
    then = follow(several, worlds['wipe'].stream(ramp(3, 10), start_ns=EPOCH_NS + 7 * 10**9))
    assert {match.demonstration for match, _ in first[10:]} == {'stack'}
    assert {match.demonstration for match, _ in then[25:]} == {'wipe'}
    assert (errors(then[25:]) <= 0.5).all()
    assert actionable(then[25:]).all()


@pytest.mark.parametrize(
    ('method', 'kind'),
    [('filter', ForwardFilter), ('dtw', SubsequenceWarping), ('nearest', NearestNeighbour)],
)
def test_the_method_decides_the_tracker(method, kind):
    made = make_tracker([small_demo()], calibration(), replace(CONFIG, method=method))
    assert type(made) is kind
