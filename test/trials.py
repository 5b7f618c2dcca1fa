"""Thousands of tries: how hypothesis draws them, and how much memory they took at most."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, settings


def many(examples):
    """Settings of that many examples, the same every time, however long they take."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def peak_mb():
    """The most memory this process had since the last `forget_peak_mb`."""
    rows = Path('/proc/self/status').read_text(encoding='ascii').splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith('VmHWM'))


def forget_peak_mb():
    """Begin anew; give the memory it has now."""
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')
    return peak_mb()
