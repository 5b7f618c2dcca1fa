"""Decoding, against a slow decoder that reads one value at a time, and against cv_bridge."""

from __future__ import annotations

import array
import tracemalloc
from types import SimpleNamespace
from unittest import mock

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.data import images
from smaknet_core.data.transforms import resize
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


def message(encoding, height, width, data, step=None, big=False):
    step = len(data) // height if step is None else step
    return SimpleNamespace(
        encoding=encoding, height=height, width=width, step=step, is_bigendian=int(big), data=data
    )


def compressed(data, name='jpeg'):
    return SimpleNamespace(format=name, data=data)


def picture(height=48, width=64):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 3, y * 4, 255 - x * 2], axis=-1).astype(np.uint8)


def jpeg(rgb):
    return cv2.imencode('.jpg', rgb[..., ::-1])[1].tobytes()


def png(array_):
    return cv2.imencode('.png', array_)[1].tobytes()


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


@pytest.mark.ros
def test_agrees_with_cv_bridge_on_jpeg():
    bridge = pytest.importorskip('cv_bridge').CvBridge()
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    msg = sensor_msgs.CompressedImage(format='jpeg', data=array.array('B', jpeg(picture())))
    expected = bridge.compressed_imgmsg_to_cv2(msg)[..., ::-1]
    np.testing.assert_array_equal(images.decode_compressed(msg), expected)
