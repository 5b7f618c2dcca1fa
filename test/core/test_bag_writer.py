"""Recordings written as messages come: whole for every reader, and cut where the writer died."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

from bag_maker import camera_messages, JPEG, read_all, SHARED, START_NS, store, STRING
from mcap.reader import make_reader
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader
from smaknet_core.data.bag_writer import BagWriter, UNKNOWN_HASH, write_whole, WrittenTopic
from smaknet_core.data.bags import find_recordings, open_recording
from smaknet_core.data.recovery import repair
import yaml

FOREVER = QosTime(9223372036, 854775807)
QOS = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.BEST_EFFORT,
    QosDurability.VOLATILE,
    FOREVER,
    FOREVER,
    QosLiveliness.AUTOMATIC,
    FOREVER,
    False,
)
MESSAGES = camera_messages(count=20)
NAMES = sorted({(message.topic, message.msgtype) for message in MESSAGES})


def topics():
    definitions = {kind: store().generate_msgdef(kind, ros_version=2)[0] for _, kind in NAMES}
    hashes = {kind: store().hash_rihs01(kind) for _, kind in NAMES}
    return [
        WrittenTopic(name, kind, definitions[kind], hashes[kind], (QOS,)) for name, kind in NAMES
    ]


def write(folder, messages=MESSAGES, sync_every=7):
    writer = BagWriter(folder, 'take', topics())
    index = {name: number for number, (name, _) in enumerate(NAMES)}
    for number, message in enumerate(messages):
        writer.write(index[message.topic], message.receive_ns, message.cdr)
        if number % sync_every == sync_every - 1:
            writer.sync()
    return writer


def test_every_reader_finds_every_byte(tmp_path):
    folder = tmp_path / 'take'
    write(folder).close()
    with open_recording(folder) as recording:
        assert read_all(recording) == MESSAGES
        assert (recording.notes, recording.unfinished) == ([], False)
    with AnyReader([folder]) as reader:
        got = [(c.topic, ns, bytes(cdr)) for c, ns, cdr in reader.messages()]
        assert got == [(m.topic, m.receive_ns, m.cdr) for m in MESSAGES]
        assert all(c.ext.offered_qos_profiles == [QOS] for c in reader.connections)
        for connection, _, cdr in reader.messages():
            reader.deserialize(cdr, connection.msgtype)
    with (folder / 'take_0.mcap').open('rb') as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        summary = reader.get_summary()
        assert {schema.encoding for schema in summary.schemas.values()} == {'ros2msg'}
        assert len(summary.schemas) == len({kind for _, kind in NAMES})
        assert len(summary.chunk_indexes) == -(-len(MESSAGES) // 7)
        got = [(channel.topic, m.log_time, m.data) for _, channel, m in reader.iter_messages()]
        assert sorted(got) == sorted((m.topic, m.receive_ns, m.cdr) for m in MESSAGES)


def keys(value):
    """The structure of a YAML tree, without its values."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else type(value).__name__


def test_metadata_has_what_rosbag2_writes(tmp_path, monkeypatch):
    """Against a folder that rosbag2 itself wrote, for what has not changed since."""
    sample = SHARED / 'rosbag2_samples' / 'ros2_rosbag2_mcap_cdr_test'
    if not sample.is_dir():
        pytest.skip('the rosbag2 samples are not beside this repository')
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    write(tmp_path / 'take').close()
    ours, theirs = (
        keys(yaml.safe_load((path / 'metadata.yaml').read_text()))['rosbag2_bagfile_information']
        for path in (tmp_path / 'take', sample)
    )
    assert {key: ours[key] for key in theirs} == theirs
    assert set(ours) - set(theirs) <= {'custom_data', 'ros_distro'}


@pytest.mark.parametrize(('distro', 'version'), [('humble', 8), ('jazzy', 9), ('', 9)])
def test_metadata_is_of_the_version_that_the_distribution_reads(
    tmp_path, monkeypatch, distro, version
):
    monkeypatch.setenv('ROS_DISTRO', distro)
    write(tmp_path / 'take').close()
    text = (tmp_path / 'take' / 'metadata.yaml').read_text()
    information = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert (information['version'], information['ros_distro']) == (version, distro)
    assert information['message_count'] == len(MESSAGES)
    assert '&' not in text  # an alias, which nobody expects there
    with Reader(tmp_path / 'take') as reader:
        assert reader.message_count == len(MESSAGES)
        assert all(c.ext.offered_qos_profiles == [QOS] for c in reader.connections)


