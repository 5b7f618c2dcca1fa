"""Belief to match: confidence, interval, margin, states and rate."""

from __future__ import annotations

from embedding_world import calibration, EPOCH_NS, errors, follow, ramp, SIZE, World
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import Calibration, ForwardFilter, Taught
from smaknet_core.matching.summary import Labels, PEAK_S, RateMeter, sharpen, Summary
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


TIMES_S = np.arange(100) * 0.1


def place(belief, distances, dt_s=None, sigma=None):
    """Where a match is that believes so and sees so, seconds; one demonstration of 10 s."""
    views = ('a', 'b') if sigma else ('a',)
    taught = Taught('demo', np.zeros((100, len(views), 4), np.float32), TIMES_S, views, sigma)
    summary = Summary([taught], Calibration(0.3, 0.8, 4.0), CONFIG)
    places = np.asarray(belief / belief.sum(), np.float32)
    return summary.match(EPOCH_NS, dt_s, places, 0.0, np.asarray(distances, np.float32)).time_s


def slow_place(belief, distances, weight, sigma=0.3):
    """As `place`, for a belief whose one peak is symmetric around 4 s."""
    total = moment = 0.0
    for time_s, chance, distance in zip(TIMES_S, belief, distances, strict=True):
        if abs(time_s - 4.0) <= PEAK_S + 1e-6:
            count = np.sqrt(chance) * np.exp(-4.0 * weight * distance**2 / (2 * sigma**2))
            total, moment = total + count, moment + count * time_s
    return TIMES_S[np.abs(TIMES_S - moment / total).argmin()]


BUMP = np.exp(-((TIMES_S - 4.0) ** 2) / (2 * 0.2**2))


def test_within_a_peak_the_newest_set_counts_once_more():
    seen = 0.1 + 0.5 * np.abs(TIMES_S - 4.4)
    places = [place(BUMP, seen, dt_s) for dt_s in (0.0, 0.05, 0.1, None)]
    assert places == [slow_place(BUMP, seen, weight) for weight in (0, 0.25, 0.5, 1)]
    assert places[0] == pytest.approx(4.0)
    assert places[0] < places[1] < places[-1] < 4.4


def test_how_much_it_counts_is_by_the_scale_of_the_demonstration():
    seen = 0.1 + 0.5 * np.abs(TIMES_S - 4.4)
    wide = place(BUMP, seen, sigma=0.6)
    assert wide == slow_place(BUMP, seen, 1, sigma=0.6)
    assert wide < place(BUMP, seen)


def test_one_set_does_not_draw_a_match_to_another_peak():
    elsewhere = np.where(np.abs(TIMES_S - 8.0) < 0.5, 0.0, 0.5)
    assert place(BUMP, elsewhere) == pytest.approx(4.0)


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
