"""Recordings as they are written: readable as any other, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from bag_maker import JPEG, picture, START_NS
import numpy as np
import pytest
from smaknet_core.data.bags import open_recording
from smaknet_core.data.labels import load_labels
from smaknet_core.data.recording_folder import (
    encode_jpeg,
    new_recording,
    read_description,
    remove_scratch,
    serialise,
    write_bag,
    write_description,
    write_labels,
)
from smaknet_core.errors import DataError

TOPIC = '/camera/top/image_raw/compressed'


def images(count):
    for step in range(count):
        stamp_ns = START_NS + step * 10**8
        fields = encode_jpeg(picture(step), 'top')
        yield stamp_ns + 5_000_000, 0, serialise(JPEG, stamp_ns, 'top_frame', fields)


def write(out, count=3):
    with new_recording(out) as folder:
        write_bag(folder, [(TOPIC, JPEG)], images(count))
        write_labels(folder, ('stamp_ns', 'phase'), [(START_NS, 'begin'), (START_NS + 9, 'end')])
        write_description(folder, {'task': 'pour', 'generator': 7})
    return out


def test_is_read_as_any_other_recording(tmp_path):
    out = write(tmp_path / 'new' / 'take')
    with open_recording(out) as recording:
        assert (recording.task, recording.notes, recording.unfinished) == ('pour', [], False)
        received, taken = recording.camera_stamps('top')
        assert (received - taken == 5_000_000).all()
        assert taken.tolist() == [START_NS + step * 10**8 for step in range(3)]
        for step, frame in enumerate(recording.frames()):
            assert np.abs(frame.image.astype(int) - picture(step)).mean() < 4
    labels = load_labels(out)
    assert labels['phase'].tolist() == ['begin', 'end']
    assert read_description(out) == {'task': 'pour', 'generator': 7}
    assert os.listdir(tmp_path / 'new') == ['take']


def test_what_exists_is_kept(tmp_path):
    out = write(tmp_path / 'take')
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(DataError, match='nothing is overwritten'):
        write(out, 1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_an_interruption_leaves_nothing(tmp_path):
    def stop():
        yield from images(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), new_recording(tmp_path / 'take') as folder:
        write_bag(folder, [(TOPIC, JPEG)], stop())
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_no_more(tmp_path):
    for name in ('.take-x1', '.take-x2', 'take', '.taken', 'other'):
        (tmp_path / name).mkdir()
    remove_scratch(tmp_path / 'take')
    assert sorted(os.listdir(tmp_path)) == ['.taken', 'other', 'take']


def test_a_place_that_cannot_be_written():
    with pytest.raises(DataError, match='/proc/nowhere/take: cannot be written'):
        write(Path('/proc/nowhere/take'))


@pytest.mark.parametrize('text', [None, 'nonsense', '[]'])
def test_what_describes_nothing(tmp_path, text):
    if text is not None:
        (tmp_path / 'episode.json').write_text(text)
    with pytest.raises(DataError, match=r'episode\.json: does not say'):
        read_description(tmp_path)
