"""Distance scales of a model, measured on validation recordings."""

from __future__ import annotations

from dataclasses import replace

from embedding_world import actionable, calibration, follow, ramp, World
import numpy as np
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.mappings import from_mapping, to_mapping
from smaknet_core.matching import (
    calibrate,
    Calibration,
    CalibrationRecording,
    ForwardFilter,
    measure_views,
)
from smaknet_core.matching.calibration import FEW_SLACK, minimise, MOST_SLACK, outlier_level
from smaknet_core.matching.measuring import Measuring

CONFIG = MatchConfig()


def test_calibration_of_two_tasks_lies_between_matches_and_non_matches():
    scale = calibration()
    world, other = World(70), World(71)
    taught = world.taught()

    def distances(scene, time_s):
        return Measuring([taught], 1.0).measure({'b': scene.see(time_s)})[0]

    true = [distances(world, t)[i] for i, t in enumerate(taught.times_s)]
    far = [distances(other, t).min() for t in taught.times_s]
    assert scale.sigma == pytest.approx(np.sqrt(np.mean(np.square(true))), rel=0.2)
    assert np.quantile(true, 0.9) < scale.outlier < np.mean(far)
    assert 'views' in scale.basis
    assert 'other tasks' in scale.basis


def test_the_outlier_level_is_halfway_but_not_far_above_true_matches_the_fewer_the_farther():
    true = np.linspace(0.0, 0.2, 101)
    assert outlier_level(true, np.full(9, 0.12), 1) == pytest.approx(0.11)
    levels = [outlier_level(true, np.full(9, 2.0), count) for count in (1, 2, 5, 1000)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx((1 + FEW_SLACK) * MOST_SLACK * 0.18)
    assert levels[-1] == pytest.approx(MOST_SLACK * 0.18, rel=1e-3)


def test_calibration_survives_the_model_file():
    scale = calibration()
    assert from_mapping(Calibration, to_mapping(scale), 'file') == scale


@pytest.mark.parametrize('damage', [{'sigma': 0}, {'outlier': 0.01}, {'temperature': np.nan}])
def test_calibration_out_of_range_is_refused(damage):
    with pytest.raises(ConfigError, match='calibration'):
        replace(calibration(), **damage)


def test_one_recording_is_enough():
    scale = calibrate([World(72).recording()])
    assert 'distant moments' in scale.basis
    assert scale.sigma < scale.outlier
    world = World(73)
    fast = ForwardFilter([world.taught()], scale, CONFIG)
    assert actionable(follow(fast, world.stream(ramp(2, 18)))[10:]).mean() >= 0.95
    fast.reset()
    assert actionable(follow(fast, World(501).stream(ramp(0, 20)))).mean() <= 0.1


def test_one_camera_is_enough_and_it_says_what_that_is_worth():
    scale = calibrate([World(74).recording(('a',))])
    assert 'neighbouring timesteps only' in scale.basis
    assert 0 < scale.sigma < calibration().sigma
    world = World(75)
    fast = ForwardFilter([world.taught()], scale, CONFIG)
    assert actionable(follow(fast, world.stream(ramp(2, 18), camera='a'))[10:]).mean() >= 0.95


def test_recordings_of_one_task_are_matched_by_their_alignment():
    slow, fast = World(76).recording(('a',)), World(76).recording(('a',))
    slow = replace(slow, times_s=slow.times_s * 1.5)
    scale = calibrate([slow, fast])
    assert 'recordings of one task' in scale.basis
    assert 'too sure' not in scale.basis


def test_a_collapsed_model_gives_a_calibration_all_the_same():
    recording = World(77).recording()
    same = replace(recording, embeddings=np.ones_like(recording.embeddings))
    scale = calibrate([same])
    assert 0 < scale.sigma <= scale.outlier


def test_long_recordings_are_thinned():
    scale = calibrate([World(78, duration_s=60).recording(hz=30)])
    assert scale.sigma == pytest.approx(calibration().sigma, rel=0.2)


def test_nothing_to_calibrate_on_is_an_error():
    short = CalibrationRecording('t', np.arange(3.0), ('a',), np.zeros((3, 1, 4), np.float32))
    for recordings in ([], [short]):
        with pytest.raises(DataError, match='at least 4 timesteps'):
            calibrate(recordings)


def test_measure_views_is_the_distance_of_concurrent_frames():
    views, times_s = np.zeros((5, 2, 4), np.float32), np.arange(5.0)
    views[:, 1, 0] = 3
    assert measure_views(views, times_s) == pytest.approx(3)
    assert measure_views(views[:, :1], times_s) is None
    assert measure_views(views[:, [0, 0]], times_s) is None


def test_minimise_finds_the_bottom_of_a_valley():
    assert minimise(lambda x: (np.log(x) - np.log(7)) ** 2, 0.05, 500) == pytest.approx(7, rel=0.1)
