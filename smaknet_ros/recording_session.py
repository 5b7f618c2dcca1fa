"""
The course of a recording session: wait, count down, record, save, and again. No ROS calls.

Driven by `tick` and by what people ask for; every request is answered with what happens now, or
with why it does not.
"""

from __future__ import annotations

from collections.abc import Callable
import enum
import math
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from smaknet_core.data.verdict import Level, Verdict
from smaknet_ros.episode import next_episode, remove_saved
from smaknet_ros.recorder_options import Options


class Phase(enum.Enum):
    """Where in its course a session is."""

    PREFLIGHT = 'PREFLIGHT'
    WAITING = 'WAITING'  # for somebody to ask for the next episode
    COUNTDOWN = 'COUNTDOWN'
    RECORDING = 'RECORDING'
    SAVING = 'SAVING'  # until the verdict is there
    DONE = 'DONE'


class Answer(NamedTuple):
    """Whether a request is followed, and what happens now or why not."""

    success: bool
    message: str


class Recorded(Protocol):
    """What a session needs of `episode.Episode`."""

    out: Path
    verdict: Verdict | None
    problem: str
    saved: bool

    @property
    def done(self) -> Any: ...  # noqa: D102

    def finish(self) -> None: ...  # noqa: D102

    def discard(self) -> None: ...  # noqa: D102


