"""
What happens when: phases, keyframes, and how an episode's clock runs through them.

Progress (0 ... 1) is the place in the script: the same progress is the same state in every
episode. Each episode runs through it at its own tempo, with pauses.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
import functools

import numpy as np
from smaknet_core.simulation.pose import Array


@dataclass(frozen=True)
class Phase:
    """A stretch of the script."""

    name: str
    seconds: float  # at the usual tempo; decides the phase's share of the progress


def borders(phases: Sequence[Phase]) -> Array:
    """Progress at which each phase begins, and 1 at the end; phases + 1."""
    seconds = np.array([0.0, *(phase.seconds for phase in phases)])
    shares: Array = np.cumsum(seconds) / seconds.sum()
    return shares


def place_in(phases: Sequence[Phase], progress: float) -> tuple[int, float]:
    """Return the phase's index and how far through it the progress is, 0 ... 1."""
    starts = _borders(tuple(phases))
    phase = min(max(bisect.bisect_right(starts, progress) - 1, 0), len(phases) - 1)
    through = (progress - starts[phase]) / (starts[phase + 1] - starts[phase])
    return phase, min(max(through, 0.0), 1.0)


@functools.lru_cache(maxsize=8)
def _borders(phases: tuple[Phase, ...]) -> list[float]:
    """Remember the borders of scripts, which are asked for at every moment."""
    return [float(place) for place in borders(phases)]


def interpolate(keyframes: Array, phase: int, through: float) -> Array:
    """Blend keyframes (phases + 1) x K; movements start and end gently without standing still."""
    gentle = 0.5 * through + 0.5 * through * through * (3 - 2 * through)
    blended: Array = keyframes[phase] + gentle * (keyframes[phase + 1] - keyframes[phase])
    return blended


@dataclass(frozen=True)
class Tempo:
    """One episode's monotonic map from time to progress."""

    times_s: Array  # knots, strictly increasing, from 0
    progress: Array  # at the knots, non-decreasing, from 0 to 1

    @property
    def duration_s(self) -> float:
        """Length of the episode."""
        return float(self.times_s[-1])

    def progress_at(self, time_s: float) -> float:
        """Progress at a time; 0 before the start, 1 after the end."""
        return float(np.interp(time_s, self.times_s, self.progress))


def draw_tempo(
    phases: Sequence[Phase],
    rng: np.random.Generator,
    duration_s: tuple[float, float] = (8.5, 11.5),
    long_pause_s: float = 0.0,
) -> Tempo:
    """
    Draw an episode's tempo: each phase at its own pace, uneven inside, pauses in between.

    Args:
        phases: the script.
        rng: decides everything.
        duration_s: shortest and longest episode, before the long pause.
        long_pause_s: stop this long once, somewhere between a quarter and three quarters.
    """
    starts = borders(phases)
    times, progress = [0.0], [0.0]
    for index, phase in enumerate(phases):
        seconds = phase.seconds * float(np.exp(rng.normal(0, 0.22)))
        _run(times, progress, seconds, starts[index + 1], rng.uniform(-0.5, 0.5))
        if index + 1 < len(phases) and rng.random() < 0.25:
            _hold(times, progress, rng.uniform(0.1, 0.35))
    length = rng.uniform(*duration_s)
    tempo = Tempo(np.array(times) * length / times[-1], np.array(progress))
    return _with_pause(tempo, rng.uniform(0.25, 0.75), long_pause_s) if long_pause_s else tempo


def _run(
    times: list[float], progress: list[float], seconds: float, to: float, bend: float
) -> None:
    """Go on to progress `to`; `bend` makes it faster first (positive) or last."""
    begin, time = progress[-1], times[-1]
    share = np.linspace(0, 1, 9)[1:]
    uneven = share + bend * share * (1 - share)
    times.extend((time + share * seconds).tolist())
    progress.extend((begin + uneven * (to - begin)).tolist())


def _hold(times: list[float], progress: list[float], seconds: float) -> None:
    times.append(times[-1] + seconds)
    progress.append(progress[-1])


def _with_pause(tempo: Tempo, at: float, seconds: float) -> Tempo:
    """Stop for `seconds` at progress `at`."""
    time = float(np.interp(at, tempo.progress, tempo.times_s))
    before, after = tempo.times_s < time, tempo.times_s >= time
    later = tempo.times_s[after] + seconds + 1e-3
    times = np.concatenate([tempo.times_s[before], np.array([time, time + seconds]), later])
    stops = np.array([at, at])
    return Tempo(times, np.concatenate([tempo.progress[before], stops, tempo.progress[after]]))
