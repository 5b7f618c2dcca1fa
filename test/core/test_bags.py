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
    Message,
    picture,
    RAW,
    raw_cdr,
    read_all,
    SHARED,
    START_NS,
    STRING,
    text_cdr,
    write_bag,
    write_old_db3,
)
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from smaknet_core.data.bags import find_recordings, open_recording
from smaknet_core.errors import BagError

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


@pytest.mark.parametrize('distro', ['humble', 'crystal'])
def test_old_databases_carry_no_definitions_and_crystal_other_names(tmp_path, distro):
    messages = camera_messages(kind=RAW, count=4)
    path = write_old_db3(tmp_path / 'old.db3', messages, distro)
    with open_recording(path) as recording:
        assert list(recording.cameras) == ['top', 'wrist']
        assert recording.cameras['top'].msgtype == RAW
        np.testing.assert_array_equal(next(recording.frames()).image, picture(0))
        assert read_all(recording) == messages


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


@pytest.mark.parametrize(
    ('options', 'mcap_compression'),
    [({}, 'NONE'), ({}, 'LZ4'), ({}, 'ZSTD'), ({'use_chunking': False}, 'NONE')],
)
def test_mcap_of_other_writers(tmp_path, options, mcap_compression):
    """No ros2 profile, checksums, any compression or no chunks at all, times out of order."""
    mcap = pytest.importorskip('mcap.writer')
    messages = camera_messages(count=5)
    with (tmp_path / 'other.mcap').open('wb') as file:
        compression = mcap.CompressionType[mcap_compression]
        writer = mcap.Writer(file, compression=compression, chunk_size=2000, **options)
        writer.start()
        channels = {}
        for message in reversed(messages):
            if message.topic not in channels:
                schema = writer.register_schema(message.msgtype, 'ros2msg', b'')
                channels[message.topic] = writer.register_channel(message.topic, 'cdr', schema)
            ns = message.receive_ns
            writer.add_message(channels[message.topic], ns, message.cdr, publish_time=ns)
        json_channel = writer.register_channel('/web', 'json', 0)
        writer.add_message(json_channel, START_NS, b'{}', publish_time=START_NS)
        writer.finish()
    with open_recording(tmp_path / 'other.mcap') as recording:
        assert read_all(recording) == messages
        assert recording.notes == ["/web is serialised as 'json', not cdr: not used"]
        assert not recording.unfinished


def test_a_changed_byte_is_noticed_by_the_checksum(tmp_path):
    mcap = pytest.importorskip('mcap.writer')
    path = tmp_path / 'flipped.mcap'
    with path.open('wb') as file:
        writer = mcap.Writer(file, compression=mcap.CompressionType.NONE)
        writer.start()
        schema = writer.register_schema(STRING, 'ros2msg', b'')
        channel = writer.register_channel('/chatter', 'cdr', schema)
        writer.add_message(channel, 5, text_cdr('hello'), publish_time=5)
        writer.finish()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'hello', b'hallo'))
    with open_recording(path) as recording:
        assert 'fails its checksum' in recording.notes[0]
        assert recording.unfinished
        assert not recording.cut
        assert len(read_all(recording)) == 1


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


class TestClock:
    """Header stamps are the time if all are set and monotonic, else the bag's; never mixed."""

    @staticmethod
    def open(tmp_path, stamps):
        messages = camera_messages(count=len(stamps))
        tops = [number for number, m in enumerate(messages) if '/top/' in m.topic]
        for number, stamp in zip(tops, stamps, strict=True):
            messages[number] = messages[number]._replace(cdr=jpeg_cdr(stamp, picture(number)))
        return open_recording(write_bag(tmp_path / 'take', messages))

    def test_header(self, tmp_path):
        with self.open(tmp_path, [7, 7 + 10**8, 7 + 2 * 10**8]) as recording:
            assert recording.stamp_source == {'top': 'header', 'wrist': 'header'}
            stamps = [f.stamp_ns for f in recording.frames() if f.camera == 'top']
            assert stamps == [7, 7 + 10**8, 7 + 2 * 10**8]

    @pytest.mark.parametrize(
        ('stamps', 'fault'),
        [
            ([0, 0, 0], 'header stamps are not set'),
            ([5, 0, 9], '1 header stamps are not set'),
            ([5, 9, 8], 'header stamps run backward once'),
            ([5, 5, 5], 'header stamps repeat 2 times'),
        ],
    )
    def test_the_bags_clock_for_all_cameras_if_one_needs_it(self, tmp_path, stamps, fault):
        with self.open(tmp_path, stamps) as recording:
            assert recording.stamp_source == {'top': 'bag', 'wrist': 'bag'}
            assert recording.clock_faults == {'top': fault}
            for raw in recording.raw_frames():
                assert raw.stamp_ns == raw.receive_ns


