"""
An episode's clock: which place in the script each moment shows, scenario by scenario.

Unlike a `script.Tempo`, it may go back (repeat), leave out (skip) or begin in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from smaknet_core.simulation.pose import Array
from smaknet_core.simulation.script import borders, draw_tempo, Phase, Tempo

SKIP_S = 0.9  # how long the short cut takes


class Moment(NamedTuple):
    """A moment between two places of the script; they are one except on a short cut."""

    before: float  # progress
    after: float  # progress
    through: float  # 0 ... 1 from one to the other


@dataclass(frozen=True)
class Timeline:
    """Progress over the script's time, of which the recording shows what follows `start_s`."""

    times_s: Array  # knots, strictly increasing, from 0
    progress: Array  # at the knots
    start_s: float = 0.0  # the recording begins here
    short_cut: int | None = None  # from this knot to the next one nothing of the script happens

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return float(self.times_s[-1]) - self.start_s

    @property
    def whole_s(self) -> float:
        """Length of all that happens, also before the recording begins."""
        return float(self.times_s[-1])

    def at(self, time_s: float) -> Moment:
        """Which place in the script is shown at a time since the recording's start."""
        # At the end, exactly: the sum below may miss it by a rounding.
        time = self.whole_s if time_s >= self.duration_s else time_s + self.start_s
        cut = self.short_cut
        if cut is not None and self.times_s[cut] < time < self.times_s[cut + 1]:
            spent = (time - self.times_s[cut]) / (self.times_s[cut + 1] - self.times_s[cut])
            return Moment(self.progress[cut], self.progress[cut + 1], float(spent))
        now = float(np.interp(time, self.times_s, self.progress))
        return Moment(now, now, 0.0)


def draw_timeline(phases: Sequence[Phase], scenario: str, rng: np.random.Generator) -> Timeline:
    """Draw an episode's clock; `scenario` is one of scenarios.SCENARIOS."""
    pause = rng.uniform(
        2.0, 4.0
    )  # drawn in every scenario: the rest of the episode stays the same
    tempo = draw_tempo(phases, rng, long_pause_s=pause if scenario == 'pause' else 0.0)
    starts = dict(zip((phase.name for phase in phases), borders(phases), strict=False))
    if scenario == 'repeat':
        return _repeat(tempo, float(starts['lift']), float(starts['tilt']))
    if scenario == 'skip':
        return _skip(tempo, float(starts['tilt']), float(starts['across']))
    if scenario == 'mid-start':
        begins = float(np.interp(rng.uniform(0.25, 0.6), tempo.progress, tempo.times_s))
        return Timeline(tempo.times_s, tempo.progress, begins)
    return Timeline(tempo.times_s, tempo.progress)


def _repeat(tempo: Tempo, back_to: float, once_at: float) -> Timeline:
    """Go on to `once_at`, the same way back to `back_to` (the cup stands again), and on."""
    first, then = _time(tempo, back_to), _time(tempo, once_at)
    whole = np.concatenate([tempo.times_s, [first, then]])
    times = np.unique(whole)
    progress = np.interp(times, tempo.times_s, tempo.progress)
    out, back, on = times <= then, (times >= first) & (times < then), times > first
    turned = 2 * then - times[back][::-1]
    again = times[on] + 2 * (then - first)
    return Timeline(
        np.concatenate([times[out], turned, again]),
        np.concatenate([progress[out], progress[back][::-1], progress[on]]),
    )


def _skip(tempo: Tempo, leave_at: float, join_at: float) -> Timeline:
    """Leave the script at one progress and join it again at another."""
    leave, join = _time(tempo, leave_at), _time(tempo, join_at)
    before, after = tempo.times_s < leave, tempo.times_s > join
    later = tempo.times_s[after] - join + leave + SKIP_S
    times = [*tempo.times_s[before], leave, leave + SKIP_S, *later]
    progress = [*tempo.progress[before], leave_at, join_at, *tempo.progress[after]]
    cut = int(before.sum())
    return Timeline(np.array(times), np.array(progress), short_cut=cut)


def _time(tempo: Tempo, progress: float) -> float:
    """When the tempo first gets there."""
    index = int(np.argmax(tempo.progress >= progress))
    if index == 0:
        return float(tempo.times_s[0])
    low, high = tempo.progress[index - 1], tempo.progress[index]
    share = (progress - low) / (high - low)
    return float(
        tempo.times_s[index - 1] + share * (tempo.times_s[index] - tempo.times_s[index - 1])
    )
