"""Clips of many recordings, and their split."""

from __future__ import annotations

import io

from bag_maker import camera_messages, SHARED, write_bag
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.config import DataConfig
from smaknet_core.data.dataset import load_clips, split
from smaknet_core.errors import BagError, DataError
from smaknet_core.types import Clip

DATA = DataConfig(height=32, width=32)


def clips(*names):
    views = {'top': np.zeros((3, 1, 1, 3), np.uint8)}
    return [Clip(name, '', np.arange(3), views) for name in names]


def names(some_clips):
    return [clip.name for clip in some_clips]


class TestLoad:
    def test_all_recordings_of_a_folder_in_order(self, tmp_path):
        for number in (2, 0, 1):
            write_bag(tmp_path / 'demos' / f'take_{number}', camera_messages(count=3 + number))
        loaded = load_clips([tmp_path / 'demos'], (), DATA, tmp_path / 'cache')
        assert names(loaded) == ['take_0', 'take_1', 'take_2']
        assert [len(clip) for clip in loaded] == [3, 4, 5]
        assert loaded[0].views['wrist'].shape == (3, 32, 32, 3)

    def test_chosen_cameras(self, tmp_path):
        path = write_bag(tmp_path / 'take', camera_messages(['a', 'b', 'c'], 3))
        (clip,) = load_clips([path], ('c', 'a'), DATA, tmp_path / 'cache')
        assert clip.cameras == ('c', 'a')

    def test_a_camera_that_one_recording_lacks(self, tmp_path):
        write_bag(tmp_path / 'demos' / 'one', camera_messages(['top', 'wrist'], 3))
        write_bag(tmp_path / 'demos' / 'two', camera_messages(['top', 'side'], 3))
        out = io.StringIO()
        load_clips([tmp_path / 'demos'], (), DATA, tmp_path / 'cache', Console(file=out))
        assert out.getvalue() == 'one: has no camera side\ntwo: has no camera wrist\n'
        with pytest.raises(BagError, match="two: no camera 'wrist'"):
            load_clips([tmp_path / 'demos'], ('wrist',), DATA, tmp_path / 'cache')

    def test_notes_are_printed_as_text_not_as_markup(self, tmp_path):
        path = write_bag(tmp_path / 'take [red]', camera_messages(count=3))
        (path / 'metadata.yaml').unlink()
        out = io.StringIO()
        load_clips([path], (), DATA, tmp_path / 'cache', Console(file=out))
        assert 'take [red]: metadata.yaml is missing' in out.getvalue()

    def test_recordings_of_one_name_are_told_apart_by_their_folder(self, tmp_path):
        for folder in ('monday', 'tuesday'):
            write_bag(tmp_path / folder / 'take', camera_messages(count=3))
        write_bag(tmp_path / 'other', camera_messages(count=3))
        loaded = load_clips([tmp_path], (), DATA, tmp_path / 'cache')
        assert names(loaded) == ['monday/take', 'other', 'tuesday/take']

    def test_one_useless_recording_is_an_error_that_names_it(self, tmp_path):
        write_bag(tmp_path / 'demos' / 'good', camera_messages(count=3))
        write_bag(tmp_path / 'demos' / 'talk', camera_messages([]))
        with pytest.raises(DataError, match='talk: no camera topic in it'):
            load_clips([tmp_path / 'demos'], (), DATA, tmp_path / 'cache')

    @pytest.mark.skipif(not SHARED.is_dir(), reason='real recordings are not here')
    def test_the_real_takes(self, tmp_path):
        loaded = load_clips([SHARED / 'droid'], (), DATA, tmp_path)
        assert names(loaded) == [f'take_{number}' for number in range(5)]
        assert [len(clip) for clip in loaded] == [166, 238, 142, 205, 213]
        assert all(clip.cameras == ('exterior_1', 'exterior_2', 'wrist') for clip in loaded)
        assert loaded[0].task == 'Put the marker in the pot'


class TestSplit:
    @given(st.integers(1, 12), st.floats(0, 0.99), st.integers(0, 5))
    def test_every_clip_is_on_one_side_and_one_is_always_trained_on(self, count, share, seed):
        given_clips = clips(*(f'take_{number}' for number in range(count)))
        data = DataConfig(held_out=share)
        training, held_out = split(given_clips, data, seed)
        assert sorted(names(training) + names(held_out)) == sorted(names(given_clips))
        assert training
        assert bool(held_out) == (share > 0 and count > 1)
        assert abs(len(held_out) - share * count) <= 1
        assert (training, held_out) == split(given_clips, data, seed)

    def test_the_seed_chooses(self):
        given_clips = clips(*'abcdefgh')
        held = {tuple(names(split(given_clips, DATA, seed)[1])) for seed in range(9)}
        assert len(held) > 3

    def test_names_win_over_the_share(self):
        data = DataConfig(held_out=0.9, held_out_names=('b',))
        training, held_out = split(clips(*'abc'), data, 0)
        assert (names(training), names(held_out)) == (['a', 'c'], ['b'])

    def test_an_unknown_name_is_answered_with_the_nearest(self):
        with pytest.raises(DataError, match="no recording 'take_11', did you mean 'take_1'"):
            split(clips('take_1', 'other'), DataConfig(held_out_names=('take_11',)), 0)

    def test_something_must_be_left(self):
        with pytest.raises(DataError, match='none is left'):
            split(clips('a'), DataConfig(held_out_names=('a',)), 0)
