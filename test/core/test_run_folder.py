"""The run folder: made once, resumed only as what it was, its events readable by TensorBoard."""

from __future__ import annotations

import errno
import functools
import os
from pathlib import Path
import signal

from clip_maker import make_clip, make_config
import pytest
from smaknet_core import run_folder
from smaknet_core.config import load_yaml, ModelConfig, TrainConfig
from smaknet_core.errors import ConfigError, TrainingError
from smaknet_core.model import Encoder
from smaknet_core.run_folder import (
    check_resumable,
    EventLog,
    LAST_NAME,
    prepare,
    restore,
    save_state,
    SETTINGS_NAME,
    Status,
)
from tensorboardX.proto.event_pb2 import Event
import torch

CLIPS = [make_clip('one'), make_clip('two')]


def network(seed=0, steps=2):
    """A network and its optimizer after some steps."""
    torch.manual_seed(seed)
    encoder = Encoder(ModelConfig())
    optimizer = torch.optim.AdamW(encoder.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        encoder(torch.rand(4, 3, 32, 32)).square().sum().backward()
        optimizer.step()
    return encoder, optimizer


def enter(out, config, resume):
    """Prepare a folder and let it go at once."""
    with prepare(out, config, resume):
        pass


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    out = tmp_path_factory.mktemp('runs') / 'run'
    encoder, optimizer = network()
    history = [{'step': 5, 'seconds': 1.0, 'alignment': 0.2}]
    with prepare(out, make_config(), resume=False):
        save_state(out, encoder, optimizer, Status(7, 3.5, 1.25, 0.2, history), CLIPS)
    return out, encoder, optimizer


@pytest.fixture
def copy(saved, tmp_path):
    """The saved run, to be damaged."""
    out = tmp_path / 'run'
    out.mkdir()
    for name in (LAST_NAME, SETTINGS_NAME):
        (out / name).write_bytes((saved[0] / name).read_bytes())
    return out


class TestPrepare:
    def test_writes_the_settings(self, tmp_path):
        config = make_config(model=ModelConfig(levels=(1, 3)))
        enter(tmp_path / 'a' / 'run', config, resume=False)
        assert load_yaml(TrainConfig, tmp_path / 'a' / 'run' / SETTINGS_NAME) == config
        assert os.listdir(tmp_path / 'a' / 'run') == [SETTINGS_NAME]

    @pytest.mark.parametrize('kind', ['folder', 'file', 'run'])
    def test_nothing_is_ever_overwritten(self, tmp_path, copy, kind):
        out = {'folder': tmp_path, 'file': tmp_path / 'file', 'run': copy}[kind]
        (tmp_path / 'file').write_text('precious')
        with pytest.raises(ConfigError, match='exists and is never overwritten'):
            enter(out, make_config(), resume=False)
        assert (tmp_path / 'file').read_text() == 'precious'

    @pytest.mark.parametrize('out', ['/proc/run', '/proc/self/status/run'])
    def test_a_place_that_cannot_be_written(self, tmp_path, out):
        with pytest.raises(TrainingError, match='cannot be written'):
            enter(Path(out), make_config(), resume=False)


class TestLock:
    """Two processes that train into one folder would spoil it for both."""

    def test_a_folder_being_trained_into_is_refused_until_the_end(self, copy):
        with prepare(copy, make_config(), resume=True):
            for look in (check_resumable, functools.partial(enter, resume=True)):
                with pytest.raises(ConfigError, match=f'^{copy}: another process is training'):
                    look(copy, make_config())
        enter(copy, make_config(), resume=True)

    def test_a_new_one_as_well(self, tmp_path, copy):
        out = tmp_path / 'new'
        with prepare(out, make_config(), resume=False):
            with pytest.raises(ConfigError, match='exists and is never overwritten'):
                enter(out, make_config(), resume=False)
            (out / LAST_NAME).write_bytes((copy / LAST_NAME).read_bytes())
            with pytest.raises(ConfigError, match='another process is training'):
                check_resumable(out, make_config())

    def test_an_error_frees_it(self, copy):
        with pytest.raises(ZeroDivisionError), prepare(copy, make_config(), resume=True):
            raise ZeroDivisionError
        check_resumable(copy, make_config())

    def test_the_lock_of_a_process_that_was_killed_blocks_nobody(self, copy):
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            with prepare(copy, make_config(), resume=True):
                os.write(tell, b'!')
                signal.pause()
        try:
            assert os.read(ready, 1) == b'!'
            with pytest.raises(ConfigError, match='another process is training'):
                check_resumable(copy, make_config())
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        enter(copy, make_config(), resume=True)

    def test_a_folder_that_cannot_be_written_is_said_before_anything_is_loaded(
        self, copy, monkeypatch
    ):
        """Root may write everywhere; so the refusal is made here, where the disk would make it."""

        def refuse(path, mode='r', **more):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(run_folder.Path, 'open', refuse)
        with pytest.raises(TrainingError, match='train.yaml: cannot be written .Read-only file'):
            run_folder._lock(copy).__enter__()

    def test_of_many_processes_that_start_at_once_one_trains(self, tmp_path):
        """Whichever is first makes the folder; no other takes it away again."""
        for attempt in range(5):
            out, children = tmp_path / f'run{attempt}', []
            for _ in range(4):
                child = os.fork()
                if child == 0:
                    try:
                        enter(out, make_config(), resume=False)
                        os._exit(0)
                    except ConfigError:
                        os._exit(2)
                    finally:
                        os._exit(9)
                children.append(child)
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            assert sorted(codes) == [0, 2, 2, 2]
            assert os.listdir(out) == [SETTINGS_NAME]


class TestResume:
    def test_the_saved_state_comes_back(self, saved):
        out, encoder, optimizer = saved
        enter(out, make_config(), resume=True)
        other, its_optimizer = network(seed=1, steps=0)
        status = restore(out, other, its_optimizer, CLIPS)
        history = [{'step': 5, 'seconds': 1.0, 'alignment': 0.2}]
        assert status == Status(7, 3.5, 1.25, 0.2, history)
        for name, value in encoder.state_dict().items():
            assert torch.equal(other.state_dict()[name], value)
        moments = its_optimizer.state_dict()['state']
        for index, state in optimizer.state_dict()['state'].items():
            assert all(torch.equal(moments[index][name], state[name]) for name in state)

    @pytest.mark.parametrize(
        'other',
        [
            {'seed': 1},
            {'steps': 13},
            {'model': ModelConfig(levels=(1, 2))},
        ],
    )
    def test_other_settings_are_refused(self, copy, other):
        with pytest.raises(ConfigError, match=f'resume with --config .*{SETTINGS_NAME}'):
            enter(copy, make_config(**other), resume=True)

    def test_nothing_to_resume(self, tmp_path, copy):
        (copy / LAST_NAME).unlink()
        for out in (copy, tmp_path / 'missing'):
            with pytest.raises(ConfigError, match='nothing to resume, last.pt is missing'):
                enter(out, make_config(), resume=True)

    @pytest.mark.parametrize('text', [None, b'[', b'', b'\xff', b'- 1'])
    def test_settings_that_are_missing_or_damaged(self, copy, text):
        if text is None:
            (copy / SETTINGS_NAME).unlink()
        else:
            (copy / SETTINGS_NAME).write_bytes(text)
        with pytest.raises(ConfigError, match=SETTINGS_NAME):
            enter(copy, make_config(), resume=True)

    @pytest.mark.parametrize(
        'clips',
        [
            CLIPS[:1],
            [CLIPS[1], CLIPS[0]],
            [make_clip('one'), make_clip('three')],
            [make_clip('one'), make_clip('two', steps=23)],
            [make_clip('one'), make_clip('two', cameras=('left', 'top'))],
        ],
    )
    def test_other_recordings_are_refused(self, saved, clips):
        with pytest.raises(ConfigError, match='it learned from other recordings'):
            restore(saved[0], *network(steps=0), clips)

    @pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.99])
    def test_truncated(self, copy, share):
        whole = (copy / LAST_NAME).read_bytes()
        (copy / LAST_NAME).write_bytes(whole[: int(share * len(whole))])
        self.refused(copy)

    @pytest.mark.parametrize(
        'state', [{}, [], 3, {'status': {}}, {'recordings': [], 'encoder': {}, 'optimizer': {}}]
    )
    def test_something_else(self, copy, state):
        torch.save(state, copy / LAST_NAME)
        self.refused(copy)

    def test_of_another_network(self, copy):
        encoder = Encoder(ModelConfig(levels=(1, 2)))
        with pytest.raises(TrainingError, match='cannot be resumed from'):
            restore(copy, encoder, torch.optim.AdamW(encoder.parameters()), CLIPS)

    def test_code_in_it_is_not_run(self, copy, tmp_path):
        """What `pickle.loads` would obey: a call of os.mkdir."""
        folder = tmp_path / 'made by a pickle'
        text = f'cos\nmkdir\n(V{folder}\ntR.'.encode()
        (copy / LAST_NAME).write_bytes(text)
        self.refused(copy)
        torch.save({'encoder': Evil(str(folder))}, copy / LAST_NAME)
        self.refused(copy)
        assert not folder.exists()

    def refused(self, out):
        with pytest.raises(TrainingError, match='cannot be resumed from') as caught:
            restore(out, *network(steps=0), CLIPS)
        assert str(out / LAST_NAME) in str(caught.value)
        assert '\n' not in str(caught.value)
        assert len(str(caught.value)) < 500


