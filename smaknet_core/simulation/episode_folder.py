"""
An episode of any world as a recording: writes what the world shows as a rosbag2 folder.

The folder holds the mcap file and metadata.yaml as a recorder would leave them, `labels.csv` (one
row per camera set) and `episode.json`. The same seed on the same machine gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from smaknet_core.data.recording_folder import (
    new_recording,
    write_bag,
    write_description,
    write_labels,
)
from smaknet_core.simulation.streams import by_receipt, capture_times, streams_of
from smaknet_core.simulation.world import ambiguity_floor, Truth, World

COLUMNS = (
    'stamp_ns',
    'contact',
    'distance',
    'container_angle',
    'liquid_flowing',
    'has_liquid',
    'phase',
    'progress',
)
# Raise it when the same seed comes to mean other pixels, messages or labels.
GENERATOR = 2
# The first episode of seed 0 begins here: 2024-01-01 12:00 UTC.
EPOCH_NS = 1_704_110_400 * 10**9
# Less of the liquid in the recipient than this is no success.
_DELIVERED = 0.5


def write_recording(
    out: Path,
    world: World,
    *,
    seed: int,
    rate_hz: float,
    raw: bool = False,
    made_by: Mapping[str, Any] | None = None,
) -> Path:
    """
    Write one episode of any world.

    It is written beside `out` and moved there when complete, so an interruption leaves no half
    recording.

    Args:
        out: the recording's folder; must not exist.
        world: what is recorded.
        seed: decides stamps and delays.
        rate_hz: frames per second of each camera.
        raw: record pixels (rgb8) instead of JPEG.
        made_by: what else episode.json is to say of what decided the episode.

    Raises:
        DataError: `out` exists or cannot be written.
    """
    decided = {**(made_by or {}), 'seed': seed, 'rate_hz': rate_hz, 'raw': raw}
    with new_recording(out) as folder:
        start_ns = _write_bag(folder, world, seed, rate_hz, raw)
        oldest_ns = capture_times(world, seed, rate_hz).min(axis=1).tolist()
        truths = [world.truth(taken_ns / 1e9) for taken_ns in oldest_ns]
        stamps_ns = [start_ns + ns for ns in oldest_ns]
        write_labels(folder, COLUMNS, map(_row, stamps_ns, truths))
        hidden = [start_ns + round(second * 1e9) for second in world.hidden_s or ()]
        decided['hidden_stamps_ns'] = hidden or None
        write_description(folder, _describe(world, truths, decided))
    return out


def _write_bag(folder: Path, world: World, seed: int, rate_hz: float, raw: bool) -> int:
    """Write the mcap folder; return the stamp of the episode's start."""
    rng = np.random.default_rng([seed, 19])
    start_ns = EPOCH_NS + (seed % 100_000) * 60 * 10**9 + int(rng.integers(10**9))
    streams = streams_of(world, seed, rate_hz, raw)
    topics = [(stream.topic, stream.msgtype) for stream in streams]
    messages = (
        (start_ns + received_ns, index, message)
        for received_ns, index, message in by_receipt(streams, start_ns)
    )
    write_bag(folder, topics, messages)
    return start_ns


def _row(stamp_ns: int, truth: Truth) -> list[int | str]:
    return [
        stamp_ns,
        int(truth.contact),
        int(truth.near),
        truth.container_angle,
        int(truth.liquid_flowing),
        int(truth.has_liquid),
        truth.phase,
        f'{truth.progress:.6f}',
    ]


def _describe(world: World, truths: Sequence[Truth], made_by: Mapping[str, Any]) -> dict[str, Any]:
    delivered = world.delivered
    return {
        'task': world.task,
        'verdict': 'failure' if delivered is not None and delivered < _DELIVERED else 'success',
        'generator': GENERATOR,
        **made_by,
        'cameras': list(world.cameras),
        'phases': list(world.phase_names),
        'duration_s': round(world.duration_s, 3),
        'delivered': None if delivered is None else round(delivered, 4),
        'flowing': round(float(np.mean([truth.liquid_flowing for truth in truths])), 4),
        'ambiguity_floor': round(ambiguity_floor(truths), 4),
    }
