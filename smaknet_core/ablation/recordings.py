"""The recordings of a study: those trained on and those measured on, alike for all cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from smaknet_core.ablation.rows import configure
from smaknet_core.ablation.study import Study
from smaknet_core.config import DataConfig
from smaknet_core.data.bag_folder import companion, find_recordings
from smaknet_core.data.dataset import load_clips, split
from smaknet_core.data.labels import ClipLabels, label_clip
from smaknet_core.errors import DataError
from smaknet_core.types import Clip

MOST_WATCHED = 4  # recordings that learning curves are measured on
MOST_CHANGED = 4  # recordings that invariance is measured on, and of each moved camera
MOVED = 'camera '  # before the angle
EPISODE = 'episode.json'
TURN = 'turn'
FLOOR = 'ambiguity_floor'  # in EPISODE, see simulation.world


@dataclass(frozen=True)
class Unseen:
    """A recording to measure on, which nothing learns from."""

    path: Path
    clip: Clip
    labels: ClipLabels | None

    @property
    def progress(self) -> NDArray[np.float64]:
        """How far it is at each timestep, 0 ... 1: from the labels, else by time."""
        stamps_ns = self.clip.stamps_ns - self.clip.stamps_ns[0]
        if self.labels is None or 'progress' not in self.labels.columns:
            return np.asarray(stamps_ns / stamps_ns[-1], np.float64)
        known = self.labels.columns['progress'].astype(np.float64)
        progress = np.interp(stamps_ns, stamps_ns[self.labels.timesteps], known)
        return np.asarray(progress, np.float64)


@dataclass(frozen=True)
class Recordings:
    """What a study learns from and what it is measured on."""

    training: list[Clip]
    test: list[Unseen]
    held_out: tuple[str, ...]  # names of those of the demonstrations that are only measured
    # Recordings of a moved camera, by angle; see `simulate --turn`.
    moved: Mapping[str, list[Clip]] = field(default_factory=dict)

    @property
    def test_clips(self) -> list[Clip]:
        """Clips to measure on."""
        return [recording.clip for recording in self.test]

    @property
    def watched(self) -> list[Clip]:
        """Those that learning curves are of."""
        return [clip for clip in self.test_clips if len(clip.views) > 1][:MOST_WATCHED]

    @property
    def changed(self) -> list[Clip]:
        """Those whose pixels are changed, to see whether a network cares."""
        return [clip for clip in self.test_clips if len(clip.views) > 1][:MOST_CHANGED]

    def training_for(self, one_camera: bool) -> list[Clip]:
        """Give the training recordings, or what the first camera of each saw."""
        return [_first_camera(clip) for clip in self.training] if one_camera else self.training


def load_for_rows(
    study: Study, names: Iterable[str], console: Console | None = None
) -> dict[str, Recordings]:
    """
    Load what rows learn from and are measured on: the same recordings, at each row's size.

    Raises:
        BagError, DataError: as `load_recordings`.
    """
    loaded: dict[DataConfig, Recordings] = {}
    found = {}
    for name in names:
        data = configure(study.base, study.row(name)).data
        if data not in loaded:
            sized = replace(study, base=replace(study.base, data=data))
            loaded[data] = load_recordings(sized, console)
        found[name] = loaded[data]
    return found


def load_recordings(study: Study, console: Console | None = None) -> Recordings:
    """
    Load all recordings through the cache and part them, the same way for every cell.

    Raises:
        BagError, DataError: a recording cannot be used, or nothing is left to measure on.
    """
    moved = _load_moved(study, console)
    clips = _load(study, study.demos, console)
    if study.test:
        test = _label(study, study.test, _load(study, study.test, console))
        return Recordings(clips, test, (), moved)
    training, held_out = split(clips, study.base.data, study.base.seed)
    if not held_out:
        raise DataError(
            'no recording is held out to measure on: give --test, raise data.held_out, or record '
            'more than one'
        )
    names = tuple(clip.name for clip in held_out)
    known = [r for r in _label(study, study.demos, clips) if r.clip.name in names]
    return Recordings(training, known, names, moved)


def ambiguity_floor(paths: Sequence[Path]) -> float | None:
    """
    Average what the simulator noted as the least alignment error of single frames, a fraction.

    None where a recording has no such note: then the mean would be of others.
    """
    found = [_noted(path, FLOOR) for path in paths]
    known = [floor for floor in found if floor is not None]
    return float(np.mean(known)) if known and len(known) == len(found) else None


def _load(study: Study, paths: Sequence[Path], console: Console | None) -> list[Clip]:
    return load_clips(paths, study.cameras, study.base.data, study.cache_dir, console)


def _load_moved(study: Study, console: Console | None) -> dict[str, list[Clip]]:
    """Load the recordings of a moved camera, the first few of each angle, by angle."""
    by_turn: dict[float, list[Path]] = {}
    for path in find_recordings(study.moved) if study.moved else ():
        by_turn.setdefault(_noted_turn(path), []).append(path)
    found = {}
    for turn, paths in sorted(by_turn.items()):
        clips = _load(study, paths[:MOST_CHANGED], console)
        for path, clip in zip(paths, clips, strict=False):
            if len(clip.views) < 2:
                raise DataError(f'{path}: has one camera; what --moved measures needs two')
        found[f'{MOVED}{turn:+g} deg'] = clips
    return found


def _label(study: Study, paths: Sequence[Path], clips: Sequence[Clip]) -> list[Unseen]:
    within_s = study.base.data.max_spread_s
    return [
        Unseen(path, clip, label_clip(path, clip.stamps_ns, within_s))
        for path, clip in zip(find_recordings(paths), clips, strict=True)
    ]


def _first_camera(clip: Clip) -> Clip:
    camera = clip.cameras[0]
    return Clip(clip.name, clip.task, clip.stamps_ns, {camera: clip.views[camera]})


def _noted_turn(path: Path) -> float:
    """Read by how many degrees a recording's camera was moved; DataError where it is not noted."""
    turn = _noted(path, TURN)
    if not turn:
        raise DataError(
            f'{path}: its {EPISODE} has no {TURN}, the degrees that a camera was moved by; '
            '--moved takes recordings of smaknet simulate --turn'
        )
    return turn


def _noted(path: Path, name: str) -> float | None:
    """Read a finite number out of the note beside a recording."""
    note = companion(path, EPISODE)
    if note is None:
        return None
    try:
        value = json.loads(note.read_text(encoding='utf-8'))[name]
        return float(value) if np.isfinite(value) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
