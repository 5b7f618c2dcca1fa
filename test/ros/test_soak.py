"""The soak benchmark, short: memory, threads and files stay, no state is lost."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

SOAK = Path(__file__).resolve().parents[2] / 'benchmarks' / 'soak.py'


def test_a_short_soak(tmp_path):
    command = [sys.executable, str(SOAK), '--seconds', '20', '--out', str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / 'soak.json').read_text())
    assert numbers['sets'] > 20
    assert numbers['latency_ms']
    assert (tmp_path / 'soak.png').read_bytes().startswith(b'\x89PNG')
