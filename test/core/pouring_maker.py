"""Multi-view Pouring in small: TFRecords and videos as the set was published, byte by byte."""

from __future__ import annotations

import struct

from bag_maker import picture
import cv2
import numpy as np

SIZE = (48, 36)  # height and width; portrait, as published

# What TensorFlow calls things, in the order of TCN's configuration.
LABELS = ('contact', 'distance', 'liquid_flowing', 'has_liquid', 'container_angle')


def view(step, number):
    """What a camera sees at a timestep, H x W x 3 RGB."""
    return picture(step / 3 + 10 * number, *SIZE)


def jpeg(rgb):
    return cv2.imencode('.jpg', rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def slow_crc32c(data):
    """One bit after the other, as the polynomial is divided by hand."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(number):
    number &= (1 << 64) - 1
    out = b''
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field with a length: a string or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(values, packed=True):
    """A Feature of strings or of whole numbers."""
    if isinstance(values[0], bytes):
        return field(1, b''.join(field(1, value) for value in values))
    numbers = [varint(value) for value in values]
    loose = b''.join(varint(1 << 3) + number for number in numbers)
    return field(3, field(1, b''.join(numbers)) if packed else loose)


def mapping(entries):
    """A map of names to messages."""
    return b''.join(field(1, field(1, n.encode()) + field(2, m)) for n, m in entries.items())


def features(values):
    return mapping({name: feature(own) for name, own in values.items()})


def sequence_example(task, views, length=None):
    """One sequence: view -> JPEG of each timestep."""
    length = len(next(iter(views.values()))) if length is None else length
    lists = {
        name: b''.join(field(1, feature([image])) for image in images)
        for name, images in views.items()
    }
    context = features({'task': [task.encode()], 'len': [length]})
    return field(1, context) + field(2, mapping(lists))


def sequence(task, steps=5, more=0):
    """A SequenceExample of two views that move; `more` timesteps of the second."""
    views = {
        f'view{number}': [jpeg(view(step, number)) for step in range(steps + number * more)]
        for number in range(2)
    }
    return sequence_example(task, views, steps)


def labelled(task, step, **labels):
    """One labelled pair of frames, an Example."""
    known = dict.fromkeys(LABELS, 0) | labels
    images = {f'image/view{number}': [jpeg(view(step, number))] for number in range(2)}
    whole = {name: [value] for name, value in known.items()}
    return field(1, features({**images, 'task': [task.encode()], **whole}))


def record(data):
    """A record as it stands in a TFRecord file."""
    length = struct.pack('<Q', len(data))
    return length + checksum(length) + data + checksum(data)


def checksum(data):
    crc = slow_crc32c(data)
    return struct.pack('<I', ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def write_records(path, *examples):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b''.join(map(record, examples)))
    return path


def write_video(path, number=0, steps=8):
    """A .mov as a phone would have written it, of what `view` shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(str(path), code, 29, SIZE[::-1])
    assert writer.isOpened()
    for step in range(steps):
        writer.write(np.ascontiguousarray(view(step, number)[..., ::-1]))
    writer.release()
    return path
