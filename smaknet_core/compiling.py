"""Whether torch.compile can make the network faster on this machine: part of the training loop."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from smaknet_core.errors import printable
from smaknet_core.model import Encoder
import torch


def compiled(encoder: Encoder, device: torch.device, processes: int) -> Any:
    """Return what runs the network faster, or the network where nothing does."""
    if why_not(device.type, processes):
        return encoder
    dynamo = importlib.import_module('torch._dynamo')
    dynamo.config.suppress_errors = True  # what cannot be compiled after all runs as it is
    # torch guesses at sizes that change; a training step's never do.
    return torch.compile(encoder, dynamic=False)


@functools.cache
def why_not(device: str, processes: int = 1) -> str:
    """
    Say in a line what keeps torch.compile from working, '' if it does; takes seconds.

    Args:
        device: cpu or cuda.
        processes: of this training; what they exchange in mid-network cannot be compiled.
    """
    if processes > 1:
        return 'several processes train together'
    try:
        torch.compile(_double)(torch.ones(8, device=device))
    except Exception as err:  # of compilers, Triton, Python headers: anybody's guess
        lines = [line.strip() for line in str(err).splitlines() if line.strip()]
        return printable(lines[0] if lines else type(err).__name__)[:200]
    return ''


def _double(numbers: torch.Tensor) -> torch.Tensor:
    return 2 * numbers
