"""Episodes of a simulated world as recordings: one, or a series that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from smaknet_core.data.recording_folder import read_description
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.simulation.episode_folder import GENERATOR
from smaknet_core.simulation.workers import record_all, record_episode
from smaknet_core.simulation.worlds import decide, Episode, Settings


def record(
    out: Path,
    *,
    seed: int,
    world: str = 'small',
    scenario: str = 'normal',
    cameras: int | Sequence[str] = 2,
    rate_hz: float = 10.0,
    size: tuple[int, int] = (96, 128),
    lab: int | None = 0,
    demonstrator: str | None = None,
    raw: bool = False,
    turn: float = 0.0,
) -> Path:
    """
    Simulate one episode and write it as a recording.

    Args:
        out: the recording's folder; must not exist.
        seed: decides the episode.
        world: 'small' or 'physical'.
        scenario: one that the world has, such as 'normal', 'pause' or 'other-task'.
        cameras: how many (1 ... 4), or some of the world's (small: front, side, high, corner).
        rate_hz: frames per second of each camera, 1 ... 30.
        size: height and width of the frames in pixels.
        lab: decides the room, the cameras' places and their backdrops; None: the seed does.
        demonstrator: 'hand' or 'robot', as the world has; None: its usual one.
        raw: record pixels (Image rgb8) instead of JPEG (CompressedImage).
        turn: how far the physical world's third-person camera is moved around the table, degrees.

    Raises:
        ConfigError: a wrong argument, or what the world needs is not installed.
        DataError: `out` exists or cannot be written.
    """
    settings = Settings(world, scenario, cameras, rate_hz, size, lab, demonstrator, raw, turn)
    return record_episode(out, decide(settings, seed))


def record_many(
    out: Path,
    *,
    episodes: int,
    seed: int = 0,
    world: str = 'small',
    scenario: str = 'normal',
    cameras: int | Sequence[str] = 2,
    rate_hz: float = 10.0,
    size: tuple[int, int] = (96, 128),
    lab: int | None = 0,
    demonstrator: str | None = None,
    raw: bool = False,
    turn: float = 0.0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """
    Simulate episodes into `out`/episode_000 ...; those that exist are kept, so it resumes.

    Arguments as `record`, but that `seed` decides all of them (see `episode_seed`). `workers`
    processes record at the same time, see `workers.record_all`; `progress` is called with
    (finished, episodes), first for each that is kept.

    Returns:
        The recordings in order.

    Raises:
        ConfigError: a wrong argument, or what the world needs is not installed.
        DataError: cannot be written, or an episode that exists was made by other settings.
        SmaknetError: a worker was killed.
    """
    settings = Settings(world, scenario, cameras, rate_hz, size, lab, demonstrator, raw, turn)
    series = plan(out, settings, episodes, seed)
    finished = 0

    def count(_folder: Path) -> None:
        nonlocal finished
        finished += 1
        if progress is not None:
            progress(finished, episodes)

    for folder in series.kept:
        count(folder)
    record_all(series.missing, workers, count)
    return series.folders


class Series(NamedTuple):
    """Episodes in a folder: those that are there, and those to be recorded."""

    kept: list[Path]
    missing: list[tuple[Path, Episode]]

    @property
    def folders(self) -> list[Path]:
        """All of them, in order."""
        return sorted([*self.kept, *(folder for folder, _ in self.missing)])


def plan(out: Path, settings: Settings, episodes: int, seed: int) -> Series:
    """
    Decide a series, and find what of it is in `out` already.

    Raises:
        ConfigError: a setting is out of range, or the world does not have it.
        DataError: an episode that exists was made by other settings.
    """
    if episodes < 1:
        raise ConfigError(f'episodes: expected 1 or more, got {episodes}')
    if seed < 0:
        raise ConfigError(f'seed: expected 0 or more, got {seed}')
    series = Series([], [])
    for index in range(episodes):
        folder = out / f'episode_{index:03d}'
        episode = decide(settings, episode_seed(seed, index), index)
        if _is_kept(folder, episode):
            series.kept.append(folder)
        else:
            series.missing.append((folder, episode))
    return series


def episode_seed(seed: int, index: int) -> int:
    """Seed of the `index`-th episode that `record_many` makes from `seed`."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def _is_kept(folder: Path, episode: Episode) -> bool:
    """Say whether an episode is there; DataError when it is there but would come out different."""
    if not folder.exists():
        return False
    found = {'turn': 0.0, **read_description(folder)}  # not noted where it is none
    wanted = {**json.loads(json.dumps(asdict(episode))), 'generator': GENERATOR}
    for name, value in wanted.items():
        if found.get(name) != value:
            # An episode's seed is not the number that was asked for.
            kind = 'another seed' if name == 'seed' else f'{name} {found.get(name)}, not {value}'
            raise DataError(f'{folder} was made with {kind}: take another folder, or ask for that')
    return True
