"""YAML and model files to settings: each mistake answered with what to do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import pytest
from smaknet_core.errors import ConfigError
from smaknet_core.mappings import from_mapping, load_yaml, nearest, to_mapping


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    pair: tuple[float, float] = (0.0, 1.0)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    count: int = 1
    active: bool = False
    kind: Literal['32', 'auto'] = 'auto'
    limit: float | None = None

    def __post_init__(self):
        if self.count < 0:
            raise ConfigError(f'count: expected >= 0, got {self.count}')


def read(tmp_path, text, kind=Outer):
    path = tmp_path / 'settings.yaml'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_yaml(kind, path)


def test_what_is_not_said_keeps_its_default(tmp_path):
    assert read(tmp_path, '') == Outer()
    assert read(tmp_path, '# only a comment\n') == Outer()
    assert read(tmp_path, 'count: 3') == Outer(count=3)
    made = read(tmp_path, 'inner: {pair: [1, 2], names: [a]}')
    assert made.inner == Inner(pair=(1.0, 2.0), names=('a',))
    assert all(isinstance(value, float) for value in made.inner.pair)


@pytest.mark.parametrize('text', ['1e-3', '1.0e-3', '0.001', '"1e-3"'])
def test_numbers_as_people_write_them(tmp_path, text):
    assert read(tmp_path, f'inner: {{rate: {text}}}').inner.rate == 1e-3


def test_a_choice_that_yaml_takes_for_a_number(tmp_path):
    assert read(tmp_path, 'kind: 32').kind == '32'


def test_nothing_where_nothing_is_allowed(tmp_path):
    assert read(tmp_path, 'limit: null').limit is None
    assert read(tmp_path, 'limit: 2').limit == 2.0


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('cuont: 3', "unknown key 'cuont', did you mean 'count'?"),
        ('inner: {rte: 3}', "inner: unknown key 'rte', did you mean 'rate'?"),
        ('zzz: 3', "unknown key 'zzz'; known: active, count, inner, kind, limit"),
        ('1: 3', 'unknown key 1'),
        ('null: 3', 'unknown key None'),
        ('count: three', "count: expected int, got 'three'"),
        ('count: 1.5', 'count: expected int, got 1.5'),
        ('count: true', 'count: expected int, got True'),
        ('count: -1', 'count: expected >= 0, got -1'),
        ('active: 1', 'active: expected bool, got 1'),
        ('kind: best', "kind: expected one of 32, auto, got 'best'"),
        ('kind: true', 'kind: expected one of'),
        ('inner: {rate: fast}', "inner: rate: expected float, got 'fast'"),
        ('inner: {rate: yes}', 'inner: rate: expected float, got True'),
        ('inner: {pair: [1]}', 'inner: pair: expected 2 values, got 1'),
        ('inner: {pair: [1, x]}', "inner: pair: expected float, got 'x'"),
        ('inner: {names: a}', "inner: names: expected a list, got 'a'"),
        ('inner: {names: [1]}', 'inner: names: expected str, got 1'),
        ('inner:', 'inner: expected keys and values, got None'),
        ('inner: [1]', 'inner: expected keys and values, got [1]'),
        ('[1, 2]', 'expected keys and values, got a list'),
        ('0', 'expected keys and values, got a int'),
        ('just words', 'expected keys and values, got a str'),
        ('count: 1\ncount: 2', "key 'count' is there twice"),
        ('inner: {rate: 1, rate: 2}', "key 'rate' is there twice"),
        ('count: [', 'not valid YAML'),
        ('? [1, 2] : 3', 'not valid YAML'),
        ('count: 2020-13-45', 'not valid YAML'),
        ('count: ' + '[' * 5000, 'not valid YAML'),
        ('inner: &again {names: *again}', 'not valid YAML'),
        ('count: !!python/object/apply:os.system ["true"]', 'not valid YAML'),
        (b'count: \xff', 'cannot be read'),
        ('count: \0', 'not valid YAML'),
        pytest.param('inner: {rate: 1' + '0' * 400 + '}', 'expected float', id='too large'),
    ],
)
def test_every_mistake_is_one_line_that_names_file_and_place(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / 'settings.yaml'))
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


def test_files_that_are_none(tmp_path):
    for path in (tmp_path / 'missing.yaml', tmp_path):
        with pytest.raises(ConfigError, match='cannot be read'):
            load_yaml(Outer, path)


def test_there_and_back():
    made = Outer(Inner(2.0, (1.0, 3.0), ('a', 'b')), 4, True, '32', 0.5)
    assert from_mapping(Outer, to_mapping(made), 'here') == made
    assert to_mapping(made) == dataclasses.asdict(made)


def test_the_nearest_name():
    assert nearest('tain', ['train', 'teach']) == ", did you mean 'train'?"
    assert nearest('xyz', ['train', 'teach']) == '; known: teach, train'
