"""How long it takes until `smaknet --help` is printed and the node is ready, model warm."""

from __future__ import annotations

from timing import machine, table  # isort: skip

from pathlib import Path
import resource
import subprocess
import sys
import tempfile
import time

from materials import make_bag, make_model
import numpy as np
from rich.console import Console
from smaknet_core.embedder import Embedder
from smaknet_core.export import run_export
from smaknet_core.follow import teach

TIMES = 3
PATIENCE_S = 120


def command_line(*words: str) -> tuple[float, float]:
    """Run `smaknet`; give the seconds that passed and those it had a core."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, '-m', 'smaknet_core', *words], capture_output=True, check=True
    )
    passed = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b'usage: smaknet' in done.stdout
    return passed, (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def node(model: Path, demonstration: Path, engine: str) -> tuple[float, float]:
    """Start the node; give the seconds that passed until it was active, and those it computed."""
    from smaknet_ros.processes import isolate, MATCHER, own_domain, Process, ros_args

    values = {
        'model': str(model),
        'demonstration': [str(demonstration)],
        'cameras': ['left', 'right'],
        'engine': engine,
        'device': 'cpu',
    }
    with own_domain() as domain:
        start = time.perf_counter()
        process = Process(MATCHER, ros_args(values), isolate(domain))
        try:
            while 'active, cameras' not in process.log():
                if process.code() is not None or time.perf_counter() - start > PATIENCE_S:
                    sys.exit(f'the node did not start: {process.log()}')
                time.sleep(0.02)
            passed = time.perf_counter() - start
            return passed, _cpu_s(process.pid)
        finally:
            process.stop()
            process.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    """Print a table of seconds."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(Path(folder) / 'model.safetensors')
        run_export(model, console=Console(quiet=True))
        bag = make_bag(Path(folder) / 'bag', seconds=3, hz=10)
        demonstration = Path(folder) / 'taught.safetensors'
        teach(Embedder.load(model, 'cpu'), bag, [], demonstration, name='taught')
        starts = {
            '`smaknet --help`': (lambda: command_line('--help'), 0.5),
            '`smaknet train --help`': (lambda: command_line('train', '--help'), None),
            'node active, torch': (lambda: node(model, demonstration, 'torch'), 5),
            'node active, ONNX Runtime': (lambda: node(model, demonstration, 'onnx'), 5),
        }
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in starts}
        for _ in range(TIMES):  # taking turns
            for name, (start, _) in starts.items():
                measured[name].append(start())
        for name, (_, target) in starts.items():
            passed, computed = np.array(measured[name]).T
            rows.append([name, float(np.median(passed)), float(passed.min()),
                         float(np.median(computed)), target or ''])  # fmt: skip
    print(f'{machine()}. {TIMES} starts each, files in the page cache.\n')
    print(table(['what', 's, median', 'least', 's of a core', 'target'], rows))


if __name__ == '__main__':
    main()
