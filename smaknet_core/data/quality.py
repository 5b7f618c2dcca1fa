"""
Recording to measurements, and the body of `smaknet check`.

All images are decoded, because that is the only way to know that they can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import functools
import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data import images
from smaknet_core.data.bags import find_recordings, open_recording, RawFrame, Recording
from smaknet_core.data.check_table import print_repaired, print_verdicts, progress_bar
from smaknet_core.data.recovery import repair as repair_recording
from smaknet_core.data.sync import Synchroniser
from smaknet_core.data.verdict import BLANK_CONTRAST, CameraReport, Level, Reason, Verdict
from smaknet_core.errors import BagError, ImageError
from smaknet_core.types import Stamped

__all__ = ['CameraReport', 'examine', 'Level', 'Reason', 'run_check', 'Verdict']

Progress = Callable[[str, float], None]
_NO_IMAGE: Final = np.zeros((1, 1, 3), np.uint8)  # synchronising needs the stamps alone


def run_check(
    bags: Sequence[Path],
    cameras: Sequence[str] = (),
    repair: bool = False,
    max_spread_s: float = 0.05,
) -> int:
    """
    Print a table and a verdict for each recording; return 1 if one of them is BAD, else 0.

    With `repair`, recordings that are cut or were never finished get a whole copy beside them.
    Raises BagError where there is no recording, or a copy cannot be written.
    """
    recordings = find_recordings(bags)
    with progress_bar(len(recordings)) as show:
        verdicts = [
            examine(path, cameras, max_spread_s, functools.partial(show, done))
            for done, path in enumerate(recordings)
        ]
    print_verdicts(verdicts)
    for verdict in verdicts if repair else ():
        if verdict.unfinished and verdict.topics:
            print_repaired(verdict, repair_recording(verdict.path))
    return int(any(verdict.level == Level.BAD for verdict in verdicts))


def examine(
    path: Path,
    cameras: Sequence[str] = (),
    max_spread_s: float = 0.05,
    progress: Progress | None = None,
) -> Verdict:
    """
    Read a whole recording and judge it; never raises for what is wrong with the recording.

    Args:
        path: a bag folder or a bare file.
        cameras: as for `bags.open_recording`; none means all.
        max_spread_s: frames of one set may be this far apart.
        progress: called with the recording's name and the share read, 0 ... 1.
    """
    try:
        with open_recording(path, cameras) as recording:
            return _examine(recording, max_spread_s, progress)
    except BagError as err:
        return Verdict(path, path.name, error=str(err).removeprefix(f'{path}: '))


def _examine(recording: Recording, max_spread_s: float, progress: Progress | None) -> Verdict:
    verdict = Verdict(
        recording.path,
        recording.name,
        recording.task,
        topics=[topic.name for topic in recording.topics if topic.count],
        notes=recording.notes,
        duration_s=_camera_span_s(recording),
        max_spread_s=max_spread_s,
        unfinished=recording.unfinished,
        usable_until_s=recording.duration_s if recording.cut else None,
    )
    reports = {name: _report(recording, name) for name in recording.cameras}
    verdict.cameras = list(reports.values())
    synchroniser = Synchroniser(tuple(reports), max_spread_s)
    stamps: dict[str, list[int]] = {name: [] for name in reports}
    for raw in _readable(recording, reports, progress):
        stamps[raw.camera].append(raw.stamp_ns)
        verdict.sets += len(synchroniser.add(Stamped(raw.stamp_ns, raw.camera, _NO_IMAGE)))
    _measure_spread(verdict, stamps)
    return verdict


def _camera_span_s(recording: Recording) -> float:
    """Seconds from the first to the last image received."""
    stamps = [recording.camera_stamps(camera)[0] for camera in recording.cameras]
    times = np.concatenate(stamps) if stamps else np.zeros(0, np.int64)
    return float(np.ptp(times)) / 1e9 if len(times) else 0.0


def _report(recording: Recording, camera: str) -> CameraReport:
    receive, header = recording.camera_stamps(camera)
    clock = recording.stamp_source[camera]
    report = CameraReport(camera, recording.cameras[camera].name, len(receive), clock)
    steps = np.diff(header if clock == 'header' else receive)
    if len(steps) and np.median(steps) > 0:
        report.rate_hz = 1e9 / float(np.median(steps))
        report.gap_s = float(np.max(steps)) / 1e9
    if clock == 'header':
        report.delay_s = float(np.median(receive - header)) / 1e9
    report.backward = int(np.sum(np.diff(header) < 0))
    report.clock_fault = recording.clock_faults.get(camera, '')
    return report


def _readable(
    recording: Recording, reports: Mapping[str, CameraReport], progress: Progress | None
) -> Iterator[RawFrame]:
    """Decode every image, count what is odd, and yield those that can be decoded."""
    digests: dict[str, bytes] = {}
    total = sum(report.frames for report in reports.values())
    for done, raw in enumerate(recording.raw_frames()):
        report = reports[raw.camera]
        try:
            digest = _look_at(raw, report)
        except ImageError as err:
            recording.count_bad(raw, err)
            report.corrupt += 1
            report.corrupt_reason = recording.bad_reasons[raw.camera]
        else:
            report.frozen += digests.get(raw.camera) == digest
            digests[raw.camera] = digest
            yield raw
        if progress is not None:
            progress(recording.name, (done + 1) / total)


def _look_at(raw: RawFrame, report: CameraReport) -> bytes:
    """Decode one image and note its size and contrast; return a digest of its bytes."""
    msg = raw.message()
    image = images.decode(msg, raw.msgtype)
    report.sizes[f'{image.shape[1]}x{image.shape[0]}'] += 1
    report.blank += bool(np.std(image[::8, ::8]) < BLANK_CONTRAST)
    return hashlib.blake2b(msg.data, digest_size=16).digest()


def _measure_spread(verdict: Verdict, stamps: Mapping[str, Sequence[int]]) -> None:
    """
    Measure how far apart the frames of different cameras are.

    For each frame of the slowest camera, the nearest frame of every other one; this does not
    depend on `max_spread_s`, so it can say what that should be.
    """
    arrays = [np.sort(np.array(values, np.int64)) for values in stamps.values()]
    if not arrays or min(map(len, arrays)) == 0:
        return
    slowest = min(arrays, key=len)
    nearest = np.stack([_nearest(slowest, other) for other in arrays])
    spreads = (nearest.max(axis=0) - nearest.min(axis=0)) / 1e9
    verdict.paired = min(1.0, verdict.sets / len(slowest))
    verdict.spread_p50_s = float(np.percentile(spreads, 50))
    verdict.spread_p95_s = float(np.percentile(spreads, 95))


def _nearest(wanted: NDArray[np.int64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `wanted` the nearest of `given`, which is sorted and not empty."""
    right = np.clip(np.searchsorted(given, wanted), 0, len(given) - 1)
    left = np.maximum(right - 1, 0)
    take_left = np.abs(given[left] - wanted) <= np.abs(given[right] - wanted)
    return np.where(take_left, given[left], given[right])
