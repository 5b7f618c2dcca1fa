"""`smaknet ablate` on tiny networks: every cell once, resumable, alike held out, failures kept."""

from __future__ import annotations

from collections import Counter
import csv
import dataclasses
import io
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from bag_maker import START_NS
from clip_maker import make_bag, make_config, PERIOD_NS, SIZE
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.ablation import cells, command, invariance, ROWS, run_ablate, Study
from smaknet_core.ablation.recordings import ambiguity_floor, load_recordings
from smaknet_core.ablation.rows import choose, configure, same_as, with_weights
from smaknet_core.ablation.runs import FILE_NAME, read_runs
from smaknet_core.ablation.slides import LAYOUTS
from smaknet_core.ablation.study import Cell, SETTINGS_NAME
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.config import LossConfig, TrainConfig
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.learning_commands import Ablate
from smaknet_core.metrics import ATTRIBUTES
from smaknet_core.run_folder import LAST_NAME
from smaknet_core.trainer import Interrupted

ROOT = Path(__file__).resolve().parents[2]
STEPS = 10


def write_labels(folder):
    """Labels at every frame: what changes does so at a third or in the middle."""
    rows = ['stamp_ns,' + ','.join(ATTRIBUTES) + ',phase,progress']
    for step in range(STEPS):
        values = [step > 3, step > 5, 45 * (step > 3), step > 5, step > 5]
        phase = 'reach' if step < 5 else 'pour'
        stamp_ns = START_NS + step * PERIOD_NS
        told = ','.join(str(int(value)) for value in values)
        rows.append(f'{stamp_ns},{told},{phase},{step / (STEPS - 1)}')
    (folder / 'labels.csv').write_text('\n'.join(rows) + '\n')


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demos')
    for number in range(4):
        make_bag(folder / f'take_{number}', STEPS, seed=number)
        write_labels(folder / f'take_{number}')
        note = {'task': 'grow', 'ambiguity_floor': 0.01 * number}
        (folder / f'take_{number}' / 'episode.json').write_text(json.dumps(note))
    return folder


def make_study(demos, out, **more):
    """A study whose cells take two steps."""
    base = make_config(2, 2)
    base = dataclasses.replace(base, data=dataclasses.replace(base.data, held_out=0.5))
    given = {'minutes': 0.0, 'only': ('att12', 'att123'), 'cache_dir': demos.parent / 'cache'}
    return Study((demos,), out, base, **{**given, **more})


def ablate(study, **more):
    shown = io.StringIO()
    code = run_ablate(study, console=Console(file=shown, width=250), **more)
    return code, shown.getvalue()


@pytest.fixture(scope='module')
def finished(demos, tmp_path_factory):
    """A study of two rows and two seeds."""
    study = make_study(demos, tmp_path_factory.mktemp('study') / 'out', seeds=2)
    code, shown = ablate(study)
    assert code == 0, shown
    return study, shown


def lines(study):
    with (study.out / FILE_NAME).open(newline='') as file:
        return list(csv.DictReader(file))


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


class TestFailure:
    def test_one_failed_cell_is_kept_and_stops_no_other(self, demos, tmp_path, monkeypatch):
        """A rate under which the loss overflows, in one row only; no stand-in fails for it."""
        sound = study = make_study(demos, tmp_path / 'out', only=('att123', 'npairs'))
        bad = dataclasses.replace(
            study.row('npairs'),
            changes={
                'loss': {'name': 'npairs', 'regulariser': 1e38},
                'model': {'embedding_norm': 'none'},
            },
        )
        study = dataclasses.replace(study, compared=(*ROWS[:8], bad, *ROWS[9:]))
        code, shown = ablate(study)
        assert code == 1, shown
        good, failed = lines(study)
        assert (good['row'], good['error']) == ('att123', '')
        assert failed['row'] == 'npairs'
        assert 'NaN' in failed['error']
        assert failed['alignment_error'] == ''
        assert '2 of 2 · npairs seed 0: failed: ' in shown
        assert '* `npairs` seed 0: the ' in (study.out / 'study.md').read_text()
        study = sound
        monkeypatch.setattr(command, 'write_study', lambda *_: [])  # as above
        assert ablate(study)[0] == 1, 'it is not begun anew unasked'
        code, shown = ablate(study, retry_failed=True)
        assert code == 0, shown
        assert [line['error'] for line in lines(study)] == ['', '']


class Stop:
    """What shows a cell's steps, with Ctrl-C after the first."""

    def update(self, step, seconds, loss, alignment):
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)


