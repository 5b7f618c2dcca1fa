"""Recordings cut anywhere are read up to the cut; damaged ones around the damage; and repaired."""

from __future__ import annotations

import functools
from pathlib import Path
import signal
import sqlite3
import subprocess
import sys
import tempfile

from bag_maker import (
    camera_messages,
    data_file,
    Message,
    RAW,
    read_all,
    SHARED,
    START_NS,
    STRING,
    text_cdr,
    write_bag,
    write_old_db3,
)
from hypothesis import given, settings
from hypothesis import strategies as st
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
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from smaknet_core.data.bags import open_recording
from smaknet_core.data.recovery import repair
from smaknet_core.errors import BagError

MESSAGES = tuple(camera_messages(count=60))


@functools.cache
def whole(kind) -> tuple[str, bytes]:
    """File ending and content of a whole recording, by how it was written."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == 'humble':
            path = write_old_db3(Path(folder, 'old.db3'), MESSAGES)
        elif kind in ('LZ4', 'NONE'):
            path = write_in_small_chunks(Path(folder, 'small.mcap'), kind)
        else:
            storage, _, compression = kind.partition(' ')
            path = data_file(
                write_bag(Path(folder, 'take'), MESSAGES, storage, compression or None)
            )
        return path.suffix, path.read_bytes()


def write_in_small_chunks(path, compression):
    mcap = pytest.importorskip('mcap.writer')
    with path.open('wb') as file:
        kind = mcap.CompressionType[compression]
        writer = mcap.Writer(file, compression=kind, chunk_size=3000)
        writer.start('ros2')
        channels = {}
        for message in MESSAGES:
            if message.topic not in channels:
                schema = writer.register_schema(message.msgtype, 'ros2msg', b'')
                channels[message.topic] = writer.register_channel(message.topic, 'cdr', schema)
            ns = message.receive_ns
            writer.add_message(channels[message.topic], ns, message.cdr, publish_time=ns)
        writer.finish()
    return path


def read_content(ending, content):
    """Write bytes to a file, and read it as a recording: messages, notes and whether it is cut."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f'cut{ending}')
        path.write_bytes(content)
        with open_recording(path) as recording:
            return read_all(recording), recording.notes, recording.cut


@pytest.mark.parametrize('kind', ['mcap', 'mcap storage', 'LZ4', 'NONE', 'sqlite3', 'humble'])
@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_recording_cut_anywhere_is_read_up_to_the_cut(kind, data):
    ending, content = whole(kind)
    end = data.draw(st.integers(0, len(content) - 1))
    try:
        messages, notes, cut = read_content(ending, content[:end])
    except BagError:
        assert end < 20_000, 'only a file cut at its very start may be refused'
        return
    assert messages == list(MESSAGES[: len(messages)])
    assert cut
    assert any('cut: ' in note for note in notes)
    assert len(messages) >= least(kind, content, end)


def least(kind, content, end):
    """How many messages must be readable at least, by the slow look for their bytes."""
    if kind in ('mcap', 'NONE'):
        return sum(0 <= content.find(m.cdr) <= end - len(m.cdr) for m in MESSAGES)
    if kind == 'LZ4':  # whole chunks are
        return len(MESSAGES) * end // len(content) - 6
    if kind == 'mcap storage':  # one chunk of one zstd frame: a few blocks
        return 0
    # Tables of topics and definitions come first, and whole pages hold a few messages each.
    return len(MESSAGES) * (end - 32_000) // len(content) - 6


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_changed_bytes_never_cause_anything_but_fewer_messages(kind, data):
    ending, content = whole(kind)
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.one_of(st.integers(0, 600), st.integers(0, len(content) - 1)))
        damaged[at] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f'damaged{ending}')
        path.write_bytes(damaged)
        try:
            with open_recording(path) as recording:
                read_all(recording)
                list(recording.frames())
        except BagError:
            return


