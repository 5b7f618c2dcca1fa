"""Draws: the same for the same step, from different views, spread over the recording."""

from __future__ import annotations

from clip_maker import make_clip
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.config import BatchConfig
from smaknet_core.data.sampler import check_clips, draw, load, near_in_time
from smaknet_core.errors import DataError
from smaknet_core.types import Clip


def blank(steps, cameras='abc', name='clip'):
    """A clip of which only the length and the cameras matter."""
    views = {camera: np.zeros((steps, 1, 1, 3), np.uint8) for camera in cameras}
    return Clip(name, '', np.arange(steps, dtype=np.int64), views)


def told(draws):
    return [(d.clip, d.timesteps.tolist(), d.anchor, d.positive) for d in draws]


cases = {
    'lengths': st.lists(st.integers(4, 200), min_size=1, max_size=4),
    'pairs': st.integers(2, 4),
    'sequences': st.integers(1, 6),
    'stratified': st.booleans(),
    'seed': st.integers(0, 2**63 - 1),
    'step': st.integers(0, 10**6),
}


@given(st.fixed_dictionaries(cases))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_a_draw_is(case):
    clips = [blank(steps, 'ab' if n % 2 else 'abc') for n, steps in enumerate(case['lengths'])]
    config = BatchConfig(case['sequences'], case['pairs'], case['stratified'])
    draws = draw(clips, config, case['seed'], case['step'])
    assert len(draws) == config.sequences
    if len(clips) >= config.sequences:
        assert len({d.clip for d in draws}) == config.sequences, 'a recording twice in a batch'
    for d in draws:
        clip = clips[d.clip]
        assert d.anchor != d.positive
        assert {d.anchor, d.positive} <= set(clip.cameras)
        assert len(d.timesteps) == config.pairs
        assert (np.diff(d.timesteps) > 0).all(), 'an image would be its own negative'
        assert d.timesteps[0] >= 0
        assert d.timesteps[-1] < len(clip)


@given(st.fixed_dictionaries(cases))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_pure_function_of_seed_and_step(case):
    clips = [blank(steps) for steps in case['lengths']]
    config = BatchConfig(case['sequences'], case['pairs'], case['stratified'])
    once = told(draw(clips, config, case['seed'], case['step']))
    assert told(draw(clips, config, case['seed'], case['step'])) == once


def test_seed_and_step_each_change_the_draw():
    clips = [blank(500) for _ in range(5)]
    made = [
        str(told(draw(clips, BatchConfig(), *arguments))) for arguments in [(0, 0), (1, 0), (0, 1)]
    ]
    assert len(set(made)) == 3


@pytest.mark.parametrize('steps', [16, 17, 31, 100])
def test_stratified_draws_take_one_timestep_of_each_stretch(steps):
    seen = np.zeros(steps, int)
    for step in range(400):
        (d,) = draw([blank(steps)], BatchConfig(1, 16), 0, step)
        edges = np.arange(17) * steps // 16
        assert (edges[:-1] <= d.timesteps).all()
        assert (d.timesteps < edges[1:]).all()
        seen[d.timesteps] += 1
    assert seen.min() > 0, 'every timestep is drawn now and then'


def test_every_pair_of_views_is_drawn():
    draws = [draw([blank(8)], BatchConfig(1, 2), 0, step)[0] for step in range(100)]
    assert {(d.anchor, d.positive) for d in draws} == {
        (a, b) for a in 'abc' for b in 'abc' if a != b
    }


def test_the_drawn_frames_are_read():
    clips = [make_clip('one', 12, seed=1), make_clip('two', 9, ('right', 'top'), seed=2)]
    draws = draw(clips, BatchConfig(2, 4), 0, 0)
    frames = load(clips, draws)
    assert frames.shape == (2, 2, 4, 32, 32, 3)
    assert frames.dtype == np.uint8
    for s, d in enumerate(draws):
        for p, timestep in enumerate(d.timesteps):
            views = clips[d.clip].views
            assert np.array_equal(frames[0, s, p], views[d.anchor][timestep])
            assert np.array_equal(frames[1, s, p], views[d.positive][timestep])


