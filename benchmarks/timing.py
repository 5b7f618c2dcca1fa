"""
How the benchmarks time: side by side in one run, against what the machine can do in that run.

A machine that others use is slower at one moment than at the next. So everything that is compared
takes turns, round by round, and ratios are what to read.
"""

from __future__ import annotations

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch
# NumPy's products too have the one thread whose time is taken; before NumPy.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

from collections.abc import Callable, Mapping, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
import datetime  # noqa: E402
from pathlib import Path  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

GEMM = 512  # rows and columns


def side_by_side(
    tasks: Mapping[str, Callable[[], Any]],
    rounds: int = 60,
    seconds: float = 10.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """
    Give the milliseconds of every call, all tasks taking turns; a few first ones are left out.

    What computes in the calling thread only is best timed by `time.thread_time`, which does not
    run while other processes have the core.
    """
    for task in tasks.values():
        for _ in range(3):
            task()
    spent: dict[str, list[float]] = {name: [] for name in tasks}
    end = time.monotonic() + seconds
    for done in range(rounds):
        if done >= 5 and time.monotonic() > end:
            break
        for name, task in tasks.items():
            start = clock()
            task()
            spent[name].append(1e3 * (clock() - start))
    return {name: np.array(times) for name, times in spent.items()}


def median(times: np.ndarray) -> float:
    """Milliseconds."""
    return float(np.median(times))


def p99(times: np.ndarray) -> float:
    """Milliseconds."""
    return float(np.quantile(times, 0.99))


def gemm() -> tuple[Callable[[], Any], float]:
    """Give a matrix product to take turns with, and its GFLOP: what the CPU can do at best."""
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(GEMM, GEMM, generator=rng) for _ in range(2))
    out = torch.empty(GEMM, GEMM)
    return lambda: torch.mm(a, b, out=out), 2 * GEMM**3 / 1e9


def gflop(network: torch.nn.Module, *inputs: torch.Tensor) -> float:
    """
    Count the floating-point operations of one call, two for a multiplication and addition.

    Those of convolutions, linear layers and products of matrices, attention's among them; not of
    norms, activations and sums, as in the published figures, which mostly count the two as one.
    """
    from torch.backends import mha
    from torch.nn.attention import sdpa_kernel, SDPBackend
    from torch.utils.flop_counter import FlopCounterMode

    counter, before = FlopCounterMode(display=False), mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)  # its operators do not tell the counter what they multiply
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            network(*inputs)
    finally:
        mha.set_fastpath_enabled(before)
    return counter.get_total_flops() / 1e9


@contextmanager
def threads(count: int) -> Any:
    """Let torch use so many threads within an operator."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> str:
    """Say on one line what this is measured on, how busy it was, and when."""
    model = next(
        (
            line.partition(':')[2].strip()
            for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
            if line.startswith('model name')
        ),
        'unknown CPU',
    )
    today = datetime.date.today().isoformat()
    load = os.getloadavg()[0]
    return (
        f'{model}, {os.cpu_count()} cores, torch {torch.__version__}, Python '
        f'{sys.version.split()[0]}; {today}, load {load:.1f}'
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table in Markdown; floats with three digits."""
    lines = [columns, ['---'] * len(columns), *rows]
    return '\n'.join(f'| {" | ".join(_cell(cell) for cell in row)} |' for row in lines) + '\n'


def _cell(value: Any) -> str:
    return f'{value:.3g}' if isinstance(value, float) else str(value)


def require(good: bool, text: str) -> None:
    """End the benchmark where two ways do not give the same result."""
    if not good:
        sys.exit(f'not timed, since it is not equal: {text}')
