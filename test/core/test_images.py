"""Decoding raw images, against a slow decoder that reads value by value, and cv_bridge."""

from __future__ import annotations

import array
import tracemalloc
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
from image_maker import compressed, jpeg, message, picture, png
import numpy as np
import pytest
from smaknet_core.data import images
from smaknet_core.errors import ImageError

PLAIN = {  # encoding: bytes per channel, channels, and where red, green and blue are
    'rgb8': (1, 3, (0, 1, 2)),
    'bgr8': (1, 3, (2, 1, 0)),
    'rgba8': (1, 4, (0, 1, 2)),
    'bgra8': (1, 4, (2, 1, 0)),
    'rgb16': (2, 3, (0, 1, 2)),
    'bgr16': (2, 3, (2, 1, 0)),
    'rgba16': (2, 4, (0, 1, 2)),
    'bgra16': (2, 4, (2, 1, 0)),
    'mono8': (1, 1, (0, 0, 0)),
    '8UC1': (1, 1, (0, 0, 0)),
    '8UC3': (1, 3, (2, 1, 0)),
    'mono16': (2, 1, (0, 0, 0)),
}
BAYER = {'rggb': 'RGGB', 'bggr': 'BGGR', 'gbrg': 'GBRG', 'grbg': 'GRBG'}


def slow_decode(msg, itemsize, channels, places):
    """Read every value by its byte offset, as the message definition says."""
    out = np.zeros((msg.height, msg.width, 3), np.uint8)
    order = 'big' if msg.is_bigendian else 'little'
    for y in range(msg.height):
        for x in range(msg.width):
            for colour, place in enumerate(places):
                at = y * msg.step + (x * channels + place) * itemsize
                value = int.from_bytes(msg.data[at : at + itemsize], order)
                out[y, x, colour] = value if itemsize == 1 else round(value / 257)
    return out


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_plain_encodings_match_a_slow_decoder_with_padding_and_byte_order(data):
    encoding = data.draw(st.sampled_from(sorted(PLAIN)))
    itemsize, channels, places = PLAIN[encoding]
    height, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    step = width * channels * itemsize + data.draw(st.integers(0, 7))
    size = step * height + data.draw(st.integers(0, 3))
    raw = data.draw(st.binary(min_size=size, max_size=size))
    msg = message(encoding, height, width, raw, step, data.draw(st.booleans()))
    decoded = images.decode_image(msg)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, slow_decode(msg, itemsize, channels, places))


@pytest.mark.parametrize('kind', [bytes, bytearray, list, 'array', 'ndarray'])
def test_every_kind_of_data_field_is_read(kind):
    rgb = picture(4, 6)
    raw = rgb.tobytes()
    make = {'array': lambda b: array.array('B', b), 'ndarray': lambda b: np.frombuffer(b, 'u1')}
    msg = message('rgb8', 4, 6, make.get(kind, kind)(raw), step=18)
    np.testing.assert_array_equal(images.decode_image(msg), rgb)


