"""
Image message to RGB pixels at the live entrance: the core's decoder, else cv_bridge.

cv_bridge is only asked for encodings the core does not know, and only imported then: where NumPy
and the distribution's cv_bridge do not fit together, everything else still works.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from smaknet_core.data import images
from smaknet_core.errors import ImageError
from smaknet_core.types import Image, Size


def decode(msg: Any, at_least: Size | None = None) -> Image:
    """
    Decode sensor_msgs Image or CompressedImage to H x W x 3 RGB; raise ImageError.

    `at_least` is the size it will be resized to, see the core's `decode_compressed`.
    """
    if hasattr(msg, 'format'):
        return images.decode(msg, images.COMPRESSED, at_least)
    if msg.encoding in images.ENCODINGS:
        return images.decode(msg, images.RAW)
    return _ask_cv_bridge(msg)


def _ask_cv_bridge(msg: Any) -> Image:
    unknown = f'unknown image encoding {msg.encoding!r}'
    try:
        from cv_bridge import CvBridge
    except (ImportError, AttributeError) as err:  # AttributeError: built for another NumPy
        raise ImageError(f'{unknown}, and cv_bridge cannot be imported ({err})') from err
    bridge = CvBridge()
    try:
        dtype, channels = bridge.encoding_to_dtype_with_channels(msg.encoding)
        packed = without_padding(msg, str(np.dtype(dtype).str[1:]), channels)
        pixels = np.asarray(bridge.imgmsg_to_cv2(packed, 'rgb8'))
    except ImageError:
        raise
    except Exception as err:  # it raises whatever its parts raise
        raise ImageError(f'{unknown}, nor can cv_bridge decode it ({err})') from err
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f'{unknown}: cv_bridge made {pixels.dtype} {pixels.shape} of it')
    return np.ascontiguousarray(pixels)


def without_padding(msg: Any, dtype: str, channels: int) -> Any:
    """
    Cut what `step` adds to the rows, and mind the byte order: cv_bridge does neither well.

    Args:
        msg: a sensor_msgs/Image.
        dtype: numpy kind and item size of a channel.
        channels: values per pixel.

    Returns:
        A message of the same picture, packed and in this machine's byte order.
    """
    pixels = images.read_pixels(msg, dtype, channels)
    packed = type(msg)(header=msg.header, height=msg.height, width=msg.width)
    packed.encoding, packed.is_bigendian = msg.encoding, int(sys.byteorder == 'big')
    packed.step, packed.data = pixels.nbytes // msg.height, pixels.tobytes()
    return packed
