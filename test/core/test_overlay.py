"""Attention as pictures: bright where the weight is, each level over the whole frame."""

import numpy as np
import pytest
from smaknet_core.overlay import HEIGHT, paint, paint_levels

FRAME = np.full((48, 64, 3), 128, np.uint8)


def corner(size, row, column):
    """All the weight in one place of a map."""
    weights = np.zeros((size, size), np.float32)
    weights[row, column] = 1
    return weights


def test_levels_stand_side_by_side_from_fine_to_coarse():
    picture = paint(FRAME, {3: corner(4, 3, 3), 1: corner(16, 0, 0)})
    assert picture.shape == (HEIGHT, 2 * HEIGHT * 64 // 48, 3)
    assert picture.flags.c_contiguous
    fine, coarse = np.split(picture.astype(int).sum(axis=2), 2, axis=1)
    assert fine[:8, :8].mean() > fine[-8:, -8:].mean() + 60
    assert coarse[-8:, -8:].mean() > coarse[:8, :8].mean() + 60


@pytest.mark.parametrize('height', [1, 30, 200])
def test_pictures_keep_the_shape_of_the_frame(height):
    panels = paint_levels(FRAME, {2: corner(8, 2, 5)}, height)
    assert list(panels) == [2]
    assert panels[2].shape == (height, max(1, round(height * 4 / 3)), 3)


def test_the_frame_shows_through():
    dark, bright = (np.full((48, 64, 3), level, np.uint8) for level in (20, 220))
    weights = {1: corner(4, 1, 1)}
    assert (paint(bright, weights).astype(int) - paint(dark, weights)).min() > 60


def test_a_level_is_shown_in_shares_of_its_largest_weight():
    weights = corner(8, 2, 5)
    np.testing.assert_array_equal(paint(FRAME, {1: weights}), paint(FRAME, {1: weights / 40}))
    flat = paint(FRAME, {1: np.zeros((8, 8), np.float32)})
    assert (flat == 128).all()  # nothing is looked at: the frame as it is


def test_weights_out_of_range_are_cut_off():
    wild = {1: np.array([[-5.0, 7.0]], np.float32)}
    tame = {1: np.array([[0.0, 1.0]], np.float32)}
    np.testing.assert_array_equal(paint(FRAME, wild), paint(FRAME, tame))
