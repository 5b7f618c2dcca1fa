"""Judging numbers: each threshold on both of its sides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from smaknet_core.data import verdict as v
from smaknet_core.data.verdict import CameraReport, Level, Verdict


def camera(name='top', **changes):
    values = {'frames': 100, 'rate_hz': 10.0, 'gap_s': 0.1, 'sizes': Counter({'64x48': 100})}
    return CameraReport(name, f'/{name}', clock='header', **{**values, **changes})


def judge(*cameras, **changes):
    values = {'topics': ['/top'], 'duration_s': 10.0, 'sets': 100, 'paired': 1.0}
    cameras = list(cameras) or [camera(), camera('wrist')]
    return Verdict(Path('take'), 'take', cameras=cameras, **{**values, **changes})


def test_good():
    assert judge().level == Level.GOOD
    assert judge().reasons == []


@pytest.mark.parametrize(
    ('field', 'fine', 'level_beyond', 'beyond'),
    [
        ('corrupt', 0, Level.WARN, 1),
        ('corrupt', 0, Level.WARN, 5),
        ('corrupt', 0, Level.BAD, 6),
        ('frozen', 5, Level.WARN, 6),
        ('blank', 5, Level.WARN, 6),
        ('gap_s', v.GAP_WARN_S, Level.WARN, 0.51),
        ('rate_hz', v.RATE_WARN_HZ, Level.WARN, 2.9),
        ('clock_fault', '', Level.WARN, 'header stamps are not set'),
        ('sizes', Counter({'1x1': 2}), Level.WARN, Counter({'1x1': 2, '2x2': 1})),
    ],
)
def test_thresholds_of_a_camera(field, fine, level_beyond, beyond):
    assert judge(camera(**{field: fine}), camera('wrist')).level == Level.GOOD
    found = judge(camera(**{field: beyond}), camera('wrist'))
    assert found.level == level_beyond
    assert len(found.reasons) == 1
    assert found.reasons[0].text.startswith('top: ')
    assert found.reasons[0].remedy


@pytest.mark.parametrize(
    ('changes', 'level'),
    [
        ({'paired': 0.9}, Level.GOOD),
        ({'paired': 0.89}, Level.WARN),
        ({'paired': 0.5}, Level.WARN),
        ({'paired': 0.49}, Level.BAD),
        ({'sets': 2}, Level.GOOD),
        ({'sets': 1}, Level.BAD),
        ({'duration_s': 2.0}, Level.GOOD),
        ({'duration_s': 1.9}, Level.WARN),
        ({'usable_until_s': 9.0}, Level.WARN),
        ({'unfinished': True}, Level.WARN),
        ({'topics': []}, Level.BAD),
        ({'error': 'is empty'}, Level.BAD),
    ],
)
def test_thresholds_of_a_recording(changes, level):
    found = judge(**changes)
    assert found.level == level
    assert len(found.reasons) == (level != Level.GOOD)


def test_a_slow_camera_is_not_blamed_for_gaps_of_its_own_period():
    slow = camera(rate_hz=1.0, gap_s=1.1)
    assert [reason.text for reason in judge(slow, camera('wrist')).reasons] == ['top: only 1.0 Hz']


def test_cameras_on_different_clocks_are_told_so_and_not_to_widen_the_spread():
    found = judge(camera(delay_s=0.01), camera('wrist', delay_s=2.51), sets=0, paired=0.0)
    clocks, sets = found.reasons
    assert clocks.text == 'the clocks of wrist and top differ by 2.5 s'
    assert sets.remedy == 'their clocks differ'
    assert judge(camera(delay_s=0.01), camera('wrist', delay_s=0.5)).reasons == []


def test_the_spread_that_would_do_is_named_if_it_is_less_than_a_period():
    apart = {'paired': 0.2, 'spread_p50_s': 0.06, 'spread_p95_s': 0.08}
    assert judge(**apart).reasons[0].remedy == (
        'set data.max_spread_s to 0.088: the cameras are 60 ms apart, 95 % under 80 ms'
    )
    apart['spread_p95_s'] = 0.1
    assert 'did not record at the same times' in judge(**apart).reasons[0].remedy


def test_a_camera_that_shows_nothing_is_named():
    dead = camera('wrist', corrupt=100, corrupt_reason='corrupt JPEG')
    remedy = judge(camera(), dead, sets=0).reasons[-1].remedy
    assert remedy == 'wrist shows nothing; choose others with --cameras'