def test_a_topic_without_messages_definition_or_qos(tmp_path):
    writer = BagWriter(tmp_path / 'take', 'take', [WrittenTopic('/odd', 'my_msgs/msg/Odd')])
    writer.write(0, START_NS, b'\0\1\0\0odd!')
    writer.close()
    with open_recording(tmp_path / 'take') as recording:
        ((topic, ns, cdr),) = recording.messages()
        assert (topic.msgtype, ns, cdr) == ('my_msgs/msg/Odd', START_NS, b'\0\1\0\0odd!')
    BagWriter(tmp_path / 'none', 'none', topics()).close()
    assert UNKNOWN_HASH in (tmp_path / 'take' / 'metadata.yaml').read_text()


def test_what_was_synced_survives_and_is_named_after_its_folder(tmp_path):
    """The writer just stops, as a killed process does, in the middle of a chunk."""
    folder = tmp_path / 'take.partial'
    writer = write(folder, MESSAGES[:17])
    assert find_recordings([tmp_path]) == [folder]
    (folder / 'episode.json').write_text('{"task": "pour"}')
    with open_recording(folder) as recording:
        assert read_all(recording) == MESSAGES[:14]
        assert (recording.name, recording.task) == ('take', 'pour')
        assert recording.cut
        assert recording.unfinished
    with open_recording(repair(folder)) as recording:
        assert (recording.name, recording.unfinished) == ('take_repaired', False)
        assert read_all(recording) == MESSAGES[:14]
    writer.abandon()


FULL = """
import resource, sys
sys.path.insert(0, {tests!r})
from test_bag_writer import *
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
folder = Path({folder!r})
try:
    write(folder).close()
except OSError as err:
    print('full:', err.strerror)
"""


def test_a_full_disk_leaves_whole_records(tmp_path):
    """No larger file than this is allowed: a write comes back short, the next one fails."""
    folder = tmp_path / 'take'
    program = FULL.format(tests=os.path.dirname(__file__), folder=str(folder))
    run = subprocess.run(
        [sys.executable, '-c', 'from pathlib import Path\n' + program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout.startswith('full: '), run.stderr
    with open_recording(folder) as recording:
        messages = read_all(recording)
        assert messages == MESSAGES[: len(messages)]
        assert len(messages) >= 7
    size = (folder / 'take_0.mcap').stat().st_size
    assert size < 12_000, 'the end of a record that did not fit is cut off'


def test_what_exists_is_not_written_to(tmp_path):
    write(tmp_path / 'take').close()
    before = {path.name: path.read_bytes() for path in (tmp_path / 'take').iterdir()}
    with pytest.raises(FileExistsError):
        BagWriter(tmp_path / 'take', 'take', topics())
    assert {path.name: path.read_bytes() for path in (tmp_path / 'take').iterdir()} == before


def test_small_files_are_the_old_one_or_the_new_one(tmp_path):
    write_whole(tmp_path / 'a.json', 'old')
    write_whole(tmp_path / 'a.json', 'new')
    assert os.listdir(tmp_path) == ['a.json']
    assert (tmp_path / 'a.json').read_text() == 'new'


@pytest.mark.parametrize(
    ('cameras', 'named', 'notes'),
    [
        ({'left': '/camera/top/image_raw/compressed'}, {'left'}, 0),
        (
            {'left': '/camera/top/image_raw/compressed', 'gone': '/gone/image_raw'},
            {'left'},
            1,
        ),
        ({'gone': '/gone/image_raw'}, {'top', 'wrist'}, 0),
        (['top'], {'top', 'wrist'}, 0),
    ],
)
def test_cameras_are_called_as_the_recorder_was_told(tmp_path, cameras, named, notes):
    write(tmp_path / 'take').close()
    (tmp_path / 'take' / 'episode.json').write_text(json.dumps({'task': '', 'cameras': cameras}))
    with open_recording(tmp_path / 'take') as recording:
        assert set(recording.cameras) == named
        assert len([note for note in recording.notes if 'gone' in note]) == notes
    with open_recording(tmp_path / 'take', ['w:=/camera/wrist/image_raw/compressed']) as recording:
        assert list(recording.cameras) == ['w']
    assert {kind for _, kind in NAMES} == {JPEG, STRING}
    shutil.rmtree(tmp_path / 'take')
