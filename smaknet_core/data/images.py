"""
Image message to RGB pixels: the one decoder, for bags and for live topics.

Only attributes are read (`height`, `width`, `encoding`, `step`, `is_bigendian`, `data`, `format`),
so the messages may come from rclpy or from rosbags. Nothing is allocated before the header has
been checked against the data, and every refusal is an ImageError that says what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import struct
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import ImageError
from smaknet_core.types import Image, Size

MAX_PIXELS: Final = 64_000_000
# A smaller JPEG must have this many times the pixels that were asked for, along each side: with
# 1.25 times, embeddings are off by more than twice as much (docs/decisions.md).
SPARE: Final = 1.5
RAW: Final = 'sensor_msgs/msg/Image'
COMPRESSED: Final = 'sensor_msgs/msg/CompressedImage'


@dataclass(frozen=True)
class _Layout:
    dtype: str  # numpy kind and item size, without byte order
    channels: int
    to_rgb: int | None  # OpenCV conversion code, None when the channels are R, G, B already


# OpenCV names a Bayer pattern by the second row, ROS by the first: hence RGGB is "BG" here.
_BAYER: Final = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
_LAYOUTS: Final[Mapping[str, _Layout]] = {
    'rgb8': _Layout('u1', 3, None),
    'bgr8': _Layout('u1', 3, cv2.COLOR_BGR2RGB),
    'rgba8': _Layout('u1', 4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Layout('u1', 4, cv2.COLOR_BGRA2RGB),
    'rgb16': _Layout('u2', 3, None),
    'bgr16': _Layout('u2', 3, cv2.COLOR_BGR2RGB),
    'rgba16': _Layout('u2', 4, cv2.COLOR_RGBA2RGB),
    'bgra16': _Layout('u2', 4, cv2.COLOR_BGRA2RGB),
    'mono8': _Layout('u1', 1, cv2.COLOR_GRAY2RGB),
    'mono16': _Layout('u2', 1, cv2.COLOR_GRAY2RGB),
    # Untyped channels: drivers that send them fill them from OpenCV, whose order is B, G, R.
    '8UC1': _Layout('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC3': _Layout('u1', 3, cv2.COLOR_BGR2RGB),
    'yuv422': _Layout('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _Layout('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _Layout('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': _Layout('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    **{f'bayer_{name}8': _Layout('u1', 1, code) for name, code in _BAYER.items()},
    **{f'bayer_{name}16': _Layout('u2', 1, code) for name, code in _BAYER.items()},
    '16UC1': _Layout('u2', 1, None),
    '32FC1': _Layout('f4', 1, None),
}
# Newer OpenCV has JPEGs decoded to R, G, B at once: the same pixels without turning them around.
_STRAIGHT: Final[int | None] = getattr(cv2, 'IMREAD_COLOR_RGB', None)
# Bits that have OpenCV decode a part of a JPEG's height and width, whatever the colours.
_REDUCED: Final[Mapping[int, int]] = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
# Distances, not pictures: readable with `decode_any`, never a network input.
DEPTH_ENCODINGS: Final = frozenset({'16UC1', '32FC1'})
# What `decode_any` reads; a node may hand other encodings to cv_bridge.
ENCODINGS: Final = frozenset(_LAYOUTS)


def decode(msg: Any, msgtype: str, at_least: Size | None = None) -> Image:
    """
    Decode an image message of either type.

    Args:
        msg: the message.
        msgtype: its type, as in `RAW` and `COMPRESSED`.
        at_least: height and width it will be resized to; see `decode_compressed`.

    Returns:
        H x W x 3 RGB uint8.

    Raises:
        ImageError: it is no image, damaged, or not one of colours.
    """
    if msgtype == COMPRESSED:
        return decode_compressed(msg, at_least)
    if msgtype == RAW:
        return decode_image(msg)
    raise ImageError(f'{msgtype} is not an image type')


def decode_image(msg: Any) -> Image:
    """
    Decode sensor_msgs/Image to H x W x 3 RGB uint8, in memory of its own.

    16-bit channels are scaled to 8 bits. Raises ImageError for unknown encodings, for depth
    images and for headers that disagree with the data.
    """
    encoding = str(msg.encoding)
    if encoding in DEPTH_ENCODINGS:
        raise ImageError(f'{encoding} holds distances, not colours; choose a colour camera')
    layout = _layout(encoding)
    pixels = decode_any(msg)
    try:
        rgb = pixels.copy() if layout.to_rgb is None else cv2.cvtColor(pixels, layout.to_rgb)
    except cv2.error as err:  # Bayer and YUV patterns need an even size of at least 2 x 2
        raise ImageError(f'{encoding} cannot be {msg.width} x {msg.height} pixels') from err
    return _to_bytes(rgb)


def decode_any(msg: Any) -> NDArray[Any]:
    """
    Read the pixels of sensor_msgs/Image as they are: H x W or H x W x channels.

    uint8, uint16 or float32 by the encoding, in this machine's byte order, padding cut; may be
    a view of the message. Raises ImageError as `decode_image`, but reads depth as well.
    """
    layout = _layout(str(msg.encoding))
    return read_pixels(msg, layout.dtype, layout.channels)


def read_pixels(msg: Any, dtype: str, channels: int) -> NDArray[Any]:
    """
    Cut the row padding and apply the byte order: H x W (x channels, when more than one).

    Args:
        msg: a sensor_msgs/Image.
        dtype: numpy kind and item size of one channel: 'u1', 'u2', 'f4' ...
        channels: values per pixel.

    Raises:
        ImageError: over 64 megapixels, rows longer than `step`, or less data than announced.
    """
    item = np.dtype(dtype)
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    _check_size(height, width)
    row = width * channels * item.itemsize
    data = _bytes(msg.data)
    if step < row:
        raise ImageError(f'step {step} is less than the {row} bytes of a row ({msg.encoding})')
    if len(data) < step * height:
        raise ImageError(f'{len(data)} bytes of data, {height} rows of {step} announced')
    rows = data[: step * height].reshape(height, step)[:, :row]
    wire = item.newbyteorder('>' if msg.is_bigendian else '<')
    pixels: NDArray[Any] = np.ascontiguousarray(rows).view(wire)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return pixels.reshape(shape).astype(item, copy=False)


def decode_compressed(msg: Any, at_least: Size | None = None) -> Image:
    """
    Decode sensor_msgs/CompressedImage (JPEG or PNG) to H x W x 3 RGB uint8.

    A JPEG is made of blocks of 8 x 8 frequencies, and half, a quarter or an eighth of a picture
    can be had of the low ones alone, in less time. `at_least` allows it: height and width that
    the frame will be resized to, of which 1.5 times remain. None gives all pixels.

    The bytes decide, not `format`, which drivers fill as they like. Raises ImageError for depth
    transports, other codecs, sizes over 64 megapixels (before decoding) and damaged data.
    """
    name = str(msg.format)
    if 'compressedDepth' in name or name.startswith(tuple(DEPTH_ENCODINGS)):
        raise ImageError(f'{name!r} holds distances, not colours; choose a colour camera')
    data = _bytes(msg.data)
    head = _probe(data.tobytes(), name)
    _check_size(head.height, head.width)
    bayer = name.startswith('bayer_') and head.channels == 1
    flag = cv2.IMREAD_GRAYSCALE if bayer else cv2.IMREAD_COLOR
    straight = _STRAIGHT if head.codec == 'JPEG' and not bayer else None
    part = 1 if bayer else _part(head, at_least)
    # As the sensor sees it: a raw topic could not carry an EXIF rotation either.
    flags = (straight or flag) | _REDUCED[part] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error as err:
        raise ImageError(f'corrupt {head.codec} of {len(data)} bytes') from err
    if pixels is None or pixels.shape[:2] != (-(-head.height // part), -(-head.width // part)):
        raise ImageError(f'corrupt {head.codec} of {len(data)} bytes')
    if straight is not None:
        return np.asarray(pixels, np.uint8)
    code = _BAYER.get(name[6:10], cv2.COLOR_GRAY2RGB) if bayer else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


@dataclass(frozen=True)
class _Head:
    codec: str
    height: int
    width: int
    channels: int


def _part(head: _Head, at_least: Size | None) -> int:
    """Say which part of a picture's height and width is enough: 1, a 2nd, a 4th or an 8th."""
    if at_least is None or head.codec != 'JPEG':
        return 1
    spare = min(head.height / at_least[0], head.width / at_least[1]) / SPARE
    return max(part for part in _REDUCED if part == 1 or part <= spare)


