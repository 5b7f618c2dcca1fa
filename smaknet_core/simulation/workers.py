"""Episodes recorded here or by several processes, which end together and leave nothing half."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import asdict
import multiprocessing
import os
from pathlib import Path
import signal
import threading
from typing import NoReturn

import cv2
from smaknet_core.data.recording_folder import remove_scratch
from smaknet_core.errors import ConfigError, SmaknetError
from smaknet_core.simulation.episode_folder import write_recording
from smaknet_core.simulation.worlds import Episode

# Processes are what works at once: threads inside of several would wait for each other.
_ONE_THREAD = {'LP_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'}
_INTERRUPTED = 130


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
            made_by=asdict(episode),
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
        _share(tasks, min(workers, len(tasks)), done)
    except BrokenProcessPool as err:
        for out, _ in tasks:
            remove_scratch(out)
        raise SmaknetError(
            'a worker was killed (by the system, for want of memory?); the same command with fewer'
            ' workers goes on'
        ) from err


def _share(
    tasks: Sequence[tuple[Path, Episode]], workers: int, done: Callable[[Path], None]
) -> None:
    """Share episodes among processes; whatever ends this ends all of them first."""
    others = multiprocessing.active_children()
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, spawn, _begin_worker) as pool:
        try:
            with _inherited_by_workers():
                futures = [pool.submit(_record, *task) for task in tasks]
            for future in as_completed(futures):
                done(future.result())
        except BaseException:
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _inherited_by_workers() -> Iterator[None]:
    """Let processes that start within this have one thread, and leave Ctrl-C to this one."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _begin_worker() -> None:
    """Prepare a worker process: it ends cleanly when told to, and when its parent is gone."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(number: int, _frame: object) -> NoReturn:
    """Leave through what removes half an episode; that is not to be interrupted again."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(_INTERRUPTED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _record(out: Path, episode: Episode) -> Path:
    """Record an episode in a worker; once told to end, it begins no other."""
    try:
        return record_episode(out, episode)
    except SystemExit:
        os._exit(_INTERRUPTED)