class TestCameras:
    """Which topics are cameras, and how they are called and chosen."""

    @staticmethod
    def open(tmp_path, topics, cameras=()):
        messages = [
            Message(topic, JPEG, START_NS + i, jpeg_cdr(START_NS, picture(i)))
            if topic.endswith('compressed')
            else Message(topic, RAW, START_NS + i, raw_cdr(START_NS, picture(i)))
            for i, topic in enumerate(topics)
        ]
        return open_recording(write_bag(tmp_path / 'take', messages), cameras)

    @pytest.mark.parametrize(
        ('topics', 'names'),
        [
            (['/camera/wrist/image_raw'], ['wrist']),
            (['/camera/wrist/image_raw/compressed'], ['wrist']),
            (['/robot/color/image_rect_color', '/usb_cam/image'], ['color', 'usb_cam']),
            (['/left/wrist/image_raw', '/right/wrist/image_raw'], ['left_wrist', 'right_wrist']),
            (['/a/b/cam/image_raw', '/c/b/cam/image_raw'], ['a_b_cam', 'c_b_cam']),
            (['/image'], ['image']),
            (['/front_view', '/overhead'], ['front_view', 'overhead']),
        ],
    )
    def test_names(self, tmp_path, topics, names):
        with self.open(tmp_path, topics) as recording:
            assert list(recording.cameras) == names

    def test_of_one_picture_compressed_is_preferred_and_raw_before_rectified(self, tmp_path):
        topics = ['/cam/image_rect', '/cam/image_raw', '/cam/image_raw/compressed']
        with self.open(tmp_path, topics) as recording:
            assert recording.cameras['cam'].name == '/cam/image_raw/compressed'
            assert '/cam/image_raw is not used, /cam/image_raw/compressed shows the same' in (
                recording.notes
            )

    def test_depth_is_left_out_unless_asked_for(self, tmp_path):
        depth = np.zeros((4, 4, 2), np.uint8)
        messages = [
            *camera_messages(['top'], count=2),
            Message('/depth/image_rect_raw', RAW, START_NS, raw_cdr(START_NS, depth, '16UC1')),
        ]
        path = write_bag(tmp_path / 'take', messages)
        with open_recording(path) as recording:
            assert list(recording.cameras) == ['top']
            assert 'holds distances' in recording.notes[0]
        with open_recording(path, ['deep:=/depth/image_rect_raw']) as recording:
            assert list(recording.frames()) == []
            assert 'distances' in recording.bad_reasons['deep']

    def test_chosen_cameras_come_in_the_order_asked_for(self, tmp_path):
        topics = ['/a/image_raw', '/b/image_raw', '/c/image_raw']
        with self.open(tmp_path, topics, ['c', 'front:=b/image_raw']) as recording:
            assert {k: t.name for k, t in recording.cameras.items()} == {
                'c': '/c/image_raw',
                'front': '/b/image_raw',
            }
            assert list(recording.cameras) == ['c', 'front']
            assert [frame.camera for frame in recording.frames()] == ['front', 'c']

    @pytest.mark.parametrize(
        ('cameras', 'reason'),
        [
            (['wirst'], "no camera 'wirst', did you mean 'wrist'"),
            (['xyz'], "no camera 'xyz'; known: top, wrist"),
            (['top', 'top'], "camera 'top' is asked for twice"),
            (
                ['a:=/wrist/image'],
                "no image topic '/wrist/image', did you mean '/wrist/image_raw'",
            ),
            (['a/b:=/wrist/image_raw'], "'a/b' cannot name a camera"),
            ([':=/wrist/image_raw'], "'' cannot name a camera"),
        ],
    )
    def test_a_wrong_choice_is_answered_with_the_nearest(self, tmp_path, cameras, reason):
        with pytest.raises(BagError, match=reason):
            self.open(tmp_path, ['/top/image_raw', '/wrist/image_raw'], cameras)

    def test_a_bag_without_cameras_opens_and_says_so_when_one_is_asked_for(self, tmp_path):
        path = write_bag(tmp_path / 'take', camera_messages([]))
        with open_recording(path) as recording:
            assert recording.cameras == {}
        with pytest.raises(BagError, match='there is no camera in it'):
            open_recording(path, ['top'])