def _probe(data: bytes, name: str) -> _Head:
    """Read codec and size from the first bytes; OpenCV would allocate before it refuses."""
    if data.startswith(b'\xff\xd8'):
        return _probe_jpeg(data)
    if data.startswith(b'\x89PNG\r\n\x1a\n') and len(data) >= 26:
        return _probe_png(data, name)
    what = 'is empty' if not data else f'starts with {data[:4].hex(" ")}'
    raise ImageError(f'neither JPEG nor PNG: the data {what} (format {name!r})')


def _probe_jpeg(data: bytes) -> _Head:
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            # Older OpenCV paints what is missing grey and calls it a picture.
            # Looked for from the end, where it is.
            if data.rfind(b'\xff\xd9', at) < 0:
                raise ImageError(f'corrupt JPEG of {len(data)} bytes: cut before its end')
            height = int.from_bytes(data[at + 5 : at + 7], 'big')
            return _Head(
                'JPEG', height, int.from_bytes(data[at + 7 : at + 9], 'big'), data[at + 9]
            )
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    raise ImageError(f'corrupt JPEG of {len(data)} bytes: no picture in it')


def _probe_png(data: bytes, name: str) -> _Head:
    width, height, bits, colour = struct.unpack_from('>IIBB', data, 16)
    grey = colour == 0
    if bits == 16 and grey and not name.startswith(('mono16', 'bayer_')):
        raise ImageError('a 16-bit grey PNG holds distances, not colours; choose a colour camera')
    return _Head('PNG', height, width, 1 if grey else 3)


def _layout(encoding: str) -> _Layout:
    if encoding not in _LAYOUTS:
        raise ImageError(f'unknown image encoding {encoding!r}')
    return _LAYOUTS[encoding]


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise ImageError(f'empty image ({width} x {height})')
    if height * width > MAX_PIXELS:
        raise ImageError(f'{width} x {height} is over {MAX_PIXELS // 1_000_000} megapixels')


def _bytes(data: Any) -> NDArray[np.uint8]:
    """View a message's data (bytes, array.array, ndarray or list) as uint8, without a copy."""
    if isinstance(data, (list, tuple)):
        return np.asarray(data, np.uint8)
    return np.frombuffer(data, np.uint8)


def _to_bytes(rgb: NDArray[Any]) -> Image:
    if rgb.dtype == np.uint16:  # 65535 -> 255, rounded: what cv_bridge does
        rgb = cv2.convertScaleAbs(rgb, alpha=1 / 257)
    return np.ascontiguousarray(rgb, np.uint8)
