"""
The nodes as processes of their own, on a ROS domain of their own, that always end.

rclpy handles SIGINT and SIGTERM itself, so a node that is stuck only ends by SIGKILL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Any

from smaknet_core.errors import SmaknetError

MATCHER, PLAYER, RECORDER = 'smaknet_matcher', 'smaknet_player', 'smaknet_recorder'
MODULES = {
    MATCHER: 'smaknet_ros.matcher_node',
    PLAYER: 'smaknet_ros.player_node',
    RECORDER: 'smaknet_ros.recorder_node',
}
STOP_S = 30.0  # for a process to end after SIGINT


class Process:
    """
    A node in a process of its own, killed without mercy when it does not end.

    Args:
        name: smaknet_matcher, smaknet_player or smaknet_recorder, or what to call a script.
        args: its command line.
        environment: its environment.
        script: a Python file to run instead of the node of that name.
    """

    def __init__(
        self,
        name: str,
        args: Sequence[str],
        environment: Mapping[str, str],
        script: Path | None = None,
    ) -> None:
        self.name = name
        program = ['-m', MODULES[name]] if script is None else [str(script)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._popen = subprocess.Popen(
            [sys.executable, *program, *args],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    def code(self) -> int | None:
        """Exit code; None while it runs."""
        return self._popen.poll()

    def log(self) -> str:
        """Give what it has printed so far."""
        # Not by reading on, which would move the place where the child writes.
        return os.pread(self._log.fileno(), 1 << 20, 0).decode('utf-8', 'replace')

    def last_line(self) -> str:
        """Give the last thing it said."""
        lines = [line for line in self.log().splitlines() if line.strip()]
        return lines[-1] if lines else 'it said nothing'

    def stop(self, how: signal.Signals = signal.SIGINT, within_s: float = STOP_S) -> int:
        """Ask it to end, kill it if it does not; return the exit code (negative: the signal)."""
        if self._popen.poll() is None:
            self._popen.send_signal(how)
        try:
            return self._popen.wait(within_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()

    def close(self) -> None:
        """Kill what is left of it."""
        self._popen.kill()
        self._popen.wait()
        self._log.close()


def ros_args(parameters: Mapping[str, Any], extra: Sequence[str] = ()) -> list[str]:
    """Write parameters as a command line, as `ros2 launch` does; JSON is YAML enough."""
    pairs = [('-p', f'{name}:={json.dumps(value)}') for name, value in parameters.items()]
    return ['--ros-args', *extra, *(word for pair in pairs for word in pair)]


@contextmanager
def own_domain() -> Iterator[int]:
    """
    Take a ROS domain, 1 ... 101, that nobody else who asks like this has on this machine.

    An abstract Unix socket is the reservation: the kernel frees it however this process ends.
    """
    for domain_id in (1 + (os.getpid() + n) % 101 for n in range(101)):
        with socket.socket(socket.AF_UNIX) as reservation:
            try:
                reservation.bind(f'\0smaknet_ros_domain_{domain_id}')
            except OSError:
                continue
            yield domain_id
            return
    raise SmaknetError('no ROS domain is left: 101 other sessions are running')


def isolate(domain_id: int) -> dict[str, str]:
    """Keep this process's ROS traffic on this machine; return the environment for children."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get('PYTHONPATH')])]
    return {
        **os.environ,
        'ROS_DOMAIN_ID': str(domain_id),
        'PYTHONPATH': os.pathsep.join(paths),
        'OMP_NUM_THREADS': '1',
    }