def test_a_decoded_image_owns_its_memory():
    buffer = bytearray(picture(4, 6).tobytes())
    decoded = images.decode_image(message('rgb8', 4, 6, buffer))
    before = decoded.copy()
    buffer[:] = bytes(len(buffer))
    np.testing.assert_array_equal(decoded, before)
    assert decoded.flags.writeable


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('name', sorted(BAYER))
def test_bayer_patterns_put_each_colour_where_its_letters_are(name, bits):
    """Only the sites of one letter are lit: the picture must be of that colour alone."""
    for index, colour in enumerate('RGB'):
        lit = np.array([letter == colour for letter in BAYER[name]]).reshape(2, 2)
        mosaic = np.tile(lit, (4, 4)) * (200 if bits == 8 else 200 * 257)
        for big in (False, True) if bits == 16 else (False,):
            raw = mosaic.astype(f'{">" if big else "<"}u{bits // 8}').tobytes()
            rgb = images.decode_image(message(f'bayer_{name}{bits}', 8, 8, raw, big=big))
            expected = [200 if channel == index else 0 for channel in range(3)]
            assert rgb[2:-2, 2:-2].reshape(-1, 3).tolist() == [expected] * 16


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
@pytest.mark.parametrize(
    ('yuv', 'rgb'),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((81, 90, 240), (255, 0, 0)),
        ((145, 54, 34), (0, 255, 0)),
        ((41, 240, 110), (0, 0, 255)),
    ],
)
def test_yuv422_follows_bt601(encoding, yuv, rgb):
    y, u, v = yuv
    pair = (u, y, v, y) if encoding in ('yuv422', 'uyvy') else (y, u, y, v)
    decoded = images.decode_image(message(encoding, 2, 4, bytes(pair * 4)))
    assert np.abs(decoded.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize(('encoding', 'kind'), [('16UC1', 'u2'), ('32FC1', 'f4')])
@pytest.mark.parametrize('big', [False, True])
def test_depth_is_readable_but_no_network_input(encoding, kind, big):
    depth = np.arange(12, dtype=kind).reshape(3, 4) * 100
    raw = depth.astype(f'{">" if big else "<"}{kind}')
    padded = np.pad(raw.view('u1').reshape(3, -1), ((0, 0), (0, 5)))
    msg = message(encoding, 3, 4, padded.tobytes(), big=big)
    np.testing.assert_array_equal(images.decode_any(msg), depth)
    assert images.decode_any(msg).dtype == np.dtype(kind)
    with pytest.raises(ImageError, match='distances'):
        images.decode_image(msg)


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'encoding': 'rgb12'}, "unknown image encoding 'rgb12'"),
        ({'height': 0}, 'empty image'),
        ({'width': 0}, 'empty image'),
        ({'step': 17}, 'step 17 is less than the 18 bytes'),
        ({'step': 0}, 'step 0 is less'),
        ({'height': 5}, '72 bytes of data, 5 rows of 18'),
        ({'height': 9000, 'width': 9000}, 'over 64 megapixels'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'over 64 megapixels'),
        ({'encoding': 'yuyv', 'width': 5}, 'yuyv cannot be 5 x 4'),
    ],
)
def test_a_header_that_disagrees_with_its_data_is_refused(fields, reason):
    msg = message('rgb8', 4, 6, picture(4, 6).tobytes())
    vars(msg).update(fields)
    with pytest.raises(ImageError, match=reason):
        images.decode_image(msg)


def test_bombs_are_refused_before_anything_is_allocated():
    start = jpeg(picture())
    at = start.index(b'\xff\xc0') + 5
    bomb = start[:at] + b'\xff\xdc\xff\xdc' + start[at + 4 :]
    png_bomb = bytearray(png(picture()))
    png_bomb[16:24] = b'\x00\x00\xff\xff\x00\x00\xff\xff'
    tracemalloc.start()
    for msg in (compressed(bomb), compressed(bytes(png_bomb))):
        with pytest.raises(ImageError, match='over 64 megapixels'):
            images.decode_compressed(msg)
    with pytest.raises(ImageError, match='bytes of data'):
        images.decode_image(message('rgb8', 8000, 8000, b'\0' * 100, step=24000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whatever_an_image_message_says_it_decodes_or_is_refused(data):
    number = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
    msg = SimpleNamespace(
        encoding=data.draw(st.one_of(st.sampled_from(sorted(images.ENCODINGS)), st.text())),
        height=data.draw(number),
        width=data.draw(number),
        step=data.draw(number),
        is_bigendian=data.draw(st.integers(0, 255)),
        data=data.draw(st.binary(max_size=200)),
    )
    try:
        decoded = images.decode_image(msg)
    except ImageError:
        return
    assert decoded.shape == (msg.height, msg.width, 3)
    assert decoded.dtype == np.uint8


def test_dispatch_by_type():
    rgb = picture()
    raw = message('rgb8', 48, 64, rgb.tobytes())
    np.testing.assert_array_equal(images.decode(raw, 'sensor_msgs/msg/Image'), rgb)
    assert (
        images.decode(compressed(jpeg(rgb)), 'sensor_msgs/msg/CompressedImage').shape == rgb.shape
    )
    with pytest.raises(ImageError, match='not an image type'):
        images.decode(raw, 'std_msgs/msg/String')


# cv_bridge's Python build has no conversion to rgb8 for the other encodings.
BRIDGED = ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8']


@pytest.mark.ros
@pytest.mark.parametrize('encoding', BRIDGED)
def test_agrees_with_cv_bridge_on_rows_without_padding(encoding):
    bridge = pytest.importorskip('cv_bridge').CvBridge()
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    channels = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4}.get(encoding, 1)
    raw = np.random.default_rng(0).integers(0, 256, 6 * 8 * channels, np.uint8).tobytes()
    msg = sensor_msgs.Image(height=6, width=8, encoding=encoding, step=8 * channels)
    msg.data = array.array('B', raw)
    np.testing.assert_array_equal(images.decode_image(msg), bridge.imgmsg_to_cv2(msg, 'rgb8'))