class TestMetadata:
    """The files decide; metadata.yaml orders them, and may be missing, damaged or wrong."""

    @pytest.fixture
    def bag(self, tmp_path):
        return write_bag(tmp_path / 'take', camera_messages(count=3))

    def change(self, bag, old, new):
        text = (bag / 'metadata.yaml').read_text()
        assert old in text
        (bag / 'metadata.yaml').write_text(text.replace(old, new))

    def test_missing(self, bag):
        (bag / 'metadata.yaml').unlink()
        with open_recording(bag) as recording:
            assert len(read_all(recording)) == 7
            assert 'metadata.yaml is missing' in recording.notes[0]
            assert recording.unfinished
            assert not recording.cut

    @pytest.mark.parametrize('text', ['', '{', 'a: [', 'rosbag2_bagfile_information: 5', '\x00'])
    def test_damaged(self, bag, text):
        (bag / 'metadata.yaml').write_text(text)
        with open_recording(bag) as recording:
            assert len(read_all(recording)) == 7
            assert 'metadata.yaml is damaged' in recording.notes[0]

    def test_every_cut_of_it_is_read_around(self, bag):
        whole = (bag / 'metadata.yaml').read_text()
        for end in range(0, len(whole), 97):
            (bag / 'metadata.yaml').write_text(whole[:end])
            with open_recording(bag) as recording:
                assert len(read_all(recording)) == 7

    def test_quality_of_service_that_differs_from_the_storage(self, bag):
        """Rosbags' own reader claims 7 messages here, and yields none of them."""
        self.change(bag, 'offered_qos_profiles: []', OTHER_QOS)
        with open_recording(bag) as recording:
            assert len(read_all(recording)) == 7
            assert recording.notes == []

    def test_counts_that_differ_are_told(self, bag):
        self.change(bag, '- message_count: 3', '- message_count: 20')
        with open_recording(bag) as recording:
            assert recording.notes == [
                f'metadata.yaml claims 20 messages on /camera/{name}/image_raw/compressed, '
                'the files hold 3'
                for name in ('top', 'wrist')
            ]

    def test_files_it_names_and_files_it_does_not(self, bag):
        data_file(bag).rename(bag / 'renamed.mcap')
        with open_recording(bag) as recording:
            assert len(read_all(recording)) == 7
            assert recording.notes == [
                'metadata.yaml names take.mcap, which is not there',
                'metadata.yaml does not name renamed.mcap, read all the same',
            ]

    def test_paths_of_foxy_begin_with_the_folder(self, bag):
        self.change(bag, '- take.mcap', '- take/take.mcap')
        with open_recording(bag) as recording:
            assert recording.notes == []

    @pytest.mark.parametrize(
        'path', ['../other.mcap', '/etc/passwd', 'a/../../other.mcap', 'C:\\\\x.mcap', '..']
    )
    def test_paths_out_of_the_folder_are_refused(self, bag, path):
        self.change(bag, '- take.mcap', f'- "{path}"')
        with pytest.raises(BagError, match='refuses to follow'):
            open_recording(bag)

    def test_no_file_left(self, bag):
        data_file(bag).unlink()
        with pytest.raises(BagError, match=r'no .mcap or .db3 file in it'):
            open_recording(bag)

    def test_one_damaged_file_of_a_split_bag_does_not_hide_the_others(self, bag):
        (bag / 'take_1.mcap').write_bytes(b'')
        with open_recording(bag) as recording:
            assert len(read_all(recording)) == 7
            assert any('take_1.mcap: is empty' in note for note in recording.notes)


