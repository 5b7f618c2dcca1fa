"""Work shared among processes that end together: on Ctrl-C, SIGTERM, or when one is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from contextlib import contextmanager
import multiprocessing
import os
import signal
import threading
from typing import Any, TypeVar

T = TypeVar('T')

# Processes are what works at once: threads inside of several would wait for each other.
_ONE_THREAD = {'LP_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'}
_INTERRUPTED = 130
_at_work = False  # in a worker: whether it does a task
_ends = False  # ... and whether it was told to end


def share(
    work: Callable[..., T],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    done: Callable[[T], None],
) -> None:
    """
    Do tasks in several processes of one thread each; whatever ends this ends all of them first.

    A script that asks for this has to keep what it runs under `if __name__ == '__main__'`: each
    process imports it.

    Args:
        work: a function of a module. SIGTERM reaches it as SystemExit, unless it handles the
            signal; it may end itself early by raising that.
        tasks: its arguments.
        workers: processes.
        done: called with each result, in the order in which they come.

    Raises:
        BrokenProcessPool: a worker was killed.
        Exception: the first that a task raises; the others are ended.
    """
    others = multiprocessing.active_children()
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(workers, len(tasks)), spawn, _begin_worker) as pool:
        try:
            with _inherited_by_workers():
                futures = [pool.submit(_do, work, task) for task in tasks]
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
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(*_: object) -> None:
    """Leave through what removes half a result; that is not to be interrupted again."""
    # Not by ignoring the signal: one that is under way then is complained of by Python itself.
    global _ends
    if _ends:
        return
    _ends = True
    if not _at_work:  # between tasks the pool would catch it, and begin another
        os._exit(_INTERRUPTED)
    raise SystemExit(_INTERRUPTED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _do(work: Callable[..., T], task: tuple[Any, ...]) -> T:
    """Do a task in a worker; once told to end, it begins no other."""
    global _at_work
    _at_work = True
    try:
        return work(*task)
    except SystemExit:
        os._exit(_INTERRUPTED)
    finally:
        _at_work = False
