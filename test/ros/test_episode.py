"""One episode without ROS: queue, disk, verdict; and the course of a session of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import threading
import time

import pytest
from smaknet_core.data.bag_writer import BagWriter, WrittenTopic
from smaknet_core.data.bags import open_recording
from smaknet_core.data.quality import examine
from smaknet_core.data.verdict import Level
from smaknet_ros.episode import Contents, Episode, next_episode, remove_saved
from smaknet_ros.message_types import definition_of
from smaknet_ros.recorded_topics import Arrived
from smaknet_ros.recorder_options import options_of, resolve
from smaknet_ros.recording_session import Phase, RecordingSession, summary

JPEG = 'sensor_msgs/msg/CompressedImage'


def contents(topics, **limits):
    defaults = {'max_spread_s': 0.05, 'min_free_bytes': 1, 'queue_bytes': 1 << 24}
    known = {n: WrittenTopic(name, JPEG, definition_of(JPEG)) for n, name in topics.items()}
    cameras = {name.split('/')[2]: name for name in topics.values()}
    return Contents('pour', cameras, known, **{**defaults, **limits})


@pytest.fixture(scope='module')
def arrivals(world):
    """The recording's messages as they would arrive, and what the topics are called."""
    return load(world.bag)


def load(bag):
    with open_recording(bag) as recording:
        names = [topic.name for topic in recording.cameras.values()]
        messages = [
            Arrived(names.index(topic.name), ns, ns, cdr)
            for topic, ns, cdr in recording.messages(names)
        ]
    return dict(enumerate(names)), messages


