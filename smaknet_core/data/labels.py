"""
`labels.csv` beside a recording → what was true at a clip's timesteps.

Labels are never learned from; scores that need them are left out where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.bag_folder import companion
from smaknet_core.errors import DataError, printable

FILE_NAME = 'labels.csv'
STAMP = 'stamp_ns'
# Columns that are words; all others are numbers.
WORDS = frozenset({'phase'})


class ClipLabels(NamedTuple):
    """The labels of L of a clip's T timesteps."""

    columns: Mapping[str, NDArray[Any]]  # without stamps, L values each
    timesteps: NDArray[np.int64]  # L, strictly increasing


def load_labels(path: Path) -> dict[str, NDArray[Any]] | None:
    """
    Read the labels beside a recording; None where there are none.

    Returns:
        Column -> N values: `stamp_ns` int64, `phase` text, all others float64 and finite.

    Raises:
        DataError: the table is damaged or has no `stamp_ns`.
    """
    table = companion(path, FILE_NAME)
    if table is None:
        return None
    try:
        with table.open(encoding='utf-8', newline='') as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
        if STAMP not in columns:
            raise DataError(f'{table}: no column {STAMP}')
        return {name: _column(name, [row[name] for row in rows]) for name in columns}
    except (OSError, ValueError, TypeError, OverflowError, csv.Error) as err:
        raise DataError(f'{table}: cannot be read ({printable(str(err))})') from err


def label_clip(path: Path, stamps_ns: NDArray[np.int64], within_s: float) -> ClipLabels | None:
    """
    Give each timestep of a clip the label that is nearest in time, if it is near enough.

    Args:
        path: the recording.
        stamps_ns: T, of the clip made from it, increasing.
        within_s: a label farther than this from a timestep is not its label.

    Raises:
        DataError: as `load_labels`, or no timestep has a label.
    """
    labels = load_labels(path)
    if labels is None:
        return None
    rows, timesteps = _nearest_rows(labels.pop(STAMP), stamps_ns, within_s)
    if len(timesteps) == 0:
        raise DataError(
            f'{companion(path, FILE_NAME)}: none of its stamps is within {within_s:g} s of a '
            'camera set; stamps have to be on the clock of the frames'
        )
    return ClipLabels({name: values[rows] for name, values in labels.items()}, timesteps)


def _nearest_rows(
    labelled_ns: NDArray[np.int64], stamps_ns: NDArray[np.int64], within_s: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the rows that label timesteps, and those timesteps: L each."""
    none = np.empty(0, np.int64)
    if len(labelled_ns) == 0:
        return none, none
    order = np.argsort(labelled_ns, kind='stable')
    after = np.searchsorted(labelled_ns[order], stamps_ns).clip(0, len(order) - 1)
    around = order[np.stack([np.maximum(after - 1, 0), after])]  # 2 x T
    apart_ns = np.abs(labelled_ns[around] - stamps_ns)
    timesteps = np.flatnonzero(apart_ns.min(axis=0) <= within_s * 1e9)
    rows = around[apart_ns.argmin(axis=0), np.arange(len(stamps_ns))]
    return rows[timesteps], timesteps


def _column(name: str, values: Sequence[Any]) -> NDArray[Any]:
    if name == STAMP:
        return np.array([int(value) for value in values], np.int64)
    if name in WORDS:
        if None in values:
            raise ValueError(f'{name} is missing in row {values.index(None) + 1}')
        return np.array(values, str)
    numbers = np.array([float(value) for value in values], np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f'{name} is {values[row]} in row {row + 1}')
    return numbers
