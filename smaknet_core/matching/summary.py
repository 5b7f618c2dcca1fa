"""From a belief to a `Match`: the place, how sure, how fast, and the state with its hysteresis."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
import math

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching.evidence import MOST_PLACE
from smaknet_core.matching.motion import Singles
from smaknet_core.matching.standstill import Steps, stretches
from smaknet_core.matching.taught import (
    ADJACENT_S,
    Calibration,
    Floats,
    scales,
    Taught,
    WINDOW_S,
)
from smaknet_core.matching.windows import Chances, quantiles, running_sums, Windows
from smaknet_core.types import Match, State

# The rate is smoothed over about this long.
RATE_MEMORY_S = 1.0
# A match that moves further than this and MAX_RATE allow has jumped: it did not go there.
JUMP_S = 0.5
MAX_RATE = 3.0
# Timesteps this near to each other (in sigmas), one after the other, are the scene standing still.
# Not to know which of them it is is no ambiguity, up to so many seconds on either side.
STANDING = 0.5
STANDING_S = 5.0
# A match is the mean of what is believed within this of where most is: wider than what confidence
# speaks of, so that a broad peak beside a narrow one is not left for it and taken up again. Within
# it belief counts by its square root, and what the newest set says once more: sets near in time
# err alike, so what they agree on is less sure there than the filter believes, and late.
PEAK_S = 0.75
# Quantiles of the posterior that `interval_s` spans: its central 90 %.
TAILS = (0.05, 0.95)


class Summary:
    """
    Read matches off beliefs over N timesteps (all demonstrations in a row).

    Args:
        taught: the demonstrations.
        calibration: for the temperature of the confidence, and how telling distances are.
        config: thresholds.
        peak_s: how far from where most is believed a match is the mean of what is.
    """

    def __init__(
        self,
        taught: Sequence[Taught],
        calibration: Calibration,
        config: MatchConfig,
        peak_s: float = PEAK_S,
    ) -> None:
        self._taught = tuple(taught)
        self._calibration = calibration
        self._evidence_time_s = config.evidence_time_s
        # N: how telling a squared distance is, by the scale of the timestep's demonstration.
        sigma = np.asarray(scales(taught, calibration)[0], np.float32)
        self._telling = calibration.sharpness / (2 * sigma**2)
        self._times_s = np.concatenate([demonstration.times_s for demonstration in taught])
        self._starts = list(accumulate(map(len, taught), initial=0))
        window = _windows(taught, WINDOW_S)
        self._window = Windows(*window)
        self._adjacent = Windows(*_windows(taught, ADJACENT_S))
        self._peak = Windows(*_windows(taught, peak_s))
        self._place = Windows(*_places(taught, window, STANDING * calibration.sigma))
        self._labels = Labels(config)
        self._rate = RateMeter()

    def reset(self) -> None:
        """Forget the stream."""
        self._rate.reset()
        self._labels.reset()

    def match(
        self,
        stamp_ns: int,
        dt_s: float | None,
        places: Chances,
        outside: float,
        distances: Singles,
    ) -> Match:
        """
        Summarise the belief after one set.

        Args:
            stamp_ns: capture stamp of the set.
            dt_s: seconds since the last set, None for the first.
            places: N probabilities.
            outside: probability of `elsewhere`.
            distances: N, of the set to each timestep.
        """
        mass = running_sums(places)
        weight = 1.0 if dt_s is None else min(1.0, dt_s / self._evidence_time_s)
        found, mean_s = self._find_place(places, mass, distances, weight)
        which = bisect(self._starts, found) - 1
        taught, offset = self._taught[which], self._starts[which]
        timestep = found - offset
        temperature = self._calibration.temperature
        confidence = sharpen(self._window.sum(places, mass, found), temperature)
        certainty = sharpen(self._place.sum(places, mass, found), temperature)
        low, high = quantiles(places, mass, slice(offset, offset + len(taught)), TAILS)
        time_s, duration_s = float(taught.times_s[timestep]), taught.duration_s
        return Match(
            stamp_ns=stamp_ns,
            demonstration=taught.name,
            timestep=timestep,
            timesteps=len(taught),
            time_s=time_s,
            progress=time_s / duration_s if duration_s > 0 else 1.0,
            rate=self._rate.measure(taught.name, mean_s, dt_s),
            distance=float(distances[found]),
            confidence=confidence,
            margin=self._margin(distances, found),
            interval_s=(float(taught.times_s[low]), float(taught.times_s[high])),
            state=self._labels.label(dt_s, outside, certainty, duration_s - time_s),
        )

    def _find_place(
        self, places: Chances, mass: Floats | None, distances: Singles, weight: float
    ) -> tuple[int, float]:
        """
        Find where most of the belief is (`mass` are its running sums), then look there again.

        Returns:
            The timestep (of N) nearest to the mean of the window that holds most, and that mean
            in demonstration seconds. In it, what is near in `distances` counts more, by `weight`.
        """
        window = self._peak.of(self._peak.heaviest(places, mass))
        times_s, near = self._times_s[window], distances[window]
        said = near * near
        np.subtract(said[said.argmin()], said, out=said)
        said *= self._telling[window]
        np.maximum(said, -MOST_PLACE, out=said)
        said *= weight
        weights = np.exp(said, out=said)
        weights *= np.sqrt(places[window])
        mean_s = float(times_s.dot(weights)) / max(float(weights.sum()), 1e-30)
        return window.start + int(np.abs(times_s - mean_s).argmin()), mean_s

    def _margin(self, distances: Singles, found: int) -> float:
        """Give how much farther the best rival is; `elsewhere` is the rival if nothing else is."""
        adjacent = self._adjacent.of(found)
        rival = min(_least(distances[: adjacent.start]), _least(distances[adjacent.stop :]))
        if not math.isfinite(rival):
            rival = self._calibration.outlier
        return rival - float(distances[found])


class RateMeter:
    """How fast the match moves: a running mean of its speed, which jumps do not enter."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._last: tuple[str, float] | None = None
        self._rate = 1.0  # as taught, until the match was seen to move

    def measure(self, demonstration: str, time_s: float, dt_s: float | None) -> float:
        """Take the match `dt_s` after the last one; give demonstration seconds per second."""
        last, self._last = self._last, (demonstration, time_s)
        if last is None or dt_s is None or last[0] != demonstration:
            return self._rate
        moved_s = time_s - last[1]
        if abs(moved_s) <= JUMP_S + MAX_RATE * dt_s:
            forget = 1 - math.exp(-dt_s / RATE_MEMORY_S)
            self._rate += forget * (moved_s / dt_s - self._rate)
        return self._rate


