"""
Damaged image messages, drawn by hypothesis, and a slow obvious judge of which can be a picture.

The judge shares no code with the decoder: it is the reference for what may become a match.
"""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import Any

import cv2
from hypothesis import strategies as st
import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

ODD_NUMBERS = (0, 1, 2, 3, 63, 65, 191, 193, 255, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)
ODD_SECONDS = (0, -1, -(2**31), 2**31 - 1, 1)
ODD_NANOSECONDS = (0, 10**9 - 1, 10**9, 2**31, 2**32 - 1)
BYTES_PER_PIXEL = {
    **dict.fromkeys(('rgb8', 'bgr8', '8UC3'), 3),
    **dict.fromkeys(('rgba8', 'bgra8'), 4),
    **dict.fromkeys(('rgb16', 'bgr16'), 6),
    **dict.fromkeys(('rgba16', 'bgra16'), 8),
    **dict.fromkeys(('mono8', '8UC1'), 1),
    'mono16': 2,
    **dict.fromkeys(('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'), 2),
    **{f'bayer_{order}8': 1 for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{f'bayer_{order}16': 2 for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
}
ENCODINGS = (*BYTES_PER_PIXEL, '16UC1', '32FC1', '8UC2', '64FC1', 'jpeg', 'RGB8', '', 'rgb8\0')
FORMATS = (
    'jpeg',
    'png',
    '',
    'bgr8; jpeg compressed bgr8',
    '16UC1; compressedDepth',
    'bayer_rggb8',
)
MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class Damage:
    """What happens to one message; everything that is None or empty stays as it was."""

    sec: int | None = None
    nanosec: int | None = None
    fields: tuple[tuple[str, Any], ...] = ()  # of the message, set one after the other
    cut: float | None = None  # share of the data that is left
    flips: tuple[tuple[float, int], ...] = ()  # where in the data, and the new byte
    data: bytes | None = None  # instead of the data
    wire: tuple[tuple[float, int], ...] = ()  # where in the serialised message, and the new byte
    wire_cut: float | None = None


shares = st.floats(0, 1, exclude_max=True)
flips = st.lists(st.tuples(shares, st.integers(0, 255)), min_size=1, max_size=6).map(tuple)
numbers = st.one_of(st.sampled_from(ODD_NUMBERS), st.integers(0, 2**32 - 1))
# Most damage hits the front of a serialised message by chance only: aim at it.
wire_flips = st.lists(
    st.tuples(st.one_of(shares, st.floats(0, 0.02)), st.integers(0, 255)), min_size=1, max_size=4
).map(tuple)

raw_fields = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(('height', 'width', 'step')), numbers),
        st.tuples(st.just('encoding'), st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=8))),
        st.tuples(st.just('is_bigendian'), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
compressed_fields = st.tuples(
    st.tuples(st.just('format'), st.one_of(st.sampled_from(FORMATS), st.text(max_size=8)))
)


def damages(fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Damage]:
    """Draw damage of one kind, or of several together."""
    single = (
        st.builds(Damage, sec=st.sampled_from(ODD_SECONDS)),
        st.builds(Damage, nanosec=st.sampled_from(ODD_NANOSECONDS)),
        st.builds(Damage, fields=fields),
        st.builds(Damage, cut=shares),
        st.builds(Damage, flips=flips),
        st.builds(Damage, data=st.binary(max_size=64)),
        st.builds(Damage, wire=wire_flips),
        st.builds(Damage, wire_cut=shares),
        st.builds(
            Damage, fields=fields, cut=shares, flips=flips, sec=st.sampled_from(ODD_SECONDS)
        ),
    )
    return st.one_of(*single)


raw_damages = damages(raw_fields)
compressed_damages = damages(compressed_fields)


def apply(damage: Damage, msg: Any) -> bytes:
    """Damage a message; give what goes over the wire."""
    if damage.sec is not None:
        msg.header.stamp.sec = damage.sec
    if damage.nanosec is not None:
        msg.header.stamp.nanosec = damage.nanosec
    for name, value in damage.fields:
        setattr(msg, name, value)
    data = bytes(msg.data) if damage.data is None else damage.data
    if damage.cut is not None:
        data = data[: int(damage.cut * len(data))]
    msg.data = array.array('B', _flip(data, damage.flips))
    wire = _flip(serialize_message(msg), damage.wire)
    return wire if damage.wire_cut is None else wire[: int(damage.wire_cut * len(wire))]


def receive(wire: bytes, kind: Any) -> Any | None:
    """Deserialise as the middleware does; None for what it drops by itself."""
    try:
        return deserialize_message(wire, kind)
    except Exception:  # rclpy's own, without a common type
        return None


def may_match(msg: Any) -> bool:
    """Tell whether a match may come of this message: a time and a picture, by the slow judge."""
    stamp = msg.header.stamp
    if (stamp.sec, stamp.nanosec) <= (0, 0) or stamp.sec < 0 or stamp.nanosec >= 10**9:
        return False
    return _is_jpeg_or_png(msg) if isinstance(msg, CompressedImage) else _is_picture(msg)


def _is_picture(msg: Image) -> bool:
    size = BYTES_PER_PIXEL.get(msg.encoding)
    if size is None or not 0 < msg.height * msg.width <= MAX_PIXELS:
        return False
    return msg.width * size <= msg.step and msg.step * msg.height <= len(msg.data)


def _is_jpeg_or_png(msg: CompressedImage) -> bool:
    data = bytes(msg.data)
    if not data.startswith((b'\xff\xd8', b'\x89PNG')) or 'compressedDepth' in msg.format:
        return False
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None


def _flip(data: bytes, changes: tuple[tuple[float, int], ...]) -> bytes:
    changed = bytearray(data)
    for share, value in changes:
        if changed:
            changed[int(share * len(changed))] = value
    return bytes(changed)
