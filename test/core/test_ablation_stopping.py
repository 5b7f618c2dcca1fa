"""`smaknet ablate` on tiny networks: what fails is kept, what is interrupted goes on."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from clip_maker import SIZE
import pytest
from rich.console import Console
from smaknet_core.ablation import cells, command, ROWS, run_ablate
from smaknet_core.ablation.recordings import load_recordings
from smaknet_core.ablation.runs import FILE_NAME, read_runs
from smaknet_core.ablation.slides import LAYOUTS
from smaknet_core.ablation.study import Cell
from smaknet_core.checkpoint import load_model
from smaknet_core.run_folder import LAST_NAME
from smaknet_core.trainer import Interrupted
from study_maker import ablate, lines, make_demos, make_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    return make_demos(tmp_path_factory.mktemp('demos'))


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
