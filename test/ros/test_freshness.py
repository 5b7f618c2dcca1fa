"""Which frames are news: stamps against arrival, and pictures that never change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest
from smaknet_ros.freshness import Freshness

S = 10**9
T0 = 1_700_000_000 * S  # stamps
A0 = 50 * S  # the node's clock need not agree


def kinds(judge, stream):
    """Judge (stamp offset, arrival offset, bytes) of a stream; the kinds of refusal."""
    refusals = [judge.judge(T0 + round(t * S), data, A0 + round(a * S)) for t, a, data in stream]
    return [refusal.kind if refusal else '' for refusal in refusals]


def steady(n, start=0.0, offset=0.0, period=0.1):
    return [(start + offset + i * period, start + i * period, b'%d' % i) for i in range(n)]


def test_a_steady_stream_is_news():
    assert kinds(Freshness(0.5), steady(50)) == [''] * 50


@given(st.floats(0.1, 10.0))
def test_the_pace_of_playing_does_not_matter(rate):
    stream = [(i * 0.1, i * 0.1 / rate, b'%d' % i) for i in range(50)]
    assert kinds(Freshness(None), stream) == [''] * 50


@given(st.floats(5.0, 20.0), st.floats(0.1, 1.0))
def test_fast_playing_on_a_slow_machine_is_not_locked_out(rate, period):
    stream = [(i * period * rate, i * period, b'%d' % i) for i in range(20)]
    refused = [bool(kind) for kind in kinds(Freshness(None), stream)]
    assert not any(a and b for a, b in zip(refused, refused[1:], strict=False))


def test_zero_stamp_is_refused_and_named():
    judge = Freshness(0.5)
    assert judge.judge(0, b'1', A0).kind == 'zero_stamp'
    assert 'driver' in judge.judge(0, b'2', A0 + S).text
    assert judge.judge(T0, b'3', A0 + 2 * S) is None


@pytest.mark.parametrize('off_s', [3600.0, -3600.0, 1.5, -1.5])
def test_a_single_stamp_off_its_stream_is_refused(off_s):
    stream = steady(10)
    stream[5] = (0.5 + off_s, 0.5, b'odd')
    expected = [''] * 10
    expected[5] = 'jump'
    assert kinds(Freshness(0.5), stream) == expected


def test_two_odd_stamps_that_do_not_continue_each_other_are_both_refused():
    stream = [*steady(3), (900.0, 0.3, b'a'), (500.0, 0.4, b'b'), (0.5, 0.5, b'c')]
    assert kinds(Freshness(0.5), stream) == ['', '', '', 'jump', 'jump', '']


def test_stamps_that_repeat_or_run_back_a_little_are_refused():
    stream = [*steady(3), (0.2, 0.3, b'a'), (0.15, 0.4, b'b'), (0.5, 0.5, b'c'), (0.5, 0.6, b'd')]
    assert kinds(Freshness(0.5), stream) == ['', '', '', 'duplicate', 'backward', '', 'duplicate']
    judge = Freshness(None)
    judge.judge(T0, b'', A0)
    assert judge.judge(T0, b'', A0 + S).text == 'header.stamp repeats'
    assert judge.judge(T0 - S // 4, b'', A0 + S).text == 'header.stamp runs back by 0.250 s'


def test_another_time_line_is_believed_at_its_second_frame():
    looped = [*steady(10), *steady(5, start=1.0, offset=-1000.0)]
    assert kinds(Freshness(0.5), looped) == [''] * 10 + ['jump'] + [''] * 4


def test_a_camera_that_was_away_is_believed_at_once():
    assert kinds(Freshness(0.5), [*steady(3), *steady(3, start=60.0)]) == [''] * 6


def test_the_same_bytes_for_long_are_a_frozen_camera():
    stream = [(i * 0.1, i * 0.1, b'same') for i in range(10)]
    assert kinds(Freshness(0.45), stream) == [''] * 5 + ['frozen'] * 5


def test_one_other_picture_ends_the_freeze():
    judge = Freshness(0.25)
    stream = [(i * 0.1, i * 0.1, b'same') for i in range(6)]
    assert kinds(judge, stream)[-1] == 'frozen'
    assert kinds(judge, [(0.6, 0.6, b'else'), (0.7, 0.7, b'else')]) == ['', '']


def test_simulators_may_repeat_themselves():
    stream = [(i * 0.1, i * 0.1, b'same') for i in range(50)]
    assert kinds(Freshness(None), stream) == [''] * 50
