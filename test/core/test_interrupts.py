"""Ctrl-C and SIGTERM: a flag while training steps, an interrupt while files are written."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from smaknet_core.interrupts import interruption, stop_requests, termination_as_interrupt

BOTH = (signal.SIGINT, signal.SIGTERM)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize('number', BOTH)
def test_a_signal_becomes_a_flag(number):
    with stop_requests() as stop:
        assert not stop.requested
        send(number)
        assert stop.requested
        send(number)  # impatience does no harm


def test_handlers_are_given_back_even_after_an_error():
    before = [signal.getsignal(number) for number in BOTH]
    for context in (interruption, stop_requests, termination_as_interrupt):
        with pytest.raises(RuntimeError), context():
            raise RuntimeError
        assert [signal.getsignal(number) for number in BOTH] == before
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


@pytest.mark.parametrize('number', BOTH)
def test_the_second_signal_lets_the_end_be_written_and_the_third_does_not(number):
    with interruption() as asked:
        with pytest.raises(KeyboardInterrupt):
            send(number)
        assert not asked.hurried
        send(number)
        assert asked.hurried
        with pytest.raises(KeyboardInterrupt):
            send(number)
    with interruption() as asked:
        asked.came()  # a training loop took the first
        send(number)
        assert asked.hurried


def test_termination_ends_work_as_ctrl_c_does():
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt():
        send(signal.SIGTERM)


def test_within_work_that_ends_by_itself_the_flag_wins():
    with termination_as_interrupt(), stop_requests() as stop:
        send(signal.SIGTERM)
        assert stop.requested


@pytest.mark.parametrize('context', [interruption, stop_requests, termination_as_interrupt])
def test_in_a_thread_signals_are_left_to_the_main_thread(context):
    before = [signal.getsignal(number) for number in BOTH]
    seen = []

    def work():
        with context():
            seen.append([signal.getsignal(number) for number in BOTH])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
