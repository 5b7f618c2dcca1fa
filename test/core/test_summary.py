"""Belief to match: confidence, interval, margin, states and rate."""

from __future__ import annotations

from embedding_world import calibration, EPOCH_NS, errors, follow, ramp, SIZE, World
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import Calibration, ForwardFilter, Taught
from smaknet_core.matching.summary import Labels, RateMeter, sharpen
from smaknet_core.types import State

CONFIG = MatchConfig()


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