def test_a_page_of_zeros_after_a_power_cut_ends_the_recording():
    ending, content = whole('mcap')
    half = len(content) // 2
    messages, notes, cut = read_content(ending, content[:half] + bytes(len(content) - half))
    assert cut
    assert messages[:-1] == list(MESSAGES[: len(messages) - 1])  # the last one ends in zeros
    assert len(messages) > 50


def test_a_damaged_chunk_does_not_hide_the_others():
    ending, content = whole('LZ4')
    at = len(content) // 2
    damaged = content[:at] + bytes(b ^ 0xFF for b in content[at : at + 40]) + content[at + 40 :]
    messages, notes, cut = read_content(ending, damaged)
    assert set(messages) < set(MESSAGES)
    assert len(messages) > 100
    assert messages[-1] == MESSAGES[-1]
    assert 'is damaged' in notes[0] or 'checksum' in notes[0]
    assert not cut


def test_rows_with_long_chains_of_pages_and_the_first_rows_survive_a_cut(tmp_path):
    """Pictures span many pages, and the tree's first branch page comes late in the file."""
    messages = camera_messages(['top'], count=400, kind=RAW)
    content = data_file(write_bag(tmp_path / 'take', messages, 'sqlite3')).read_bytes()
    for share in (0.2, 0.5, 0.8):
        cut, _, _ = read_content('.db3', content[: int(len(content) * share)])
        assert cut == messages[: len(cut)]
        assert len(cut) > len(messages) * share - 20


