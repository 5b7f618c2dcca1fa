"""Decoding files: whole or smaller, damaged or cut, and against cv_bridge."""

from __future__ import annotations

import array
from unittest import mock

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
from image_maker import compressed, jpeg, message, picture, png
import numpy as np
import pytest
from smaknet_core.data import images
from smaknet_core.data.transforms import resize
from smaknet_core.errors import ImageError


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_damaged_files_decode_or_are_refused(data):
    whole = bytearray(data.draw(st.sampled_from([jpeg(picture()), png(picture())])))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[at] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    msg = compressed(damaged, data.draw(st.text(max_size=9)))
    at_least = data.draw(st.none() | st.tuples(st.integers(1, 64), st.integers(1, 64)))
    try:
        with mock.patch.object(images, 'MAX_PIXELS', 1_000_000):  # a damaged size takes seconds
            decoded = images.decode_compressed(msg, at_least)
    except ImageError:
        return
    assert decoded.ndim == 3
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize('name', ['jpeg', 'bgr8; jpeg compressed bgr8', 'png', '', 'nonsense'])
def test_the_bytes_decide_not_the_format_field(name):
    rgb = picture()
    np.testing.assert_array_equal(
        images.decode_compressed(compressed(png(rgb[..., ::-1]), name)), rgb
    )
    from_jpeg = images.decode_compressed(compressed(jpeg(rgb), name))
    assert np.abs(from_jpeg.astype(int) - rgb).mean() < 3


def test_grey_and_transparent_files_become_rgb():
    grey = picture()[..., 0]
    decoded = images.decode_compressed(compressed(png(grey)))
    np.testing.assert_array_equal(decoded, np.stack([grey] * 3, axis=-1))
    rgba = np.dstack([picture(), np.full((48, 64), 7, np.uint8)])
    assert images.decode_compressed(compressed(png(rgba))).shape == (48, 64, 3)


