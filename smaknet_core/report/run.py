"""A followed stream and its figures of merit: the numbers behind page, picture and table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from smaknet_core.demonstration import Demonstration
from smaknet_core.errors import DataError
from smaknet_core.types import Image, Match, State

Floats = NDArray[np.float64]
# Errors are told as the share of published matches within these many seconds.
TOLERANCES_S = (0.25, 0.5)


@dataclass(frozen=True, eq=False)
class Run:
    """One stream that was followed, N matches long."""

    title: str
    demonstration: Demonstration  # the one that the stream should match
    matches: Sequence[Match]  # N, one per camera set, in the order they came
    # Stamp -> camera -> frame, for some of the stamps (see `choose_stamps`).
    frames: Mapping[int, Mapping[str, Image]] = field(default_factory=dict)
    # N, or N x 2 (first, last) where the demonstration pauses: true timesteps, fractional; NaN
    # where the scene is not in the demonstration.
    truth: Floats | None = None
    latencies_s: Floats | None = None  # from a set's arrival to its match, any number of them
    # Stamp -> camera -> level -> attention weights, h x w in 0 ... 1, of frames above.
    attention: Mapping[int, Mapping[str, Mapping[int, NDArray[np.float32]]]] = field(
        default_factory=dict
    )
    # Timestep -> camera -> frame, where the demonstration's thumbnails are too small to show.
    taught_frames: Mapping[int, Mapping[str, Image]] = field(default_factory=dict)
    # What simpler methods answer, to compare: name -> N timesteps.
    others: Mapping[str, Floats] = field(default_factory=dict)
    recording: str = ''  # name of what was followed
    notes: Sequence[str] = ()  # sentences to print below

    def __post_init__(self) -> None:
        if not self.matches:
            raise DataError(f'{self.title}: no matches to report on')
        count = len(self.matches)
        lengths = {name: len(answers) for name, answers in self.others.items()}
        if self.truth is not None:
            lengths['truth'] = len(self.truth)
        for name, length in lengths.items():
            if length != count:
                raise DataError(f'{self.title}: {count} matches, but {length} of {name}')

    @property
    def times_s(self) -> Floats:
        """N seconds of the stream since its first match."""
        stamps = np.array([match.stamp_ns for match in self.matches], dtype=np.int64)
        times: Floats = (stamps - stamps[0]) / 1e9
        return times

    @property
    def timesteps(self) -> NDArray[np.int64]:
        """N matched timesteps."""
        return np.array([match.timestep for match in self.matches], dtype=np.int64)

    @property
    def published(self) -> NDArray[np.bool_]:
        """N: whether a consumer got the match."""
        return np.array([match.state.actionable for match in self.matches])

    @property
    def named(self) -> NDArray[np.bool_]:
        """N: whether the match names this run's demonstration and not another."""
        return np.array([match.demonstration == self.demonstration.name for match in self.matches])

    def match_at(self, stamp_ns: int) -> Match:
        """Give the first match of a stamp; KeyError when there is none."""
        for match in self.matches:
            if match.stamp_ns == stamp_ns:
                return match
        raise KeyError(stamp_ns)

    def true_range(self) -> tuple[Floats, Floats] | None:
        """First and last true timestep, N each; None without truth."""
        if self.truth is None:
            return None
        if self.truth.ndim == 2:
            return self.truth[:, 0], self.truth[:, 1]
        return self.truth, self.truth

    def errors_s(self, timesteps: NDArray[np.int64] | Floats) -> Floats | None:
        """How far answers are from the truth, N demonstration seconds; None without truth."""
        truth = self.true_range()
        if truth is None:
            return None
        times = self.demonstration.times_s
        steps = np.arange(len(times))
        answer = np.interp(timesteps, steps, times)
        first, last = (np.interp(edge, steps, times) for edge in truth)
        errors: Floats = np.maximum(0, np.maximum(first - answer, answer - last))
        return errors

    def match_errors_s(self) -> Floats | None:
        """`errors_s` of the matches; naming another demonstration costs the whole duration."""
        errors = self.errors_s(self.timesteps)
        if errors is None:
            return None
        worst = np.where(np.isnan(errors), np.nan, self.demonstration.duration_s)
        charged: Floats = np.where(self.named, errors, worst)
        return charged


