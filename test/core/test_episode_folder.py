"""An episode of any world as a recording: a real bag, read back with rosbags, and its truth."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from episode_reader import decoded, messages, read, SIZE
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from smaknet_core.data.quality import examine, Level
from smaknet_core.simulation import episode_folder, recorder, streams
from smaknet_core.simulation.episode_folder import write_recording
from smaknet_core.simulation.pose import Pose, turn
from smaknet_core.simulation.recorder import record, record_many
from smaknet_core.simulation.small.scenarios import make_world
from smaknet_core.simulation.world import Intrinsics, Joints, Truth


@pytest.fixture(scope='module')
def episodes(tmp_path_factory):
    """Two pours and the other task, three cameras, small frames."""
    out = tmp_path_factory.mktemp('episodes')
    folders = record_many(out, episodes=2, seed=5, cameras=3, size=SIZE)
    folders.append(record(out / 'other', seed=5, scenario='other-task', cameras=3, size=SIZE))
    return folders


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


def receipts_as_written(mcap: Path) -> list[int]:
    """Log times of the messages of an uncompressed mcap file, in the order of its bytes."""
    data, at, receipts = mcap.read_bytes(), 8, []
    while at + 9 < len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 9], 'little')
        if kind == 5:
            receipts.append(int.from_bytes(data[at + 15 : at + 23], 'little'))
        at += 9 + (40 if kind == 6 else length)  # a chunk's records follow its own 40 bytes
    return receipts


def test_a_recorder_writes_by_receipt(episodes):
    with Reader(episodes[0]) as bag:
        count = bag.message_count
    receipts = receipts_as_written(episodes[0] / 'episode_000.mcap')
    assert len(receipts) == count
    assert receipts == sorted(receipts)


def test_camera_info_comes_with_each_frame(episodes):
    topics = messages(episodes[0])
    for name in ('front', 'side', 'high'):
        frames = topics[f'/camera/{name}/image_raw/compressed']
        infos = topics[f'/camera/{name}/camera_info']
        assert [row[0] for row in infos] == [row[0] for row in frames]
        info = infos[0][2]
        assert info.header.frame_id == f'{name}_optical_frame'
        assert (info.height, info.width, info.distortion_model) == (*SIZE, 'plumb_bob')
        assert not info.d.any()
        focal, centre = info.k[0], (info.k[2], info.k[5])
        assert info.k.tolist() == [focal, 0, centre[0], 0, focal, centre[1], 0, 0, 1]
        assert info.p.reshape(3, 4)[:, :3].tolist() == info.k.reshape(3, 3).tolist()
        assert info.r.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
        assert centre == pytest.approx((SIZE[1] / 2, SIZE[0] / 2), abs=0.5)


def test_the_object_is_tracked(episodes):
    rows = messages(episodes[0])['/demonstration/object_pose']
    stamps = np.array([row[0] for row in rows])
    assert np.median(np.diff(stamps)) == pytest.approx(1e9 / 30, rel=0.02)
    assert 1e5 < np.diff(stamps).std() < 3e6
    assert (np.array([row[1] for row in rows]) > stamps).all()
    assert {row[2].header.frame_id for row in rows} == {'table'}
    world = make_world(recorder.episode_seed(5, 0), 'normal', ('front',), SIZE, 0)
    start_ns = int(messages(episodes[0])['/camera/front/camera_info'][0][0])
    for stamp, _, message in rows[:: len(rows) // 6]:
        place = message.pose.position
        elapsed_s = (stamp - start_ns) / 1e9
        expected = world.object_pose(elapsed_s)
        np.testing.assert_allclose([place.x, place.y, place.z], expected.position, atol=0.01)
    quaternions = np.array([xyzw(row[2].pose.orientation) for row in rows])
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1)
    tilts = np.rad2deg(2 * np.arccos(np.abs(quaternions[:, 3])))
    assert tilts[0] == 0
    assert tilts.max() == pytest.approx(116, abs=2)
    assert '/joint_states' not in messages(episodes[0])


def xyzw(quaternion):
    return [quaternion.x, quaternion.y, quaternion.z, quaternion.w]


def test_cameras_run_out_of_step_by_milliseconds(episodes):
    columns = [[frame[0] for frame in frames] for frames in read(episodes[0]).values()]
    spread = np.ptp(np.array(columns), axis=0)
    assert (spread > 0).all()
    assert (spread < 20e6).all()


def test_labels_speak_of_the_sets(episodes):
    with (episodes[0] / 'labels.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == episode_folder.COLUMNS
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
    decided = {'world': 'small', 'scenario': 'normal', 'lab': 0, 'demonstrator': 'robot',
               'cameras': ['front', 'side', 'high'], 'size': list(SIZE), 'rate_hz': 10.0,
               'raw': False, 'seed': recorder.episode_seed(5, 0)}  # fmt: skip
    assert pour.items() >= decided.items()
    with (episodes[0] / 'labels.csv').open() as file:
        flowing = [row['liquid_flowing'] == '1' for row in csv.DictReader(file)]
    assert pour['flowing'] == pytest.approx(np.mean(flowing), abs=1e-4)
    assert other['flowing'] == 0
    assert 0 < pour['ambiguity_floor'] < 0.03
    assert pour['delivered'] is None
    assert 8 < pour['duration_s'] < 12


def test_extra_topics_do_not_disturb(episodes):
    for folder in episodes:
        verdict = examine(folder)
        assert (verdict.level, verdict.reasons) == (Level.GOOD, [])
        assert [camera.name for camera in verdict.cameras] == ['front', 'high', 'side']
        assert verdict.paired == 1


def test_same_seed_same_bytes(tmp_path, episodes):
    again = tmp_path / 'episode_000'
    record(again, seed=recorder.episode_seed(5, 0), cameras=3, size=SIZE)
    for file in sorted(episodes[0].iterdir()):
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name
    assert (episodes[1] / 'labels.csv').read_bytes() != (again / 'labels.csv').read_bytes()


def test_thirty_hertz_and_chosen_cameras(tmp_path):
    folder = record(tmp_path / 'fast', seed=2, rate_hz=30, cameras=('high',), size=(32, 32))
    (frames,) = read(folder).values()
    assert len(frames) > 240
    assert (np.diff([frame[0] for frame in frames]) > 20e6).all()


def test_pixels_as_they_are(tmp_path):
    folder = record(tmp_path / 'raw', seed=2, cameras=['high'], size=(32, 48), raw=True)
    topics = messages(folder)
    assert '/camera/high/image_raw/compressed' not in topics
    rows = topics['/camera/high/image_raw']
    start_ns = folder_start_ns(folder)
    world = make_world(2, 'normal', ['high'], (32, 48), 0)
    for stamp, _, message in rows[::25]:
        assert (message.height, message.width, message.step) == (32, 48, 144)
        assert (message.encoding, message.is_bigendian) == ('rgb8', 0)
        shown = world.render('high', (stamp - start_ns) / 1e9)
        np.testing.assert_array_equal(decoded(message), shown)


def folder_start_ns(folder: Path) -> int:
    """When the episode began on the bag's clock: the first frame's stamp less its offset."""
    world = make_world(2, 'normal', ['high'], (32, 48), 0)
    first = streams.capture_times(world, 2, 10.0)[0, 0]
    return messages(folder)['/camera/high/image_raw'][0][0] - int(first)


class Blinker:
    """The smallest world: another simulator behind the same interface."""

    task = 'blink'
    cameras = ('only',)
    duration_s = 1.0
    hidden_s = (0.4, 0.6)
    phase_names = ('all',)
    delivered = 0.2

    def __init__(self, breaks: bool = False) -> None:
        self.breaks = breaks
        self.asked: list[float] = []
        self.shown: list[float] = []

    def truth(self, time_s):
        return Truth(time_s, 0, False, False, 90, False, False, (time_s, 0, 0), 0, 0, 0)

    def intrinsics(self, camera):
        return Intrinsics(32, 40, 50.0, 51.0, 19.5, 15.5)

    def object_pose(self, time_s):
        self.asked.append(time_s)
        return Pose(np.array([time_s, 0, 0.5]), turn((0, 0, 1), 90))

    def joints(self, time_s):
        self.asked.append(time_s)
        return Joints(('shoulder', 'finger'), np.array([time_s, 0.04]))

    def close(self):
        pass

    def render(self, camera, time_s):
        self.asked.append(time_s)
        self.shown.append(time_s)
        if self.breaks and time_s > 0.5:
            raise KeyboardInterrupt
        return np.full((32, 40, 3), int(255 * time_s), np.uint8)


def test_any_world_can_be_recorded_and_is_asked_in_order(tmp_path):
    world = Blinker()
    folder = write_recording(tmp_path / 'b', world, seed=0, rate_hz=10)
    (frames,) = read(folder).values()
    assert len(frames) == 10
    assert world.asked == sorted(world.asked)
    brightness = [frame[3].mean() for frame in frames]
    np.testing.assert_allclose(brightness, 255 * np.array(world.shown), atol=2)


def test_joints_and_pose_of_any_world(tmp_path):
    folder = write_recording(tmp_path / 'b', Blinker(), seed=0, rate_hz=10)
    topics = messages(folder)
    assert len(topics['/joint_states']) == len(topics['/demonstration/object_pose']) == 30
    first = topics['/camera/only/image_raw/compressed'][0][0]
    for stamp, _, message in topics['/joint_states']:
        assert message.name == ['shoulder', 'finger']
        assert message.header.frame_id == ''
        assert message.position[0] == pytest.approx((stamp - first) / 1e9, abs=0.015)
        assert message.position[1] == 0.04
        assert len(message.velocity) == len(message.effort) == 0
    for _, _, message in topics['/demonstration/object_pose']:
        assert xyzw(message.pose.orientation) == pytest.approx([0, 0, 0.5**0.5, 0.5**0.5])
        assert message.pose.position.z == 0.5
    info = topics['/camera/only/camera_info'][0][2]
    assert info.k.tolist() == [50, 0, 19.5, 0, 51, 15.5, 0, 0, 1]
    # A fifth of the liquid in the recipient is no success.
    described = json.loads((folder / 'episode.json').read_text())
    assert (described['verdict'], described['delivered']) == ('failure', 0.2)


def test_only_what_is_under_way_is_held():
    world = Blinker()
    made_of = streams.streams_of(world, 0, 30.0, raw=True)
    images = [index for index, stream in enumerate(made_of) if stream.msgtype == streams.RAW]
    given = 0
    for _, index, _ in streams.by_receipt(made_of, 0):
        given += index in images
        assert len(world.shown) - given <= 1
    assert given == 30


def test_an_interruption_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_recording(tmp_path / 'b', Blinker(True), seed=0, rate_hz=10)
    assert list(tmp_path.iterdir()) == []
