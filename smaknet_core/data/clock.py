"""
Which clock a recording's frames are stamped by: the drivers' headers, or the bag's.

Decided once per recording from the header stamps of every camera: a set that mixed the two
clocks would pair frames by the transport's delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal['header', 'bag']
# Header stamps that repeat more often than this are not the times of captures.
MOST_REPEATS: Final = 0.1


def choose_clock(headers: Mapping[str, NDArray[np.int64]]) -> tuple[Source, dict[str, str]]:
    """
    Choose headers if every camera's are set and monotonic, else the bag's receive times.

    Args:
        headers: camera -> header stamps in ns, int64 N, in the order received.

    Returns:
        The clock, and for each camera that prevents headers the reason, in words.
    """
    faults = {camera: fault for camera, stamps in headers.items() if (fault := _fault(stamps))}
    return 'bag' if faults else 'header', faults


def _fault(stamps: NDArray[np.int64]) -> str:
    """Say why a camera's header stamps cannot be its clock; '' if they can."""
    if np.all(stamps <= 0):
        return 'header stamps are not set'
    if np.any(stamps <= 0):
        return f'{int(np.sum(stamps <= 0))} header stamps are not set'
    steps = np.diff(stamps)
    if np.any(steps < 0):
        return f'header stamps run backward {_times(steps < 0)}'
    if np.sum(steps == 0) > MOST_REPEATS * len(stamps):
        return f'header stamps repeat {_times(steps == 0)}'
    return ''


def _times(cases: NDArray[np.bool_]) -> str:
    count = int(np.sum(cases))
    return 'once' if count == 1 else f'{count} times'
