"""Synchronising: properties that hold for any stream, and each odd stream by name."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.data.sync import QUEUE_LENGTH, synchronise, Synchroniser
from smaknet_core.types import Stamped

MS = 1_000_000
EPOCH = 1_700_000_000_000_000_000
PIXELS = np.zeros((1, 1, 3), np.uint8)


def frame(camera, stamp_ms):
    return Stamped(EPOCH + round(stamp_ms * MS), camera, PIXELS)


def stream(*frames):
    """`stream('a0', 'b10')`: frames of camera a at 0 ms and of camera b at 10 ms."""
    return [frame(text[0], float(text[1:])) for text in frames]


def told(sets):
    """The inverse of `stream`: each set as text."""
    return [
        ' '.join(f'{c}{(f.stamp_ns - EPOCH) / MS:g}' for c, f in found.frames.items())
        for found in sets
    ]


def run(frames, cameras='ab', spread_ms=20, **more):
    synchroniser = Synchroniser(cameras, spread_ms / 1e3, **more)
    sets = [found for item in frames for found in synchroniser.add(item)]
    return sets, synchroniser


any_stream = st.lists(
    st.tuples(st.sampled_from('abc'), st.integers(-50, 5000)).map(lambda pair: frame(*pair)),
    max_size=60,
)
absence = st.sampled_from([None, 0.1, 1.0])


@given(any_stream, absence)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_stream_gives_tight_ordered_sets_and_every_frame_is_accounted_for(frames, absent):
    sets, synchroniser = run(frames, 'abc', absent_after_s=absent)
    used = [id(f) for found in sets for f in found.frames.values()]
    assert len(used) == len(set(used)), 'a frame was used twice'
    for found in sets:
        assert found.spread_s <= 0.02
        assert list(found.frames) == [c for c in 'abc' if c in found.frames], 'declared order'
        assert absent is not None or len(found.frames) == 3
    if not synchroniser.restarts:
        stamps = [found.stamp_ns for found in sets]
        assert stamps == sorted(set(stamps)), 'sets leave in the order of their stamps'
    waiting = sum(map(len, synchroniser._queues.values()))
    assert len(frames) == len(used) + sum(synchroniser.dropped.values()) + waiting


@given(any_stream, absence, st.integers(-(10**15), 10**15))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_moving_all_stamps_changes_nothing_else(frames, absent, shift):
    moved = [Stamped(f.stamp_ns + shift, f.camera, f.image) for f in frames]
    sets, first = run(frames, 'abc', absent_after_s=absent)
    moved_sets, second = run(moved, 'abc', absent_after_s=absent)
    assert first.dropped == second.dropped
    assert [[f.stamp_ns + shift for f in s.frames.values()] for s in sets] == [
        [f.stamp_ns for f in s.frames.values()] for s in moved_sets
    ]


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_cameras_triggered_together_are_never_mispaired(data):
    """
    Ten shots, 100 ms apart, jitter 18 ms, some frames lost, any interleaving of the cameras.

    The slow, obvious answer: a set for each shot that all cameras delivered.
    """
    cameras = 'abc'
    shots = {
        camera: [
            (shot, frame(camera, 100 * shot + data.draw(st.integers(0, 18))))
            for shot in range(10)
            if data.draw(st.integers(0, 5))
        ]
        for camera in cameras
    }
    order = [c for c in cameras for _ in shots[c]]
    order = data.draw(st.permutations(order))
    left = {camera: iter(shots[camera]) for camera in cameras}
    sets, _ = run([next(left[camera])[1] for camera in order], cameras)
    complete = set.intersection(*({shot for shot, _ in shots[c]} for c in cameras))
    expected = [tuple(dict(shots[c])[shot] for c in cameras) for shot in sorted(complete)]
    assert [tuple(found.frames.values()) for found in sets] == expected


def test_offline_is_the_same_class():
    frames = stream('a0', 'b5', 'a33', 'b38', 'a66', 'b90')
    assert told(synchronise(frames, 'ab', 0.02)) == told(run(frames)[0]) == ['a0 b5', 'a33 b38']


def test_a_set_is_as_old_as_its_oldest_frame():
    (found,), _ = run(stream('b12', 'a0'))
    assert found.stamp_ns == EPOCH
    assert found.spread_s == pytest.approx(0.012)
    assert found.cameras == ('a', 'b')


def test_one_camera_needs_no_partner():
    assert told(run(stream('a0', 'a33', 'a66'), 'a')[0]) == ['a0', 'a33', 'a66']


def test_a_fast_camera_gives_its_nearest_frames_to_a_slow_one():
    fast = [f'a{33.3 * k:.1f}' for k in range(10)]
    frames = sorted(stream(*fast, 'b0', 'b100', 'b200'), key=lambda f: f.stamp_ns)
    sets, synchroniser = run(frames)
    assert told(sets) == ['a0 b0', 'a99.9 b100', 'a199.8 b200']
    assert synchroniser.dropped == Counter(superseded=4)


def test_a_later_frame_is_taken_where_it_makes_the_set_tighter():
    sets, synchroniser = run(stream('a0', 'a30', 'b20'), spread_ms=25)
    assert told(sets) == ['a30 b20']
    assert synchroniser.dropped == Counter(superseded=1)


def test_cameras_out_of_phase_never_pair_and_say_so():
    sets, synchroniser = run(stream('a0', 'b50', 'a100', 'b150', 'a200'))
    assert sets == []
    assert synchroniser.dropped == Counter(unmatched=4)


def test_a_silent_camera_is_waited_for_then_done_without_then_taken_back():
    frames = stream('a0', 'b1', 'a100', 'a200', 'a300', 'a400', 'a500', 'b501', 'a600', 'b601')
    sets, synchroniser = run(frames, absent_after_s=0.25)
    assert told(sets) == ['a0 b1', 'a100', 'a200', 'a300', 'a400', 'a500', 'a600 b601']
    assert synchroniser.absent() == ()
    assert told(run(frames)[0]) == ['a0 b1', 'a500 b501', 'a600 b601'], 'None requires all'


def test_a_camera_that_never_comes_is_done_without():
    sets, synchroniser = run(stream('a0', 'a100', 'a200', 'a300'), absent_after_s=0.25)
    assert told(sets) == ['a0', 'a100', 'a200', 'a300']
    assert synchroniser.absent() == ('b',)
    assert synchroniser.waiting_for(EPOCH)[-1] == 'b: never seen'


def test_a_camera_that_lags_behind_for_good_does_not_hold_the_others_up():
    frames = []
    for k in range(20):
        frames += stream(f'a{1000 + 100 * k}', f'b{100 * k}')
    sets, synchroniser = run(frames, absent_after_s=0.3)
    assert told(sets)[-3:] == ['a2700', 'a2800', 'a2900']
    stamps = [found.stamp_ns for found in sets]
    assert stamps == sorted(set(stamps))
    assert synchroniser.absent() == ('b',)


def test_memory_stays_bounded_while_a_required_camera_is_silent():
    sets, synchroniser = run([frame('a', 10 * k) for k in range(1000)])
    assert sets == []
    assert synchroniser.dropped == Counter(overflow=1000 - QUEUE_LENGTH)


def test_waiting_for_names_the_camera_and_its_age():
    _, synchroniser = run(stream('a0', 'b0', 'a3200'))
    assert synchroniser.waiting_for(EPOCH + 3200 * MS) == ['b: last seen 3.2 s ago']


def test_duplicate_and_slightly_backward_stamps_are_dropped():
    sets, synchroniser = run(stream('a0', 'a0', 'b0', 'a100', 'a90', 'b100'))
    assert told(sets) == ['a0 b0', 'a100 b100']
    assert synchroniser.dropped == Counter(duplicate=1, backward=1)


def test_stamps_never_set_are_dropped():
    sets, synchroniser = run([Stamped(0, 'a', PIXELS), *stream('a5', 'b5')])
    assert told(sets) == ['a5 b5']
    assert synchroniser.dropped == Counter(unset=1)


def test_a_looping_bag_is_a_restart_and_no_set_mixes_the_rounds():
    first = [f'{c}{100 * k}' for k in range(50) for c in 'ab']
    frames = [*stream(*first), *stream('a5000'), *stream(*first)]
    sets, synchroniser = run(frames)
    assert synchroniser.restarts == 1
    assert synchroniser.restarted
    assert all(found.spread_s == 0 for found in sets)
    # The first frame tells of the restart and the second confirms it; then all sets are there.
    again = [f'a{100 * k} b{100 * k}' for k in range(1, 50)]
    assert told(sets) == ['a0 b0', *again, *again]


@pytest.mark.parametrize('odd', ['a-900000', 'a-5000'])
def test_one_wrong_stamp_is_no_restart(odd):
    sets, synchroniser = run(stream('a0', 'b0', 'a100', odd, 'b100', 'a200', 'b200'))
    assert told(sets) == ['a0 b0', 'a100 b100', 'a200 b200']
    assert (synchroniser.restarts, synchroniser.dropped) == (0, Counter(backward=1))


def test_reset_forgets_frames_and_keeps_counts():
    _, synchroniser = run(stream('a0', 'a0', 'b-60'))
    synchroniser.reset()
    assert synchroniser.dropped['duplicate'] == 1
    assert synchroniser.add(frame('b', -900_000)) == []
    assert told(synchroniser.add(frame('a', -900_000))) == ['a-900000 b-900000']
