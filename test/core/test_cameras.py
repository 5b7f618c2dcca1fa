"""Which topics are cameras, how they are called, and how a user chooses among them."""

from __future__ import annotations

from bag_maker import (
    camera_messages,
    JPEG,
    jpeg_cdr,
    Message,
    picture,
    RAW,
    raw_cdr,
    START_NS,
    write_bag,
)
import numpy as np
import pytest
from smaknet_core.data.bags import open_recording
from smaknet_core.errors import BagError


class TestCameras:
    """Which topics are cameras, and how they are called and chosen."""

    @staticmethod
    def open(tmp_path, topics, cameras=()):
        messages = [
            Message(topic, JPEG, START_NS + i, jpeg_cdr(START_NS, picture(i)))
            if topic.endswith('compressed')
            else Message(topic, RAW, START_NS + i, raw_cdr(START_NS, picture(i)))
            for i, topic in enumerate(topics)
        ]
        return open_recording(write_bag(tmp_path / 'take', messages), cameras)

    @pytest.mark.parametrize(
        ('topics', 'names'),
        [
            (['/camera/wrist/image_raw'], ['wrist']),
            (['/camera/wrist/image_raw/compressed'], ['wrist']),
            (['/robot/color/image_rect_color', '/usb_cam/image'], ['color', 'usb_cam']),
            (['/left/wrist/image_raw', '/right/wrist/image_raw'], ['left_wrist', 'right_wrist']),
            (['/a/b/cam/image_raw', '/c/b/cam/image_raw'], ['a_b_cam', 'c_b_cam']),
            (['/image'], ['image']),
            (['/front_view', '/overhead'], ['front_view', 'overhead']),
        ],
    )
    def test_names(self, tmp_path, topics, names):
        with self.open(tmp_path, topics) as recording:
            assert list(recording.cameras) == names

    def test_of_one_picture_compressed_is_preferred_and_raw_before_rectified(self, tmp_path):
        topics = ['/cam/image_rect', '/cam/image_raw', '/cam/image_raw/compressed']
        with self.open(tmp_path, topics) as recording:
            assert recording.cameras['cam'].name == '/cam/image_raw/compressed'
            assert '/cam/image_raw is not used, /cam/image_raw/compressed shows the same' in (
                recording.notes
            )

    def test_depth_is_left_out_unless_asked_for(self, tmp_path):
        depth = np.zeros((4, 4, 2), np.uint8)
        messages = [
            *camera_messages(['top'], count=2),
            Message('/depth/image_rect_raw', RAW, START_NS, raw_cdr(START_NS, depth, '16UC1')),
        ]
        path = write_bag(tmp_path / 'take', messages)
        with open_recording(path) as recording:
            assert list(recording.cameras) == ['top']
            assert 'holds distances' in recording.notes[0]
        with open_recording(path, ['deep:=/depth/image_rect_raw']) as recording:
            assert list(recording.frames()) == []
            assert 'distances' in recording.bad_reasons['deep']

    def test_chosen_cameras_come_in_the_order_asked_for(self, tmp_path):
        topics = ['/a/image_raw', '/b/image_raw', '/c/image_raw']
        with self.open(tmp_path, topics, ['c', 'front:=b/image_raw']) as recording:
            assert {k: t.name for k, t in recording.cameras.items()} == {
                'c': '/c/image_raw',
                'front': '/b/image_raw',
            }
            assert list(recording.cameras) == ['c', 'front']
            assert [frame.camera for frame in recording.frames()] == ['front', 'c']

    @pytest.mark.parametrize(
        ('cameras', 'reason'),
        [
            (['wirst'], "no camera 'wirst', did you mean 'wrist'"),
            (['xyz'], "no camera 'xyz'; known: top, wrist"),
            (['top', 'top'], "camera 'top' is asked for twice"),
            (
                ['a:=/wrist/image'],
                "no image topic '/wrist/image', did you mean '/wrist/image_raw'",
            ),
            (['a/b:=/wrist/image_raw'], "'a/b' cannot name a camera"),
            ([':=/wrist/image_raw'], "'' cannot name a camera"),
        ],
    )
    def test_a_wrong_choice_is_answered_with_the_nearest(self, tmp_path, cameras, reason):
        with pytest.raises(BagError, match=reason):
            self.open(tmp_path, ['/top/image_raw', '/wrist/image_raw'], cameras)

    def test_a_bag_without_cameras_opens_and_says_so_when_one_is_asked_for(self, tmp_path):
        path = write_bag(tmp_path / 'take', camera_messages([]))
        with open_recording(path) as recording:
            assert recording.cameras == {}
        with pytest.raises(BagError, match='there is no camera in it'):
            open_recording(path, ['top'])
