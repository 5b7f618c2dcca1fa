"""A study: what is compared on which recordings, and what of it is a cell; study.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import functools
from pathlib import Path
from typing import Any, NamedTuple

from smaknet_core.ablation.row_file import ROWS_NAME
from smaknet_core.ablation.rows import (
    choose,
    configure,
    EVALUATE_EVERY,
    Row,
    ROWS,
    same_as,
    with_weights,
)
from smaknet_core.ablation.runs import write_file
from smaknet_core.ablation.slides import Layout, LAYOUTS, Line
from smaknet_core.config import to_mapping, TrainConfig
from smaknet_core.errors import ConfigError
from smaknet_core.model import title
from smaknet_core.types import Clip
import yaml

SETTINGS_NAME = 'study.yaml'
RUNS_FOLDER = 'runs'
# Settings that are younger than the first studies -> what those had in effect.
WITHOUT = {'base.augment.background': 0.0, 'base.loss.soft_s': 0.0}


class Cell(NamedTuple):
    """A row and a seed: one network to train."""

    row: str
    seed: int

    def __str__(self) -> str:
        return f'{self.row} seed {self.seed}'


@dataclass(frozen=True)
class Study:
    """All that decides the cells; a worker process gets this and makes the rest of it."""

    demos: tuple[Path, ...]
    out: Path
    base: TrainConfig  # its seed is the first one, and decides the split
    seeds: int = 1
    minutes: float = 6.0  # of each cell's training; 0: base.optim.steps alone
    only: tuple[str, ...] = ()  # rows; none means all
    test: tuple[Path, ...] = ()  # recordings to measure on; none: held out of demos
    # Recordings with a moved camera; not part of what a study is, for what lacks is measured.
    moved: tuple[Path, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)  # row -> what its trunk begins as
    cameras: tuple[str, ...] = ()
    cache_dir: Path | None = None
    compared: tuple[Row, ...] = ROWS  # or those of a file, see row_file

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f'seeds: expected 1 or more, got {self.seeds}')
        if not self.minutes >= 0:
            raise ConfigError(f'minutes: expected 0 or more, got {self.minutes}')
        if self.file and any(self.weights.values()):
            raise ConfigError(
                'tcn-weights, resnet-weights: are for the rows of the slides; with --rows, say '
                'model.backbone_weights in the file'
            )
        for row in (*choose(self.only, self.compared), *self.compared):
            configure(self.base, row)

    @property
    def file(self) -> str:
        """The file that the rows are from; '' where they are the slides'."""
        return self.compared[0].file

    @property
    def rows(self) -> list[Row]:
        """All rows there are, with the weights that were given for their trunks."""
        return [with_weights(row, self.weights) for row in self.compared]

    @property
    def chosen(self) -> list[Row]:
        """Those to train now."""
        return choose(self.only, self.rows)

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The tables: the slides', or one of all the rows of a file."""
        if not self.file:
            return LAYOUTS
        lines = tuple(Line(row.name) for row in self.compared)
        return (Layout('rows', f'Rows of {Path(self.file).name}', lines),)

    def row(self, name: str) -> Row:
        """Give the row of a name."""
        return next(row for row in self.rows if row.name == name)

    def system(self, name: str) -> str:
        """
        Call a row as tables do: by its network, with what the network's name does not tell.

        Rows of a file are called by their remark, else their name; with their network where it
        is another than the base's.
        """
        row = self.row(name)
        network = title(configure(self.base, row).model)
        if not self.file:
            return network + (f', {row.remark}' if row.remark else '')
        called = row.remark or row.name
        return called if network == title(self.base.model) else f'{called}, {network}'

    def trained_as(self, name: str) -> str:
        """Name the row whose cells stand for this one's: the first with the same settings."""
        return self._trained_as[name]

    @functools.cached_property
    def _trained_as(self) -> dict[str, str]:
        return {row.name: same_as(self.base, row, self.rows).name for row in self.rows}

    def cells(self) -> list[Cell]:
        """List what is to be trained, seed by seed, so that every row has one soon."""
        names = dict.fromkeys(self.trained_as(row.name) for row in self.chosen)
        first = self.base.seed
        return [Cell(name, seed) for seed in range(first, first + self.seeds) for name in names]

    def config(self, cell: Cell, held_out: Sequence[str]) -> TrainConfig:
        """Give a cell's settings; `held_out` names what none of them learns from."""
        config = configure(self.base, self.row(cell.row))
        return replace(
            config,
            seed=cell.seed,
            data=replace(config.data, held_out=0.0, held_out_names=tuple(held_out)),
            optim=replace(config.optim, minutes=self.minutes, evaluate_every=EVALUATE_EVERY),
        )

    def folder(self, cell: Cell) -> Path:
        """Name the cell's run folder."""
        return self.out / RUNS_FOLDER / f'{cell.row}-seed{cell.seed}'

    def describe(self, training: Sequence[Clip], test: Sequence[Clip]) -> dict[str, Any]:
        """Tell what all cells share, as study.yaml holds it."""
        described = {
            'minutes': self.minutes,
            **({'rows': f'of a file, see {ROWS_NAME}'} if self.file else {}),
            'weights': {row: source for row, source in self.weights.items() if source},
            'trained_on': [_describe(clip) for clip in training],
            'measured_on': [_describe(clip) for clip in test],
            'base': to_mapping(self.base),
        }
        plain: dict[str, Any] = yaml.safe_load(yaml.safe_dump(_listed(described)))
        return plain


def begin(study: Study, described: Mapping[str, Any]) -> bool:
    """
    Make the study's folder and note what it is, or see that it is the one there.

    Returns:
        Whether it goes on: the folder was there.

    Raises:
        ConfigError: the folder holds another study, something else, or cannot be written.
    """
    path = study.out / SETTINGS_NAME
    if not study.out.exists():
        try:
            study.out.mkdir(parents=True)
        except OSError as err:
            reason = err.strerror or err
            raise ConfigError(f'{study.out}: cannot be written ({reason})') from err
    elif not path.exists() and any(study.out.iterdir()):
        raise ConfigError(f'{study.out}: exists and is no study; choose another --out')
    if not path.exists():
        write_file(path, yaml.safe_dump(dict(described), sort_keys=False).encode())
        return False
    _check_same(path, described)
    return True


def _check_same(path: Path, described: Mapping[str, Any]) -> None:
    try:
        saved = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError) as err:
        raise ConfigError(f'{path}: cannot be read ({err})') from err
    before, now = {**WITHOUT, **_flat(saved)}, _flat(described)
    different = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if different:
        key = different[0]
        raise ConfigError(
            f'{path}: another study, {key} is {before.get(key)!r} there and {now.get(key)!r} here;'
            ' choose another --out'
        )


def _describe(clip: Clip) -> str:
    return f'{clip.name} ({len(clip)} sets of {", ".join(clip.cameras)})'


def _listed(value: Any) -> Any:
    """Turn tuples into lists, as YAML reads them back."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _flat(value: Any, name: str = '') -> dict[str, Any]:
    """Give nested mappings as dotted keys; anything but a mapping stands for itself."""
    if not isinstance(value, Mapping):
        return {name: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found.update(_flat(item, f'{name}.{key}' if name else str(key)))
    return found
