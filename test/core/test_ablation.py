"""`smaknet ablate` on tiny networks: every cell once, resumable, alike held out."""

from __future__ import annotations

from collections import Counter
import dataclasses
import json
from pathlib import Path

from clip_maker import make_bag
import numpy as np
import pytest
from smaknet_core.ablation import cells, invariance, ROWS, Study
from smaknet_core.ablation.recordings import ambiguity_floor, load_recordings
from smaknet_core.ablation.rows import choose, configure, same_as, with_weights
from smaknet_core.ablation.runs import FILE_NAME
from smaknet_core.ablation.slides import LAYOUTS
from smaknet_core.ablation.study import Cell, SETTINGS_NAME
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.config import LossConfig, TrainConfig
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.learning_commands import Ablate
from study_maker import ablate, lines, make_demos, make_study, STEPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    return make_demos(tmp_path_factory.mktemp('demos'))


@pytest.fixture(scope='module')
def finished(demos, tmp_path_factory):
    """A study of two rows and two seeds."""
    study = make_study(demos, tmp_path_factory.mktemp('study') / 'out', seeds=2)
    code, shown = ablate(study)
    assert code == 0, shown
    return study, shown


class TestRows:
    def test_all_systems_and_losses_are_there(self):
        base = TrainConfig()
        kinds = Counter(configure(base, row).model.system for row in ROWS)
        assert kinds == {'smaknet': 11, 'tcn': 1, 'resnet18': 1, 'lite0': 2}
        losses = {configure(base, row).loss.name for row in ROWS}
        assert losses == {'infonce', 'npairs', 'triplet_all', 'triplet_semihard'}
        assert sum(row.one_camera for row in ROWS) == 1

    def test_every_row_stands_in_a_table(self):
        shown = {line.row for layout in LAYOUTS for line in layout.lines}
        assert shown == {row.name for row in ROWS}

    def test_help_names_every_row(self):
        words = Ablate.__doc__.replace(',', ' ').replace(';', ' ').replace('.', ' ').split()
        assert {row.name for row in ROWS} <= set(words)

    def test_only_the_difference_differs(self):
        base = TrainConfig()
        for row in ROWS:
            config = configure(base, row)
            for part in ('data', 'augment', 'optim', 'seed'):
                assert getattr(config, part) == getattr(base, part), row.name

    def test_what_the_base_has_is_trained_once(self):
        row = choose(['infonce'])[0]
        assert same_as(TrainConfig(), row).name == 'att123'
        other = TrainConfig(loss=LossConfig(name='npairs'))
        assert same_as(other, row).name == 'infonce'

    def test_given_weights_freeze_tcn_alone(self):
        weights = {'tcn': 'a.pth', 'resnet18': 'b.pth'}
        tcn, resnet = (with_weights(row, weights) for row in choose(['tcn', 'resnet18']))
        assert configure(TrainConfig(), tcn).model.freeze_backbone
        assert not configure(TrainConfig(), resnet).model.freeze_backbone
        assert configure(TrainConfig(), resnet).model.backbone_weights == 'b.pth'

    def test_an_unknown_row_is_answered_with_the_nearest(self):
        with pytest.raises(ConfigError, match="no row 'att132', did you mean 'att13"):
            choose(['att132'])