@pytest.mark.parametrize('sampling', ['411', '420', '422', '440', '444'])
@pytest.mark.parametrize('shape', [(48, 64, 3), (37, 21, 3), (48, 64)])
def test_a_jpeg_decoded_to_rgb_at_once_has_the_same_pixels(shape, sampling, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    factor = getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}')
    options = [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    msg = compressed(cv2.imencode('.jpg', pixels, options)[1].tobytes())
    at_once = images.decode_compressed(msg)
    monkeypatch.setattr(images, '_STRAIGHT', None)
    np.testing.assert_array_equal(images.decode_compressed(msg), at_once)


def smooth(height, width):
    """A picture as cameras make them: more of coarse than of fine things."""
    noise = np.random.default_rng(0).uniform(0, 255, (height // 32, width // 32, 3))
    return cv2.resize(noise.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    ('at_least', 'shape'),
    [
        (None, (480, 640)),
        ((480, 640), (480, 640)),
        ((161, 100), (480, 640)),  # half of it would be 1.49 times the height
        ((160, 100), (240, 320)),
        ((100, 214), (480, 640)),
        ((128, 128), (240, 320)),
        ((64, 64), (120, 160)),
        ((2, 2), (60, 80)),
    ],
)
def test_a_jpeg_is_decoded_as_small_as_what_it_is_for_allows(at_least, shape):
    msg = compressed(jpeg(smooth(480, 640)))
    assert images.decode_compressed(msg, at_least).shape == (*shape, 3)
    assert images.decode(msg, images.COMPRESSED, at_least).shape == (*shape, 3)


@pytest.mark.parametrize('side', [96, 128, 160])
def test_what_is_left_of_a_smaller_jpeg_after_resizing_is_the_same_picture(side):
    msg = compressed(jpeg(smooth(481, 643)))  # no multiple of anything
    small = images.decode_compressed(msg, (side, side))
    assert small.shape == (241, 322, 3)
    whole = images.decode_compressed(msg)
    off = resize(small, side, side).astype(int) - resize(whole, side, side)
    assert np.abs(off).mean() < 2.5  # of 255
    assert abs(off.mean()) < 0.1


def test_only_a_jpeg_of_colours_comes_smaller():
    rgb = smooth(96, 128)
    assert images.decode_compressed(compressed(png(rgb)), (8, 8)).shape == rgb.shape
    mosaic = compressed(jpeg(rgb[..., 0]), 'bayer_rggb8; jpeg compressed ')
    assert images.decode_compressed(mosaic, (8, 8)).shape == rgb.shape
    raw = message('rgb8', 96, 128, rgb.tobytes())
    assert images.decode(raw, images.RAW, (8, 8)).shape == rgb.shape
    grey = images.decode_compressed(compressed(jpeg(rgb[..., 0])), (8, 8))
    assert grey.shape == (12, 16, 3)


@pytest.mark.parametrize('shape', [(1, 1, 3), (7, 5, 3), (96, 128, 3), (96, 128)])
@pytest.mark.parametrize('progressive', [0, 1])
def test_whatever_a_jpeg_is_like_its_part_is_rounded_up(shape, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    encoded = cv2.imencode('.jpg', np.full(shape, 90, np.uint8), options)[1].tobytes()
    decoded = images.decode_compressed(compressed(encoded), (1, 1))
    part = {1: 1, 5: 2, 128: 8}[shape[1]]
    assert decoded.shape == (-(-shape[0] // part), -(-shape[1] // part), 3)
    assert np.abs(decoded.astype(int) - 90).max() <= 1


def test_older_opencv_gives_the_same_smaller_picture(monkeypatch):
    msg = compressed(jpeg(smooth(96, 128)))
    at_once = images.decode_compressed(msg, (8, 8))
    monkeypatch.setattr(images, '_STRAIGHT', None)
    np.testing.assert_array_equal(images.decode_compressed(msg, (8, 8)), at_once)


@pytest.mark.parametrize('end', [-400, -2])
def test_a_smaller_jpeg_that_is_cut_is_refused_all_the_same(end):
    with pytest.raises(ImageError, match='cut before its end'):
        images.decode_compressed(compressed(jpeg(smooth(96, 128))[:end]), (8, 8))


def test_every_cut_of_a_jpeg_is_refused():
    """Older OpenCV returns such pictures half grey."""
    whole = jpeg(picture())
    for end in range(0, len(whole) - 1, 7):
        with pytest.raises(ImageError):
            images.decode_compressed(compressed(whole[:end]))
    images.decode_compressed(compressed(whole + bytes(9)))  # MJPEG cameras pad their frames


@pytest.mark.parametrize(
    ('data', 'name', 'reason'),
    [
        (b'', 'jpeg', 'the data is empty'),
        (b'RIFFxxxxWEBP', 'webp', "starts with 52 49 46 46 .format 'webp'"),
        (bytes(12) + png(picture()), '16UC1; compressedDepth png', 'distances'),
        (png(picture()[..., 0].astype(np.uint16)), 'png', '16-bit grey PNG'),
        (png(picture()[..., 0].astype(np.uint16)), '16UC1; png compressed', 'distances'),
        (b'\xff\xd8\xff\xd9', 'jpeg', 'no picture in it'),
    ],
)
def test_what_is_no_colour_picture_is_refused_by_name(data, name, reason):
    with pytest.raises(ImageError, match=reason):
        images.decode_compressed(compressed(data, name))


def test_compressed_bayer_and_mono16_are_pictures():
    wide = (picture()[..., 0].astype(np.uint16)) * 257
    decoded = images.decode_compressed(compressed(png(wide), 'mono16; png compressed '))
    np.testing.assert_array_equal(decoded[..., 0], picture()[..., 0])
    mosaic = np.tile(np.array([[200, 0], [0, 0]], np.uint8), (8, 8))
    decoded = images.decode_compressed(compressed(png(mosaic), 'bayer_rggb8; png compressed '))
    assert decoded[4, 4].tolist() == [200, 0, 0]


def test_an_exif_rotation_does_not_turn_the_camera():
    whole = jpeg(picture())
    tag = b'MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00'
    body = b'Exif\x00\x00' + tag + bytes(4)
    turned = whole[:2] + b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body + whole[2:]
    plain = images.decode_compressed(compressed(whole))
    np.testing.assert_array_equal(images.decode_compressed(compressed(turned)), plain)


@pytest.mark.ros
def test_agrees_with_cv_bridge_on_jpeg():
    bridge = pytest.importorskip('cv_bridge').CvBridge()
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    msg = sensor_msgs.CompressedImage(format='jpeg', data=array.array('B', jpeg(picture())))
    expected = bridge.compressed_imgmsg_to_cv2(msg)[..., ::-1]
    np.testing.assert_array_equal(images.decode_compressed(msg), expected)