@dataclass(frozen=True)
class Numbers:
    """What a run comes to; None where it cannot be known."""

    sets: int
    states: dict[State, float]  # share of the sets, states that occur
    published: float  # share of the sets
    median_error_s: float | None  # of what was published
    mean_error_s: float | None
    p90_error_s: float | None
    within: dict[float, float] | None  # seconds -> share of what was published
    alignment: float | None  # mean |error| over the demonstration's length, all sets
    false_alarms: float | None  # share published of the sets that are not in the demonstration
    wrong_demonstration: float  # share published that names another demonstration
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None


def measure(run: Run) -> Numbers:
    """Reduce a run to its figures of merit."""
    published = run.published
    states = [match.state for match in run.matches]
    errors = run.match_errors_s()
    alien = np.isnan(errors) if errors is not None else np.zeros(len(states), bool)
    told = errors[published & ~alien] if errors is not None else np.empty(0)
    return Numbers(
        sets=len(states),
        states={state: states.count(state) / len(states) for state in State if state in states},
        published=float(published.mean()),
        median_error_s=float(np.median(told)) if len(told) else None,
        mean_error_s=float(told.mean()) if len(told) else None,
        p90_error_s=float(np.quantile(told, 0.9)) if len(told) else None,
        within={t: float((told <= t).mean()) for t in TOLERANCES_S} if len(told) else None,
        alignment=_alignment(run, errors),
        false_alarms=float(published[alien].mean()) if alien.any() else None,
        wrong_demonstration=float((published & ~run.named).mean()),
        latency_p50_s=_quantile(run.latencies_s, 0.5),
        latency_p95_s=_quantile(run.latencies_s, 0.95),
        latency_p99_s=_quantile(run.latencies_s, 0.99),
    )


@dataclass(frozen=True)
class Comparison:
    """How far one method's answers are off, on the sets that smaknet answered; seconds."""

    name: str
    median_error_s: float
    mean_error_s: float
    p90_error_s: float
    within: dict[float, float]  # seconds -> share
    alignment: float  # mean |error| over the demonstration's length, all sets


def compare(run: Run) -> list[Comparison]:
    """
    Compare a run with simpler methods where all of them answer; the run itself is the first.

    Nothing where the truth is not known, or nothing was answered that has one.
    """
    ours = run.match_errors_s()
    if ours is None or not (run.published & ~np.isnan(ours)).any():
        return []
    answers = {'smaknet': ours} | {name: run.errors_s(told) for name, told in run.others.items()}
    return [_compare(name, errors, run) for name, errors in answers.items() if errors is not None]


def _compare(name: str, errors: Floats, run: Run) -> Comparison:
    told = errors[run.published & ~np.isnan(errors)]
    return Comparison(
        name,
        float(np.median(told)),
        float(told.mean()),
        float(np.quantile(told, 0.9)),
        {t: float((told <= t).mean()) for t in TOLERANCES_S},
        float(np.nanmean(errors) / run.demonstration.duration_s),
    )


def alignment(run: Run, timesteps: NDArray[np.int64] | Floats) -> float | None:
    """Mean error of answers as a share of the demonstration's length; None without truth."""
    return _alignment(run, run.errors_s(timesteps))


def _alignment(run: Run, errors: Floats | None) -> float | None:
    if errors is None or np.isnan(errors).all():
        return None
    return float(np.nanmean(errors) / run.demonstration.duration_s)


def choose_stamps(
    matches: Sequence[Match], count: int = 8, among: Collection[int] | None = None
) -> list[int]:
    """
    Choose the stamps whose frames to show: evenly over the stream, at most `count`, in order.

    Args:
        matches: of one run.
        count: how many.
        among: stamps whose frames were kept; None means any.
    """
    stamps = [m.stamp_ns for m in matches if among is None or m.stamp_ns in among]
    if not stamps:
        return []
    picks = np.linspace(0, len(stamps) - 1, min(count, len(stamps)))
    return sorted({stamps[round(pick)] for pick in picks})


def _quantile(values: Floats | None, share: float) -> float | None:
    return float(np.quantile(values, share)) if values is not None and len(values) else None