class TestRepair:
    @staticmethod
    def cut(folder, share=0.6):
        path = data_file(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return folder

    @pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
    def test_makes_a_whole_copy_beside_it_and_leaves_the_original(self, tmp_path, storage):
        bag = self.cut(write_bag(tmp_path / 'take', MESSAGES, storage))
        (bag / 'metadata.yaml').unlink()
        (bag / 'episode.json').write_text('{"task": "pour"}')
        (bag / 'labels.csv').write_text('stamp_ns\n1\n')
        before = {path.name: path.read_bytes() for path in bag.iterdir()}
        with open_recording(bag) as recording:
            readable = read_all(recording)
            assert recording.unfinished
        copy = repair(bag)
        assert copy == tmp_path / 'take_repaired'
        assert {path.name: path.read_bytes() for path in bag.iterdir()} == before
        with open_recording(copy) as recording:
            assert read_all(recording) == readable
            assert recording.notes == []
            assert not recording.unfinished
            assert recording.task == 'pour'
        assert (copy / 'labels.csv').is_file()
        with AnyReader([copy]) as reader:  # another reader, which wants index and metadata
            assert len(list(reader.messages())) == len(readable)
        assert sorted(path.name for path in tmp_path.iterdir()) == ['take', 'take_repaired']

    def test_a_bare_file_becomes_a_folder(self, tmp_path):
        path = tmp_path / 'bare.mcap'
        path.write_bytes(whole('mcap')[1][:-300])
        assert repair(path) == tmp_path / 'bare_repaired'

    def test_never_overwrites(self, tmp_path):
        bag = self.cut(write_bag(tmp_path / 'take', MESSAGES))
        repair(bag)
        with pytest.raises(BagError, match='take_repaired: exists already, not overwritten'):
            repair(bag)

    def test_nothing_readable(self, tmp_path):
        bag = write_bag(tmp_path / 'take', MESSAGES)
        data_file(bag).write_bytes(whole('mcap')[1][:60])
        with pytest.raises(BagError, match='nothing to repair'):
            repair(bag)

    def test_a_folder_that_cannot_be_written(self, tmp_path, monkeypatch):
        bag = self.cut(write_bag(tmp_path / 'take', MESSAGES))

        def full(*_, **__):
            raise OSError(28, 'No space left on device')

        monkeypatch.setattr(Writer, 'write', full)
        with pytest.raises(BagError, match='take_repaired: cannot be written .No space left'):
            repair(bag)
        assert [path.name for path in tmp_path.iterdir()] == ['take']

    def test_topics_of_unknown_types_and_their_qos_are_kept(self, tmp_path):
        latched = Qos(
            QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL,
            QosTime(0, 0), QosTime(0, 0), QosLiveliness.AUTOMATIC, QosTime(0, 0), False,
        )  # fmt: skip
        path = tmp_path / 'take'
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            topic = writer.add_connection(
                '/odd', 'odd_msgs/msg/Odd', msgdef='int32 a', rihs01='RIHS01_' + 'a' * 64,
                offered_qos_profiles=[latched],
            )  # fmt: skip
            for number in range(2000):
                writer.write(topic, START_NS + number, text_cdr(f'{number}' * 300))
        copy = repair(self.cut(path))
        with Reader(copy) as reader:
            (connection,) = reader.connections
            assert connection.msgtype == 'odd_msgs/msg/Odd'
            assert connection.msgdef.data.strip() == 'int32 a'
            assert connection.ext.offered_qos_profiles == [latched]
            assert connection.msgcount > 1000

    def test_old_databases_gain_the_definitions_of_standard_types(self, tmp_path):
        path = write_old_db3(tmp_path / 'old.db3', [*MESSAGES, odd_message()], 'crystal')
        with AnyReader([data_file(repair(path))]) as reader:
            types = {connection.msgtype for connection in reader.connections}
            assert {STRING, 'odd_msgs/msg/Odd'} <= types
            chatter = [c for c in reader.connections if c.topic == '/chatter']
            ((connection, _, data),) = reader.messages(chatter)
            assert reader.deserialize(data, connection.msgtype).data == 'hello'


def odd_message():
    return Message('/odd', 'odd_msgs/msg/Odd', START_NS, text_cdr('whatever'))


@pytest.mark.skipif(not SHARED.is_dir(), reason='real recordings are not here')
def test_a_real_take_cut_and_repaired(tmp_path):
    content = (SHARED / 'droid/take_0/take_0.mcap').read_bytes()
    path = tmp_path / 'take_0.mcap'
    path.write_bytes(content[: len(content) * 6 // 10])
    with open_recording(SHARED / 'droid/take_0') as recording:
        all_messages = read_all(recording)
    with open_recording(repair(path)) as recording:
        messages = read_all(recording)
        assert messages == all_messages[: len(messages)]
        assert len(messages) == 400
        assert len(list(recording.frames())) == 300
        assert not recording.bad_images


def test_the_database_really_cannot_be_read_by_its_tree(tmp_path):
    """The reason for reading pages: were it not so any more, that code could go."""
    messages = camera_messages(['top'], count=400, kind=RAW)
    path = data_file(write_bag(tmp_path / 'take', messages, 'sqlite3'))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 4])
    with sqlite3.connect(f'{path.as_uri()}?immutable=1', uri=True) as db:
        db.execute('PRAGMA writable_schema = ON')
        with pytest.raises(sqlite3.DatabaseError):
            db.execute('SELECT data FROM messages').fetchall()
    db.close()


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_killed_recorder_leaves_nearly_all(tmp_path, storage):
    """A real one, by SIGKILL: an open chunk, or a transaction that SQLite would roll back."""
    program = (
        'import os, signal, sys; from bag_maker import *; from rosbags.rosbag2 import Writer;'
        'path, storage = sys.argv[1:];'
        'writer = Writer(path, version=9, storage_plugin=STORAGES[storage]); writer.open();'
        'messages = camera_messages(["top"], count=1200, kind=RAW); topics = {};\n'
        'for m in messages:\n'
        '    if m.topic not in topics:\n'
        '        topics[m.topic] = writer.add_connection(m.topic, m.msgtype, typestore=store())\n'
        '    writer.write(topics[m.topic], m.receive_ns, m.cdr)\n'
        'os.kill(os.getpid(), signal.SIGKILL)'
    )
    path = tmp_path / 'killed'
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, '-c', program, path, storage], cwd=here, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (path / 'metadata.yaml').exists()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with open_recording(path) as recording:
        messages = read_all(recording)
        assert recording.cut
    assert messages == camera_messages(['top'], count=1200, kind=RAW)[: len(messages)]
    assert len(messages) > 700
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    with open_recording(repair(path)) as recording:
        assert read_all(recording) == messages
        assert not recording.unfinished
