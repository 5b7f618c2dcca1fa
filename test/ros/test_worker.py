"""The worker: all that is new at once, ticks when nothing is, and no error ends it."""

from __future__ import annotations

import threading

import pytest
from smaknet_ros.slots import Arrival, Slots
from smaknet_ros.worker import Worker


class SlowLine:
    """A line that holds each batch until it is let go; results are what it was given."""

    def __init__(self):
        self.batches, self.overdues = [], 0
        self.took, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def take(self, arrivals):
        if not arrivals:
            return []
        self.batches.append([arrival.msg for arrival in arrivals])
        self.took.release()
        assert self.go.acquire(timeout=10)
        if 'bad' in self.batches[-1]:
            raise ValueError('a bad batch')
        return self.batches[-1]

    def overdue(self, now_ns):
        self.overdues += 1
        return f'nothing new at {now_ns}'


class Running:
    """A worker on a slow line, and what it published and reported."""

    def __init__(self):
        self.line, self.slots = SlowLine(), Slots()
        self.published, self.told, self.overdue = [], [], threading.Event()
        self.worker = Worker(
            self.line,
            self.slots,
            lambda: 7,
            self.published.append,
            self._publish_overdue,
            lambda key, text: self.told.append((key, text)),
        )

    def _publish_overdue(self, overdue):
        assert overdue == 'nothing new at 7'
        self.overdue.set()

    def put(self, camera, msg):
        self.slots.put(Arrival(camera, msg, 0, 0.0))


@pytest.fixture
def running():
    made = Running()
    yield made
    for _ in range(10):
        made.line.go.release()
    made.worker.stop()


def test_what_came_during_the_work_is_the_newest_of_each_camera(running):
    running.put('a', 'a0')
    assert running.line.took.acquire(timeout=10)
    for number in range(1, 30):  # three cameras much faster than the work
        for camera in 'abc':
            running.put(camera, f'{camera}{number}')
    running.line.go.release()
    assert running.line.took.acquire(timeout=10)
    running.line.go.release()
    running.worker.call(lambda: None)
    assert running.published == [['a0'], ['a29', 'b29', 'c29']]
    assert running.slots.overwritten == {'a': 28, 'b': 28, 'c': 28}


def test_it_ticks_while_nothing_comes(running):
    assert running.overdue.wait(10)
    assert running.published == []


def test_an_error_is_reported_and_the_next_batch_is_worked_on(running):
    for msg in ('bad', 'good'):
        running.put('a', msg)
        assert running.line.took.acquire(timeout=10)
        running.line.go.release()
        running.worker.call(lambda: None)
    assert running.told == [('worker', 'ValueError: a bad batch')]
    assert running.published == [['good']]


def test_what_is_called_runs_in_its_thread_and_raises_in_ours(running):
    thread = running.worker.call(threading.current_thread)
    assert thread.name == 'smaknet worker'
    with pytest.raises(ZeroDivisionError):
        running.worker.call(lambda: 1 / 0)


def test_stopping_ends_the_thread():
    running = Running()
    thread = running.worker.call(threading.current_thread)
    running.worker.stop()
    assert not thread.is_alive()
