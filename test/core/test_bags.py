"""Recordings of every kind, against what was written and against rosbags' own reader."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

from bag_maker import (
    camera_messages,
    data_file,
    JPEG,
    jpeg_cdr,
    picture,
    RAW,
    read_all,
    SHARED,
    START_NS,
    write_bag,
)
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from smaknet_core.data.bags import find_recordings, open_recording

needs_samples = pytest.mark.skipif(not SHARED.is_dir(), reason='real recordings are not here')


@pytest.mark.parametrize(
    ('storage', 'compression'),
    [
        ('mcap', None),
        ('mcap', 'storage'),
        ('mcap', 'file'),
        ('mcap', 'message'),
        ('sqlite3', None),
        ('sqlite3', 'file'),
        ('sqlite3', 'message'),
    ],
)
def test_reads_what_was_written(tmp_path, storage, compression):
    messages = camera_messages()
    path = write_bag(tmp_path / 'take', messages, storage, compression)
    with open_recording(path) as recording:
        assert read_all(recording) == messages
        assert recording.notes == []
        assert not recording.unfinished
        assert recording.name == 'take'
        assert [(t.name, t.count) for t in recording.topics] == [
            ('/chatter', 1),
            ('/camera/top/image_raw/compressed', 10),
            ('/camera/wrist/image_raw/compressed', 10),
        ]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bare_file_is_a_recording(tmp_path, storage):
    messages = camera_messages(count=3)
    folder = write_bag(tmp_path / 'take', messages, storage)
    bare = data_file(folder).rename(tmp_path / f'alone{data_file(folder).suffix}')
    with open_recording(bare) as recording:
        assert read_all(recording) == messages
        assert recording.name == 'alone'


@pytest.mark.parametrize('kind', [JPEG, RAW])
def test_frames_are_decoded_named_and_stamped_in_the_order_received(tmp_path, kind):
    path = write_bag(tmp_path / 'take', camera_messages(kind=kind, count=3))
    with open_recording(path) as recording:
        frames = list(recording.frames())
    assert [frame.camera for frame in frames] == ['top', 'wrist'] * 3
    assert frames[1].stamp_ns == START_NS + 3_000_000
    error = np.abs(frames[4].image.astype(int) - picture(2))
    assert error.mean() < (5 if kind == JPEG else 1e-9)


def test_messages_come_in_the_order_received_also_across_chunks_and_split_files(tmp_path):
    messages = camera_messages(count=300, kind=RAW)
    shuffled = [messages[i] for i in np.random.default_rng(0).permutation(len(messages))]
    path = write_bag(tmp_path / 'take', shuffled)
    with open_recording(path) as recording:
        assert read_all(recording) == messages
    for number, part in enumerate((messages[:200], messages[200:400], messages[400:])):
        folder = write_bag(tmp_path / f'part{number}', part)
        data_file(folder).rename(tmp_path / f'split_{number + 9}.mcap')
        (folder / 'metadata.yaml').unlink()
        folder.rmdir()
    joined = tmp_path / 'split'
    joined.mkdir()
    for file in tmp_path.glob('split_*.mcap'):
        file.rename(joined / file.name)
    with open_recording(joined) as recording:
        assert read_all(recording) == messages


def test_only_the_topics_asked_for_are_played(tmp_path):
    path = write_bag(tmp_path / 'take', camera_messages())
    with open_recording(path) as recording:
        played = [topic.name for topic, _, _ in recording.messages(['/chatter', '/not/there'])]
    assert played == ['/chatter']


def test_an_undecodable_image_is_counted_skipped_and_named(tmp_path):
    messages = camera_messages(count=5)
    broken = messages[3]._replace(cdr=jpeg_cdr(START_NS, None, b'\xff\xd8 no jpeg'))
    cut = messages[4]._replace(cdr=messages[4].cdr[:30])
    path = write_bag(tmp_path / 'take', [*messages[:3], broken, cut, *messages[5:]])
    with open_recording(path) as recording:
        assert len(list(recording.frames())) == 8
        assert recording.bad_images == {'top': 1, 'wrist': 1}
        assert 'corrupt JPEG of 10 bytes' in recording.bad_reasons['top']
        assert recording.bad_reasons['wrist'] == 'damaged message of 30 bytes, at 0.1 s'


@needs_samples
class TestRealRecordings:
    def test_the_five_takes_are_found(self):
        found = find_recordings([SHARED / 'droid'])
        assert [path.name for path in found] == [f'take_{n}' for n in range(5)]

    @pytest.mark.parametrize('take', [f'droid/take_{n}' for n in range(5)])
    def test_reads_the_same_as_rosbags(self, take):
        with AnyReader([SHARED / take]) as reader:
            expected = [(c.topic, c.msgtype, ns, bytes(d)) for c, ns, d in reader.messages()]
        with open_recording(SHARED / take) as recording:
            assert read_all(recording) == sorted(expected, key=lambda message: message[2])
            assert list(recording.cameras) == ['exterior_1', 'exterior_2', 'wrist']
            assert set(recording.stamp_source.values()) == {'header'}
            assert recording.notes == []
            assert recording.task

    @pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
    def test_bags_of_rosbag2_itself(self, storage):
        with open_recording(
            SHARED / f'rosbag2_samples/ros2_rosbag2_{storage}_cdr_test'
        ) as recording:
            assert [(t.name, t.count) for t in recording.topics] == [
                ('/test_topic', 3),
                ('/array_topic', 4),
            ]
            assert len(read_all(recording)) == 7
            assert recording.cameras == {}
            assert recording.notes == []

    def test_a_bag_of_crystal(self):
        with open_recording(SHARED / 'rosbag2_samples/crystal_camera.db3') as recording:
            assert {name: t.name for name, t in recording.cameras.items()} == {
                'image': '/image/compressed'
            }
            assert recording.clock_faults == {'image': 'header stamps are not set'}
            (frame,) = recording.frames()
            assert frame.image.shape == (480, 640, 3)
        raw = SHARED / 'rosbag2_samples/crystal_camera.db3'
        with open_recording(raw, ['raw:=/image']) as recording:
            (other,) = recording.frames()
        # Taken at different times of the same scene: alike in shape only.
        assert other.image.shape == frame.image.shape


def test_checking_bags_loads_neither_torch_nor_ros():
    program = (
        'import sys; import smaknet_core.data.quality; '
        'sys.exit({"torch", "rclpy", "rosbag2_py", "rosbags"} & set(sys.modules) or None)'
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, '-c', program], check=True, cwd=root)