OTHER_QOS = """offered_qos_profiles:
      - history: keep_last
        depth: 5
        reliability: best_effort
        durability: volatile
        deadline: {sec: 1, nsec: 0}
        lifespan: {sec: 1, nsec: 0}
        liveliness: automatic
        liveliness_lease_duration: {sec: 1, nsec: 0}
        avoid_ros_namespace_conventions: false"""


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'is empty'),
        (b'#ROSBAG V2.0\n', 'is a ROS 1 bag; convert it'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'is a Git LFS pointer'),
        (b'hello world', 'is neither mcap nor sqlite3, it starts with 68 65'),
        (b'SQLite format 3\0', 'no rosbag2 recording'),
        (b'SQLite format 3\0' + bytes(5000), 'no rosbag2 recording'),
        (b'\x28\xb5\x2f\xfd' + bytes(20), 'damaged zstd data|is empty'),
    ],
)
@pytest.mark.parametrize('ending', ['mcap', 'db3'])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, content, reason, ending):
    path = tmp_path / f'file.{ending}'
    path.write_bytes(content)
    with pytest.raises(BagError, match=reason) as caught:
        open_recording(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_journal_left_by_a_killed_recorder_is_used_and_nothing_is_written_beside(tmp_path):
    """rosbag2's resilient profile: all messages may still be in the write-ahead log."""
    folder = write_bag(tmp_path / 'take', camera_messages(count=3), 'sqlite3')
    path = data_file(folder)
    # A process that dies with the log unmerged, as a killed recorder does.
    program = (
        'import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);'
        'db.execute("PRAGMA journal_mode = WAL");'
        'db.execute("INSERT INTO messages SELECT NULL, topic_id, timestamp + 9, data '
        'FROM messages");'
        'db.commit(); os._exit(0)'
    )
    subprocess.run([sys.executable, '-c', program, str(path)], check=True)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert path.name + '-wal' in before
    with open_recording(folder) as recording:
        assert len(read_all(recording)) == 14
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_task_from_episode_json(tmp_path):
    path = write_bag(tmp_path / 'take', camera_messages(count=1))
    for content, task in [('{"task": "pour"}', 'pour'), ('[]', ''), ('{', ''), ('{}', '')]:
        (path / 'episode.json').write_text(content)
        with open_recording(path) as recording:
            assert recording.task == task
    with open_recording(data_file(path)) as recording:
        assert recording.task == ''
    (path / 'episode.json').write_text('{"task": "pour"}')
    with open_recording(data_file(path)) as recording:
        assert recording.task == 'pour', 'a file in a bag folder is that bag'


def test_an_open_recording_needs_no_write_permission_and_leaves_nothing(tmp_path):
    path = write_bag(tmp_path / 'take', camera_messages(count=1), 'sqlite3')
    with open_recording(path) as recording:
        read_all(recording)
        assert sorted(p.name for p in path.iterdir()) == ['metadata.yaml', 'take.db3']


class TestFind:
    def test_bags_bare_files_and_folders_in_order_of_name(self, tmp_path):
        for name in ('b', 'a', 'sub/c'):
            write_bag(tmp_path / name, camera_messages(count=1))
        bare = data_file(write_bag(tmp_path / 'x', camera_messages(count=1), 'sqlite3'))
        bare = bare.rename(tmp_path / 'bare.db3')
        (tmp_path / 'x' / 'metadata.yaml').unlink()
        (tmp_path / 'notes.txt').write_text('not a recording')
        (tmp_path / '.hidden').mkdir()
        expected = [tmp_path / 'a', tmp_path / 'b', bare, tmp_path / 'sub' / 'c']
        assert find_recordings([tmp_path]) == expected
        assert find_recordings([str(tmp_path / 'b'), tmp_path]) == [
            tmp_path / 'b',
            *(path for path in expected if path.name != 'b'),
        ]

    def test_a_bag_without_metadata_is_told_from_a_folder_of_files(self, tmp_path):
        bag = write_bag(tmp_path / 'take_0', camera_messages(count=1))
        (bag / 'metadata.yaml').unlink()
        assert find_recordings([tmp_path]) == [bag]
        (bag / 'take_1.mcap').write_bytes((bag / 'take_0.mcap').read_bytes())
        assert find_recordings([tmp_path]) == [bag / 'take_0.mcap', bag / 'take_1.mcap']
        with pytest.raises(BagError, match='not one recording; choose one of .*take_0.mcap'):
            open_recording(bag)

    def test_links_in_a_circle_end(self, tmp_path):
        bag = write_bag(tmp_path / 'all' / 'a', camera_messages(count=1))
        (tmp_path / 'all' / 'round').symlink_to(tmp_path / 'all')
        assert find_recordings([tmp_path]) == [bag]

    def test_nothing_there(self, tmp_path):
        with pytest.raises(BagError, match='no recording'):
            find_recordings([tmp_path])
        with pytest.raises(BagError, match='no such file or folder'):
            find_recordings([tmp_path / 'nowhere'])
        with pytest.raises(BagError, match='no such file or folder'):
            open_recording(tmp_path / 'nowhere')


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
