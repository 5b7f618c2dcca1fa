"""Which clock stamps the frames of a recording."""

from __future__ import annotations

from bag_maker import (
    camera_messages,
    jpeg_cdr,
    picture,
    write_bag,
)
import pytest
from smaknet_core.data.bags import open_recording


class TestClock:
    """Header stamps are the time if all are set and monotonic, else the bag's; never mixed."""

    @staticmethod
    def open(tmp_path, stamps):
        messages = camera_messages(count=len(stamps))
        tops = [number for number, m in enumerate(messages) if '/top/' in m.topic]
        for number, stamp in zip(tops, stamps, strict=True):
            messages[number] = messages[number]._replace(cdr=jpeg_cdr(stamp, picture(number)))
        return open_recording(write_bag(tmp_path / 'take', messages))

    def test_header(self, tmp_path):
        with self.open(tmp_path, [7, 7 + 10**8, 7 + 2 * 10**8]) as recording:
            assert recording.stamp_source == {'top': 'header', 'wrist': 'header'}
            stamps = [f.stamp_ns for f in recording.frames() if f.camera == 'top']
            assert stamps == [7, 7 + 10**8, 7 + 2 * 10**8]

    @pytest.mark.parametrize(
        ('stamps', 'fault'),
        [
            ([0, 0, 0], 'header stamps are not set'),
            ([5, 0, 9], '1 header stamps are not set'),
            ([5, 9, 8], 'header stamps run backward once'),
            ([5, 5, 5], 'header stamps repeat 2 times'),
        ],
    )
    def test_the_bags_clock_for_all_cameras_if_one_needs_it(self, tmp_path, stamps, fault):
        with self.open(tmp_path, stamps) as recording:
            assert recording.stamp_source == {'top': 'bag', 'wrist': 'bag'}
            assert recording.clock_faults == {'top': fault}
            for raw in recording.raw_frames():
                assert raw.stamp_ns == raw.receive_ns
