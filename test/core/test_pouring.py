"""Multi-view Pouring as it was published: every byte format by hand, read back as recordings."""

from __future__ import annotations

import io
import json
import os

from bag_maker import data_file
import cv2
import numpy as np
from pouring_maker import (
    jpeg,
    labelled,
    LABELS,
    record,
    sequence,
    sequence_example,
    SIZE,
    view,
    write_records,
    write_video,
)
import pytest
from rich.console import Console
from smaknet_core.config import BatchConfig, DataConfig
from smaknet_core.data.bags import find_recordings, open_recording
from smaknet_core.data.dataset import load_clips
from smaknet_core.data.labels import label_clip, load_labels
from smaknet_core.data.pouring import command, run_import
from smaknet_core.data.pouring.recording import stamp_of
from smaknet_core.data.quality import examine, Level
from smaknet_core.data.sampler import check_clips
from smaknet_core.errors import DataError


def imported(folder, out):
    """Import; give the exit code and what was said."""
    told = io.StringIO()
    code = run_import(folder, out, Console(file=told, width=200))
    return code, told.getvalue()


def recordings(out):
    """Paths of the recordings, below `out`."""
    return [path.relative_to(out).as_posix() for path in find_recordings([out])]


def frames(path):
    """Camera -> stamps and images of a recording."""
    seen = {}
    with open_recording(path) as recording:
        for frame in recording.frames():
            seen.setdefault(frame.camera, []).append((frame.stamp_ns, frame.image))
    return seen


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """The whole set in small: videos, sequences, shards, labelled frames, and what else lies."""
    root = tmp_path_factory.mktemp('set') / 'multiview-pouring'
    for number in range(2):
        name = f'can_to_cup1_real_view{number}.mov'
        write_video(root / 'videos' / 'train' / name, number, 8 + 3 * number)
        write_video(root / 'videos' / 'val' / f'mug_to_cup2_fake_view{number}.mov', number)
    records = root / 'tfrecords'
    write_records(records / 'val' / 'mug_to_cup2_fake.tfrecord', sequence('mug_to_cup2_fake', 6))
    for number, steps in enumerate((4, 3)):
        task = f'jar_to_cup3_real_shard0{number}'
        write_records(records / 'train' / f'{task}.tfrecord', sequence(task, steps, more=number))
    rows = [
        labelled(task, step, contact=step > 1, container_angle=(90, 45, -45)[step])
        for step in range(3)
        for task in ('mug_to_cup2_fake', 'jar_to_cup4_real')
    ]
    write_records(root / 'labels' / 'test' / 'labelled-00000-of-00002', *rows[:3])
    write_records(root / 'labels' / 'test' / 'labelled-00001-of-00002', *rows[3:])
    (root / 'README.txt').write_text('poured by hand')
    (root / '.cache').mkdir()
    (root / '.cache' / 'x_view0.mov').write_text('none of ours')
    return root


@pytest.fixture(scope='module')
def demos(published, tmp_path_factory):
    out = tmp_path_factory.mktemp('out') / 'demos'
    return out, *imported(published, out)


