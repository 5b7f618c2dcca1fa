"""The cache: the same clip every time, rebuilt when stale, whole under every mishap."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
import resource
import subprocess
import sys

from bag_maker import camera_messages, data_file, jpeg_cdr, RAW, write_bag
import numpy as np
import pytest
from smaknet_core.config import DataConfig
from smaknet_core.data import cache
from smaknet_core.data.bags import open_recording
from smaknet_core.data.sync import synchronise
from smaknet_core.data.transforms import resize
from smaknet_core.errors import BagError, DataError

DATA = DataConfig(height=32, width=40)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bag(tmp_path):
    path = write_bag(tmp_path / 'bags' / 'take', camera_messages(count=12, kind=RAW))
    (path / 'episode.json').write_text('{"task": "pour"}')
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'cache'


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_clip_is_the_synchronised_resized_frames(bag, folder):
    clip = cache.build(bag, (), DATA, folder)
    assert (clip.name, clip.task, clip.cameras) == ('take', 'pour', ('top', 'wrist'))
    assert clip.stamps_ns.dtype == np.int64
    assert np.all(np.diff(clip.stamps_ns) > 0)
    with open_recording(bag) as recording:
        sets = list(synchronise(recording.frames(), ('top', 'wrist'), DATA.max_spread_s))
    assert len(clip) == len(sets) == 12
    for number, found in enumerate(sets):
        assert clip.stamps_ns[number] == found.stamp_ns
        for camera, frame in found.frames.items():
            expected = resize(frame.image, DATA.height, DATA.width)
            np.testing.assert_array_equal(clip.views[camera][number], expected)


def test_views_are_mapped_not_loaded_and_cannot_be_changed(bag, folder):
    view = cache.build(bag, (), DATA, folder).views['top']
    assert isinstance(view, np.memmap)
    assert (view.dtype, view.shape) == (np.uint8, (12, 32, 40, 3))
    with pytest.raises(ValueError, match='read-only'):
        view[0] = 0


def test_the_second_time_nothing_is_read_and_all_is_the_same(bag, folder, monkeypatch):
    first = cache.load(bag, (), DATA, folder)
    monkeypatch.setattr(cache, 'open_recording', None)  # would fail if it were called
    second = cache.load(bag, (), DATA, folder)
    assert second.notes == first.notes
    np.testing.assert_array_equal(second.clip.stamps_ns, first.clip.stamps_ns)
    for camera, view in first.clip.views.items():
        np.testing.assert_array_equal(second.clip.views[camera], view)


@pytest.mark.parametrize(
    'changes', [{'height': 48}, {'width': 48}, {'max_spread_s': 0.04}, {'cameras': ('top',)}]
)
def test_other_settings_are_another_entry_beside_it(bag, folder, changes):
    cache.build(bag, (), DATA, folder)
    cameras = changes.pop('cameras', ())
    cache.build(bag, cameras, dataclasses.replace(DATA, **changes), folder)
    assert len(entries(folder)) == 2


def test_settings_that_do_not_matter_share_an_entry(bag, folder):
    cache.build(bag, (), DATA, folder)
    cache.build(bag, (), dataclasses.replace(DATA, held_out=0.5, held_out_names=('x',)), folder)
    assert len(entries(folder)) == 1


def test_a_changed_recording_replaces_its_entry(bag, folder):
    cache.build(bag, (), DATA, folder)
    old = entries(folder)
    data_file(bag).unlink()
    data_file(write_bag(bag.parent / 'other', camera_messages(count=5))).rename(bag / 'take.mcap')
    assert len(cache.build(bag, (), DATA, folder)) == 5
    assert len(entries(folder)) == 1
    assert entries(folder) != old


def test_touching_a_file_or_changing_the_task_is_noticed(bag, folder):
    cache.build(bag, (), DATA, folder)
    (bag / 'episode.json').write_text('{"task": "stir"}')
    assert cache.build(bag, (), DATA, folder).task == 'stir'
    before = entries(folder)
    os.utime(data_file(bag), ns=(1, 1))
    cache.build(bag, (), DATA, folder)
    assert entries(folder) != before


@pytest.mark.parametrize(
    'damage', ['index', 'no index', 'view', 'no view', 'short', 'empty', 'list']
)
def test_a_damaged_entry_is_built_again(bag, folder, damage):
    good = np.array(cache.build(bag, (), DATA, folder).views['top'])
    entry = folder / entries(folder)[0]
    index, view = entry / 'index.json', entry / 'view_0.npy'
    {
        'index': lambda: index.write_text('{'),
        'no index': index.unlink,
        'view': lambda: view.write_bytes(b'no array at all'),
        'no view': view.unlink,
        'short': lambda: os.truncate(view, 3000),
        'empty': lambda: view.write_bytes(b''),
        'list': lambda: index.write_text('[]'),
    }[damage]()
    np.testing.assert_array_equal(cache.build(bag, (), DATA, folder).views['top'], good)
    assert len(entries(folder)) == 1


def test_a_pickled_array_is_never_loaded(bag, folder):
    cache.build(bag, (), DATA, folder)
    view = folder / entries(folder)[0] / 'view_0.npy'
    np.save(view, np.array([{'a': 1}], object), allow_pickle=True)
    assert cache.build(bag, (), DATA, folder).views['top'].dtype == np.uint8


def test_progress_rises_to_one(bag, folder):
    seen = []
    cache.build(bag, (), DATA, folder, lambda name, share: seen.append((name, share)))
    assert {name for name, _ in seen} == {'take'}
    assert [share for _, share in seen] == pytest.approx([(n + 1) / 24 for n in range(24)])


def test_what_was_lost_is_noted(tmp_path, folder):
    messages = camera_messages(count=6)
    messages[3] = messages[3]._replace(cdr=jpeg_cdr(messages[3].receive_ns, None, b'x'))
    cached = cache.load(write_bag(tmp_path / 'take', messages), (), DATA, folder)
    assert len(cached.clip) == 5
    assert any('top: 1 images skipped (neither JPEG nor PNG' in note for note in cached.notes)
    assert 'frames without a set: 1 unmatched' in cached.notes


@pytest.mark.parametrize(
    ('messages', 'reason'),
    [
        (camera_messages([]), r'no camera topic in it .topics: /chatter'),
        (camera_messages(count=1), r'1 sets of top .1., wrist .1. within 50 ms'),
        (camera_messages(['top'], 9) + camera_messages(['wrist'], 1), r'top .9., wrist .1. '),
    ],
)
def test_recordings_without_enough_sets_are_refused_and_leave_nothing(
    tmp_path, folder, messages, reason
):
    path = write_bag(tmp_path / 'take', messages)
    with pytest.raises(DataError, match=reason) as caught:
        cache.load(path, (), DATA, folder)
    assert str(path) in str(caught.value)
    assert entries(folder) == []


def test_no_recording(tmp_path, folder):
    with pytest.raises(BagError):
        cache.build(tmp_path / 'nowhere', (), DATA, folder)


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(bag, folder):
    """No file may grow beyond 20 kB: the same error as a full disk, at the same place."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(DataError, match='the cache cannot be written') as caught:
            cache.build(bag, (), DATA, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(folder) in str(caught.value)
    assert entries(folder) == []
    assert len(cache.build(bag, (), DATA, folder)) == 12, 'and works when there is room again'


def test_a_cache_folder_that_cannot_be_made(bag, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(DataError, match=f'{tmp_path}/file/cache: the cache cannot be written'):
        cache.build(bag, (), DATA, tmp_path / 'file' / 'cache')


IMPORTS = (
    'import hashlib, os, sys; from pathlib import Path; from smaknet_core.data import cache;'
    'from smaknet_core.config import DataConfig; bag, folder = map(Path, sys.argv[1:]);'
    'data = DataConfig(height=32, width=40);'
)


def test_a_killed_build_leaves_nothing_that_is_taken_for_a_clip(bag, folder):
    stop = 'stop = lambda name, share: share > 0.5 and os._exit(9);'
    program = f'{IMPORTS} {stop} cache.build(bag, (), data, folder, stop)'
    killed = subprocess.run([sys.executable, '-c', program, bag, folder], cwd=ROOT, check=False)
    assert killed.returncode == 9
    (left,) = folder.iterdir()
    assert left.name.startswith('.building-')
    assert len(cache.build(bag, (), DATA, folder)) == 12
    os.utime(left, (1, 1))  # a day later the next build tidies up
    cache.build(bag, ('top',), DATA, folder)
    assert not left.exists()


def test_two_processes_may_build_the_same_at_once(bag, folder):
    program = (
        f'{IMPORTS} sys.stdin.readline(); view = cache.build(bag, (), data, folder).views["top"];'
        'print(len(view), hashlib.sha256(view.tobytes()).hexdigest())'
    )
    running = [
        subprocess.Popen(
            [sys.executable, '-c', program, bag, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    answers = set()
    for process in running:  # let go together; a late starter only waits for its libraries
        process.stdin.write('go\n')
        process.stdin.flush()
    for process in running:
        answers.add(process.communicate(timeout=120)[0])
    assert len(answers) == 1
    assert answers.pop().startswith('12 ')
    assert len(entries(folder)) == 1


def test_an_entry_that_appears_while_building_is_used(bag, folder):
    """The same race, made to happen: another build ends first."""
    theirs = []

    def build_meanwhile(name, share):
        if share > 0.5 and not theirs:
            theirs.append(None)
            theirs[0] = cache.build(bag, (), DATA, folder)

    ours = cache.build(bag, (), DATA, folder, build_meanwhile)
    np.testing.assert_array_equal(ours.views['top'], theirs[0].views['top'])
    assert ours.views['top'].filename == theirs[0].views['top'].filename
    assert len(entries(folder)) == 1


def test_the_index_is_plain_json(bag, folder):
    clip = cache.build(bag, (), DATA, folder)
    index = json.loads((folder / entries(folder)[0] / 'index.json').read_text())
    assert index['stamps_ns'] == clip.stamps_ns.tolist()
    assert index['cameras'] == ['top', 'wrist']


def test_the_default_folder_follows_the_desktop_standard(monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '/x')
    assert cache.default_dir() == Path('/x/smaknet')
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', '/home/someone')
    assert cache.default_dir() == Path('/home/someone/.cache/smaknet')
