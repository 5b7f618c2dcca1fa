"""A picture, and what cameras make messages of."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np


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