class TestStudy:
    def test_every_cell_is_a_line_and_a_run_folder(self, finished):
        study, shown = finished
        cells_there = [(line['row'], line['seed']) for line in lines(study)]
        assert cells_there == [('att12', '0'), ('att123', '0'), ('att12', '1'), ('att123', '1')]
        for line in lines(study):
            folder = study.out / 'runs' / f'{line["row"]}-seed{line["seed"]}'
            model = load_model(folder)
            assert model.config.seed == int(line['seed'])
            assert line['steps'] == '2'
            assert int(line['parameters']) == sum(p.numel() for p in model.encoder.parameters())
            scores = json.loads((folder / cells.SCORES_NAME).read_text())
            assert float(line['alignment_error']) == scores['alignment_error']
            assert float(line['classification_error']) == scores['classification_error']
            assert float(line['kendall_tau']) == scores['kendall_tau']
            assert line['commit']
            assert not line['error']
        assert '4 of 4 · att123 seed 1: alignment error ' in shown

    def test_the_same_recordings_are_held_out_of_every_cell(self, finished):
        study, _ = finished
        held = set()
        for folder in (study.out / 'runs').iterdir():
            model = load_model(folder)
            held.add((model.config.data.held_out_names, tuple(model.summary['recordings'])))
            assert tuple(model.summary['held_out']) == model.config.data.held_out_names
            measured = json.loads((folder / cells.SCORES_NAME).read_text())['per_recording']
            assert set(measured) == set(model.summary['held_out'])
            assert not set(measured) & set(model.summary['recordings'])
        assert len(held) == 1

    def test_all_files_are_there_and_shown(self, finished):
        study, _ = finished
        text = (study.out / 'study.md').read_text()
        pictures = [f'table_{layout.name}.png' for layout in LAYOUTS]
        for name in (*pictures, 'curves.png', 'trajectories.png'):
            assert f']({name})' in text
            assert (study.out / name).read_bytes().startswith(b'\x89PNG')
        for layout in LAYOUTS:
            assert (study.out / f'table_{layout.name}.md').read_text() in text
            assert (study.out / f'table_{layout.name}.csv').exists()
        assert '| SMAK-Net Att13 | 0 | not run |' in text
        for word in ('* command: `', '* date: 20', '* machine: ', '* code: '):
            assert word in text

    def test_it_stands_beside_what_needs_no_learning(self, finished):
        study, shown = finished
        table = (study.out / 'table_architectures.md').read_text()
        assert '| chance |  |  |  |  |  | 33.3 |' in table
        assert '| constant middle |  |  |  |  |  | 25.0 |' in table
        assert '| raw pixels, 32 x 32 |' in table
        held = load_recordings(study).test
        floor = np.mean([0.01 * int(r.path.name[-1]) for r in held])
        assert f"| ambiguity floor (the simulator's) |  |  |  |  |  | {100 * floor:.1f} |" in table

    def test_what_is_finished_is_not_trained_again(self, finished):
        study, _ = finished
        before = (study.out / FILE_NAME).read_bytes()
        models = {path: path.stat().st_mtime_ns for path in study.out.rglob(MODEL_NAME)}
        code, shown = ablate(study)
        assert code == 0
        assert '4 cells, 4 are there' in shown
        assert (study.out / FILE_NAME).read_bytes() == before
        assert {path: path.stat().st_mtime_ns for path in study.out.rglob(MODEL_NAME)} == models

    def test_a_study_older_than_a_setting_goes_on(self, finished):
        study, _ = finished
        path = study.out / SETTINGS_NAME
        text = path.read_text()
        assert '    background: 0.0\n' in text
        path.write_text(text.replace('    background: 0.0\n', ''))
        try:
            assert '4 cells, 4 are there' in ablate(study)[1]
        finally:
            path.write_text(text)

    def test_another_study_does_not_go_into_its_folder(self, finished):
        study, _ = finished
        other = dataclasses.replace(study, minutes=3.0)
        with pytest.raises(ConfigError, match=r'another study, minutes is 0\.0 there and 3\.0'):
            ablate(other)
        (other.out.parent / 'some').mkdir()
        (other.out.parent / 'some' / 'file').touch()
        with pytest.raises(ConfigError, match='exists and is no study'):
            ablate(dataclasses.replace(study, out=other.out.parent / 'some'))

    def test_nothing_to_measure_on(self, demos, tmp_path):
        one = dataclasses.replace(make_study(demos, tmp_path / 'out'), demos=(demos / 'take_0',))
        with pytest.raises(DataError, match='held out'):
            ablate(one)

    def test_recordings_of_their_own_leave_all_others_to_learn_from(self, demos, tmp_path):
        make_bag(tmp_path / 'test' / 'other', STEPS, seed=9)
        study = make_study(
            demos,
            tmp_path / 'out',
            test=(tmp_path / 'test',),
            only=('one_camera',),
        )
        study = dataclasses.replace(
            study,
            base=dataclasses.replace(
                study.base,
                batch=dataclasses.replace(
                    study.base.batch, pairs=4, positive_within_s=0.1, negative_beyond_s=0.2
                ),
            ),
        )
        code, shown = ablate(study)
        assert code == 0, shown
        model = load_model(study.out / 'runs' / 'one_camera-seed0')
        assert len(model.summary['recordings']) == 4
        assert model.cameras == ('left',), 'of two'
        assert model.config.data.held_out_names == ()
        (line,) = lines(study)
        assert 0 <= float(line['alignment_error']) <= 1, 'measured across both'
        assert line['classification_error'] == '', 'without labels'
        table = (study.out / 'table_beyond.md').read_text()
        assert "| ambiguity floor (the simulator's) |  |  |  |  | not run |" in table
        assert ambiguity_floor([tmp_path / 'test' / 'other']) is None


