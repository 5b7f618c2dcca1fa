"""The rows of the study: what is compared, each a difference against one base of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from smaknet_core.config import from_mapping, nearest, to_mapping, TrainConfig
from smaknet_core.errors import ConfigError

# Curves need more points than a training; measuring does not count as training time.
EVALUATE_EVERY = 50
# Networks are these rows' matter, whatever the base says of them; rows of a file keep the base's.
NETWORK = {
    'system': 'smaknet',
    'backbone_weights': '',
    'freeze_backbone': False,
    'levels': (1, 2, 3),
    'attention': 'sigmoid',
    'extended': False,
}
Changes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One thing that is compared."""

    name: str  # what --only calls it
    changes: Changes = field(default_factory=dict)  # part of TrainConfig -> key -> value
    remark: str = ''  # what the network's name does not tell
    one_camera: bool = False  # learns from the first camera of each recording alone
    file: str = ''  # that it was read from; '' for those below


def _loss(name: str, norm: str, remark: str) -> Row:
    """A loss on Att123, with the normalisation that its source has it on."""
    return Row(name, {'loss': {'name': name}, 'model': {'embedding_norm': norm}}, remark)


ROWS = (
    Row('tcn', {'model': {'system': 'tcn'}}),
    Row('att12', {'model': {'levels': (1, 2)}}),
    Row('att23', {'model': {'levels': (2, 3)}}),
    Row('att13', {'model': {'levels': (1, 3)}}),
    Row('att123'),
    Row('extended', {'model': {'extended': True}}),
    Row('softmax', {'model': {'attention': 'softmax'}}),
    Row('resnet18', {'model': {'system': 'resnet18'}}),
    _loss('npairs', 'batch', 'n-pairs'),
    _loss('triplet_all', 'batch_l2', 'triplets, all'),
    _loss('triplet_semihard', 'batch_l2', 'triplets, semi-hard'),
    _loss('infonce', 'batch_l2', 'InfoNCE'),
    Row('one_camera', {'batch': {'time_contrastive': True}}, 'one camera, time alone', True),
    Row(
        'lite0_frozen',
        {'model': {'system': 'lite0', 'backbone_weights': 'shipped', 'freeze_backbone': True}},
    ),
    Row('lite0_finetuned', {'model': {'system': 'lite0', 'backbone_weights': 'shipped'}}),
)


def choose(names: Sequence[str], rows: Sequence[Row] = ROWS) -> list[Row]:
    """Give the rows of these names, in the table's order, or all; ConfigError for another."""
    known = [row.name for row in rows]
    for name in names:
        if name not in known:
            raise ConfigError(f'only: no row {name!r}{nearest(name, known)}')
    return [row for row in rows if row.name in names or not names]


def with_weights(row: Row, weights: Mapping[str, str]) -> Row:
    """
    Let the row's trunk begin with weights, where some are given for it.

    Args:
        row: the row.
        weights: row name -> file, or a name of torchvision's; '' is none. TCN's trunk then stays
            as it is, as published; ResNet-18 learns on.
    """
    source = weights.get(row.name, '')
    if not source:
        return row
    more = {'backbone_weights': source, 'freeze_backbone': row.name == 'tcn'}
    model = {**row.changes.get('model', {}), **more}
    return replace(row, changes={**row.changes, 'model': model})


def configure(base: TrainConfig, row: Row) -> TrainConfig:
    """
    Change the base into the row's settings.

    Raises:
        ConfigError: they do not go together.
    """
    settings = to_mapping(base)
    if not row.file:
        settings['model'].update(NETWORK)
    for part, changes in row.changes.items():
        settings[part].update(changes)
    where = f'{row.file}: row {row.name}' if row.file else f'row {row.name}'
    return from_mapping(TrainConfig, settings, where)


def same_as(base: TrainConfig, row: Row, rows: Sequence[Row] = ROWS) -> Row:
    """
    Find the first row with the very settings of this one, often itself.

    What the base has already is no difference: with InfoNCE in the base, the row of InfoNCE is
    Att123, and is trained once.
    """
    wanted = (configure(base, row), row.one_camera)
    return next(r for r in rows if (configure(base, r), r.one_camera) == wanted)
