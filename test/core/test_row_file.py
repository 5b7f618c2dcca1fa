"""`smaknet ablate --rows FILE`: a user's own rows, read, refused, trained, kept and compared."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

from clip_maker import make_bag, make_config
import pytest
from rich.console import Console
from smaknet_core.ablation import read_rows, run_ablate, Study
from smaknet_core.ablation.row_file import NAME, ROWS_NAME
from smaknet_core.ablation.rows import configure, same_as
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.cli import main
from smaknet_core.config import load_yaml, ModelConfig, to_mapping, TrainConfig
from smaknet_core.errors import ConfigError
import yaml

CONFIG = Path(__file__).resolve().parents[2] / 'config'
ROWS = """
base:
colder: {remark: 'temperature | 0.05', loss: {temperature: 0.05}}
same: {remark: said otherwise, loss: {temperature: 0.1}}
larger: {data: {height: 48, width: 48}}
att12: {model: {levels: [1, 2]}}
"""


def write(folder, text, name='mine.yaml'):
    path = folder / name
    path.write_text(text)
    return path


class TestReading:
    def test_a_row_is_what_it_changes(self, tmp_path):
        rows = read_rows(write(tmp_path, ROWS))
        assert [row.name for row in rows] == ['base', 'colder', 'same', 'larger', 'att12']
        assert (rows[0].remark, rows[0].changes) == ('', {})
        assert (rows[1].remark, rows[1].changes) == (
            'temperature | 0.05',
            {'loss': {'temperature': 0.05}},
        )
        assert configure(TrainConfig(), rows[4]).model.levels == (1, 2)

    def test_they_change_the_network_of_the_base_and_nothing_else_of_it(self, tmp_path):
        base = TrainConfig(model=ModelConfig(attention='softmax', levels=(2, 3)))
        first, *_, last = read_rows(write(tmp_path, ROWS))
        assert configure(base, first) == base
        assert configure(base, last).model == ModelConfig(attention='softmax', levels=(1, 2))

    @pytest.mark.parametrize(
        ('text', 'words'),
        [
            ('', 'has no row; a row is a name and what it changes'),
            ('- a', 'expected keys and values, got a list'),
            ('a: {los: {temperature: 1}}', "row a: unknown key 'los', did you mean 'loss'?"),
            ('a: {seed: 3}', "row a: unknown key 'seed'; known: augment, batch, "),
            ('a: {changes: {loss: {}}}', "row a: unknown key 'changes'"),
            ('a: {loss: 3}', 'row a: loss: expected keys and values, got 3'),
            ('a: [1]', 'row a: expected what it changes, such as loss: ..., got [1]'),
            ('a: {remark: 3}', 'row a: remark: expected a text, got 3'),
            ('a: {optim: {minutes: 3}}', 'optim.minutes is the same for all rows: use --minutes'),
            (
                'a: {optim: {evaluate_every: 3}}',
                'optim.evaluate_every is the same for all rows: 50 ',
            ),
            ('a: {data: {held_out: 0.5}}', 'data.held_out is the same for all rows: use --data.h'),
            ('a: {}\na: {}', "key 'a' is there twice"),
            ('no: {}', 'row False: expected a name of letters'),
            ('1: {}', 'row 1: expected a name of letters'),
        ],
    )
    def test_what_is_no_row_is_named(self, tmp_path, text, words):
        with pytest.raises(ConfigError) as caught:
            read_rows(write(tmp_path, text))
        assert str(caught.value).startswith(str(tmp_path / 'mine.yaml'))
        assert words in str(caught.value)

    @pytest.mark.parametrize(
        ('changes', 'words'),
        [
            ('loss: {pre: 1}', "loss: unknown key 'pre'; known: both_views, margin, "),
            ('optim: {stps: 1}', "optim: unknown key 'stps', did you mean 'steps'?"),
            ('loss: {temperature: -1}', 'loss.temperature: expected > 0, got -1.0'),
            ('optim: {steps: many}', "optim: steps: expected int, got 'many'"),
        ],
    )
    def test_a_study_refuses_settings_that_are_none(self, tmp_path, changes, words):
        rows = read_rows(write(tmp_path, f'fine: {{}}\nx: {{{changes}}}'))
        with pytest.raises(ConfigError) as caught:
            Study((tmp_path,), tmp_path / 'o', TrainConfig(), compared=rows)
        assert str(caught.value).startswith(f'{tmp_path / "mine.yaml"}: row x: ')
        assert words in str(caught.value)

    @pytest.mark.parametrize('name', ['..', '.a', '-a', 'a/b', 'a b', '', 'a\n', 'é', 'a' * 61])
    def test_a_name_is_a_folder(self, tmp_path, name):
        with pytest.raises(ConfigError, match='expected a name of letters'):
            read_rows(write(tmp_path, yaml.safe_dump({name: None})))

    def test_a_remark_obeys_no_terminal(self, tmp_path):
        (row,) = read_rows(write(tmp_path, 'a: {remark: "x\\e[2J\\n y"}'))
        assert row.remark == 'x\N{REPLACEMENT CHARACTER}[2J y'

    def test_weights_of_the_slides_rows_are_for_no_other(self, tmp_path):
        rows = read_rows(write(tmp_path, 'tcn: {model: {system: tcn}}'))
        with pytest.raises(ConfigError, match=r'say model\.backbone_weights in the file'):
            Study((tmp_path,), tmp_path / 'o', TrainConfig(), compared=rows, weights={'tcn': 'x'})


class TestShippedRows:
    def test_each_step_is_alone_and_another(self):
        """`config/recipe_steps.yaml` against the default recipe at the study's size."""
        base = load_yaml(TrainConfig, CONFIG / 'train.yaml')
        base = dataclasses.replace(base, data=dataclasses.replace(base.data, height=96, width=96))
        first, *steps = read_rows(CONFIG / 'recipe_steps.yaml')
        assert configure(base, first) == base
        assert 18 <= len(steps) <= 24
        for row in steps:
            assert same_as(base, row, (first, *steps)) is row, f'{row.name} is another row'
            ((part, changes),) = row.changes.items()
            was, now = (to_mapping(config)[part] for config in (base, configure(base, row)))
            assert {key for key in was if was[key] != now[key]} == set(changes), row.name
            assert row.remark, row.name
            assert NAME.fullmatch(row.name)


