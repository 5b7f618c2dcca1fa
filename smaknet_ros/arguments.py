"""The command lines of the nodes: a wrong one is one line, like everything else that is wrong."""

from __future__ import annotations

import argparse
from typing import NoReturn

from smaknet_core.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Raises ConfigError where argparse would print its usage and end the process."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        raise ConfigError(f'{message} (see {self.prog} --help)')
