"""
What every test shares: a home and a ROS domain of its own, the real recordings, honest skips.

With SMAKNET_CI=1 (.ci/run) a test that skips is a failure, unless the reason names something that
no CI machine has: a test that quietly stops running is worse than a red one.
"""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import re
import shutil
import signal
import socket
import tempfile

import pytest

ROOT = Path(__file__).resolve().parents[1]
DROID = ROOT.parent / 'shared' / 'data' / 'droid'

# launch_ros is in no package registry; no CI machine has an NVIDIA GPU, and few a browser.
MAY_SKIP = re.compile(r'\b(launch_ros|cuda|chromium)\b', re.IGNORECASE)

_own: list[socket.socket | Path] = []  # what this session holds until its end


def pytest_configure() -> None:
    """Leave the user's home, caches and ROS graph alone; nodes started by tests inherit this."""
    home = Path(tempfile.mkdtemp(prefix='smaknet_test_'))
    _own.append(home)
    os.environ['HOME'] = str(home)
    os.environ['ROS_LOG_DIR'] = str(home / 'ros_log')
    os.environ['ROS_DOMAIN_ID'] = str(_reserve_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.pop('XDG_CACHE_HOME', None)
    # A script's background job has it ignored, and children inherit that; tests send it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if 'PYTEST_XDIST_WORKER' in os.environ:  # one of as many processes as there are cores
        os.environ.setdefault('OMP_NUM_THREADS', '1')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the test of the whole line first: it takes longest, and says most."""
    items.sort(key=lambda item: item.path.name != 'test_line.py')


def pytest_unconfigure() -> None:
    """Give back what was held."""
    for held in _own:
        if isinstance(held, Path):
            shutil.rmtree(held, ignore_errors=True)
        else:
            held.close()
    _own.clear()


def _reserve_domain() -> int:
    """
    Take a ROS domain, 1 ... 101, that no other test session of this machine has.

    An abstract Unix socket is the reservation: the kernel frees it however this process ends.
    """
    for domain in (1 + (os.getpid() + n) % 101 for n in range(101)):
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f'\0smaknet_ros_domain_{domain}')
        except OSError:
            reservation.close()
        else:
            _own.append(reservation)
            return domain
    raise pytest.UsageError('101 test sessions are running: no ROS domain is left')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Judge the skips of single tests."""
    report: pytest.TestReport = yield
    return _judge_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Judge the skips of whole modules (importorskip)."""
    report: pytest.CollectReport = yield
    return _judge_skip(report)


def _judge_skip(report):
    """Turn a skip into a failure where CI does not allow it; expected failures are no skips."""
    if os.environ.get('SMAKNET_CI') != '1' or not report.skipped or hasattr(report, 'wasxfail'):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not MAY_SKIP.search(reason):
        report.outcome = 'failed'
        report.longrepr = f'{report.nodeid}: may not skip in CI ({reason})'
    return report


@pytest.fixture(scope='session')
def droid() -> Path:
    """Real recordings of a robot arm, five takes of three cameras."""
    if not DROID.is_dir():
        pytest.skip('the droid recordings are not beside this repository')
    return DROID