class Labels:
    """
    The state of a match, with hysteresis so that it does not flicker.

    INIT until the stream was watched for `settle_s` and is either found or lost. Then LOST by the
    belief in `elsewhere`, AMBIGUOUS by the certainty of the place, DONE near the end, else
    TRACKING. The certainty is the confidence, but for one thing: where the demonstration stands
    still, all its timesteps there are one place.
    """

    def __init__(self, config: MatchConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._watched_s = 0.0
        self._lost: bool | None = None  # not decided yet
        self._certain = False

    def label(
        self, dt_s: float | None, outside: float, certainty: float, remaining_s: float
    ) -> State:
        """Give the state after one set; `remaining_s` is what is left of the demonstration."""
        config = self._config
        # A set after a long gap is still only one set.
        self._watched_s += 0.0 if dt_s is None else min(dt_s, config.evidence_time_s)
        if outside > config.lost_above:
            self._lost = True
        elif outside < config.found_below:
            self._lost = False
        certain_from = config.ambiguous_below if self._certain else config.certain_above
        self._certain = certainty >= certain_from
        if self._lost is None or self._watched_s < config.settle_s:
            return State.INIT
        if self._lost:
            return State.LOST
        if not self._certain:
            return State.AMBIGUOUS
        return State.DONE if remaining_s <= config.done_within_s else State.TRACKING


def _least(values: Singles) -> float:
    """Give the least; infinity of none."""
    return float(values[values.argmin()]) if len(values) else math.inf


def sharpen(probability: float, temperature: float) -> float:
    """Divide the log-odds of a probability by a temperature."""
    clipped = min(max(probability, 1e-9), 1 - 1e-9)
    return float(1 / (1 + ((1 - clipped) / clipped) ** (1 / temperature)))


def _windows(taught: Sequence[Taught], half_s: float) -> tuple[Steps, Steps]:
    """Give first and last + 1 of the timesteps within `half_s` of each of the N timesteps."""
    lows, highs, offset = [], [], 0
    for demonstration in taught:
        times = demonstration.times_s
        lows.append(offset + np.searchsorted(times, times - half_s - 1e-9, side='left'))
        highs.append(offset + np.searchsorted(times, times + half_s + 1e-9, side='right'))
        offset += len(demonstration)
    return np.concatenate(lows), np.concatenate(highs)


def _places(
    taught: Sequence[Taught], window: tuple[Steps, Steps], radius: float
) -> tuple[Steps, Steps]:
    """Widen the windows of the N timesteps to all of a standstill they are in."""
    starts = np.cumsum([0, *(len(demonstration) for demonstration in taught)])
    found = [stretches(demonstration, radius, STANDING_S) for demonstration in taught]
    lows = [low + start for (low, _), start in zip(found, starts, strict=False)]
    highs = [high + start for (_, high), start in zip(found, starts, strict=False)]
    low, high = np.concatenate(lows), np.concatenate(highs)
    return np.minimum(low, window[0]), np.maximum(high, window[1])
