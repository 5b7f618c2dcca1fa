"""Learning curves and tables as pictures: drawn where they should be, odd input goes too."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from smaknet_core.errors import DataError
from smaknet_core.report.curves import Curve, draw_curves
from smaknet_core.report.table_picture import draw_table


def picture(png):
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def coloured(image):
    """Pixels that are no grey."""
    return image.max(axis=-1).astype(int) - image.min(axis=-1) > 60


def test_two_panels_per_group_with_lines_in_both():
    curve = Curve([10, 20, 40], [1.0, 2.0, 3.5], [0.3, 0.2, 0.1])
    groups = {'a $ title': {'one': [curve, curve], '_two\x1b': [curve]}, 'other': {'one': [curve]}}
    image = picture(draw_curves(groups))
    height, width = image.shape[:2]
    drawn = coloured(image)
    for rows in (slice(0, height // 2), slice(height // 2, height)):
        for columns in (slice(0, width // 3), slice(2 * width // 5, 3 * width // 4)):
            assert drawn[rows, columns].any()


def test_a_later_group_that_is_higher_is_not_cut_off():
    low = Curve([10, 20, 40], [1.0, 2.0, 3.5], [0.3, 0.2, 0.1])
    high = Curve([10, 20, 40], [1.0, 2.0, 3.5], [0.9, 0.9, 0.9])
    image = picture(draw_curves({'low': {'one': [low]}, 'high': {'one': [high]}}))
    height, width = image.shape[:2]
    lower_left = coloured(image)[height // 2 :, : width // 3]
    rows = np.flatnonzero(lower_left.sum(axis=1) > width // 10)  # the line is flat
    assert len(rows)
    assert rows.max() < height // 4


def test_an_eleventh_line_is_no_second_first_one_and_the_legend_has_room():
    curve = Curve([0, 4000], [0.0, 2.0], [0.3, 0.1])
    blank = Curve([0], [0.0], [0.3])  # a dot in the corner
    first, eleventh = (
        picture(draw_curves({'t': {str(n): [curve if n == drawn else blank] for n in range(30)}}))
        for drawn in (0, 10)
    )
    assert first.shape == eleventh.shape
    assert first.shape[0] > picture(draw_curves({'t': {'one': [curve]}})).shape[0]
    panel = (slice(None), slice(0, first.shape[1] // 3))
    solid, dashed = (coloured(image[panel]).sum() for image in (first, eleventh))
    assert solid > 1.2 * dashed > 0


def test_nothing_to_draw():
    with pytest.raises(DataError, match='no learning curves'):
        draw_curves({})


def test_a_table_grows_with_its_rows_and_columns():
    body = [('a $ name', '1.0'), ('another | one', 'not run')]
    small = picture(draw_table('Title', ('system', 'score'), body, 1, 'note'))
    tall = picture(draw_table('Title', ('system', 'score'), body * 2, 1, 'note'))
    more = ('system', 'score', 'a title of many words')
    wide = picture(draw_table('Title', more, [(*row, '') for row in body], 1, ''))
    assert tall.shape[0] > small.shape[0]
    assert tall.shape[1] == small.shape[1]
    assert wide.shape[1] > small.shape[1]
    assert (small < 128).any()
    assert (small == 255).mean() > 0.8
