"""Episodes recorded here or by several processes, which end together and leave nothing half."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

from smaknet_core.data.recording_folder import remove_scratch
from smaknet_core.errors import ConfigError, SmaknetError
from smaknet_core.processes import share
from smaknet_core.simulation.episode_folder import write_recording
from smaknet_core.simulation.worlds import Episode


def record_episode(out: Path, episode: Episode) -> Path:
    """
    Simulate what was decided and write it to the folder `out`.

    Raises:
        ConfigError: what the world needs is not installed.
        DataError: `out` exists or cannot be written.
    """
    with closing(episode.open()) as world:
        return write_recording(
            out,
            world,
            seed=episode.seed,
            rate_hz=episode.rate_hz,
            raw=episode.raw,
            made_by=episode.noted(),
        )


def record_all(
    tasks: Sequence[tuple[Path, Episode]], workers: int, done: Callable[[Path], None]
) -> None:
    """
    Record episodes, several at a time, as they come.

    A script that asks for several workers has to keep what it runs under
    `if __name__ == '__main__'`: each imports it.

    Args:
        tasks: folder and episode of each.
        workers: processes; 1 records in this one.
        done: called after each, in the order in which they are finished.

    Raises:
        ConfigError, DataError: the first that fails, as `record_episode`; the others are ended.
        SmaknetError: a worker was killed.
    """
    if workers < 1:
        raise ConfigError(f'workers: expected 1 or more, got {workers}')
    if workers == 1 or len(tasks) <= 1:
        for out, episode in tasks:
            done(record_episode(out, episode))
        return
    try:
        share(record_episode, tasks, workers, done)
    except BaseException as err:
        for out, _ in tasks:  # what a process was ended too early to remove, or too late
            remove_scratch(out)
        if not isinstance(err, BrokenProcessPool):
            raise
        raise SmaknetError(
            'a worker was killed (by the system, for want of memory?); the same command with fewer'
            ' workers goes on'
        ) from err
