"""The small world: real recordings whose truth is known, and which look like what they claim."""

import csv
import json
from pathlib import Path

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.simulation import meshes, recorder, truth
from smaknet_core.simulation.lab import build_lab
from smaknet_core.simulation.painter import Light, look_at, paint_mesh, Pinhole
from smaknet_core.simulation.recorder import record, record_many, write_recording
from smaknet_core.simulation.scenarios import make_world
from smaknet_core.simulation.world import ambiguity_floor, Truth

SIZE = (48, 64)
WHITE = np.ones(3)


@pytest.fixture(scope='module')
def episodes(tmp_path_factory):
    """Two pours and the other task, three cameras, small frames."""
    out = tmp_path_factory.mktemp('episodes')
    folders = record_many(out, episodes=2, seed=5, cameras=3, size=SIZE)
    folders.append(record(out / 'other', seed=5, scenario='other-task', cameras=3, size=SIZE))
    return folders


def read(folder: Path):
    """Per topic: header stamps, receive stamps, frame ids and decoded RGB frames."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    topics: dict[str, list] = {}
    with Reader(folder) as bag:
        for connection, receipt, raw in bag.messages():
            message = store.deserialize_cdr(raw, connection.msgtype)
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            image = cv2.imdecode(message.data, cv2.IMREAD_COLOR)[..., ::-1]
            topics.setdefault(connection.topic, []).append(
                (stamp, receipt, message.header.frame_id, image)
            )
    return topics


def test_a_recording_is_a_real_bag(episodes):
    topics = read(episodes[0])
    assert sorted(topics) == [
        f'/camera/{name}/image_raw/compressed' for name in ('front', 'high', 'side')
    ]
    for topic, frames in topics.items():
        stamps, receipts, ids, images = zip(*frames, strict=True)
        assert (np.diff(stamps) > 0).all()
        assert (np.diff(receipts) > 0).all()
        assert ((np.array(receipts) - stamps) > 0).all()
        assert ((np.array(receipts) - stamps) < 20e6).all()
        assert set(ids) == {f'{topic.split("/")[2]}_optical_frame'}
        assert {image.shape for image in images} == {(*SIZE, 3)}
        assert np.median(np.diff(stamps)) == pytest.approx(1e8, rel=0.02)
        assert np.diff(stamps).std() > 1e5  # a real camera is not a metronome
        assert 80 <= len(frames) <= 150


def test_cameras_run_out_of_step_by_milliseconds(episodes):
    columns = [[frame[0] for frame in frames] for frames in read(episodes[0]).values()]
    spread = np.ptp(np.array(columns), axis=0)
    assert (spread > 0).all()
    assert (spread < 20e6).all()


def test_labels_speak_of_the_sets(episodes):
    with (episodes[0] / 'labels.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == recorder.COLUMNS
    oldest = np.min([[f[0] for f in frames] for frames in read(episodes[0]).values()], axis=0)
    assert [int(row['stamp_ns']) for row in rows] == oldest.tolist()
    progress = np.array([float(row['progress']) for row in rows])
    assert (np.diff(progress) >= 0).all()
    assert progress[0] < 0.02
    assert progress[-1] > 0.95  # the last frame comes up to a period before the end
    flowing = np.array([row['liquid_flowing'] == '1' for row in rows])
    full = np.array([row['has_liquid'] == '1' for row in rows])
    assert 0.1 < flowing.mean() < 0.35
    assert not full[: np.argmax(flowing)].any()
    assert full[-1]
    assert {row['container_angle'] for row in rows} == {'90', '45', '0', '-45'}


def test_the_episode_is_described(episodes):
    pour, _, other = [json.loads((f / 'episode.json').read_text()) for f in episodes]
    assert pour['verdict'] == 'success'
    assert pour['task'] != other['task']
    assert len(pour['phases']) == 13


def test_same_seed_same_bytes(tmp_path, episodes):
    again = tmp_path / 'episode_000'
    record(again, seed=recorder.episode_seed(5, 0), cameras=3, size=SIZE)
    for file in sorted(episodes[0].iterdir()):
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name
    assert (episodes[1] / 'labels.csv').read_bytes() != (again / 'labels.csv').read_bytes()


@pytest.mark.parametrize('scenario', ['normal', 'pause', 'other-task'])
def test_a_single_frame_tells_the_time(scenario):
    floors = []
    for seed in range(12):
        world = make_world(seed, scenario, ('front',), SIZE, 0)
        assert 8 < world.duration_s < (16 if scenario == 'pause' else 12)
        truths = [world.truth(time) for time in np.arange(0, world.duration_s, 0.1)]
        floors.append(ambiguity_floor(truths))
    # A long pause is ambiguous by its nature: nobody can tell its beginning from its end.
    assert np.mean(floors) < (0.06 if scenario == 'pause' else 0.015)
    assert max(floors) < (0.12 if scenario == 'pause' else 0.03)


def test_ambiguity_floor_knows_a_way_back_like_the_way_out():
    def at(x):
        return Truth(0, 0, False, False, 90, False, False, (x, 0, 0), 0, 0, 0)

    out = [at(0.1 * step) for step in range(10)]
    assert ambiguity_floor(out) == 0
    # There and back: step t is taken for its mirror half the time; |t - s| = 19, 17, ... 1.
    assert ambiguity_floor(out + out[::-1]) == pytest.approx(np.mean(range(1, 20, 2)) / 2 / 20)


def test_pause_really_stops():
    plain = make_world(3, 'normal', ('front',), SIZE, 0)
    paused = make_world(3, 'pause', ('front',), SIZE, 0)
    assert paused.duration_s > plain.duration_s + 1.9
    times = np.arange(0, paused.duration_s, 0.1)
    progress = np.array([paused.progress_at(time) for time in times])
    still = np.diff(progress) == 0
    longest = max(len(run) for run in ''.join('x' if s else ' ' for s in still).split())
    assert longest >= 18


def test_progress_means_the_same_state_in_every_episode():
    worlds = [make_world(seed, 'normal', ('front',), SIZE, 0) for seed in range(4)]
    for progress in np.linspace(0, 1, 30):
        truths = [world._truth(progress) for world in worlds]
        assert len({(t.phase, t.contact, t.liquid_flowing, t.has_liquid) for t in truths}) == 1
        assert np.ptp([t.angle_deg for t in truths]) < 1e-9
        assert np.ptp([t.position_m for t in truths], axis=0).max() < 0.09


def test_cameras_see_different_backdrops_and_labs_differ():
    views = list(build_lab(0).views.values())
    for index, view in enumerate(views):
        for other in views[:index]:
            gap = np.abs(view.backdrop.astype(float) - other.backdrop).mean()
            assert gap > 15, (view.name, other.name)
    frames = [
        make_world(0, 'normal', ('front',), SIZE, lab).render('front', 1.0).astype(float)
        for lab in (0, 1)
    ]
    assert np.abs(frames[0] - frames[1]).mean() > 10


def test_what_happens_is_seen_by_every_camera():
    names = ('front', 'side', 'high', 'corner')
    world = make_world(1, 'normal', names, SIZE, 0)
    for name in names:
        first, last = (
            world.render(name, share * world.duration_s).astype(int) for share in (0.0, 0.99)
        )
        moved = np.abs(first - last).max(axis=2) > 40
        assert moved.mean() > 0.02, name
        juice = (last[..., 0] > 170) & (last[..., 1] > 120) & (last[..., 2] < 110)
        assert juice.sum() > 12, name  # the bowl is full, and it shows


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


def test_thirty_hertz_and_chosen_cameras(tmp_path):
    folder = record(tmp_path / 'fast', seed=2, rate_hz=30, cameras=('high',), size=(32, 32))
    (frames,) = read(folder).values()
    assert len(frames) > 240
    assert (np.diff([frame[0] for frame in frames]) > 20e6).all()


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


class Blinker:
    """The smallest world: another simulator behind the same interface."""

    task = 'blink'
    cameras = ('only',)
    duration_s = 1.0
    phase_names = ('all',)

    def __init__(self, breaks: bool = False) -> None:
        self.breaks = breaks
        self.asked: list[float] = []

    def truth(self, time_s):
        return Truth(time_s, 0, False, False, 90, False, False, (time_s, 0, 0), 0, 0, 0)

    def render(self, camera, time_s):
        self.asked.append(time_s)
        if self.breaks and time_s > 0.5:
            raise KeyboardInterrupt
        return np.full((32, 40, 3), int(255 * time_s), np.uint8)


def test_any_world_can_be_recorded_and_is_asked_in_order(tmp_path):
    world = Blinker()
    folder = write_recording(tmp_path / 'b', world, seed=0, scenario='normal', rate_hz=10)
    (frames,) = read(folder).values()
    assert len(frames) == 10
    assert world.asked == sorted(world.asked)
    brightness = [frame[3].mean() for frame in frames]
    np.testing.assert_allclose(brightness, 255 * np.array(world.asked), atol=2)


def test_an_interruption_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_recording(tmp_path / 'b', Blinker(True), seed=0, scenario='normal', rate_hz=10)
    assert list(tmp_path.iterdir()) == []


# Truth: which moments correspond.

plateaus = st.lists(st.integers(0, 3), min_size=2, max_size=30).map(
    lambda steps: np.cumsum(steps).astype(float) / max(sum(steps), 1)
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(reference=plateaus, index=st.integers(0, 29))
def test_correspondence_finds_itself_and_spans_pauses(reference, index):
    index %= len(reference)
    found = truth.correspond(reference[index : index + 1], reference)
    alike = np.flatnonzero(np.abs(reference - reference[index]) < 1e-9)  # the slow way
    assert found.first[0] == pytest.approx(alike[0], abs=1e-3)
    assert found.last[0] == pytest.approx(alike[-1], abs=1e-3)
    assert found.error(np.array([index]))[0] < 1e-3
    assert found.error(np.array([alike[-1] + 2]))[0] == pytest.approx(2, abs=1e-3)


def test_true_timesteps_agree_with_the_nearest_progress(episodes):
    query, reference = (truth.load_progress(folder) for folder in episodes[:2])
    found = truth.true_timesteps(episodes[0], episodes[1])
    for index, now in enumerate(query.progress):
        gaps = np.abs(reference.progress - now)
        nearest = np.flatnonzero(gaps <= gaps.min() + 1e-9)  # several where the reference pauses
        errors = np.maximum(found.first[index] - nearest, nearest - found.last[index])
        assert errors.min() <= 0.51
    middle = (query.stamps_ns[:-1] + query.stamps_ns[1:]) // 2
    np.testing.assert_allclose(
        query.at(middle), (query.progress[:-1] + query.progress[1:]) / 2, atol=1e-6
    )


def test_labels_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r'labels\.csv'):
        truth.load_progress(tmp_path)
    (tmp_path / 'labels.csv').write_text('stamp_ns,phase\n1,2\n')
    with pytest.raises(DataError, match='progress'):
        truth.load_progress(tmp_path)


# Drawing.


def camera(size=(60, 80)) -> Pinhole:
    return look_at(np.array([0.0, -1.0, 0.0]), np.zeros(3), 0.0, 1.0, size)


def test_pinhole_geometry():
    pixels, depth = camera().project(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, 0.1], [0, 1.0, 0]]))
    # Right is right, up is up, 0.1 m at 1 m is a tenth of the focal length (80 px).
    np.testing.assert_allclose(pixels, [[40, 30], [48, 30], [40, 22], [40, 30]], atol=1e-9)
    np.testing.assert_allclose(depth, [1, 1, 1, 2])


def test_nearer_hides_farther_whatever_the_order():
    light = Light(np.array([0.0, 0.0, 1.0]), 1.0)
    red, green = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    near = meshes.box((0.1, 0.1, 0.1), red)
    far = meshes.box((0.4, 0.1, 0.4), green).moved(np.eye(3), np.array([0, 0.4, 0]))
    for order in ([near, far], [far, near]):
        canvas = np.zeros((60, 80, 3), np.uint8)
        paint_mesh(canvas, camera(), meshes.merge(order), light)
        assert canvas[30, 40, 0] > 60 > canvas[30, 40, 1]
        assert canvas[30, 50, 1] > 60 > canvas[30, 50, 0]
        assert canvas[5, 5].sum() == 0


@pytest.mark.parametrize(
    'solid',
    [
        meshes.box((0.2, 0.3, 0.4), WHITE),
        meshes.ball(0.2, WHITE),
        meshes.rod(np.array([0.1, 0, 0]), np.array([0.2, 0.3, 0.1]), (0.05, 0.04), WHITE),
    ],
)
def test_faces_look_outwards_and_close_the_solid(solid):
    quads = solid.quads
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]) / 2
    centre = quads.reshape(-1, 3).mean(axis=0)
    outward = np.einsum('fk,fk->f', normals, quads.mean(axis=1) - centre)
    assert (outward > -1e-12).all()
    np.testing.assert_allclose(normals.sum(axis=0), 0, atol=1e-12)  # closed: areas cancel