class TestImport:
    def test_makes_a_recording_of_each_sequence(self, demos):
        out, code, said = demos
        assert code == 0
        assert recordings(out) == [
            'labelled/test/jar_to_cup4_real',
            'labelled/test/mug_to_cup2_fake',
            'train/can_to_cup1_real',
            'train/jar_to_cup3_real',
            'val/mug_to_cup2_fake',
        ]
        assert '5 recordings (2 in labelled/test, 2 in train, 1 in val)' in said
        assert '1 files of other kinds were not read (README.txt ...)' in said
        assert not list(out.rglob('.*'))

    def test_keeps_the_published_pictures_as_they_are(self, demos):
        seen = frames(demos[0] / 'val' / 'mug_to_cup2_fake')
        assert list(seen) == ['view0', 'view1']
        for number, own in enumerate(seen.values()):
            assert [stamp for stamp, _ in own] == [stamp_of(step) for step in range(6)]
            for step, (_, image) in enumerate(own):
                shown = cv2.imdecode(np.frombuffer(jpeg(view(step, number)), np.uint8), 1)
                np.testing.assert_array_equal(image, shown[..., ::-1])
        assert stamp_of(29) - stamp_of(0) == 10**9

    def test_joins_shards_and_cuts_views_to_the_shorter(self, demos):
        out, _, said = demos
        seen = frames(out / 'train' / 'jar_to_cup3_real')
        assert [len(own) for own in seen.values()] == [7, 7]
        for number, own in enumerate(seen.values()):
            for step, (_, image) in enumerate(own):
                expected = view(step if step < 4 else step - 4, number)
                assert np.abs(image.astype(int) - expected).mean() < 4
        name = 'tfrecords/train/jar_to_cup3_real_shard01.tfrecord, record 0'
        assert f'{name}: 1 more frames of view1 are cut' in said

    def test_reads_videos_up_to_the_end_of_the_shorter(self, demos):
        out, _, said = demos
        seen = frames(out / 'train' / 'can_to_cup1_real')
        assert [len(own) for own in seen.values()] == [8, 8]
        for number, own in enumerate(seen.values()):
            for step, (_, image) in enumerate(own):
                assert image.shape == (*SIZE, 3)
                assert np.abs(image.astype(int) - view(step, number)).mean() < 12
        assert 'can_to_cup1_real_view0.mov: 3 more frames of view1 are cut' in said

    def test_keeps_labels_beside_the_frames_they_speak_of(self, demos):
        folder = demos[0] / 'labelled' / 'test' / 'jar_to_cup4_real'
        labels = load_labels(folder)
        assert set(labels) == {'stamp_ns', *LABELS}
        assert labels['stamp_ns'].tolist() == [stamp_of(step) for step in range(3)]
        assert labels['contact'].tolist() == [0, 0, 1]
        assert labels['container_angle'].tolist() == [90, 45, -45]
        assert not (demos[0] / 'val' / 'mug_to_cup2_fake' / 'labels.csv').exists()

    def test_is_what_the_other_commands_read(self, demos, tmp_path):
        out = demos[0]
        for path in find_recordings([out]):
            verdict = examine(path)
            assert [reason.level for reason in verdict.reasons] == [Level.WARN], 'it is short'
            assert verdict.paired == 1
            assert verdict.task == 'pouring'
        clips = load_clips([out / 'train'], (), DataConfig(height=32, width=32), tmp_path)
        assert [(clip.name, clip.task, len(clip)) for clip in clips] == [
            ('can_to_cup1_real', 'pouring', 8),
            ('jar_to_cup3_real', 'pouring', 7),
        ]
        check_clips(clips, BatchConfig(pairs=4))
        path = out / 'labelled' / 'test' / 'mug_to_cup2_fake'
        (clip,) = load_clips([path], (), DataConfig(height=32, width=32), tmp_path)
        known = label_clip(path, clip.stamps_ns, 0.02)
        assert known.timesteps.tolist() == [0, 1, 2]
        assert known.columns['container_angle'].tolist() == [90, 45, -45]

    def test_says_what_a_recording_is_from(self, demos):
        path = demos[0] / 'train' / 'can_to_cup1_real' / 'episode.json'
        assert json.loads(path.read_text()) == {
            'task': 'pouring',
            'sequence': 'can_to_cup1_real',
            'origin': 'videos/train/can_to_cup1_real_view0.mov',
            'importer': 1,
            'rate_hz': 29.0,
            'cameras': ['view0', 'view1'],
        }

    def test_again_keeps_what_is_there_and_makes_what_is_not(self, published, tmp_path):
        out = tmp_path / 'demos'
        imported(published / 'tfrecords', out)
        kept = data_file(out / 'val' / 'mug_to_cup2_fake').stat().st_mtime_ns
        (out / 'train').joinpath('.can_to_cup1_real-killed').mkdir()
        code, said = imported(published, out)
        assert code == 0
        assert '5 recordings' in said
        assert '2 were there before' in said
        assert data_file(out / 'val' / 'mug_to_cup2_fake').stat().st_mtime_ns == kept
        assert not list(out.rglob('.*'))

    def test_of_a_part_and_into_it(self, published, tmp_path):
        part = tmp_path / 'val'
        part.symlink_to(published / 'tfrecords' / 'val')
        assert imported(part, tmp_path / 'a')[0] == 0
        assert recordings(tmp_path / 'a') == ['val/mug_to_cup2_fake']
        other = tmp_path / 'other'
        write_records(other / 'x.tfrecord', sequence('x'), sequence('y'))
        for _ in range(2):
            code, said = imported(other, other / 'demos')
            assert (code, recordings(other / 'demos')) == (0, ['x', 'y'])
        assert '2 recordings' in said
        assert 'other kinds' not in said

    def test_interrupted_leaves_nothing_half_done(self, published, monkeypatch, tmp_path):
        def stop(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(command, '_show', stop)
        with pytest.raises(KeyboardInterrupt):
            imported(published, tmp_path / 'demos')
        assert not [path for path in (tmp_path / 'demos').rglob('*') if not path.is_dir()]


class TestDamage:
    def damaged(self, folder, tmp_path, *words):
        """Import what cannot be read whole; give the recordings that came of it."""
        code, said = imported(folder, tmp_path / 'demos')
        assert code == 1
        named = [line for line in said.splitlines() if line.startswith('skipped: ')]
        for line, word in zip(named, words, strict=True):
            assert word in line
        assert f'{len(words)} damaged, named above' in said
        return recordings(tmp_path / 'demos') if (tmp_path / 'demos').exists() else []

    def test_in_a_record_costs_that_sequence(self, tmp_path):
        good, bad = record(sequence('good')), bytearray(record(sequence('bad')))
        bad[len(bad) // 2] ^= 1
        (tmp_path / 'set').mkdir()
        (tmp_path / 'set' / 'a.tfrecord').write_bytes(bytes(bad) + good + good[:-9])
        made = self.damaged(
            tmp_path / 'set',
            tmp_path,
            'a.tfrecord, record 2: the file was cut',
            'a.tfrecord, record 0: its bytes do not have its checksum',
        )
        assert made == ['good']

    def test_in_a_record_does_not_matter_where_there_are_videos(self, published, tmp_path):
        root = tmp_path / 'set'
        bad = bytearray(record(sequence('mug_to_cup2_fake')))
        bad[-20] ^= 1
        (root / 'tfrecords' / 'val').mkdir(parents=True)
        (root / 'tfrecords' / 'val' / 'a.tfrecord').write_bytes(bad)
        (root / 'videos').symlink_to(published / 'videos')
        (root / 'videos-too').mkdir()
        for number in range(2):
            write_video(root / 'videos-too' / 'val' / f'mug_to_cup2_fake_view{number}.mov', number)
        assert self.damaged(root, tmp_path, 'checksum') == ['val/mug_to_cup2_fake']
        path = tmp_path / 'demos' / 'val' / 'mug_to_cup2_fake' / 'episode.json'
        assert 'videos-too/val/mug_to_cup2_fake_view0.mov' in path.read_text()

    def test_in_what_a_record_says(self, tmp_path):
        image = jpeg(view(0, 0))
        write_records(
            tmp_path / 'set' / 'a.tfrecord',
            b'nonsense',
            sequence_example('blind', {'sound': [image] * 4}),
            sequence_example('empty', {'view0': [], 'view1': []}),
            sequence_example('short', {'view0': [image], 'view1': [image]}),
            sequence_example('other', {'view0': [b'GIF89a'] * 4, 'view1': [image] * 4}),
            sequence('twice'),
            sequence('twice'),
            sequence('half_shard01'),
            labelled('one', 0),
            labelled('mixed', 0),
            labelled('mixed', 1, more=3),
        )
        made = self.damaged(
            tmp_path / 'set',
            tmp_path,
            'record 0: is no protobuf message',
            'record 6: twice is there already',
            'record 1: has no frames of view0, view1',
            'record 2: has no frames of view0, view1',
            'shard 0 of half is missing',
            'record 9: its frames, and others of mixed, differ in labels',
            'a.tfrecord: 1 timesteps of one are too few',
            'view0 of other holds no images',
            'a.tfrecord: 1 timesteps of short are too few',
        )
        assert made == ['twice']

    def test_in_videos(self, tmp_path):
        root = tmp_path / 'set'
        write_video(root / 'alone_view0.mov')
        for name in ('broken', 'cut', 'good', 'lfs'):
            for number in range(2):
                write_video(root / f'{name}_view{number}.mov', number, 30)
        (root / 'broken_view1.mov').write_bytes(b'nonsense')
        (root / 'lfs_view0.mov').write_text('version https://git-lfs.github.com/spec/v1\n')
        whole = (root / 'cut_view0.mov').read_bytes()
        start = whole.index(b'mdat') + 4
        end = whole.index(b'moov') - 4
        middle = start + (end - start) // 3  # the index at the end claims what is no longer there
        (root / 'cut_view0.mov').write_bytes(whole[:middle] + bytes(end - middle) + whole[end:])
        made = self.damaged(
            root,
            tmp_path,
            'lfs_view0.mov: is a Git LFS pointer',
            'alone_view0.mov: the other view of alone is missing',
            'broken_view0.mov: broken_view1.mov is no video that OpenCV can read',
            'frames of view0 can be decoded',
            'the other view of lfs is missing',
        )
        assert made == ['good']

    def test_names_from_anywhere_stay_in_the_folder(self, tmp_path):
        names = ('../../up', '/etc/x', '.hidden', 'a b\x1b[2J', '..', 'long' * 99)
        write_records(tmp_path / 'set' / 'a.tfrecord', *(sequence(name, 2) for name in names))
        code, said = imported(tmp_path / 'set', tmp_path / 'demos')
        assert code == 0
        assert len(recordings(tmp_path / 'demos')) == len(names)
        assert sorted(os.listdir(tmp_path)) == ['demos', 'set']
        assert '\x1b' not in said


class TestRefused:
    def test_folders_without_any(self, tmp_path):
        with pytest.raises(DataError, match='neither videos'):
            imported(tmp_path, tmp_path / 'demos')
        with pytest.raises(DataError, match='no such folder'):
            imported(tmp_path / 'none', tmp_path / 'demos')
        assert os.listdir(tmp_path) == []

    def test_recordings_of_something_else(self, tmp_path):
        write_records(tmp_path / 'set' / 'a.tfrecord', sequence('b'))
        (tmp_path / 'demos' / 'b').mkdir(parents=True)
        with pytest.raises(DataError, match=r'episode\.json: does not say'):
            imported(tmp_path / 'set', tmp_path / 'demos')
        (tmp_path / 'demos' / 'b' / 'episode.json').write_text('{"task": "mine"}')
        with pytest.raises(DataError, match='b is no import of b'):
            imported(tmp_path / 'set', tmp_path / 'demos')

    def test_places_that_cannot_be_written(self, tmp_path):
        write_records(tmp_path / 'set' / 'a.tfrecord', sequence('b'))
        with pytest.raises(DataError, match='cannot be written'):
            imported(tmp_path / 'set', tmp_path / 'set' / 'a.tfrecord' / 'demos')