class Interrupting(io.StringIO):
    """A terminal at which somebody presses Ctrl-C when a cell is finished, and again."""

    def __init__(self, twice):
        super().__init__()
        self._awaited = ['1 of 2 ·', 'interrupted:'] if twice else ['1 of 2 ·']

    def write(self, text):
        written = super().write(text)
        if self._awaited and self._awaited[0] in text:
            self._awaited.pop(0)
            os.kill(os.getpid(), signal.SIGINT)
        return written


class TestInterruption:
    def test_ctrl_c_saves_and_the_cell_goes_on(self, demos, tmp_path, monkeypatch):
        study = make_study(demos, tmp_path / 'out')
        monkeypatch.setattr(command.StudyProgress, 'cell', lambda *_: Stop())
        code, shown = ablate(study)
        assert code == 130
        assert 'interrupted: 0 of 2 cells are there' in shown
        assert '| SMAK-Net Att12 | 0 | not run |' in (study.out / 'study.md').read_text()
        assert (study.folder(Cell('att12', 0)) / LAST_NAME).exists()
        assert not study.folder(Cell('att123', 0)).exists()
        monkeypatch.undo()
        assert ablate(study)[0] == 0
        # to the bit what an unbroken one gives
        whole = dataclasses.replace(study, out=tmp_path / 'whole')
        cells.run_cell(whole, Cell('att12', 0), load_recordings(whole))
        broken = load_model(study.folder(Cell('att12', 0))).encoder.state_dict()
        unbroken = load_model(whole.folder(Cell('att12', 0))).encoder.state_dict()
        assert all((broken[name] == unbroken[name]).all() for name in broken)

    @pytest.mark.parametrize('hurried', [False, True])
    def test_what_is_there_is_written_even_if_asked_again(self, demos, tmp_path, hurried):
        """Ctrl-C once the first cell is finished; then, or not, another while tables are made."""
        study = make_study(demos, tmp_path / 'out')
        shown = Interrupting(hurried)
        assert run_ablate(study, console=Console(file=shown, width=250)) == 130
        assert 'interrupted: 1 of 2 cells are there' in shown.getvalue()
        for layout in (*[layout.name for layout in LAYOUTS], 'invariance'):
            for kind in ('md', 'csv', 'png'):
                assert (study.out / f'table_{layout}.{kind}').exists()
        text = (study.out / 'study.md').read_text()
        assert '| SMAK-Net Att12 | 1 |' in text
        assert '| SMAK-Net Att123 | 0 | not run |' in text
        for name in ('curves.png', 'trajectories.png'):
            assert (study.out / name).exists() == (f']({name})' in text) == (not hurried)
        assert not list(study.out.rglob('*.partial'))

    def test_a_cell_killed_before_it_was_saved_begins_anew(self, demos, tmp_path):
        study = make_study(demos, tmp_path / 'out', only=('att12',))
        folder = study.folder(Cell('att12', 0))
        folder.mkdir(parents=True)
        (folder / 'train.yaml').write_text('half')
        run = cells.run_cell(study, Cell('att12', 0), load_recordings(study))
        assert (run.error, run.steps) == ('', 2)

    def test_the_interruption_of_a_cell_is_no_failure(self, demos, tmp_path):
        study = make_study(demos, tmp_path / 'out')
        with pytest.raises(Interrupted):
            cells.run_cell(study, Cell('att12', 0), load_recordings(study), Stop())

    @pytest.mark.slow
    def test_workers_end_together_and_go_on(self, demos, tmp_path):
        """Real processes: Ctrl-C while two cells are trained; then the same command to the end."""
        out = tmp_path / 'out'
        words = [sys.executable, '-m', 'smaknet_core', 'ablate', str(demos), '--out', str(out),
                 '--only', 'att12', 'att13', '--minutes', '0', '--optim.steps', '400',
                 '--size', str(SIZE), '--batch.pairs', '8', '--workers', '2',
                 '--cache', str(tmp_path / 'cache')]  # fmt: skip
        run = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 100
        folders = [out / 'runs' / f'{row}-seed0' for row in ('att12', 'att13')]
        while not all((folder / LAST_NAME).exists() for folder in folders):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        shown, _ = run.communicate(timeout=60)
        assert run.returncode == 130
        assert 'the same command goes on' in shown
        assert read_runs(out / FILE_NAME) == {}
        assert 'not run' in (out / 'table_invariance.md').read_text()
        assert all(load_model(folder).summary['steps'] >= 50 for folder in folders)


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
