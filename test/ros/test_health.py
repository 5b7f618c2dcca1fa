"""What is counted and told: rates, ages, reasons, latencies, and not too often."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
import pytest
from smaknet_ros.diagnostics import Diagnostics, Snapshot
from smaknet_ros.freshness import Refusal
from smaknet_ros.health import CameraHealth, Latencies, Reporter

S = 10**9


def test_rate_and_age_of_a_camera():
    health = CameraHealth()
    assert health.rate(100.0) == 0
    assert health.age_s(0) is None
    for i in range(30):
        health.receive(i * S // 10, 100 + i / 10)
    assert health.rate(103.0) == pytest.approx(10.0)
    assert health.rate(200.0) == 0
    assert health.age_s(5 * S) == pytest.approx(2.1)
    assert health.silent_s(110.0, 0.0) == pytest.approx(7.1)


def test_reason_why_a_camera_holds_the_set_up():
    health = CameraHealth()
    assert health.describe_absence(S, 0.5) == 'never seen'
    health.receive(1 * S, 1.0)
    health.accept(1 * S)
    assert health.describe_absence(round(1.2 * S), 0.5) == ''
    assert health.describe_absence(4 * S, 0.5) == 'last seen 3.0 s ago'
    health.receive(5 * S, 5.0)
    health.refuse(Refusal('frozen', 'repeats the same picture'), 5 * S)
    assert health.describe_absence(5 * S, 0.5) == 'repeats the same picture'


def test_latency_percentiles():
    latencies = Latencies()
    assert latencies.percentiles() is None
    for i in range(101):
        latencies.add(i / 100)
    assert latencies.percentiles() == (pytest.approx(0.5), pytest.approx(0.95))


def test_reporter_tells_at_once_then_counts():
    now, lines = [0.0], []
    report = Reporter(lines.append, clock=lambda: now[0])
    for second in range(12):
        now[0] = second / 2
        report('a', 'bad frame')
    report('b', 'other')
    assert lines == ['bad frame', 'bad frame (and 9 more like it)', 'other']


def snapshot(**changes):
    values = {
        'node': 'n',
        'stamp': Time(),
        'now_ns': 10 * S,
        'now_s': 10.0,
        'state': 'active',
        'device': 'cpu',
        'stale_s': 0.5,
        'topics': {'top': '/top/image_raw'},
        'overwritten': {'top': 3},
        'dropped': {'unmatched': 2},
        'failures': 0,
        'waiting_for': '',
    }
    return Snapshot(**(values | changes))


def test_diagnostics_of_a_camera_that_is_well_then_bad_then_gone():
    health, latencies = CameraHealth(), Latencies()
    diagnostics = Diagnostics({'top': health}, latencies)
    for i in range(20):
        health.receive(8 * S + i * S // 10, 8 + i / 10)
        health.accept(8 * S + i * S // 10)
    latencies.add(0.03)

    matching, camera = diagnostics.message(snapshot()).status
    assert (matching.level, camera.level) == (DiagnosticStatus.OK, DiagnosticStatus.OK)
    values = {pair.key: pair.value for pair in camera.values}
    assert (values['rate'], values['age'], values['overwritten']) == ('10.00', '0.100', '3')
    values = {pair.key: pair.value for pair in matching.values}
    assert (values['latency_p50'], values['dropped_unmatched']) == ('0.0300', '2')

    health.refuse(Refusal('bad', 'bad frame'), 10 * S)
    _, camera = diagnostics.message(snapshot()).status
    assert (camera.level, camera.message) == (DiagnosticStatus.WARN, '1 bad')
    _, camera = diagnostics.message(snapshot()).status
    assert camera.level == DiagnosticStatus.OK

    matching, camera = diagnostics.message(
        snapshot(now_ns=13 * S, failures=2, waiting_for='top: last seen 3.1 s ago')
    ).status
    assert (camera.level, camera.message) == (DiagnosticStatus.STALE, 'last seen 3.1 s ago')
    assert (matching.level, matching.message) == (
        DiagnosticStatus.ERROR,
        '2 sets could not be matched',
    )
