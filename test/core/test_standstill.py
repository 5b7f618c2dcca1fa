"""A scene that stands still: evidence once, whichever of the two stands."""

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
    tracker,
    World,
)
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import ForwardFilter, Taught
from smaknet_core.matching.standstill import stretches
from smaknet_core.types import State

CONFIG = MatchConfig()


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