class TestInvariance:
    def test_every_cell_has_its_figures(self, finished):
        study, shown = finished
        held = load_recordings(study).test_clips
        for cell in study.cells():
            figures = invariance.read(study.folder(cell))
            assert list(figures) == invariance.change_names()
            scores = json.loads((study.folder(cell) / cells.SCORES_NAME).read_text())
            assert figures['as recorded']['alignment_error'] == scores['alignment_error']
            assert figures['background']['recordings'] == [clip.name for clip in held]
            assert len(figures['scale 0.6']['errors']) == len(held)
        table = (study.out / 'table_invariance.md').read_text()
        assert table in (study.out / 'study.md').read_text()
        assert '| SMAK-Net Att13 | 0 | not run |' in table
        (line,) = [line for line in table.splitlines() if line.startswith('| SMAK-Net Att123 |')]
        assert line.endswith('| not run |'), 'no camera was moved'
        assert line.count('not run') == 1
        assert (study.out / 'table_invariance.png').exists()
        assert 'Invariance: alignment error' in shown

    def test_a_moved_camera_is_measured_of_what_was_finished_before(self, demos, tmp_path):
        for number, turn in enumerate((20.0, -10.0, 20.0)):
            path = make_bag(tmp_path / 'moved' / f'take_{number}', STEPS, seed=20 + number)
            (path / 'episode.json').write_text(json.dumps({'task': 'grow', 'turn': turn}))
        study = make_study(demos, tmp_path / 'out', only=('att12',))
        assert ablate(study)[0] == 0
        model = study.folder(Cell('att12', 0)) / MODEL_NAME
        trained_at = model.stat().st_mtime_ns
        moved = dataclasses.replace(study, moved=(tmp_path / 'moved',))
        folder, loaded = study.folder(Cell('att12', 0)), load_recordings(moved)
        assert invariance.lacks(folder, loaded)
        code, shown = ablate(moved)
        assert code == 0, shown
        assert '1 of 1 · att12 seed 0: measuring what else' in shown
        assert not invariance.lacks(folder, loaded)
        figures = invariance.read(folder)
        assert list(figures)[-2:] == ['camera -10 deg', 'camera +20 deg']
        assert len(figures['camera +20 deg']['errors']) == 2
        assert model.stat().st_mtime_ns == trained_at
        table = (study.out / 'table_invariance.md').read_text()
        assert table.splitlines()[2].endswith(' | camera -10 deg | camera +20 deg |')
        assert '| SMAK-Net Att12 | 1 |' in table

    @pytest.mark.parametrize('note', ['{"task": "grow"}', '{"turn": 0}', '{"turn": "x"}', ''])
    def test_what_does_not_say_how_far_it_was_moved(self, demos, tmp_path, note):
        path = make_bag(tmp_path / 'moved' / 'take', STEPS)
        (path / 'episode.json').write_text(note)
        study = make_study(demos, tmp_path / 'out', moved=(tmp_path / 'moved',))
        with pytest.raises(DataError, match=r'take: its episode\.json has no turn'):
            ablate(study)


def test_a_size_is_a_size_whatever_the_file_says(tmp_path, monkeypatch):
    """`smaknet ablate --config F` has its own size, and the seed that the file says."""
    from smaknet_core.cli import _parse

    (tmp_path / 'base.yaml').write_text('data: {height: 128, width: 128}\nseed: 4\n')
    seen = []
    monkeypatch.setattr('smaknet_core.ablation.run_ablate', lambda study, **_: seen.append(study))
    given = ['demos', '--out', 'o', '--config', str(tmp_path / 'base.yaml'), '--seeds', '2']
    _parse('ablate', given).run()
    assert (seen[0].base.data.height, seen[0].base.data.width) == (96, 96)
    assert [cell.seed for cell in seen[0].cells()][::14] == [4, 5]


@pytest.mark.parametrize(('what', 'value'), [('seeds', 0), ('minutes', -1.0)])
def test_arguments_out_of_range(tmp_path, what, value):
    with pytest.raises(ConfigError, match=f'{what}: expected'):
        Study((tmp_path,), tmp_path / 'o', TrainConfig(), **{what: value})
