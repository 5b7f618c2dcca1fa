"""Every setting: its range, its explanation, and the files that hold settings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from smaknet_core import config
from smaknet_core.config import (
    AugmentConfig,
    BatchConfig,
    DataConfig,
    from_mapping,
    load_yaml,
    LossConfig,
    MatchConfig,
    ModelConfig,
    OptimConfig,
    to_mapping,
    TrainConfig,
)
from smaknet_core.errors import ConfigError
import yaml

FILES = Path(__file__).resolve().parents[2] / 'config'
KINDS = [kind for kind in vars(config).values() if dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize('kind', KINDS)
def test_defaults_are_valid_and_frozen(kind):
    made = kind()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, 1)


@pytest.mark.parametrize(
    ('kind', 'values', 'words'),
    [
        (DataConfig, {'height': 31}, 'data.height: expected 32 ... 1024, got 31'),
        (DataConfig, {'width': 1025}, 'data.width'),
        (DataConfig, {'max_spread_s': 0.0}, 'data.max_spread_s'),
        (DataConfig, {'max_spread_s': float('nan')}, 'data.max_spread_s'),
        (DataConfig, {'held_out': 1.0}, 'data.held_out'),
        (DataConfig, {'held_out': -0.1}, 'data.held_out'),
        (ModelConfig, {'levels': ()}, 'model.levels: expected some of 1, 2, 3, in order'),
        (ModelConfig, {'levels': (2, 1)}, 'model.levels'),
        (ModelConfig, {'levels': (1, 1)}, 'model.levels'),
        (ModelConfig, {'levels': (1, 4)}, 'model.levels'),
        (LossConfig, {'temperature': 0.0}, 'loss.temperature'),
        (LossConfig, {'regulariser': -1.0}, 'loss.regulariser'),
        (LossConfig, {'margin': 0.0}, 'loss.margin'),
        (BatchConfig, {'positive_within_s': 0.0}, 'batch.positive_within_s'),
        (BatchConfig, {'negative_beyond_s': 0.1}, 'batch.negative_beyond_s'),
        (BatchConfig, {'sequences': 0}, 'batch.sequences'),
        (BatchConfig, {'pairs': 1}, 'batch.pairs'),
        (AugmentConfig, {'zoom': (1.2, 0.8)}, 'augment.zoom'),
        (AugmentConfig, {'zoom': (0.0, 1.0)}, 'augment.zoom'),
        (AugmentConfig, {'zoom': (1.0, float('inf'))}, 'augment.zoom'),
        (AugmentConfig, {'patch': 1.1}, 'augment.patch'),
        (AugmentConfig, {'brightness': float('nan')}, 'augment.brightness'),
        (OptimConfig, {'steps': 0}, 'optim.steps'),
        (OptimConfig, {'minutes': -1.0}, 'optim.minutes'),
        (OptimConfig, {'learning_rate': 0.0}, 'optim.learning_rate'),
        (OptimConfig, {'learning_rate': float('inf')}, 'optim.learning_rate'),
        (OptimConfig, {'weight_decay': -1e-4}, 'optim.weight_decay'),
        (OptimConfig, {'warmup_steps': -1}, 'optim.warmup_steps'),
        (OptimConfig, {'clip_norm': -1.0}, 'optim.clip_norm'),
        (OptimConfig, {'settle_after': 1.1}, 'optim.settle_after'),
        (OptimConfig, {'evaluate_every': 0}, 'optim.evaluate_every'),
        (TrainConfig, {'seed': -1}, 'seed'),
        (TrainConfig, {'seed': 2**63}, 'seed'),
        (MatchConfig, {'rate_min': 1.0}, 'match.rate_min'),
        (MatchConfig, {'rate_max': 0.9}, 'rate_max'),
        (MatchConfig, {'evidence_time_s': 0.0}, 'match.evidence_time_s'),
        (MatchConfig, {'jump_per_s': 10.0}, 'match.jump_per_s'),
        (MatchConfig, {'found_below': 0.7}, 'match.found_below, lost_above'),
        (MatchConfig, {'certain_above': 0.2}, 'match.ambiguous_below, certain_above'),
        (MatchConfig, {'done_within_s': float('nan')}, 'match.done_within_s'),
    ],
)
def test_a_value_out_of_range_is_refused_at_birth(kind, values, words):
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('kind', KINDS)
def test_every_field_has_its_own_explanation_above_it(kind):
    """The comment is what `--help` shows for the option."""
    lines = inspect.getsource(kind).splitlines()
    (definition,) = ast.parse(inspect.getsource(kind)).body
    for node in (node for node in definition.body if isinstance(node, ast.AnnAssign)):
        nested = ast.unparse(node.annotation).endswith('Config')
        above = lines[node.lineno - 2].strip()
        assert nested or above.startswith('# '), f'{kind.__name__}.{node.target.id}'


@pytest.mark.parametrize('name', ['train.yaml', 'quick.yaml', 'paper.yaml', 'pretrained.yaml'])
def test_the_files_that_come_along_are_readable(name):
    assert isinstance(load_yaml(TrainConfig, FILES / name), TrainConfig)


def test_the_files_say_what_is_special_about_them():
    paper = load_yaml(TrainConfig, FILES / 'paper.yaml')
    assert (paper.loss.name, paper.loss.regulariser) == ('npairs', 0.002)
    assert (paper.batch.sequences, paper.batch.pairs) == (1, 16)
    assert (paper.model.embedding_norm, paper.optim.learning_rate) == ('none', 1e-4)
    quick = load_yaml(TrainConfig, FILES / 'quick.yaml')
    assert quick.data.height * quick.data.width < 128 * 128
    pretrained = load_yaml(TrainConfig, FILES / 'pretrained.yaml')
    assert (pretrained.model.system, pretrained.model.backbone_weights) == ('lite0', 'shipped')
    train = load_yaml(TrainConfig, FILES / 'train.yaml')
    assert train.augment.background == pretrained.augment.background == 0.5
    augment = dataclasses.replace(train.augment, background=0.0)
    assert dataclasses.replace(train, augment=augment) == TrainConfig()


unit = st.floats(0, 1)
configs = st.builds(
    TrainConfig,
    data=st.builds(
        DataConfig,
        height=st.integers(32, 1024),
        held_out=st.floats(0, 0.99),
        held_out_names=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    ),
    model=st.builds(ModelConfig, levels=st.sampled_from([(1,), (1, 3), (1, 2, 3)])),
    augment=st.builds(AugmentConfig, shift=unit, patch=unit),
    optim=st.builds(OptimConfig, learning_rate=st.floats(1e-12, 1e3), minutes=st.floats(0, 1e6)),
    seed=st.integers(0, 2**63 - 1),
    precision=st.sampled_from(['auto', '32', '16-mixed']),
)


@given(configs)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_settings_survive_a_model_file_and_a_yaml_file(tmp_path_factory, made):
    assert from_mapping(TrainConfig, to_mapping(made), 'here') == made
    path = tmp_path_factory.getbasetemp() / 'settings.yaml'
    plain = to_mapping(made)
    plain['data']['held_out_names'] = list(made.data.held_out_names)
    plain['model']['levels'] = list(made.model.levels)
    plain['augment']['zoom'] = list(made.augment.zoom)
    path.write_text(yaml.safe_dump(plain), encoding='utf-8')
    assert load_yaml(TrainConfig, path) == made
