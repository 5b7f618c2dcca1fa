"""What a path leads to: files, metadata.yaml in every state, and what is no recording."""

from __future__ import annotations

from bag_maker import (
    camera_messages,
    data_file,
    read_all,
    write_bag,
)
import pytest
from smaknet_core.data.bags import find_recordings, open_recording
from smaknet_core.errors import BagError


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
