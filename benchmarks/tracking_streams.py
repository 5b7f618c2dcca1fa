"""Streams with known truth for `tracking.py`: simulated episodes, embedded, and resampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.bags import open_recording
from smaknet_core.data.recording_folder import read_description
from smaknet_core.data.sync import synchronise
from smaknet_core.embedder import Embedder
from smaknet_core.errors import DataError
from smaknet_core.follow import embed_sets
from smaknet_core.matching import calibrate, Calibration, CalibrationRecording
from smaknet_core.metrics.following import Floats
from smaknet_core.simulation.simulate import run_simulate
from smaknet_core.simulation.truth import calm_from_ns, correspond, load_progress
from smaknet_core.simulation.worlds import Settings
from smaknet_core.types import Vector

NORMAL, OTHER = 'normal', 'other-task'
RECORDED = (NORMAL, 'pause', 'repeat', 'skip', 'mid-start', 'occlusion', OTHER)
SPREAD_S = 0.05
BATCH = 16
# Of `dropped`: so many frames are missing one by one, and so many times this many in a row.
DROPPED, GAPS, GAP_SETS = 0.3, 3, 5


@dataclass(frozen=True)
class Stream:
    """N embedded sets of one episode."""

    name: str
    scenario: str
    stamps_ns: NDArray[np.int64]  # N
    sets: Sequence[Mapping[str, Vector]]  # N, camera -> D
    progress: Floats  # N, place in the script, 0 ... 1
    phases: Sequence[str]  # N names
    script: Sequence[str]  # the names of all phases, in order, each once
    cameras: Sequence[str]  # the first is the one that is hidden, where one is
    task: str
    calm_from_ns: int | None = None  # when what is odd about it is over

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def times_s(self) -> Floats:
        """N seconds from the first set."""
        times: Floats = (self.stamps_ns - self.stamps_ns[0]) / 1e9
        return times

    def at_pace(self, pace: float, every: int, scenario: str) -> Stream:
        """The same as if it had happened `pace` times as fast, of every so many-th set."""
        stamps = self.stamps_ns[0] + np.round((self.stamps_ns - self.stamps_ns[0]) / pace)
        return replace(self.take(np.arange(0, len(self), every)), scenario=scenario,
                       stamps_ns=stamps.astype(np.int64)[::every])  # fmt: skip

    def take(self, kept: NDArray[np.intp]) -> Stream:
        """Only some of the sets."""
        return replace(
            self,
            stamps_ns=self.stamps_ns[kept],
            sets=[self.sets[i] for i in kept],
            progress=self.progress[kept],
            phases=[self.phases[i] for i in kept],
        )

    def true_span_s(self, demonstration: Stream) -> tuple[Floats, Floats]:
        """Where in a demonstration each set is, first and last second, N each; NaN: nowhere."""
        progress = self._progress_in(demonstration) if self.scenario == OTHER else self.progress
        found = correspond(progress, demonstration.progress)
        steps = np.arange(len(demonstration), dtype=np.float64)
        first, last = (np.interp(n, steps, demonstration.times_s) for n in found[1:])
        absent = np.isnan(found.timestep)
        first[absent] = last[absent] = np.nan
        return first, last

    def _progress_in(self, other: Stream) -> Floats:
        """Place in the script of another task as far as both begin alike, N; then NaN."""
        shared = len(os.path.commonprefix([list(self.script), list(other.script)]))
        if shared == 0:
            return np.full(len(self), np.nan)
        scale = other._end_of(shared) / self._end_of(shared)
        return np.where(self._within(shared), scale * self.progress, np.nan)

    def _within(self, count: int) -> NDArray[np.bool_]:
        return np.isin(self.phases, self.script[:count])

    def _end_of(self, count: int) -> float:
        """Place in the script where its first so many phases end, to half a set."""
        within = self._within(count)
        if within.all():
            return 1.0
        return float(self.progress[within].max() + self.progress[~within].min()) / 2


def simulate(folder: Path, episodes: int, seed: int, workers: int) -> None:
    """Record what is missing of every scenario; of normal one more, which is taught."""
    for index, scenario in enumerate(RECORDED):
        count = episodes + (scenario == NORMAL)
        settings = Settings(scenario=scenario, demonstrator='hand')
        run_simulate(
            folder / scenario, settings, episodes=count, seed=seed + index, workers=workers
        )


def load(folder: Path, embedder: Embedder, episodes: int) -> list[Stream]:
    """
    Embed what there is of every scenario: so many episodes, of normal one more.

    Raises:
        DataError: not two normal episodes, or not one of another scenario.
    """
    streams: list[Stream] = []
    for scenario in RECORDED:
        found = sorted(path.parent for path in (folder / scenario).glob('*/labels.csv'))
        wanted = 1 + (scenario == NORMAL)
        if len(found) < wanted:
            raise DataError(f'{folder / scenario}: {len(found)} episodes, needs {wanted} or more')
        for path in found[: episodes + wanted - 1]:
            print(f'embedding {path}', flush=True)
            streams.append(embed(path, scenario, embedder))
    return streams


def embed(path: Path, scenario: str, embedder: Embedder) -> Stream:
    """Embed one recording, all cameras."""
    with open_recording(path) as recording:
        sets = list(synchronise(recording.frames(), tuple(recording.cameras), SPREAD_S))
    batches = [sets[i : i + BATCH] for i in range(0, len(sets), BATCH)]
    vectors = [vector for batch in batches for vector in embed_sets(embedder, batch)]
    stamps = np.array([frames.stamp_ns for frames in sets], np.int64)
    progress = load_progress(path)
    about = read_description(path)
    names = about['phases']
    rows = np.loadtxt(path / 'labels.csv', delimiter=',', skiprows=1, usecols=6, dtype=int)
    nearest = np.searchsorted(progress.stamps_ns, stamps).clip(0, len(rows) - 1)
    phases = [names[rows[i]] for i in nearest]
    odd = calm_from_ns(path) if scenario not in (NORMAL, OTHER) else None
    return Stream(path.name, scenario, stamps, vectors, progress.at(stamps), phases, names,
                  about['cameras'], about['task'], odd)  # fmt: skip


def recalibrate(folder: Path, embedder: Embedder) -> Calibration:
    """Measure distances and confidence on a folder of validation episodes, as training does."""
    paths = sorted(path.parent for path in folder.glob('*/labels.csv'))
    streams = [embed(path, NORMAL, embedder) for path in paths]
    recordings = [
        CalibrationRecording(
            one.task,
            one.times_s,
            tuple(one.cameras),
            np.array([[each[camera] for camera in one.cameras] for each in one.sets]),
        )
        for one in streams
    ]
    return calibrate(recordings)


def with_resampled(streams: Sequence[Stream]) -> Iterator[Stream]:
    """Yield normal episodes, the same slower, faster and with gaps, and then all others."""
    normal = [stream for stream in streams if stream.scenario == NORMAL]
    yield from normal
    yield from (stream.at_pace(0.5, 1, '0.5x') for stream in normal)
    yield from (stream.at_pace(2.0, 2, '2x') for stream in normal)
    for index, stream in enumerate(normal):
        kept = _kept(len(stream), np.random.default_rng(index))
        yield replace(stream.take(kept), scenario='dropped')
    yield from (stream for stream in streams if stream.scenario != NORMAL)


def _kept(count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    kept = rng.random(count) >= DROPPED
    for begin in rng.integers(0, count, GAPS):
        kept[begin : begin + GAP_SETS] = False
    return np.flatnonzero(kept)
