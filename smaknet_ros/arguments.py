"""The command lines of the nodes: a wrong one is one line, like everything else that is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from smaknet_core.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Raises ConfigError where argparse would print its usage and end the process."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        raise ConfigError(f'{message} (see {self.prog} --help)')


def apart(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """
    Divide a command line into its own arguments and ROS's, from each --ros-args to `--`.

    rclpy's own `remove_ros_args` takes `wrist:=/topic` for a remapping of old, wherever it stands.
    """
    own: list[str] = []
    ros: list[str] = []
    inside = False
    for word in args:
        if word == '--ros-args':
            inside = True
        (ros if inside else own).append(word)
        inside = inside and word != '--'
    return own, ros
