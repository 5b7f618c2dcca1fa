"""The records that travel along the line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from smaknet_core.types import Clip, FrameSet, Stamped, State

PIXELS = np.zeros((1, 1, 3), np.uint8)


def frame_set(**stamps_ns):
    return FrameSet({name: Stamped(stamp, name, PIXELS) for name, stamp in stamps_ns.items()})


def test_a_set_is_as_old_as_its_oldest_frame():
    found = frame_set(top=2_000_000_000, wrist=1_990_000_000)
    assert found.stamp_ns == 1_990_000_000
    assert found.spread_s == pytest.approx(0.01)
    assert found.cameras == ('top', 'wrist')


def test_stamps_keep_their_nanoseconds():
    late = 1_900_000_000_123_456_789  # a float has 53 bits and would round this
    assert frame_set(top=late).stamp_ns == late
    assert frame_set(top=late, wrist=late + 1).spread_s == 1e-9


def test_a_clip_counts_timesteps_and_names_its_cameras():
    views = {name: np.zeros((5, 2, 2, 3), np.uint8) for name in ('b', 'a')}
    clip = Clip('take', 'pour', np.arange(5, dtype=np.int64), views)
    assert len(clip) == 5
    assert clip.cameras == ('b', 'a')
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip.name = 'other'


def test_only_a_match_that_can_be_acted_on_is_actionable():
    assert {state for state in State if state.actionable} == {State.TRACKING, State.DONE}
    assert State('LOST') is State.LOST  # states travel as text
    assert State.LOST == 'LOST'
