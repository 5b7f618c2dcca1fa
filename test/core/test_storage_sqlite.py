"""Databases of old recorders, of killed ones, and on disks that must not be touched."""

from __future__ import annotations

import subprocess
import sys

from bag_maker import (
    camera_messages,
    data_file,
    picture,
    RAW,
    read_all,
    write_bag,
    write_old_db3,
)
import numpy as np
import pytest
from smaknet_core.data.bags import open_recording


@pytest.mark.parametrize('distro', ['humble', 'crystal'])
def test_old_databases_carry_no_definitions_and_crystal_other_names(tmp_path, distro):
    messages = camera_messages(kind=RAW, count=4)
    path = write_old_db3(tmp_path / 'old.db3', messages, distro)
    with open_recording(path) as recording:
        assert list(recording.cameras) == ['top', 'wrist']
        assert recording.cameras['top'].msgtype == RAW
        np.testing.assert_array_equal(next(recording.frames()).image, picture(0))
        assert read_all(recording) == messages


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


def test_an_open_recording_needs_no_write_permission_and_leaves_nothing(tmp_path):
    path = write_bag(tmp_path / 'take', camera_messages(count=1), 'sqlite3')
    with open_recording(path) as recording:
        read_all(recording)
        assert sorted(p.name for p in path.iterdir()) == ['metadata.yaml', 'take.db3']
