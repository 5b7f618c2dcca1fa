"""What a listener heard, read back and judged; what the demo chooses to play."""

import importlib.util
import json
from pathlib import Path
import shutil
import sys

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.errors import DataError
from smaknet_ros.rehearsal import CLOCK_ONLY, RAW_PIXELS, recorded_stamps, rehearse

ROOT = Path(__file__).resolve().parents[2]


@given(
    seed=st.integers(0, 2**31),
    rate=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]),
    begun=st.integers(0, 2 * 10**18),
)
def test_stamps_that_were_moved_by_the_player_are_found_again(
    seed: int, rate: float, begun: int
) -> None:
    rng = np.random.default_rng(seed)
    recorded = 1_700_000_000 * 10**9 + np.cumsum(rng.integers(20_000_000, 120_000_000, 60))
    start = int(recorded[0]) - int(rng.integers(0, 10**8))
    kept = np.sort(rng.choice(60, 40, replace=False))  # the node never sees every frame
    published = np.array([begun + round((int(r) - start) / rate) for r in recorded[kept]])
    assert np.array_equal(recorded_stamps(published, recorded, rate), recorded[kept])


def test_stamps_of_another_recording_are_refused() -> None:
    recorded = np.arange(50) * 100_000_000
    with pytest.raises(ValueError, match='off the recorded ones'):
        recorded_stamps(np.array([0, 37_000_000, 220_000_000]), recorded, 1.0)


def test_a_rehearsal_keeps_frames_matched_frames_and_attention(world) -> None:
    run, live = rehearse(
        'again', world.model, world.both, world.bag, world.bag, rate=2.0, moments=5
    )
    assert live.exit_codes == {'smaknet_matcher': 0, 'smaknet_player': 0}, live.logs
    assert len(run.frames) == len(run.attention) == 5
    for stamp, frames in run.frames.items():
        assert set(frames) == set(run.attention[stamp]) == {'front', 'side'}
        assert frames['front'].shape == (48, 64, 3)
        assert set(run.attention[stamp]['side']) == {1, 2, 3}
        assert set(run.taught_frames[run.match_at(stamp).timestep]) == {'front', 'side'}
    assert set(run.others) == {CLOCK_ONLY, RAW_PIXELS}
    assert run.recording == world.bag.name
    # The recording is compared with itself: raw pixels find every moment, the clock is too slow.
    errors = {name: run.errors_s(answers) for name, answers in run.others.items()}
    assert np.median(errors[RAW_PIXELS]) < 0.11
    assert errors[CLOCK_ONLY].mean() > 1


# The demo.


@pytest.fixture(scope='module')
def demo():
    """examples/live_demo.py as a module."""
    spec = importlib.util.spec_from_file_location('live_demo', ROOT / 'examples' / 'live_demo.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['live_demo'] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules['live_demo']


@pytest.fixture
def sample(world, tmp_path) -> Path:
    """Five copies of a recording, one of another task; the README says which were held out."""
    for n in range(5):
        shutil.copytree(world.bag, tmp_path / f'episode_00{n}')
    (tmp_path / 'episode_004' / 'episode.json').write_text(json.dumps({'task': 'shake'}))
    (tmp_path / 'README.md').write_text(
        '| episode_000 | trained on |\n| episode_001 | held out |\n| `episode_002` | Held-out |\n'
        '| episode_003 | trained on |\n| episode_004 | another task, held out |\n'
    )
    return tmp_path


def test_the_demo_plays_what_was_held_out(demo, world, sample) -> None:
    chosen = demo.find(world.model, sample)
    assert chosen.taught == sample / 'episode_001'
    assert [stream.bag.name for stream in chosen.streams] == [
        *('episode_002', 'episode_002', 'episode_004'),
    ]
    assert [stream.known for stream in chosen.streams] == [True, True, False]
    first = chosen.streams[0]
    assert set(first.taught_by) | set(first.seen_by) == {'front', 'side'}
    assert not set(first.taught_by) & set(first.seen_by)


def test_the_demo_teaches_the_common_task_and_says_who_does_it(demo, world, sample) -> None:
    shutil.move(sample / 'episode_004', sample / 'a_shake' / 'episode_001')  # first by name
    for number, who in ((0, 'hand'), (1, 'robot'), (2, 'hand')):
        told = sample / f'episode_00{number}' / 'episode.json'
        told.write_text(json.dumps({'task': 'pour', 'demonstrator': who}))
    (sample / 'README.md').write_text(
        'held out: episode_000, episode_001, episode_002, a_shake/episode_001\n'
    )
    chosen = demo.find(world.model, sample)
    assert chosen.taught == sample / 'episode_000'
    assert [(stream.title, stream.bag) for stream in chosen.streams[2:]] == [
        ('Taught by a hand, done by a robot', sample / 'episode_001'),
        ('Another task', sample / 'a_shake' / 'episode_001'),
    ]
    assert all(stream.bag == sample / 'episode_002' for stream in chosen.streams[:2])


@pytest.mark.parametrize('text', ['nothing of the kind', 'episode_001 is held out'])
def test_a_sample_that_does_not_say_enough_is_refused(demo, world, sample, text) -> None:
    (sample / 'README.md').write_text(text)
    with pytest.raises(DataError, match=r'README\.md: names'):
        demo.find(world.model, sample)


@pytest.mark.parametrize('lacking', ['model', 'sample'])
def test_without_model_or_sample_the_demo_says_what_to_do(
    demo, world, sample, tmp_path, monkeypatch, capsys, lacking
) -> None:
    paths = {'model': world.model, 'sample': sample} | {lacking: tmp_path / 'away'}
    arguments = [f'--{name}={path}' for name, path in paths.items()]
    monkeypatch.setattr(sys, 'argv', ['live_demo.py', *arguments, f'--out={tmp_path / "out"}'])
    assert demo.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / 'away') in line
    assert '--train' in line
    assert not (tmp_path / 'out').exists()