@pytest.mark.parametrize(
    ('clips', 'words'),
    [
        (
            [blank(20), blank(20, 'a', 'lonely')],
            'lonely: training needs two cameras .* batch.time_contrastive',
        ),
        ([blank(15, name='short')], 'short: 15 camera sets are too few for batch.pairs = 16'),
        ([], 'no recording to train on'),
    ],
)
def test_what_cannot_be_trained_on_is_named(clips, words):
    with pytest.raises(DataError, match=words):
        check_clips(clips, BatchConfig())


PERIOD_NS = 100_000_000


def lonely(steps, period_ns=PERIOD_NS, name='clip', jitter=0):
    """A clip of one camera; its pixels are the timestep."""
    rng = np.random.default_rng(steps)
    stamps_ns = np.arange(steps, dtype=np.int64) * period_ns
    stamps_ns += rng.integers(0, jitter + 1, steps)
    view = np.arange(steps, dtype=np.uint8)[:, None, None, None] * np.ones(3, np.uint8)
    return Clip(name, '', stamps_ns, {'only': view})


ONE_CAMERA = BatchConfig(1, 8, time_contrastive=True)


@given(
    st.integers(16, 200),
    st.integers(20_000_000, 200_000_000),
    st.integers(0, 10**6),
    st.booleans(),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_with_one_camera_a_moment_earlier_or_later_is_the_positive(steps, period, step, strata):
    clip = lonely(steps, period, jitter=period // 3)
    config = BatchConfig(1, 8, strata, time_contrastive=True)
    (d,) = draw([clip], config, 0, step)
    assert (d.anchor, d.positive) == ('only', 'only')
    assert (np.diff(d.timesteps) > 0).all()
    apart_s = np.abs(clip.stamps_ns[d.timesteps] - clip.stamps_ns[d.positive_timesteps]) / 1e9
    assert (apart_s <= config.positive_within_s).all()
    reach = config.positive_within_s * 1e9
    for t, other in zip(d.timesteps, d.positive_timesteps, strict=True):
        away = np.delete(np.abs(clip.stamps_ns - clip.stamps_ns[t]), t)
        assert (other == t) == (away.min() > reach), 'itself only where there is no other'
    found = load([clip], [d])[:, 0, :, 0, 0, 0]
    assert found.tolist() == [d.timesteps.tolist(), d.positive_timesteps.tolist()]


def test_every_neighbour_is_drawn_and_none_is_preferred():
    clip = lonely(60)
    offsets = [
        d.positive_timesteps - d.timesteps
        for step in range(2000)
        for d in draw([clip], ONE_CAMERA, 0, step)
    ]
    inner = np.concatenate([o[1:-1] for o in offsets])
    values, counts = np.unique(inner, return_counts=True)
    assert values.tolist() == [-2, -1, 1, 2]
    assert counts.min() > 0.23 * counts.sum()


def test_frames_between_near_and_far_are_neither():
    clip = lonely(100)
    draws = draw([clip, blank(100)], BatchConfig(2, 8, time_contrastive=True), 3, 0)
    near = near_in_time([clip, blank(100)], draws, BatchConfig(2, 8, time_contrastive=True))
    assert near.shape == (2, 16, 16)
    for own, d in zip(near, draws, strict=True):
        frames = np.concatenate([d.timesteps, d.positive_timesteps])
        for i in range(16):
            for j in range(16):
                partners = i % 8 == j % 8
                close = abs(frames[i] - frames[j]) <= 4  # 0.4 s
                assert own[i, j] == (d.anchor == 'only' and close and not partners)


def test_nothing_is_near_where_two_cameras_look():
    draws = draw([blank(100)], ONE_CAMERA, 0, 0)
    assert near_in_time([blank(100)], draws, ONE_CAMERA) is None
    assert draws[0].positive_timesteps.tolist() == draws[0].timesteps.tolist()


@pytest.mark.parametrize(
    ('clip', 'words'),
    [
        (lonely(100, 500_000_000, 'slow'), 'slow: its frames are 0.50 s apart or more'),
        (lonely(40, 20_000_000, 'brief'), 'brief: it lasts 0.8 s, too short for negatives'),
    ],
)
def test_one_camera_that_cannot_be_learned_from_is_named(clip, words):
    check_clips([lonely(100)], ONE_CAMERA)
    with pytest.raises(DataError, match=words):
        check_clips([clip], ONE_CAMERA)


def test_too_short_to_measure_distances_on():
    check_clips([blank(4)], BatchConfig(pairs=2))
    with pytest.raises(DataError, match='at least 4'):
        check_clips([blank(3)], BatchConfig(pairs=2))
