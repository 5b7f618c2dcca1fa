"""runs.csv: what each (row, seed) came to, one line each, as measured and unrounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import csv
from dataclasses import asdict, dataclass, fields
import io
import math
from pathlib import Path
from typing import Any

from smaknet_core.checkpoint import replace_file
from smaknet_core.errors import ConfigError, DataError, printable

FILE_NAME = 'runs.csv'


@dataclass(frozen=True)
class Run:
    """One trained and measured network, or why there is none; NaN where there is no figure."""

    row: str
    seed: int
    system: str
    commit: str  # of the code it was trained with
    date: str
    steps: int = 0
    seconds: float = math.nan  # of training, without measuring
    parameters: int = 0
    trained_parameters: int = 0  # without a frozen trunk
    loss: float = math.nan  # smoothed, at the end
    # Scores, as fractions; see smaknet_core.metrics.
    alignment_error: float = math.nan  # i < j
    alignment_error_both_ways: float = math.nan
    classification_error: float = math.nan  # strict
    classification_error_tcn: float = math.nan  # as TCN's code has it, and so the slides
    kendall_tau: float = math.nan
    kendall_tau_undefined: int = 0  # comparisons without a number, counted as 0
    progression: float = math.nan
    progression_undefined: int = 0
    error: str = ''  # why it failed

    @property
    def key(self) -> tuple[str, int]:
        """What there is one run of."""
        return self.row, self.seed


def read_runs(path: Path) -> dict[tuple[str, int], Run]:
    """
    Read the runs, in the file's order; none where there is no file.

    Raises:
        DataError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        with path.open(encoding='utf-8', newline='') as file:
            runs = [_run(line) for line in csv.DictReader(file, strict=True)]
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as err:
        raise DataError(f'{path}: cannot be read ({printable(str(err))})') from err
    return {run.key: run for run in runs}


def write_runs(path: Path, runs: Iterable[Run]) -> None:
    """Write the file in one step; ConfigError if the disk refuses."""
    write_table(path, [field.name for field in fields(Run)], [asdict(run) for run in runs])


def write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a CSV file in one step, empty where there is no number; ConfigError if refused."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    for row in rows:
        writer.writerow({name: '' if value != value else value for name, value in row.items()})
    write_file(path, text.getvalue().encode())


def write_file(path: Path, data: bytes) -> None:
    """Write a file of the study in one step; ConfigError if the disk refuses."""
    try:
        replace_file(path, data)
    except OSError as err:
        raise ConfigError(f'{path}: cannot be written ({err.strerror or err})') from err


def _run(line: dict[str, str]) -> Run:
    """Turn a line's texts into numbers; a column that is missing or unknown is damage."""
    convert: dict[str, Callable[[str], Any]] = {
        'str': str,
        'int': int,
        'float': lambda text: float(text or 'nan'),
    }
    kinds = {field.name: convert[str(field.type)] for field in fields(Run)}
    if line.keys() != kinds.keys():
        odd = sorted(map(str, line.keys() ^ kinds.keys()))
        raise ValueError(f'other columns than expected: {odd[0]}')
    return Run(**{name: kinds[name](text) for name, text in line.items()})
