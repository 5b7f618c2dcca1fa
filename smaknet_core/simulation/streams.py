"""
What a recorder would have received of an episode: topics, when their messages came, and these.

Cameras run at one rate but not in step; whatever tracks the object and the robot's joints run at
their own. A message's header says when it was taken; a driver and the network hand it over later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import functools
import heapq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.recording_folder import encode_jpeg, serialise
from smaknet_core.errors import DataError
from smaknet_core.simulation.pose import Pose
from smaknet_core.simulation.world import Intrinsics, Joints, World
from smaknet_core.types import Image

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
RAW = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
POSE = 'geometry_msgs/msg/PoseStamped'
JOINTS = 'sensor_msgs/msg/JointState'

OBJECT_TOPIC = '/demonstration/object_pose'
JOINTS_TOPIC = '/joint_states'
TABLE_FRAME = 'table'
STATE_RATE_HZ = 30.0

Stamps = NDArray[np.int64]


class Stream(NamedTuple):
    """One topic of an episode; times are nanoseconds from the episode's start."""

    topic: str
    msgtype: str
    frame_id: str
    taken_ns: Stamps  # T, increasing
    received_ns: Stamps  # T, increasing, later than `taken_ns`
    fields: Callable[[float], dict[str, Any]]  # at a time in seconds, all but the header


def streams_of(world: World, seed: int, rate_hz: float, raw: bool) -> list[Stream]:
    """List the streams of an episode: each camera's images and CameraInfo, pose, joints."""
    taken = capture_times(world, seed, rate_hz)
    rng = np.random.default_rng([seed, 21])
    received = taken + rng.integers(3_000_000, 12_000_000, taken.shape)
    streams = []
    for view, camera in enumerate(world.cameras):
        times, arrivals = taken[:, view], received[:, view]
        # The small message of the two is there first.
        earlier = arrivals - rng.integers(100_000, 2_000_000, len(times))
        streams += _of_camera(world, camera, raw, times, arrivals, earlier)
    poses = functools.partial(_object_pose, world)
    streams.append(Stream(OBJECT_TOPIC, POSE, TABLE_FRAME, *_state_times(world, rng), poses))
    if world.joints(0.0) is not None:
        joints = functools.partial(_joint_state, world)
        streams.append(Stream(JOINTS_TOPIC, JOINTS, '', *_state_times(world, rng), joints))
    return streams


def capture_times(world: World, seed: int, rate_hz: float) -> Stamps:
    """
    Return when each camera's frames are taken, T x V nanoseconds from the episode's start.

    Cameras run at one rate but not in step: each has its own offset and jitter of a few ms.
    """
    rng = np.random.default_rng([seed, 17])
    period = 1 / rate_hz
    steps = np.arange(int(world.duration_s * rate_hz))[:, None] * period
    offsets = rng.uniform(0, min(0.010, 0.2 * period), len(world.cameras))
    jitter = rng.uniform(0, min(0.004, 0.1 * period), (len(steps), len(world.cameras)))
    nanoseconds: Stamps = np.rint((steps + offsets + jitter) * 1e9).astype(np.int64)
    return nanoseconds


def by_receipt(streams: Sequence[Stream], start_ns: int) -> Iterator[tuple[int, int, bytes]]:
    """
    Give each message in the order of receipt, as a recorder writes.

    They are made in the order of capture, since a world may have to step forward; the few that
    are under way in between are all that is held.

    Args:
        streams: of one episode.
        start_ns: the episode's start on the bag's clock.

    Yields:
        When it is received (nanoseconds from the start), its stream's index, its bytes.
    """
    moments = sorted(
        (int(taken), index, int(received))
        for index, stream in enumerate(streams)
        for taken, received in zip(stream.taken_ns, stream.received_ns, strict=True)
    )
    under_way: list[tuple[int, int, bytes]] = []
    for taken, index, received in moments:
        while under_way and under_way[0][0] < taken:
            yield heapq.heappop(under_way)
        stream = streams[index]
        fields = stream.fields(taken / 1e9)
        message = serialise(stream.msgtype, start_ns + taken, stream.frame_id, fields)
        heapq.heappush(under_way, (received, index, message))
    while under_way:
        yield heapq.heappop(under_way)


def _of_camera(
    world: World, camera: str, raw: bool, taken: Stamps, received: Stamps, earlier: Stamps
) -> list[Stream]:
    """Images and CameraInfo of one camera, with the same stamps."""
    frame_id = f'{camera}_optical_frame'
    base = f'/camera/{camera}'
    topic, msgtype, encode = (
        (f'{base}/image_raw', RAW, _raw_image)
        if raw
        else (f'{base}/image_raw/compressed', COMPRESSED, encode_jpeg)
    )
    info = _camera_info(world.intrinsics(camera))

    def image(time_s: float) -> dict[str, Any]:
        return encode(world.render(camera, time_s), camera)

    return [
        Stream(topic, msgtype, frame_id, taken, received, image),
        Stream(f'{base}/camera_info', CAMERA_INFO, frame_id, taken, earlier, lambda _: info),
    ]


def _state_times(world: World, rng: np.random.Generator) -> tuple[Stamps, Stamps]:
    """When a stream at its own steady rate is taken and received."""
    period = 1 / STATE_RATE_HZ
    steps = np.arange(int((world.duration_s - period) * STATE_RATE_HZ) + 1) * period
    late = rng.uniform(0, 0.2 * period) + rng.uniform(0, 0.1 * period, len(steps))
    taken = np.rint((steps + late) * 1e9).astype(np.int64)
    return taken, taken + rng.integers(500_000, 5_000_000, len(taken))


def _raw_image(image: Image, _camera: str) -> dict[str, Any]:
    height, width, channels = image.shape
    return {
        'height': height,
        'width': width,
        'encoding': 'rgb8',
        'is_bigendian': 0,
        'step': width * channels,
        'data': np.ascontiguousarray(image).reshape(-1),
    }


def _camera_info(camera: Intrinsics) -> dict[str, Any]:
    """A camera without distortion, whose images are rectified as they are."""
    height, width, fx, fy, cx, cy = camera
    whole = dict.fromkeys(('x_offset', 'y_offset', 'height', 'width'), 0)
    return {
        'height': height,
        'width': width,
        'distortion_model': 'plumb_bob',
        'd': np.zeros(5),
        'k': np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], dtype=float),
        'r': np.eye(3).reshape(-1),
        'p': np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], dtype=float),
        'binning_x': 0,
        'binning_y': 0,
        'roi': {**whole, 'do_rectify': False},
    }


def _object_pose(world: World, time_s: float) -> dict[str, Any]:
    pose: Pose = world.object_pose(time_s)
    x, y, z = (float(value) for value in pose.position)
    w, i, j, k = (float(value) for value in pose.quaternion)
    return {
        'pose': {
            'position': {'x': x, 'y': y, 'z': z},
            'orientation': {'x': i, 'y': j, 'z': k, 'w': w},
        }
    }


def _joint_state(world: World, time_s: float) -> dict[str, Any]:
    joints: Joints | None = world.joints(time_s)
    if joints is None:
        raise DataError(f'no joint positions at {time_s:.3f} s, though there were at the start')
    positions = np.asarray(joints.positions, dtype=np.float64)
    unknown = np.zeros(0)
    return {
        'name': list(joints.names),
        'position': positions,
        'velocity': unknown,
        'effort': unknown,
    }
