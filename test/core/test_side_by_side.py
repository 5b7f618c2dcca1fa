"""The debug image: both frames to see, a guess dim, and the bar as far as the match is."""

import dataclasses

import numpy as np
import pytest
from smaknet_core.report.figures import STATE_COLOURS
from smaknet_core.side_by_side import COLOURS, GAP, HEIGHT, INK, side_by_side, STRIP
from smaknet_core.types import Match, State

RED = np.full((480, 640, 3), (200, 10, 10), np.uint8)
BLUE = np.full((48, 64, 3), (10, 10, 200), np.uint8)
MATCH = Match(7, 'pour', 40, 80, 4.0, 0.5, 1.0, 0.2, 0.9, 1.0, (3.5, 4.5), State.TRACKING)


def marked(picture):
    """Give the columns of the bar in which the match is drawn."""
    bar = picture[-8, GAP:-GAP]
    return np.flatnonzero((bar == INK).all(axis=1))


def test_live_is_left_and_taught_is_right_in_the_same_size():
    picture = side_by_side([(RED, BLUE)], MATCH, 8.0)
    width = HEIGHT * 4 // 3
    assert picture.shape == (HEIGHT + STRIP, 2 * width + GAP, 3)
    assert picture.flags.c_contiguous
    assert picture.dtype == np.uint8
    assert (picture[:HEIGHT, :width] == RED[0, 0]).all()
    assert (picture[:HEIGHT, -width:] == BLUE[0, 0]).all()


@pytest.mark.parametrize('state', State)
def test_a_guess_is_dim_and_says_its_state_in_colour(state):
    picture = side_by_side([(RED, BLUE)], dataclasses.replace(MATCH, state=state), 8.0)
    assert (picture[10, -10, 2] == 200) == state.actionable
    assert (picture[HEIGHT:] == COLOURS[state]).all(axis=2).any()


@pytest.mark.parametrize('time_s', [0.0, 2.0, 7.9, 8.0, 99.0])
def test_the_bar_is_as_far_as_the_match(time_s):
    match = dataclasses.replace(MATCH, time_s=time_s, interval_s=(time_s, time_s))
    picture = side_by_side([(RED, BLUE)], match, 8.0)
    last = picture.shape[1] - 2 * GAP - 1
    assert marked(picture).mean() == pytest.approx(min(time_s / 8, 1) * last, abs=1.5)


def test_cameras_of_other_shapes_are_rows_of_one_picture():
    tall = np.full((64, 20, 3), 99, np.uint8)
    picture = side_by_side([(RED, BLUE), (tall, BLUE)], MATCH, 8.0)
    assert picture.shape[0] == 2 * HEIGHT + STRIP
    assert (picture[HEIGHT + 5, 5] == 99).all()


def test_names_that_cannot_be_drawn_and_no_duration_do_no_harm():
    match = dataclasses.replace(MATCH, demonstration='größe 倒' * 40)
    assert side_by_side([(RED, BLUE)], match, 0.0).shape[0] == HEIGHT + STRIP


def test_colours_are_those_of_the_report():
    assert {s: '#{:02X}{:02X}{:02X}'.format(*c) for s, c in COLOURS.items()} == STATE_COLOURS
