"""
Teaching and following: from a bag on disk to matches, with an embedder that sees mean colours.

The task of these tests is a lamp that changes its colour; a camera with a tint sees it a little
differently. That is all a line needs to be tested from end to end without a network.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
import io

from bag_maker import camera_messages, JPEG, jpeg_cdr, Message, START_NS, write_bag
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.config import MatchConfig, TrainConfig
from smaknet_core.data.bags import open_recording
from smaknet_core.demonstration import load
from smaknet_core.errors import BagError, DataError, DemonstrationError
from smaknet_core.follow import (
    commands,
    embed_sets,
    follow_recording,
    Follower,
    RecordedSets,
    teach,
)
from smaknet_core.matching import Calibration
from smaknet_core.types import FrameSet, Stamped, State

DURATION_S = 8.0
TINTS = {'left': (0, 0, 0), 'right': (12, -6, 4), 'top': (-8, 10, 6)}


@dataclass
class ColourEmbedder:
    """Embed an image as its mean colour, 0 ... 1."""

    model_hash: str = 'ab' * 32
    calibration: Calibration = Calibration(sigma=0.06, outlier=0.15, sharpness=8.0)
    config: TrainConfig = field(default_factory=TrainConfig)
    note: str = ''
    batches: list[int] = field(default_factory=list)
    input_size: tuple[int, int] = (24, 32)

    def embed(self, images):
        self.batches.append(len(images))
        means = [image.reshape(-1, 3).mean(axis=0) / 255 for image in images]
        return np.array(means, np.float32).reshape(-1, 3)


def lamp(time_s, camera='left', dim=False):
    """A grey-framed picture of the lamp at a moment of the task, or of another, dim lamp."""
    phase = 2 * np.pi * np.clip(time_s, 0, DURATION_S) / DURATION_S * 0.9
    colour = 128 + np.array([90 * np.cos(phase), 90 * np.sin(phase), 60 * np.sin(2 * phase)])
    colour = colour * 0.2 if dim else colour
    return np.full((24, 32, 3), np.clip(colour + TINTS[camera], 0, 255), np.uint8)


def frame(time_s, camera='left', at_s=None, **kind):
    stamp_ns = START_NS + round((time_s if at_s is None else at_s) * 1e9)
    return Stamped(stamp_ns, camera, lamp(time_s, camera, **kind))


def frame_set(time_s, cameras=('left',), **kind):
    return FrameSet({camera: frame(time_s, camera, **kind) for camera in cameras})


def lamp_bag(path, cameras=('left', 'right'), moments=None, hz=10.0, silent=None, **kind):
    """A bag of the lamp, cameras 4 ms apart; `silent` maps a camera to when it stops, in s."""
    moments = np.arange(0, DURATION_S, 1 / hz) if moments is None else moments
    messages = []
    for step, moment in enumerate(moments):
        for number, camera in enumerate(cameras):
            stamp = START_NS + round(step / hz * 1e9) + number * 4_000_000
            if silent and step / hz >= silent.get(camera, np.inf):
                continue
            cdr = jpeg_cdr(stamp, lamp(moment, camera, **kind))
            topic = f'/camera/{camera}/image_raw/compressed'
            messages.append(Message(topic, JPEG, stamp + 1_000_000, cdr))
    return write_bag(path, messages)


@pytest.fixture
def embedder():
    return ColourEmbedder()


@pytest.fixture
def bag(tmp_path):
    return lamp_bag(tmp_path / 'lamp')


@pytest.fixture
def demonstration(embedder, bag, tmp_path):
    return teach(embedder, bag, (), tmp_path / 'demo.safetensors')


def follow(follower, path, cameras=(), **options):
    with open_recording(path, cameras) as recording:
        sets = RecordedSets(recording, tuple(recording.cameras), **options)
        return list(follow_recording(follower, sets))


# --- Follower --------------------------------------------------------------------------------


def test_frames_of_all_sets_are_embedded_as_one_batch(embedder, demonstration):
    follower = Follower(embedder, [demonstration], MatchConfig())
    embedder.batches.clear()
    sets = [frame_set(t, ('left', 'right')) for t in (1.0, 1.1, 1.2)]
    followed = follower.process(sets)
    assert embedder.batches == [6]
    assert [one.match.stamp_ns for one in followed] == [one.stamp_ns for one in sets]
    assert list(followed[0].embeddings) == ['left', 'right']
    np.testing.assert_allclose(followed[1].embeddings['right'], lamp(1.1, 'right')[0, 0] / 255)


def test_each_frame_gets_its_own_embedding_when_cameras_come_and_go(embedder):
    sets = [frame_set(1, ('left', 'right')), frame_set(2, ('right',)), frame_set(3, ('left',))]
    for frames, vectors in zip(sets, embed_sets(embedder, sets), strict=True):
        assert tuple(vectors) == frames.cameras
        for camera, vector in vectors.items():
            np.testing.assert_allclose(vector * 255, frames.frames[camera].image[0, 0], atol=1e-3)


def test_nothing_in_nothing_out(embedder, demonstration):
    assert Follower(embedder, [demonstration], MatchConfig()).process([]) == []


def test_one_by_one_is_the_same_as_in_batches(embedder, demonstration):
    sets = [frame_set(t) for t in np.arange(1, 4, 0.1)]
    alone = Follower(embedder, [demonstration], MatchConfig())
    together = Follower(embedder, [demonstration], MatchConfig())
    singles = [alone.process([one])[0].match for one in sets]
    assert [one.match for one in together.process(sets)] == singles


def test_a_match_grows_stale_then_lost_and_keeps_its_stamp(embedder, demonstration):
    follower = Follower(embedder, [demonstration], MatchConfig(), stale_s=0.5, lost_s=2.0)
    assert follower.stale(START_NS) is None
    last = follower.process([frame_set(t) for t in np.arange(1, 3, 0.1)])[-1].match
    assert last.state is State.TRACKING
    assert follower.stale(last.stamp_ns + 400_000_000) is None
    assert follower.stale(last.stamp_ns - 10**9) is None
    stale = follower.stale(last.stamp_ns + 500_000_000)
    assert stale == replace(last, state=State.STALE)
    assert follower.stale(last.stamp_ns + 2 * 10**9) == replace(last, state=State.LOST)


def test_a_set_given_up_is_lost_grows_stale_and_does_not_disturb_the_next(embedder, demonstration):
    follower = Follower(embedder, [demonstration], MatchConfig(), stale_s=0.5, lost_s=2.0)
    before = follower.process([frame_set(t) for t in np.arange(1, 3, 0.1)])[-1].match
    given_up = follower.give_up(frame_set(3.0, ('left', 'right')))
    lost = given_up.match
    assert (lost.stamp_ns, lost.state) == (START_NS + 3 * 10**9, State.LOST)
    assert (lost.confidence, lost.distance, lost.timesteps) == (0, np.inf, before.timesteps)
    assert given_up.embeddings == {}
    stale = follower.stale(lost.stamp_ns + 500_000_000)
    assert stale == replace(lost, state=State.STALE)
    assert follower.process([frame_set(3.1)])[0].match.state is State.TRACKING


def test_a_reset_starts_from_init(embedder, demonstration):
    follower = Follower(embedder, [demonstration], MatchConfig())
    follower.process([frame_set(t) for t in np.arange(1, 3, 0.1)])
    follower.reset()
    assert follower.stale(START_NS + 10**12) is None
    assert follower.process([frame_set(3.0)])[0].match.state is State.INIT


def test_it_wants_demonstrations_of_this_model_differently_named(embedder, demonstration):
    with pytest.raises(DemonstrationError, match='nothing to follow'):
        Follower(embedder, [], MatchConfig())
    with pytest.raises(DemonstrationError, match='made with another model'):
        Follower(ColourEmbedder(model_hash='cd' * 32), [demonstration], MatchConfig())
    with pytest.raises(DemonstrationError, match="two demonstrations are called 'lamp'"):
        Follower(embedder, [demonstration] * 2, MatchConfig())


# --- teach -----------------------------------------------------------------------------------


def test_teach_writes_what_it_saw(embedder, bag, tmp_path):
    out, progress = tmp_path / 'folder' / 'demo.safetensors', []
    made = teach(embedder, bag, (), out, progress=progress.append)
    loaded = load(out, embedder.model_hash)
    assert loaded.hash == made.hash
    assert (loaded.name, loaded.cameras, len(loaded)) == ('lamp', ('left', 'right'), 80)
    assert loaded.duration_s == pytest.approx(7.9)
    assert loaded.origin_stamp_ns == START_NS
    assert loaded.thumbnails.shape == (80, 2, 48, 64, 3)
    seen = loaded.embeddings[30, 1] * 255
    np.testing.assert_allclose(seen, lamp(3.0, 'right')[0, 0], atol=4)
    assert np.abs(loaded.thumbnails[30, 1].astype(int) - lamp(3.0, 'right')[0, 0]).max() <= 4
    tint = np.linalg.norm(np.subtract(TINTS['left'], TINTS['right'])) / 255
    assert loaded.sigma == pytest.approx(tint, rel=0.25)
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_teach_takes_a_name_and_chosen_cameras(embedder, bag, tmp_path):
    made = teach(embedder, bag, ('right',), tmp_path / 'd', name='my\x1b[31m lamp')
    assert (made.name, made.cameras, made.sigma) == ('my\ufffd[31m lamp', ('right',), None)


def test_teach_overwrites_nothing_and_does_not_work_in_vain(embedder, bag, tmp_path):
    out = tmp_path / 'demo.safetensors'
    out.write_text('precious')
    with pytest.raises(DemonstrationError, match='not overwritten'):
        teach(embedder, bag, (), out)
    assert out.read_text() == 'precious'
    assert embedder.batches == []


def test_teach_says_why_there_are_no_sets(embedder, tmp_path):
    silent = lamp_bag(tmp_path / 'silent', silent={'right': 0.05})
    with pytest.raises(DemonstrationError, match='1 complete sets of left, right'):
        teach(embedder, silent, (), tmp_path / 'out')
    with pytest.raises(BagError, match='rihgt'):
        teach(embedder, silent, ('rihgt',), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_teach_survives_a_change_of_resolution(embedder, tmp_path):
    messages = camera_messages(('left',), count=6)
    small = jpeg_cdr(START_NS + 6 * 10**8, lamp(0)[:12, :12])
    messages.append(Message(messages[-1].topic, JPEG, START_NS + 6 * 10**8, small))
    bag = write_bag(tmp_path / 'bag', messages)
    assert len(teach(embedder, bag, (), tmp_path / 'demo')) == 7


# --- following a recording -------------------------------------------------------------------


def errors_s(followed, moments):
    times = np.array([one.match.time_s for one in followed])
    return np.abs(times - moments)


@pytest.mark.parametrize('cameras', [('left',), ('top',), ('top', 'left')])
def test_other_cameras_find_their_way(embedder, demonstration, tmp_path, cameras):
    bag = lamp_bag(tmp_path / 'live', cameras)
    followed = follow(Follower(embedder, [demonstration], MatchConfig()), bag)
    assert len(followed) == 80
    assert all(one.match.state.actionable for one in followed[10:])
    assert errors_s(followed, np.arange(80) / 10)[10:].max() <= 0.5


def test_another_task_is_lost(embedder, demonstration, tmp_path):
    bag = lamp_bag(tmp_path / 'live', dim=True)
    followed = follow(Follower(embedder, [demonstration], MatchConfig()), bag)
    assert not any(one.match.state.actionable for one in followed)


def test_it_can_start_later(embedder, demonstration, bag):
    followed = follow(Follower(embedder, [demonstration], MatchConfig()), bag, start_s=3.0)
    assert len(followed) == 50
    assert followed[0].match.stamp_ns == START_NS + 3 * 10**9
    assert errors_s(followed, 3 + np.arange(50) / 10)[8:].max() <= 0.5


def test_a_camera_that_falls_silent_does_not_end_it(embedder, demonstration, tmp_path):
    bag = lamp_bag(tmp_path / 'live', silent={'right': 4.0})
    followed = follow(Follower(embedder, [demonstration], MatchConfig()), bag)
    assert {tuple(one.embeddings) for one in followed} == {('left', 'right'), ('left',)}
    assert followed[-1].match.state is State.DONE


def test_a_stream_that_starts_over_starts_the_match_over(embedder, demonstration, tmp_path):
    first = [frame(t) for t in np.arange(0, 5, 0.1)]
    again = [frame(t) for t in np.arange(1, 3, 0.1)]

    class Looped:
        cameras = {'left': type('Topic', (), {'count': len(first) + len(again)})}
        bad_images: dict[str, int] = {}

        def frames(self, at_least=None):
            return iter([*first, *again])

    sets = RecordedSets(Looped(), ('left',))
    followed = list(follow_recording(Follower(embedder, [demonstration], MatchConfig()), sets))
    states = [one.match.state for one in followed]
    restart = next(i for i in range(1, len(states)) if states[i] is State.INIT and i > 10)
    assert followed[restart].match.stamp_ns < followed[restart - 1].match.stamp_ns
    assert states[-1] is State.TRACKING
    assert sets.synchroniser.restarts == 1


def test_progress_and_drops_are_counted(embedder, demonstration, tmp_path):
    path = lamp_bag(tmp_path / 'live')
    with open_recording(path) as recording:
        sets = RecordedSets(recording, ('left', 'right'))
        assert sets.progress == 0
        assert list(follow_recording(Follower(embedder, [demonstration], MatchConfig()), sets))
        assert sets.progress == 1
        assert sets.describe_dropped() == 'none'


# --- the commands ----------------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch, embedder):
    """Let the commands find the colour embedder where a model file would be."""
    monkeypatch.setattr(commands.Embedder, 'load', lambda *_: embedder)
    return embedder


def console():
    return Console(file=io.StringIO(), width=100)


@pytest.mark.usefixtures('loaded')
def test_run_teach_tells_how_good_a_demonstration_it_is(bag, tmp_path):
    shown = console()
    commands.run_teach(tmp_path, bag, tmp_path / 'demo', console=shown)
    text = shown.file.getvalue()
    assert '80 timesteps, 7.9 s, cameras left, right' in text
    assert 'left found in right: alignment error' in text
    assert 'of it looks like no other part of it' in text
    assert load(tmp_path / 'demo').name == 'lamp'


@pytest.mark.usefixtures('loaded')
def test_run_teach_names_what_looks_alike(tmp_path):
    there_and_back = [*np.arange(0, 3, 0.1), *np.arange(5, 6, 0.1), *np.arange(0, 3, 0.1)]
    bag = lamp_bag(tmp_path / 'twice', ('left',), there_and_back)
    shown = console()
    commands.run_teach(tmp_path, bag, tmp_path / 'demo', console=shown)
    text = shown.file.getvalue()
    assert 'one camera' in text
    assert '0.0-2.9 s looks like 4.0-6.9 s' in text


@pytest.mark.usefixtures('loaded', 'demonstration')
def test_run_follow_writes_a_row_per_set_and_a_summary(bag, tmp_path):
    shown, rows_path = console(), tmp_path / 'out' / 'match.csv'
    matches = commands.run_follow(
        tmp_path, [tmp_path / 'demo.safetensors'], bag, csv_path=rows_path, console=shown
    )
    rows = list(csv.DictReader(rows_path.read_text(encoding='utf-8').splitlines()))
    assert tuple(rows[0]) == commands.CSV_COLUMNS
    assert len(rows) == len(matches) == 80
    assert int(rows[40]['stamp_ns']) == matches[40].stamp_ns
    assert rows[40]['state'] == 'TRACKING'
    assert float(rows[40]['time_s']) == pytest.approx(matches[40].time_s, abs=1e-3)
    text = shown.file.getvalue()
    assert 'TRACKING' in text
    assert 'frames in no set: none' in text
    assert 'lamp: ' in text


@pytest.mark.usefixtures('loaded', 'demonstration')
def test_run_follow_overwrites_nothing(bag, tmp_path):
    precious = tmp_path / 'match.csv'
    precious.write_text('precious')
    with pytest.raises(DataError, match='not overwritten'):
        commands.run_follow(
            tmp_path,
            [tmp_path / 'demo.safetensors'],
            bag,
            csv_path=precious,
            console=console(),
        )
    assert precious.read_text() == 'precious'


@pytest.mark.usefixtures('loaded', 'demonstration')
def test_run_follow_says_when_there_is_nothing_to_follow(bag, tmp_path):
    with pytest.raises(BagError, match='no complete set of left, right'):
        commands.run_follow(
            tmp_path, [tmp_path / 'demo.safetensors'], bag, start_s=100, console=console()
        )


def test_the_cameras_that_were_taught_are_chosen(demonstration, tmp_path):
    both = lamp_bag(tmp_path / 'both', ('top', 'left'))
    assert commands.choose_cameras(both, [demonstration]) == ('left',)
    other = lamp_bag(tmp_path / 'other', ('top',))
    assert commands.choose_cameras(other, [demonstration]) == ('top',)
