"""One disturbed pour, led by the real matcher: the example as somebody would run it."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / 'models' / 'pouring.safetensors'


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_held_arm_still_pours_when_it_is_led_by_what_is_seen(tmp_path: Path) -> None:
    if not MODEL.exists():
        pytest.skip('models/pouring.safetensors is not here')
    command = [sys.executable, str(ROOT / 'examples' / 'closed_loop.py')]
    command += ['--seeds=1', '--headless', f'--out={tmp_path}', f'--model={MODEL}']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    closed, by_the_clock = json.loads((tmp_path / 'results.json').read_text(encoding='utf-8'))
    assert closed['disturbance'].startswith('held')
    assert closed['delivered'] > 0.5
    assert closed['match_error_s'] < 0.5
    assert closed['seconds'] > by_the_clock['seconds']  # it waited


def test_a_model_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / 'examples' / 'closed_loop.py'), '--headless']
    command += [f'--model={tmp_path / "none"}', f'--out={tmp_path / "out"}']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr == f'closed_loop: {tmp_path / "none"} is not here: name a model with --model\n'
    )
