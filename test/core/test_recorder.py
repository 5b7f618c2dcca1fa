"""Series of episodes: what decides them, what is refused, what is kept."""

from __future__ import annotations

import json

import pytest
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.simulation.episode_folder import GENERATOR
from smaknet_core.simulation.recorder import episode_seed, plan, record, record_many
from smaknet_core.simulation.worlds import decide, Settings


def test_wrong_arguments_are_refused(tmp_path):
    out = tmp_path / 'bag'
    for wrong, word in (
        ({'scenario': 'pauze'}, "'pause'"),
        ({'cameras': ('fron',)}, "'front'"),
        ({'cameras': 9}, '1 ... 4'),
        ({'cameras': ('front', 'front')}, 'different'),
        ({'rate_hz': 0}, '1 ... 30'),
        ({'size': (4, 4)}, '32 ... 1080'),
        ({'lab': -1}, '0 or more'),
    ):
        with pytest.raises(ConfigError, match=word):
            record(out, seed=0, **wrong)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(DataError, match='exists'):
        record(out, seed=0)


def test_many_reports_and_resumes(tmp_path):
    seen = []
    folders = record_many(
        tmp_path, episodes=1, cameras=1, size=(32, 32), progress=lambda *a: seen.append(a)
    )
    before = (folders[0] / 'metadata.yaml').stat().st_mtime_ns
    record_many(tmp_path, episodes=2, cameras=1, size=(32, 32), progress=lambda *a: seen.append(a))
    assert seen == [(1, 1), (1, 2), (2, 2)]
    assert (folders[0] / 'metadata.yaml').stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ['episode_000', 'episode_001']


@pytest.fixture(scope='module')
def one_episode(tmp_path_factory):
    out = tmp_path_factory.mktemp('one')
    record_many(out, episodes=1, cameras=1, size=(32, 32))
    return out


@pytest.mark.parametrize(
    ('other', 'said'),
    [
        ({'lab': 1}, 'lab 0, not 1'),
        ({'lab': None}, 'lab 0, not'),
        ({'seed': 1}, 'another seed'),
        ({'size': (32, 40)}, r'size \[32, 32\], not \[32, 40\]'),
        ({'raw': True}, 'raw False, not True'),
        ({'cameras': ['side']}, 'cameras'),
        ({'scenario': 'pause'}, 'scenario normal, not pause'),
        ({'rate_hz': 12}, 'rate_hz 10.0, not 12.0'),
    ],
)
def test_episodes_of_other_settings_are_not_mixed(one_episode, other, said):
    settings = {'episodes': 2, 'cameras': 1, 'size': (32, 32)} | other
    with pytest.raises(DataError, match=f'episode_000 was made with {said}'):
        record_many(one_episode, **settings)
    assert len(list(one_episode.iterdir())) == 1  # refused before anything is recorded


def test_what_does_not_say_how_it_was_made_is_not_kept(tmp_path):
    (tmp_path / 'episode_000').mkdir()
    for text in (None, 'nonsense', '[]'):
        if text is not None:
            (tmp_path / 'episode_000' / 'episode.json').write_text(text)
        with pytest.raises(DataError, match=r'episode\.json: does not say'):
            record_many(tmp_path, episodes=1)


def test_a_turned_camera_is_noted_and_asked_for_again(tmp_path):
    """Recordings from before there was a turn say nothing of it, and were not turned."""
    (tmp_path / 'episode_000').mkdir()
    path = tmp_path / 'episode_000' / 'episode.json'
    for turn, other in ((0.0, 20.0), (20.0, 0.0)):
        episode = decide(Settings(turn=turn), episode_seed(0, 0))
        assert ('turn' in episode.noted()) == (turn != 0)
        path.write_text(json.dumps({**episode.noted(), 'generator': GENERATOR}))
        assert plan(tmp_path, Settings(turn=turn), 1, 0).kept == [path.parent]
        with pytest.raises(DataError, match=f'made with turn {turn}, not {other}'):
            plan(tmp_path, Settings(turn=other), 1, 0)


def test_each_episode_its_own_laboratory_and_demonstrators_in_turn():
    settings = Settings(world='small', lab=None)
    labs = [decide(settings, seed).lab for seed in range(5)]
    assert len(set(labs)) == 5
    assert labs == [decide(settings, seed).lab for seed in range(5)]
    physical = Settings(world='physical', demonstrator='both')
    who = [decide(physical, 0, index).demonstrator for index in range(4)]
    assert who == ['hand', 'robot', 'hand', 'robot']
    assert decide(Settings(world='physical'), 0).demonstrator == 'hand'
    assert decide(Settings(world='small'), 0).demonstrator == 'robot'
    with pytest.raises(ConfigError, match="small world has no 'both'"):
        decide(Settings(world='small', demonstrator='both'), 0)
