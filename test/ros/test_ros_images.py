"""The live entrance's decoder: the core's table first, cv_bridge for what it does not know."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from smaknet_core.errors import ImageError
from smaknet_ros import images

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)


def image(rows, encoding, padding=0, bigendian=0):
    height, width = rows.shape[:2]
    packed = np.ascontiguousarray(rows).reshape(height, -1).view(np.uint8)
    packed = np.pad(packed, ((0, 0), (0, padding)), constant_values=99)
    msg = Image(height=height, width=width, encoding=encoding, step=packed.shape[1])
    msg.is_bigendian, msg.data = bigendian, packed.tobytes()
    return msg


@pytest.mark.parametrize('padding', [0, 7, 64])
def test_the_core_decodes_rclpy_messages(padding):
    np.testing.assert_array_equal(images.decode(image(PIXELS, 'rgb8', padding)), PIXELS)
    bgr = np.ascontiguousarray(PIXELS[..., ::-1])
    np.testing.assert_array_equal(images.decode(image(bgr, 'bgr8', padding)), PIXELS)


def test_compressed_images():
    data = cv2.imencode('.png', PIXELS[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(images.decode(CompressedImage(format='png', data=data)), PIXELS)


@pytest.mark.parametrize('padding', [0, 7, 64])
@pytest.mark.parametrize('bigendian', [0, 1])
def test_cv_bridge_is_given_rows_that_it_does_not_skew(padding, bigendian):
    cv_bridge = pytest.importorskip('cv_bridge')
    dtype = '>u2' if bigendian else '<u2'
    wide = np.concatenate([PIXELS, PIXELS[..., :1]], axis=2).astype(dtype)
    packed = images.without_padding(image(wide, 'rgba16', padding, bigendian), 'u2', 4)
    seen = cv_bridge.CvBridge().imgmsg_to_cv2(packed, 'passthrough')
    np.testing.assert_array_equal(seen, wide)


def test_an_encoding_that_cv_bridge_cannot_convert_is_refused_by_name():
    pytest.importorskip('cv_bridge')
    with pytest.raises(ImageError, match='8UC2.*nor can cv_bridge'):
        images.decode(image(np.zeros((4, 4, 2), np.uint8), '8UC2'))


@pytest.mark.parametrize(
    ('encoding', 'channels', 'dtype'), [('64FC1', 1, 'f8'), ('32FC3', 3, 'f4'), ('16SC1', 1, 'i2')]
)
def test_numbers_that_are_no_colours_are_refused_by_name(encoding, channels, dtype):
    with pytest.raises(ImageError, match=encoding):
        images.decode(image(np.zeros((4, 4, channels), dtype), encoding))


def test_nonsense_is_refused_by_name():
    with pytest.raises(ImageError, match='infrared_17'):
        images.decode(image(PIXELS, 'infrared_17'))


def test_lies_about_size_are_refused_before_cv_bridge_sees_them():
    msg = image(np.zeros((4, 4, 4), np.uint16), '16UC4')
    msg.height = 4000
    with pytest.raises(ImageError, match='announced'):
        images.decode(msg)
    msg.height, msg.width, msg.step = 1_000_000, 1_000_000, 8_000_000
    with pytest.raises(ImageError, match='megapixels'):
        images.decode(msg)


def test_without_cv_bridge_the_encoding_is_still_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(ImageError, match=r'8UC4.*cv_bridge cannot be imported'):
        images.decode(image(np.zeros((4, 4, 4), np.uint8), '8UC4'))


@pytest.mark.parametrize(
    'complaint',
    [
        "AttributeError('_ARRAY_API not found')",
        "ImportError('numpy.core.multiarray failed to import')",
    ],
)
def test_a_cv_bridge_for_another_numpy_harms_only_what_it_is_needed_for(
    tmp_path, monkeypatch, complaint
):
    """As ROS's own package has it where pip has brought another NumPy."""
    (tmp_path / 'cv_bridge.py').write_text(f'raise {complaint}')
    monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    np.testing.assert_array_equal(images.decode(image(PIXELS, 'rgb8')), PIXELS)
    with pytest.raises(ImageError, match=r'8UC4.*cv_bridge cannot be imported'):
        images.decode(image(np.zeros((4, 4, 4), np.uint8), '8UC4'))
