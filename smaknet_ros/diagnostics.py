"""
Health to /diagnostics: one status per camera and one for the matching, once a second.

Ages follow the node's clock, latencies the monotonic one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from smaknet_ros.conversions import key_values
from smaknet_ros.freshness import KINDS
from smaknet_ros.health import CameraHealth, Latencies
from std_msgs.msg import Header


@dataclass(frozen=True)
class Snapshot:
    """What one message on /diagnostics is made of."""

    node: str
    stamp: Time
    now_ns: int  # node clock
    now_s: float  # monotonic
    state: str  # lifecycle: active, inactive ...
    device: str
    stale_s: float
    topics: Mapping[str, str]  # camera -> full topic name
    overwritten: Mapping[str, int]  # camera -> images newer ones took the place of
    dropped: Mapping[str, int]  # by the synchroniser: reason -> frames
    failures: int  # sets that could not be matched
    waiting_for: str


class Diagnostics:
    """
    Make the messages, remembering the counts of the last one to tell what is new.

    Args:
        cameras: name to health.
        latencies: of the sets.
    """

    def __init__(self, cameras: Mapping[str, CameraHealth], latencies: Latencies) -> None:
        self._cameras = cameras
        self._latencies = latencies
        self._refused: dict[str, Counter[str]] = {name: Counter() for name in cameras}
        self._failures = 0

    def message(self, now: Snapshot) -> DiagnosticArray:
        """Write the array of one tick."""
        cameras = [self._camera(name, now) for name in self._cameras]
        status = [self._matching(now), *cameras]
        return DiagnosticArray(header=Header(stamp=now.stamp), status=status)

    def _matching(self, now: Snapshot) -> DiagnosticStatus:
        latency = self._latencies.percentiles()
        values = {
            'state': now.state,
            'device': now.device,
            'latency_p50': f'{latency[0]:.4f}' if latency else '',
            'latency_p95': f'{latency[1]:.4f}' if latency else '',
            'failures': str(now.failures),
            'waiting_for': now.waiting_for,
            **{f'dropped_{reason}': str(count) for reason, count in sorted(now.dropped.items())},
        }
        level, message = DiagnosticStatus.OK, now.state
        if now.failures > self._failures:
            level = DiagnosticStatus.ERROR
            message = f'{now.failures - self._failures} sets could not be matched'
        elif now.waiting_for:
            level, message = DiagnosticStatus.WARN, f'waiting for {now.waiting_for}'
        self._failures = now.failures
        return _status(level, f'{now.node}: matching', message, now.device, values)

    def _camera(self, name: str, now: Snapshot) -> DiagnosticStatus:
        health = self._cameras[name]
        age_s = health.age_s(now.now_ns)
        refused = Counter(health.refused)
        fresh = refused - self._refused[name]
        self._refused[name] = refused
        values = {
            'topic': now.topics[name],
            'rate': f'{health.rate(now.now_s):.2f}',
            'age': '' if age_s is None else f'{age_s:.3f}',
            'received': str(health.received),
            'accepted': str(health.accepted),
            'overwritten': str(now.overwritten.get(name, 0)),
            **{kind: str(refused[kind]) for kind in KINDS},
        }
        level, message = DiagnosticStatus.OK, 'ok'
        if now.state != 'active':
            message = now.state
        elif age_s is None or age_s >= now.stale_s:
            level = DiagnosticStatus.STALE
            message = 'never seen' if age_s is None else f'last seen {age_s:.1f} s ago'
        elif fresh:
            level = DiagnosticStatus.WARN
            message = ', '.join(f'{count} {kind}' for kind, count in sorted(fresh.items()))
        return _status(level, f'{now.node}: camera {name}', message, now.topics[name], values)


def _status(
    level: bytes, name: str, message: str, hardware: str, values: Mapping[str, str]
) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware, values=key_values(values)
    )
