"""
One episode: serialised messages through a queue to the disk, and then its verdict. No ROS calls.

A thread of its own writes, so a slow disk does not keep the subscriptions waiting. The folder is
`<name>.partial` until it is whole. The verdict is that of `smaknet check`, by the same code.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import re
import shutil
import threading
import time
from typing import Any

from smaknet_core.data.bag_folder import PARTIAL
from smaknet_core.data.bag_writer import BagWriter, sync_folder, write_whole, WrittenTopic
from smaknet_core.data.recording_folder import DESCRIPTION
from smaknet_core.data.verdict import Verdict
from smaknet_core.errors import SmaknetError
from smaknet_ros.recorded_topics import Arrived

SYNC_S = 0.5  # how much a kill costs at most, and a moment
_NUMBERED = re.compile(r'episode_(\d+)(\..*|_.*)?')


@dataclass(frozen=True)
class Contents:
    """What an episode is made of."""

    task: str
    cameras: Mapping[str, str]  # name -> topic
    topics: Mapping[int, WrittenTopic]  # as `Arrived.topic` counts them
    max_spread_s: float
    min_free_bytes: int
    queue_bytes: int


class _Cancelled(Exception):
    """The verdict is not waited for any longer."""


class Episode:
    """
    Record into `<out>`; `put` messages, then `finish` or `discard`, then wait for `done`.

    Args:
        out: the episode's folder when it is finished; must not exist.
        contents: topics, cameras and limits.

    Raises:
        OSError: the folder exists or cannot be made.
    """

    def __init__(self, out: Path, contents: Contents) -> None:
        self.out = out
        self.path = out.with_name(out.name + PARTIAL)
        self.dropped: Counter[str] = Counter()  # topic -> messages for which there was no room
        self.verdict: Verdict | None = None
        self.problem = ''  # why the recording ended before it was asked to
        self.done = threading.Event()
        self.saved = False
        self._contents = contents
        self._index = {topic: n for n, topic in enumerate(contents.topics)}
        self._names = {topic: about.name for topic, about in contents.topics.items()}
        self._waiting: deque[Arrived] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._ended = self._discarded = self._impatient = False
        self._writer = BagWriter(self.path, out.name, list(contents.topics.values()))
        self._describe()
        self._thread = threading.Thread(target=self._run, name=out.name)
        self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """Topic -> messages written so far."""
        return dict(zip(self._names.values(), self._writer.counts, strict=True))

    def put(self, arrived: Arrived) -> None:
        """Take a message, and never wait: where there is no room it is dropped and counted."""
        if arrived.topic not in self._index:
            return
        with self._changed:
            if self._ended:
                return
            if self._waiting_bytes + len(arrived.cdr) > self._contents.queue_bytes:
                self.dropped[self._names[arrived.topic]] += 1
                return
            self._waiting.append(arrived)
            self._waiting_bytes += len(arrived.cdr)
            self._changed.notify()

    def finish(self) -> None:
        """Write what waits, make the recording whole, judge it; `done` tells when."""
        self._end(discard=False)

    def discard(self) -> None:
        """Throw the recording away; `done` tells when."""
        self._end(discard=True)

    def close(self, patience_s: float) -> None:
        """Finish if it is not, and wait; the verdict is given up after `patience_s`."""
        self._end(discard=False)
        self.done.wait(patience_s)
        self._impatient = True
        self._thread.join()

    def _end(self, discard: bool) -> None:
        with self._changed:
            self._discarded = self._discarded or (discard and not self._ended)
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        try:
            self._record()
            if not self._discarded:
                self._judge()
        except OSError as err:
            self._keep_what_there_is(err)
        except SmaknetError as err:
            self.problem = str(err)
        finally:
            self._end(discard=False)  # nothing is taken any more
            self.done.set()

    def _record(self) -> None:
        due_s = time.monotonic() + SYNC_S
        while batch := self._take(max(0.0, due_s - time.monotonic())):
            for arrived in batch[0]:
                topic, received_ns, published_ns, cdr = arrived
                self._writer.write(self._index[topic], received_ns, cdr, published_ns)
            if time.monotonic() >= due_s:
                self._writer.sync()
                due_s = time.monotonic() + SYNC_S
                self._watch_disk()
        if self._discarded:
            self._writer.abandon()
            shutil.rmtree(self.path)
        else:
            self._save()

    def _take(self, patience_s: float) -> tuple[list[Arrived]] | None:
        """Give the messages that wait; None when there are none and none will come."""
        with self._changed:
            if not self._waiting and not self._ended:
                self._changed.wait(patience_s)
            if self._discarded or (self._ended and not self._waiting):
                return None
            batch = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return (batch,)

    def _watch_disk(self) -> None:
        """End while there is room for a proper end."""
        free = shutil.disk_usage(self.path).free
        if free < self._contents.min_free_bytes and not self._ended:
            least = self._contents.min_free_bytes >> 20
            self.problem = f'the disk is full: {free >> 20} MB are left, {least} are kept free'
            self._end(discard=False)

    def _save(self) -> None:
        self._writer.close()
        self._describe()
        if self.out.exists():
            raise FileExistsError(f'{self.out} has come to exist')
        self.path.rename(self.out)
        sync_folder(self.out.parent)
        self.path, self.saved = self.out, True

    def _judge(self) -> None:
        from smaknet_core.data.quality import examine

        def going_on(_name: str, _share: float) -> None:
            if self._impatient:
                raise _Cancelled

        try:
            verdict = examine(self.out, (), self._contents.max_spread_s, going_on)
        except _Cancelled:
            return
        self.verdict = verdict
        self._describe()

    def _describe(self) -> None:
        """Write episode.json, with what is known by now."""
        content: dict[str, Any] = {'task': self._contents.task}
        if self.verdict is not None:
            content['verdict'] = self.verdict.level.name
            content['reasons'] = [reason.text for reason in self.verdict.reasons]
        content['cameras'] = dict(self._contents.cameras)
        content['messages'] = self.counts
        content['dropped'] = dict(self.dropped)
        write_whole(self.path / DESCRIPTION, json.dumps(content, indent=1) + '\n')

    def _keep_what_there_is(self, err: OSError) -> None:
        """Leave what was written where it is, readable up to the end."""
        self._writer.abandon()
        reason = self.problem or f'cannot be written: {err.strerror or err}'
        if not self._discarded:
            reason += f'; what was recorded is in {self.path} (smaknet check --repair)'
        self.problem = reason


def next_episode(out: Path) -> Path:
    """Give the folder of the next episode: after all that are there, whole or not."""
    names = os.listdir(out) if out.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := _NUMBERED.fullmatch(name))]
    return out / f'episode_{max(numbers, default=-1) + 1:03d}'


def remove_saved(folder: Path) -> None:
    """Delete a saved episode; half of one is never left under its name."""
    doomed = folder.with_name(folder.name + PARTIAL)
    folder.rename(doomed)
    shutil.rmtree(doomed)
