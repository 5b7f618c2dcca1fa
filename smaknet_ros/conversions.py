"""
Match to message and header to stamp: pure functions, no node needed.

docs/interfaces.md states what each field means; the formats below are part of that contract.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
import json
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from sensor_msgs.msg import Image as ImageMsg
from sensor_msgs.msg import TimeReference
from smaknet_core.demonstration import Demonstration
from smaknet_core.types import Image, Match, State, Vector
from std_msgs.msg import Header, String

SCHEMA_VERSION = 1  # of the JSON on ~/info and of the keys on ~/match_status

LEVELS = {
    State.TRACKING: DiagnosticStatus.OK,
    State.DONE: DiagnosticStatus.OK,
    State.INIT: DiagnosticStatus.WARN,
    State.AMBIGUOUS: DiagnosticStatus.WARN,
    State.LOST: DiagnosticStatus.ERROR,
    State.STALE: DiagnosticStatus.STALE,
}


def to_ns(time: Time) -> int:
    """Nanoseconds of a message's time."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def to_time(ns: int) -> Time:
    """Give the message's time for nanoseconds; years past 2038 do not fit and are cut."""
    sec, nanosec = divmod(ns, 1_000_000_000)
    return Time(sec=max(-(2**31), min(sec, 2**31 - 1)), nanosec=nanosec)


def header(stamp_ns: int, frame_id: str) -> Header:
    """Make the header of a result: stamp and frame of what it was made from."""
    return Header(stamp=to_time(stamp_ns), frame_id=frame_id)


def source_of(demonstration: Demonstration) -> str:
    """Name a demonstration so that no other content can be taken for it: `pour@1a2b3c4d`."""
    return f'{demonstration.name}@{demonstration.hash[:8]}'


def time_reference(match: Match, frame_id: str, source: str) -> TimeReference:
    """Say which time of the demonstration the stamp corresponds to."""
    return TimeReference(
        header=header(match.stamp_ns, frame_id),
        time_ref=to_time(round(match.time_s * 1e9)),
        source=source,
    )


def match_status(
    match: Match,
    frame_id: str,
    name: str,
    source: str,
    cameras: Sequence[str],
    spread_s: float,
    latency_s: float,
    age_s: float,
    waiting_for: Sequence[str] = (),
) -> DiagnosticArray:
    """
    Say everything about a match.

    Args:
        match: of a set, or the last one relabelled by the stale tick.
        frame_id: of the set's first camera.
        name: the node's, for viewers that show many.
        source: demonstration and hash, as on ~/match.
        cameras: present in the set, in the order of the rows on ~/embedding.
        spread_s: between the set's oldest and newest frame.
        latency_s: from receiving the set's oldest frame to the first message about it.
        age_s: from receiving the set's oldest frame to now.
        waiting_for: what holds up the next set, one reason per camera.
    """
    low, high = match.interval_s
    values = {
        'demonstration': source,
        'timestep': f'{match.timestep:d}',
        'timesteps': f'{match.timesteps:d}',
        'time': f'{match.time_s:.3f}',
        'progress': f'{match.progress:.4f}',
        'rate': f'{match.rate:.3f}',
        'distance': f'{match.distance:.4f}',
        'confidence': f'{match.confidence:.3f}',
        'margin': f'{match.margin:.4f}',
        'interval': f'{low:.3f} {high:.3f}',
        'cameras': ' '.join(cameras),
        'spread': f'{spread_s:.4f}',
        'latency': f'{latency_s:.4f}',
        'age': f'{age_s:.4f}',
        'waiting_for': '; '.join(waiting_for),
    }
    status = DiagnosticStatus(
        level=LEVELS[match.state],
        name=f'{name}: match',
        message=match.state.value,
        hardware_id=source,
        values=key_values(values),
    )
    return DiagnosticArray(header=header(match.stamp_ns, frame_id), status=[status])


def key_values(values: Mapping[str, str]) -> list[KeyValue]:
    """Turn a mapping into what diagnostics carry."""
    return [KeyValue(key=key, value=value) for key, value in values.items()]


def embedding_image(
    stamp_ns: int, frame_id: str, embeddings: Mapping[str, Vector]
) -> ImageMsg | None:
    """
    Pack embeddings as a 32FC1 image, one row per camera present.

    Returns:
        None if a value is NaN or infinite: a consumer never has to check.
    """
    rows = np.ascontiguousarray(np.stack(list(embeddings.values())), '<f4')
    if not np.isfinite(rows).all():
        return None
    return _image(header(stamp_ns, frame_id), rows, '32FC1')


def rgb_image(stamp_ns: int, frame_id: str, pixels: Image) -> ImageMsg:
    """Pack H x W x 3 RGB uint8."""
    return _image(header(stamp_ns, frame_id), pixels, 'rgb8')


def _image(head: Header, pixels: Any, encoding: str) -> ImageMsg:
    height, width = pixels.shape[:2]
    msg = ImageMsg(header=head, height=height, width=width, encoding=encoding)
    msg.step = pixels.nbytes // height
    # An ndarray would be checked value by value, a thousand times slower.
    msg.data = array('B', pixels.tobytes())
    return msg


def info(
    model: Mapping[str, Any],
    demonstrations: Sequence[Demonstration],
    cameras: Sequence[Mapping[str, Any]],
) -> String:
    """Pack what a consumer must know once, as JSON."""
    content = {
        'schema_version': SCHEMA_VERSION,
        'model': dict(model),
        'demonstrations': [
            {
                'name': demonstration.name,
                'source': source_of(demonstration),
                'hash': demonstration.hash,
                'task': demonstration.task,
                'timesteps': len(demonstration),
                'duration_s': demonstration.duration_s,
                'origin_stamp_ns': demonstration.origin_stamp_ns,
                'cameras': list(demonstration.cameras),
            }
            for demonstration in demonstrations
        ],
        'cameras': [dict(camera) for camera in cameras],
    }
    return String(data=json.dumps(content))
