"""Every speed benchmark runs to its end and prints the table of its part of the page."""

from __future__ import annotations

import importlib.util
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