class Evil:
    """Pickles as a call of os.mkdir."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def slow_masked_crc32c(data):
    """CRC-32C bit by bit, masked as TFRecord has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(folder):
    """Records as TensorBoard reads them: length, checksum, event, checksum."""
    events = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], 'little')
            event = data[12 : 12 + size]
            sums = (data[8:12], data[12 + size : 16 + size])
            for part, found in zip((data[:8], event), sums, strict=True):
                assert int.from_bytes(found, 'little') == slow_masked_crc32c(part)
            events.append(Event.FromString(event))
            data = data[16 + size :]
    return events


class TestEvents:
    def test_are_on_disk_at_once_and_well_formed(self, tmp_path):
        log = EventLog(tmp_path / 'events')
        for step in (1, 2):
            log.scalar('loss/train', 0.5 * step, step)
            log.scalar('alignment/held_out', 0.25, step)
        first, *rest = read_events(tmp_path / 'events')
        assert first.file_version == 'brain.Event:2'
        found = [(e.summary.value[0].tag, e.summary.value[0].simple_value, e.step) for e in rest]
        assert found[:2] == [('loss/train', 0.5, 1), ('alignment/held_out', 0.25, 1)]
        assert len(found) == 4
        log.close()
        assert 'tfevents' in next((tmp_path / 'events').iterdir()).name

    def test_resuming_adds_a_file(self, tmp_path):
        for step in (1, 2):
            log = EventLog(tmp_path / 'events')
            log.scalar('loss/train', 1.0, step)
            log.close()
        assert [e.step for e in read_events(tmp_path / 'events') if e.summary.value] == [1, 2]

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / 'events').write_text('a file')
        with pytest.raises(TrainingError, match='cannot be written'):
            EventLog(tmp_path / 'events')
        with pytest.raises(TrainingError, match='cannot be written'):
            EventLog(tmp_path / 'missing' / 'events')
