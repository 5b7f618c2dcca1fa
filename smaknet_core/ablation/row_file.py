"""A YAML file → the rows of a study, a user's own; and the copy that the study keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
import re
from typing import Any

from smaknet_core.ablation.rows import configure, EVALUATE_EVERY, Row
from smaknet_core.ablation.runs import write_file
from smaknet_core.config import nearest, read_yaml, to_mapping, TrainConfig
from smaknet_core.errors import ConfigError, printable
import yaml

ROWS_NAME = 'rows.yaml'  # in the study's folder
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,59}')  # it becomes a folder's
REMARK = 'remark'
PARTS = tuple(name for name, value in to_mapping(TrainConfig()).items() if isinstance(value, dict))
# What all rows have alike, or they could not be compared -> where it comes from.
ALIKE = {
    'data.max_spread_s': 'use --data.max-spread-s',
    'data.held_out': 'use --data.held-out or --test',
    'data.held_out_names': 'use --data.held-out-names or --test',
    'optim.minutes': 'use --minutes',
    'optim.evaluate_every': f'{EVALUATE_EVERY} steps',
}


def read_rows(path: Path) -> tuple[Row, ...]:
    """
    Read the rows of a file, in its order.

    The file maps a name to what the row changes of the settings, as settings are written
    elsewhere, and a remark that tables call it by; a row of nothing is the base itself:

        base:
        colder:
          remark: temperature 0.05
          loss: {temperature: 0.05}

    Raises:
        ConfigError: the file cannot be read, a name cannot be a folder's, a key is unknown or
            the same for all rows. Values are checked by `configure`.
    """
    rows = tuple(_row(path, name, said) for name, said in read_yaml(path).items())
    if not rows:
        raise ConfigError(
            f'{path}: has no row; a row is a name and what it changes, such as '
            "'colder: {loss: {temperature: 0.05}}'"
        )
    return rows


def keep_rows(out: Path, rows: Sequence[Row], base: TrainConfig) -> None:
    """
    Note in a study's folder which rows it has, or see that those noted are the same.

    Rows may have come, and remarks may have changed; what was trained then stands as it is.

    Raises:
        ConfigError: a row is gone or has other settings, or the copy cannot be read or written.
    """
    path = out / ROWS_NAME
    now = {row.name: row for row in rows}
    for row in read_rows(path) if path.exists() else ():
        if row.name not in now:
            raise ConfigError(f'{path}: another study, it has a row {row.name}, which is missing '
                              f'in {rows[0].file}; choose another --out')  # fmt: skip
        if configure(base, row) != configure(base, now[row.name]):
            raise ConfigError(
                f'{path}: row {row.name} is {_shown(row)} there and {_shown(now[row.name])} in '
                f'{rows[0].file}; give it another name, or choose another --out'
            )
    said = {row.name: _said(row) for row in rows}
    write_file(path, yaml.safe_dump(said, sort_keys=False, allow_unicode=True).encode())


def _row(path: Path, name: Any, said: Any) -> Row:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f'{path}: row {name!r}: expected a name of letters, digits, _ - and . that can be a '
            'folder; in quotes, if YAML takes it for something else'
        )
    where = f'{path}: row {name}'
    said = {} if said is None else said
    if not isinstance(said, Mapping):
        raise ConfigError(f'{where}: expected what it changes, such as loss: ..., got {said!r}')
    remark = said.get(REMARK, '')
    if not isinstance(remark, str):
        raise ConfigError(f'{where}: {REMARK}: expected a text, got {remark!r}')
    changes = {part: _changes(where, part, v) for part, v in said.items() if part != REMARK}
    return Row(name, changes, printable(' '.join(remark.split())), file=str(path))


def _changes(where: str, part: Any, changes: Any) -> Mapping[str, Any]:
    """Check what a row says of one part of the settings."""
    if part not in PARTS:
        raise ConfigError(f'{where}: unknown key {part!r}{nearest(str(part), (*PARTS, REMARK))}')
    if not isinstance(changes, Mapping):
        raise ConfigError(f'{where}: {part}: expected keys and values, got {changes!r}')
    for key in changes:
        if f'{part}.{key}' in ALIKE:
            said = ALIKE[f'{part}.{key}']
            raise ConfigError(f'{where}: {part}.{key} is the same for all rows: {said}')
    return changes


def _said(row: Row) -> dict[str, Any]:
    """Give a row as the file has it."""
    remark = {REMARK: row.remark} if row.remark else {}
    return {**remark, **{part: dict(changes) for part, changes in row.changes.items()}}


def _shown(row: Row) -> str:
    return yaml.safe_dump({part: dict(row.changes[part]) for part in row.changes},
                          default_flow_style=True, width=1000).strip()  # fmt: skip
