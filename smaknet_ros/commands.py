"""
The console scripts: each starts its node, or says in one line that there is no ROS for it.

`python -m smaknet_ros.matcher_node` is the same without that courtesy.
"""

from __future__ import annotations

import importlib
import sys

from smaknet_core.interrupts import handled_by
from smaknet_ros.ending import at_once

# Of these one is missing where ROS is neither sourced nor installed as wheels.
ROS = (
    'builtin_interfaces',
    'diagnostic_msgs',
    'lifecycle_msgs',
    'rcl_interfaces',
    'rclpy',
    'rosgraph_msgs',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
)


def matcher() -> int:
    """Run `smaknet_matcher`; return its exit code."""
    return _run('smaknet_matcher', 'smaknet_ros.matcher_node')


def player() -> int:
    """Run `smaknet_player`; return its exit code."""
    return _run('smaknet_player', 'smaknet_ros.player_node')


def recorder() -> int:
    """Run `smaknet_recorder`; return its exit code."""
    return _run('smaknet_recorder', 'smaknet_ros.recorder_node')


def _run(name: str, module: str) -> int:
    with handled_by(at_once):
        return _load_and_run(name, module)


def _load_and_run(name: str, module: str) -> int:
    try:
        main = importlib.import_module(module).main
    except ModuleNotFoundError as err:
        if (err.name or '').partition('.')[0] not in ROS:
            raise
        print(
            f'{name}: {sys.executable} has no {err.name}: source the setup file of your ROS 2, or '
            "install it as wheels (pip install 'smaknet_ros[ros]')",
            file=sys.stderr,
        )
        return 2
    return int(main())