def ablate(study):
    shown = io.StringIO()
    code = run_ablate(study, console=Console(file=shown, width=250))
    return code, shown.getvalue()


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demos')
    for number in range(3):
        path = make_bag(folder / f'take_{number}', 10, seed=number)
        (path / 'episode.json').write_text(json.dumps({'task': 'grow'}))
    return folder


def make_study(demos, out, rows, **more):
    base = make_config(2, 2)
    base = dataclasses.replace(base, data=dataclasses.replace(base.data, held_out=0.4))
    given = {'minutes': 0.0, 'cache_dir': demos.parent / 'cache', 'compared': read_rows(rows)}
    return Study((demos,), out, base, **{**given, **more})


@pytest.fixture(scope='module')
def finished(demos, tmp_path_factory):
    folder = tmp_path_factory.mktemp('study')
    only = ('base', 'colder', 'same', 'larger')
    study = make_study(demos, folder / 'out', write(folder, ROWS), only=only)
    code, shown = ablate(study)
    assert code == 0, shown
    return study, shown


class TestStudy:
    def test_rows_are_trained_once_each_at_their_settings(self, finished):
        study, _ = finished
        with (study.out / 'runs.csv').open(newline='') as file:
            assert [line['row'] for line in csv.DictReader(file)] == [
                *('base', 'colder', 'larger'),
            ]
        models = {name: load_model(study.out / 'runs' / f'{name}-seed0').config
                  for name in ('base', 'colder', 'larger')}  # fmt: skip
        assert models['base'].loss.temperature == 0.1
        assert models['colder'].loss.temperature == 0.05
        assert (models['base'].data.height, models['larger'].data.height) == (32, 48)
        assert len({config.data.held_out_names for config in models.values()}) == 1
        assert '`same` has the settings of `base`' in (study.out / 'study.md').read_text()

    def test_one_table_of_them_and_none_of_the_slides(self, finished):
        study, shown = finished
        names = {path.name for path in study.out.glob('table_*.md')}
        assert names == {'table_rows.md', 'table_invariance.md'}
        table = (study.out / 'table_rows.md').read_text()
        assert table.startswith('### Rows of mine.yaml\n')
        assert 'paper' not in table
        systems = [line.split(' | ')[0] for line in table.splitlines()[4:]]
        assert systems[:5] == [
            *('| base', r'| temperature \| 0.05', '| said otherwise', '| larger'),
            '| att12, SMAK-Net Att12',
        ]
        assert '| chance' in systems
        text = (study.out / 'study.md').read_text()
        assert 'slides' not in text
        for name in ('table_rows.png', 'table_invariance.png', 'curves.png', 'trajectories.png'):
            assert f']({name})' in text
            assert (study.out / name).read_bytes().startswith(b'\x89PNG')
        assert '3 of 3 · larger seed 0: ' in shown
        assert '| att12, SMAK-Net Att12 | 0 | not run |' in table

    def test_the_copy_is_a_file_of_rows(self, finished):
        study, _ = finished
        kept = read_rows(study.out / ROWS_NAME)
        assert [(row.name, row.changes, row.remark) for row in kept] == [
            (row.name, row.changes, row.remark) for row in study.compared
        ]
        assert ROWS_NAME in (study.out / 'study.md').read_text()

    def test_rows_may_come(self, finished, demos, tmp_path):
        study, _ = finished
        models = {path: path.stat().st_mtime_ns for path in study.out.rglob(MODEL_NAME)}
        longer = write(tmp_path, ROWS + 'warmer: {loss: {temperature: 0.2}}\n')
        more = make_study(demos, study.out, longer, only=('warmer', 'base'))
        code, shown = ablate(more)
        assert code == 0, shown
        assert '2 cells, 1 are there' in shown
        after = {path: path.stat().st_mtime_ns for path in study.out.rglob(MODEL_NAME)}
        assert after.items() > models.items()
        with pytest.raises(ConfigError, match=r'rows\.yaml: another study, it has a row warmer,'):
            ablate(study)

    @pytest.mark.parametrize(
        ('text', 'words'),
        [
            (ROWS.replace('0.05}', '0.06}'), r'row colder is \{loss: .*0\.05.* there and .*0\.06'),
            ('other: {}', 'it has a row base, which is missing in .*mine'),
        ],
    )
    def test_other_rows_do_not_go_into_its_folder(self, finished, demos, tmp_path, text, words):
        study, _ = finished
        before = (study.out / ROWS_NAME).read_bytes()
        with pytest.raises(ConfigError, match=words):
            ablate(make_study(demos, study.out, write(tmp_path, text)))
        assert (study.out / ROWS_NAME).read_bytes() == before

    def test_nor_do_the_slides(self, finished, demos):
        study, _ = finished
        slides = dataclasses.replace(study, compared=Study.compared, only=())
        with pytest.raises(ConfigError, match='another study, rows is '):
            ablate(slides)

    def test_only_knows_these_rows(self, finished):
        study, _ = finished
        with pytest.raises(ConfigError, match="no row 'coldr', did you mean 'colder'"):
            dataclasses.replace(study, only=('coldr',))


def test_the_command_takes_a_file(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(
        'smaknet_core.ablation.run_ablate', lambda study, **_: seen.append(study) or 0
    )
    path = write(tmp_path, ROWS)
    words = ['ablate', 'demos', '--out', str(tmp_path / 'o'), '--rows']
    assert main([*words, str(path), '--only', 'colder', 'base']) == 0
    assert [cell.row for cell in seen[0].cells()] == ['base', 'colder']
    assert main([*words, str(tmp_path / 'none.yaml')]) == 2
    assert main([*words, str(write(tmp_path, 'a: {lss: {}}', 'bad.yaml'))]) == 2
    missing, bad = capsys.readouterr().err.splitlines()
    assert 'none.yaml: cannot be read' in missing
    assert "bad.yaml: row a: unknown key 'lss', did you mean 'loss'?" in bad
