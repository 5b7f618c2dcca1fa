"""The newest frame of each camera, handed to one worker."""

from __future__ import annotations

import threading

import pytest
from smaknet_ros.slots import Arrival, Slots


def arrival(camera, number):
    return Arrival(camera, f'{camera}{number}', number, float(number))


def test_only_the_newest_of_each_camera_is_taken():
    slots = Slots()
    for number in range(5):
        slots.put(arrival('a', number))
    slots.put(arrival('b', 9))
    assert [a.msg for a in slots.take(0.0)] == ['a4', 'b9']
    assert slots.overwritten == {'a': 4}
    assert slots.take(0.0) == []


def test_messages_are_taken_in_the_order_they_came():
    slots = Slots()
    slots.put(arrival('b', 1))
    slots.put(arrival('a', 2))
    slots.put(arrival('b', 3))
    assert [a.msg for a in slots.take(0.0)] == ['a2', 'b3']


def test_calls_run_in_the_worker_and_give_their_result_or_error():
    slots = Slots()
    good, bad = slots.call(threading.get_ident), slots.call(lambda: 1 / 0)
    worker = threading.Thread(target=slots.take, args=(1.0,))
    worker.start()
    assert good.result(5) == worker.ident
    with pytest.raises(ZeroDivisionError):
        bad.result(5)
    worker.join()


def test_a_message_wakes_the_worker_and_closing_ends_it():
    slots, taken = Slots(), []

    def work():
        while (arrivals := slots.take(60.0)) is not None:
            taken.extend(arrivals)
            seen.set()

    seen = threading.Event()
    worker = threading.Thread(target=work)
    worker.start()
    slots.put(arrival('a', 1))
    assert seen.wait(5)
    slots.close()
    worker.join(5)
    assert not worker.is_alive()
    assert [a.msg for a in taken] == ['a1']
    assert slots.call(lambda: None).cancelled()