def test_a_whole_episode_has_the_verdict_of_check(tmp_path, arrivals):
    topics, messages = arrivals
    episode = Episode(tmp_path / 'episode_000', contents(topics))
    assert [path.name for path in tmp_path.iterdir()] == ['episode_000.partial']
    for arrived in messages:
        episode.put(arrived)
    episode.put(Arrived(99, 1, 1, b'of a topic that was found too late'))
    episode.finish()
    assert episode.done.wait(30)
    assert [path.name for path in tmp_path.iterdir()] == ['episode_000']
    assert (episode.saved, episode.problem) == (True, '')
    verdict = examine(tmp_path / 'episode_000')
    assert verdict == episode.verdict
    with open_recording(tmp_path / 'episode_000') as recording:
        got = [(ns, cdr) for _, ns, cdr in recording.messages()]
        assert got == [(m.received_ns, m.cdr) for m in messages]
    about = json.loads((tmp_path / 'episode_000' / 'episode.json').read_text())
    assert (about['task'], about['verdict'], about['dropped']) == ('pour', verdict.level.name, {})
    assert about['messages'] == {name: len(messages) // 2 for name in topics.values()}


def test_what_does_not_fit_into_the_queue_is_counted(tmp_path, arrivals, monkeypatch):
    """The disk stands still; the subscriptions do not wait for it."""
    topics, messages = arrivals
    blocked, entered = threading.Event(), threading.Event()
    write = BagWriter.write

    def slow(*arguments):
        entered.set()
        assert blocked.wait(30)
        write(*arguments)

    monkeypatch.setattr(BagWriter, 'write', slow)
    size = len(messages[0].cdr)
    episode = Episode(tmp_path / 'take', contents(topics, queue_bytes=5 * size))
    episode.put(messages[0])
    assert entered.wait(30)
    begun_s = time.monotonic()
    same = [messages[0]._replace(received_ns=m.received_ns) for m in messages[1:21]]
    for arrived in same:
        episode.put(arrived)
    assert time.monotonic() - begun_s < 1
    assert episode.dropped == {topics[messages[0].topic]: 15}
    blocked.set()
    episode.finish()
    assert episode.done.wait(30)
    assert sum(episode.counts.values()) == 6
    about = json.loads((tmp_path / 'take' / 'episode.json').read_text())
    assert about['dropped'] == {topics[messages[0].topic]: 15}


def test_discarding_leaves_nothing(tmp_path, arrivals):
    topics, messages = arrivals
    episode = Episode(tmp_path / 'take', contents(topics))
    for arrived in messages:
        episode.put(arrived)
    episode.discard()
    assert episode.done.wait(30)
    assert os.listdir(tmp_path) == []
    assert not episode.saved


def test_little_room_ends_an_episode_properly(tmp_path, arrivals):
    topics, messages = arrivals
    least = shutil.disk_usage(tmp_path).free * 2
    episode = Episode(tmp_path / 'take', contents(topics, min_free_bytes=least))
    deadline_s = time.monotonic() + 30
    while not episode.done.is_set() and time.monotonic() < deadline_s:
        episode.put(messages[0])
        time.sleep(0.01)
    assert episode.problem.startswith('the disk is full: ')
    assert episode.saved
    with open_recording(tmp_path / 'take') as recording:
        assert not recording.unfinished


FULL = """
import resource, sys
sys.path.insert(0, {tests!r})
from test_episode import *
topics, messages = load(Path({bag!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
episode = Episode(Path({out!r}), contents(topics))
for message in messages:
    episode.put(message)
    time.sleep(0.05)
episode.finish()
episode.done.wait()
print(episode.problem, episode.saved)
"""


def test_a_disk_that_refuses_ends_it_with_one_line_and_all_that_was_synced(tmp_path, world):
    out = tmp_path / 'take'
    program = FULL.format(tests=str(Path(__file__).parent), bag=str(world.bag), out=str(out))
    run = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == (
        f'cannot be written: File too large; what was recorded is in {out}.partial '
        '(smaknet check --repair) False\n'
    ), run.stderr
    assert not run.stderr
    verdict = examine(tmp_path / 'take.partial')
    assert verdict.level == Level.WARN
    assert verdict.task == 'pour'
    assert verdict.sets > 2


def test_numbers_go_on_after_all_that_is_there(tmp_path):
    assert next_episode(tmp_path / 'new').name == 'episode_000'
    for name in ('episode_002', 'episode_007.partial', 'episode_004_repaired', 'other', '.hidden'):
        (tmp_path / name).mkdir()
    assert next_episode(tmp_path).name == 'episode_008'
    remove_saved(tmp_path / 'episode_002')
    assert 'episode_002' not in os.listdir(tmp_path)


class Take:
    """An episode that is saved when it is told to be, with a verdict it is told."""

    def __init__(self, out, level=Level.GOOD, problem=''):
        self.out, self.problem, self.saved = out, problem, False
        self.done = threading.Event()
        self.verdict = type('V', (), {'level': level})()
        self.out.mkdir(parents=True)

    def finish(self):
        self.saved = True
        self.done.set()

    def discard(self):
        self.out.rmdir()
        self.done.set()


@pytest.fixture
def session(tmp_path):
    """Make a session with these options; its episodes get these verdicts in turn."""

    def make(levels=(), missing='', attended=False, **options):
        given = {'task': 'pour', 'out': str(tmp_path), 'cameras': ['top:=/top'], **options}
        rest = list(levels)
        made = RecordingSession(
            options_of(resolve(given, {})),
            lambda out: Take(out, rest.pop(0) if rest else Level.GOOD),
            lambda: missing,
            made_told.append,
            lambda take: made_told.append(take.out.name),
            attended,
        )
        made.begin(0.0)
        return made

    made_told: list[str] = []
    make.told = made_told
    return make


def tick(session, *times):
    for now_s in times:
        session.tick(now_s)


def test_a_session_goes_through_its_episodes_by_itself(session):
    made = session(episodes=2, countdown=2.0, episode_time=5.0)
    tick(made, 0.0, 1.0)
    assert made.phase is Phase.COUNTDOWN
    assert session.told == ['episode 1 of 2 in 2 s', 'episode 1 of 2 in 1 s']
    tick(made, 2.0)
    assert made.phase is Phase.RECORDING
    tick(made, 6.9)
    assert made.phase is Phase.RECORDING
    tick(made, 7.0)
    assert (made.phase, made.number) == (Phase.COUNTDOWN, 2)
    tick(made, 9.0, 14.0)
    assert made.phase is Phase.DONE
    assert [take.out.name for take in made.kept] == ['episode_000', 'episode_001']
    assert summary(made.kept) == '2 episodes recorded: 2 GOOD'


def test_every_request_is_followed_or_answered(session):
    made = session(episodes=2, countdown=2.0, wait=True)
    assert made.phase is Phase.WAITING
    for request in (made.stop, made.discard, made.redo):
        answer = request(0.0)
        assert not answer.success
        assert answer.message.startswith('cannot ')
    assert made.start(0.0).success
    assert made.phase is Phase.COUNTDOWN
    assert made.stop(0.1) == (True, 'waiting')
    made.start(0.2)
    assert made.start(0.3) == (True, 'recording episode_000')
    assert not made.start(0.4).success
    assert made.redo(0.5).success
    tick(made, 0.6)
    assert (made.phase, made.kept) == (Phase.COUNTDOWN, [])
    tick(made, 2.7)
    assert made.toggle(3.0) == (True, 'saving episode_000')
    assert not made.toggle(3.0).success
    tick(made, 3.1)
    assert (made.phase, made.number) == (Phase.WAITING, 2)
    made.toggle(4.0)
    made.toggle(4.0)
    assert made.discard(4.5) == (True, 'episode_001 is discarded')
    tick(made, 4.6)
    assert (made.phase, made.number) == (Phase.WAITING, 2)
    assert made.discard(5.0) == (True, 'episode_000 is removed')
    assert made.kept == []
    made.end(6.0)
    assert made.phase is Phase.DONE


def test_the_end_keeps_what_is_recorded(session):
    made = session(episodes=5, countdown=0.0)
    tick(made, 0.0)
    made.end(1.0)
    assert made.phase is Phase.SAVING
    tick(made, 1.1)
    assert (made.phase, len(made.kept)) == (Phase.DONE, 1)


@pytest.mark.parametrize(('attended', 'phase'), [(True, Phase.WAITING), (False, Phase.DONE)])
def test_a_bad_last_episode_may_be_recorded_again_where_somebody_is_there(
    session, attended, phase
):
    made = session([Level.BAD], attended=attended, countdown=0.0, episode_time=1.0)
    tick(made, 0.0, 1.0)
    assert made.phase is phase
    said = session.told.index('episode_000')
    assert session.told[said + 1] == 'r or ~/redo records it again'
    if attended:
        assert made.redo(2.0).success
        tick(made, 2.0, 3.0)
        assert (made.phase, made.kept[0].out.name) == (Phase.DONE, 'episode_000')


def test_no_episode_begins_without_its_cameras_unless_by_force(session):
    made = session(missing='camera top: silent', countdown=0.0)
    tick(made, 0.0)
    assert made.phase is Phase.WAITING
    assert 'not begun: camera top: silent' in session.told[-1]
    assert made.start(1.0).success
    assert made.start(1.0) == (False, 'not begun: camera top: silent')
    made = session(missing='camera top: silent', countdown=0.0, force=True)
    tick(made, 0.0)
    assert made.phase is Phase.RECORDING


def test_a_full_disk_ends_the_session(session):
    made = session(episodes=3, countdown=0.0)
    tick(made, 0.0)
    made.episode.problem = 'the disk is full'
    tick(made, 1.0)
    assert (made.phase, made.problem) == (Phase.DONE, 'episode_000: the disk is full')
    assert len(made.kept) == 1
