"""Every speed benchmark runs to its end and prints the table of its part of the page."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
import re
import subprocess
import sys

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / 'benchmarks'
SPEC = importlib.util.spec_from_file_location('run_all', BENCHMARKS / 'run_all.py')
run_all = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run_all)


@pytest.mark.slow
@pytest.mark.timeout(run_all.TIMEOUT_S + 60)
@pytest.mark.parametrize('script', run_all.PARTS)
def test_prints_its_table(script):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f'{script}.py')],
        capture_output=True,
        text=True,
        timeout=run_all.TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r'^\| --- \|', done.stdout, re.MULTILINE), done.stdout


def test_each_has_its_place_in_the_page():
    page = run_all.PAGE.read_text(encoding='utf-8')
    for script in run_all.PARTS:
        assert f'\nnew table\n<!-- end of {script} -->' in run_all.replace_part(
            page, script, 'new table'
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tracking_is_measured_on_episodes_it_simulates(tmp_path):
    pytest.importorskip('mujoco', reason='needs the simulator: make sim')
    out = tmp_path / 'tracking'
    command = ['tracking.py', '--episodes', '1', '--taught', '2', '--out', str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / 'tracking.json').read_text())['rows']
    by_key = {(row['views'], row['scenario'], row['method']): row for row in rows}
    assert len(by_key) == len(rows) == 2 * 10 * 4
    normal = by_key['all cameras', 'normal', 'filter']
    assert normal['streams'] == 2
    assert normal['mean_error_s'] < by_key['all cameras', 'normal', 'clock']['mean_error_s']
    assert {path.name for path in out.iterdir()} > {'tracking.csv', 'tracking.md', 'tracking.png'}