class RecordingSession:
    """
    One run of the recorder.

    Args:
        options: how many episodes, how long, where.
        open_episode: begins an episode in the folder it is given; raises OSError.
        missing: asked before an episode begins; says what is not there, '' when all is.
        tell: called with what an operator should know.
        concluded: called with each episode that has ended, before the next one begins.
        attended: whether somebody is there to decide about a last episode that is BAD.
    """

    def __init__(
        self,
        options: Options,
        open_episode: Callable[[Path], Recorded],
        missing: Callable[[], str],
        tell: Callable[[str], None],
        concluded: Callable[[Recorded], None],
        attended: bool = False,
    ) -> None:
        self._attended = attended or options.wait
        self._options = options
        self._open = open_episode
        self._missing = missing
        self._tell = tell
        self._concluded = concluded
        self.phase = Phase.PREFLIGHT
        self.since_s = self._now_s = 0.0
        self.episode: Recorded | None = None  # while it is recorded or saved
        self.kept: list[Recorded] = []
        self.problem = ''  # why the session ended before it was through
        self._redo = False
        self._pause = False
        self._ending = False
        self._counted = 0

    @property
    def number(self) -> int:
        """Of the episode that is next, or recorded now, from 1."""
        return min(len(self.kept) + 1, self._options.episodes)

    @property
    def _through(self) -> bool:
        """Whether all episodes are there."""
        return len(self.kept) >= self._options.episodes

    @property
    def elapsed_s(self) -> float:
        """Of the phase, at the last tick."""
        return self._now_s - self.since_s

    def begin(self, now_s: float) -> None:
        """Leave the preflight behind."""
        self._enter(Phase.WAITING if self._options.wait else Phase.COUNTDOWN, now_s)

    def tick(self, now_s: float) -> None:
        """Go on where it is time to; call it some ten times a second."""
        self._now_s = now_s
        if self.phase is Phase.COUNTDOWN:
            self._count(now_s)
        elif self.phase is Phase.RECORDING:
            length_s = self._options.episode_time_s
            over = self.episode is not None and self.episode.problem
            if over or (length_s and now_s - self.since_s >= length_s):
                self._finish(now_s)
        if self.phase is Phase.SAVING and self.episode is not None and self.episode.done.is_set():
            self._conclude(self.episode, now_s)

    def start(self, now_s: float) -> Answer:
        """Begin the countdown, or end it early."""
        if self.phase is Phase.WAITING and self._through:
            self._enter(Phase.DONE, now_s)
            return Answer(True, 'the session is over')
        if self.phase is Phase.WAITING:
            self._enter(Phase.COUNTDOWN, now_s)
            return Answer(True, f'episode {self.number} of {self._options.episodes}')
        if self.phase is Phase.COUNTDOWN:
            return self._record(now_s)
        return Answer(False, self._not_now('start'))

    def stop(self, now_s: float) -> Answer:
        """End the episode and keep it; in a countdown: wait."""
        if self.phase is Phase.RECORDING and self.episode is not None:
            self._finish(now_s)
            return Answer(True, f'saving {self.episode.out.name}')
        if self.phase is Phase.COUNTDOWN:
            self._enter(Phase.WAITING, now_s)
            return Answer(True, 'waiting')
        return Answer(False, self._not_now('stop'))

    def toggle(self, now_s: float) -> Answer:
        """Do what the one big key does: begin, or end."""
        return self.stop(now_s) if self.phase is Phase.RECORDING else self.start(now_s)

    def discard(self, now_s: float) -> Answer:
        """Throw away what is recorded, or the last one saved by this session, and wait."""
        return self._throw_away(now_s, again=False)

    def redo(self, now_s: float) -> Answer:
        """Throw it away and count down at once."""
        return self._throw_away(now_s, again=True)

    def end(self, now_s: float) -> None:
        """Keep what is being recorded, and be done; tick until it is."""
        self._ending = True
        if self.phase is Phase.RECORDING:
            self._finish(now_s)
        elif self.phase is not Phase.SAVING:
            self._enter(Phase.DONE, now_s)

    def _count(self, now_s: float) -> None:
        left_s = self.since_s + self._options.countdown_s - now_s
        if left_s <= 0:
            self._record(now_s)
        elif (seconds := math.ceil(left_s)) < self._counted:
            self._counted = seconds
            if seconds <= 5 or seconds % 10 == 0:
                self._tell(f'episode {self.number} of {self._options.episodes} in {seconds} s')

    def _record(self, now_s: float) -> Answer:
        missing = self._missing()
        if missing and not self._options.force:
            self._enter(Phase.WAITING, now_s)
            text = f'not begun: {missing}'
            self._tell(f'{text}; waiting for {_HOW_TO_START}')
            return Answer(False, text)
        try:
            self.episode = self._open(next_episode(self._options.out))
        except OSError as err:
            self.problem = f'{self._options.out}: cannot be written ({err.strerror or err})'
            self._enter(Phase.DONE, now_s)
            return Answer(False, self.problem)
        self._redo = self._pause = False
        self._enter(Phase.RECORDING, now_s)
        self._tell(f'recording {self.episode.out.name}')
        return Answer(True, f'recording {self.episode.out.name}')

    def _finish(self, now_s: float) -> None:
        if self.episode is not None:
            self.episode.finish()
        self._enter(Phase.SAVING, now_s)

    def _throw_away(self, now_s: float, again: bool) -> Answer:
        if self.phase is Phase.RECORDING and self.episode is not None:
            self.episode.discard()
            self._redo, self._pause = again, not again
            self._enter(Phase.SAVING, now_s)
            return Answer(True, f'{self.episode.out.name} is discarded')
        if self.phase in (Phase.WAITING, Phase.COUNTDOWN) and self.kept:
            last = self.kept[-1]
            try:
                remove_saved(last.out)
            except OSError as err:
                return Answer(False, f'{last.out}: cannot be removed ({err.strerror or err})')
            self.kept.pop()
            self._tell(f'{last.out.name} is removed')
            self._enter(Phase.COUNTDOWN if again else Phase.WAITING, now_s)
            return Answer(True, f'{last.out.name} is removed')
        return Answer(False, self._not_now('redo' if again else 'discard'))

    def _conclude(self, episode: Recorded, now_s: float) -> None:
        """Say how the episode is, and go on to the next one, or end."""
        self.episode = None
        if episode.saved:
            self.kept.append(episode)
        if episode.problem:
            self.problem = f'{episode.out.name}: {episode.problem}'
        self._concluded(episode)
        bad = episode.verdict is not None and episode.verdict.level is Level.BAD
        if bad and episode.saved:
            self._tell('r or ~/redo records it again')
        if self.problem or self._ending:
            self._enter(Phase.DONE, now_s)
        elif self._through:
            self._enter(Phase.WAITING if bad and self._attended else Phase.DONE, now_s)
        elif self._redo:
            self._enter(Phase.COUNTDOWN, now_s)
        elif self._pause or self._options.wait:
            self._enter(Phase.WAITING, now_s)
        else:
            self._enter(Phase.COUNTDOWN, now_s)

    def _enter(self, phase: Phase, now_s: float) -> None:
        self.phase, self.since_s, self._now_s = phase, now_s, now_s
        if phase is Phase.COUNTDOWN:
            self._counted = math.ceil(self._options.countdown_s) + 1
        elif phase is Phase.WAITING:
            of = f'episode {self.number} of {self._options.episodes} begins'
            self._tell(f'{"the session ends" if self._through else of} with {_HOW_TO_START}')

    def _not_now(self, what: str) -> str:
        return f'cannot {what}: {_REASONS[self.phase]}'


_HOW_TO_START = 'SPACE or ~/start'
_REASONS = {
    Phase.PREFLIGHT: 'the preflight is going on',
    Phase.WAITING: 'no episode of this session is there',
    Phase.COUNTDOWN: 'no episode of this session is there',
    Phase.RECORDING: 'an episode is being recorded',
    Phase.SAVING: 'the last episode is still being saved',
    Phase.DONE: 'the session is over',
}


def summary(kept: list[Recorded]) -> str:
    """Say how a session went."""
    levels = [episode.verdict.level.name for episode in kept if episode.verdict is not None]
    counts = [
        f'{levels.count(level.name)} {level.name}' for level in Level if level.name in levels
    ]
    what = 'episode' if len(kept) == 1 else 'episodes'
    return f'{len(kept)} {what} recorded' + (f': {", ".join(counts)}' if counts else '')
