"""
What else a user might take as the network: milliseconds for a set of two cameras, size, memory.

Timed in PyTorch as written and exported to ONNX Runtime, since PyTorch spends much of a network's
time between its layers where they are many and small. All of them see the same frames; weights are
random, which changes no time. Alignment error is what the slides' study has of those that were
trained (docs/study/runs.csv).
"""

from __future__ import annotations

from timing import (  # first: it sets how threads wait
    gflop,
    machine,
    median,
    p99,
    require,
    side_by_side,
    table,
    threads,
)

from collections.abc import Callable, Iterable  # isort: skip
from concurrent.futures import ProcessPoolExecutor  # isort: skip
from copy import deepcopy  # isort: skip
import multiprocessing  # isort: skip
from pathlib import Path  # isort: skip
import time  # isort: skip
from typing import Any  # isort: skip

import networks
import numpy as np
from smaknet_core.ablation.runs import read_runs, Run
from smaknet_core.config import ModelConfig
from smaknet_core.data.transforms import to_input
from smaknet_core.engines.choice import sample_frames
from smaknet_core.model import Encoder
import torch
from torch import nn

SIZE, CAMERAS = 128, 2
STUDY = Path(__file__).resolve().parents[1] / 'docs' / 'study' / 'runs.csv'
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    'SMAK-Net Att123': lambda: Encoder(ModelConfig()),
    'SMAK-Net on ResNet-18, first half': lambda: Encoder(ModelConfig(system='resnet18')),
    'SMAK-Net on EfficientNet-Lite0 (weights shipped)': lambda: Encoder(
        ModelConfig(system='lite0')
    ),
    'multi-view TCN': lambda: Encoder(ModelConfig(system='tcn')),
    'MobileNetV3-S': networks.MobileNetV3Small,
    'ResNet-18': networks.resnet18,
    'ResNet-50': networks.resnet50,
    'ViT-S/14': lambda: networks.VisionTransformer(SIZE),
}
# The study's rows, and how a cell tells two of one network apart.
ROWS = {
    'SMAK-Net Att123': {'att123': ''},
    'SMAK-Net on ResNet-18, first half': {'resnet18': ''},
    'SMAK-Net on EfficientNet-Lite0 (weights shipped)': {
        'lite0_finetuned': '',
        'lite0_frozen': 'frozen ',
    },
    'multi-view TCN': {'tcn': ''},
}
MEMORY_PROCESSES = 3
NOTES = """
* GFLOP: of convolutions, linear layers and attention's products, two for a multiplication and
  addition (ResNet-18 at 224 px: 3.63, published as 1.81 G multiply-adds).
* Peak MB added: a process's resident memory at its highest in five forward passes of PyTorch,
  less what it had before the network was made, torch loaded; weights are in it. The median of
  {processes} processes for each network.
* Alignment error: of networks trained for 6 minutes each at 96 px, the mean over so many seeds as
  are in brackets (docs/study/runs.csv). EfficientNet-Lite0 began with ImageNet's weights, the
  others with random ones. `-`: not trained here.
* An embedding of 32 numbers goes to the same matcher whichever network it is from, so matching
  costs every row the same. The last four lack a layer that gives them: it would be in place of
  the classes (5 % of MobileNetV3-S's operations, 0.2 % of ResNet's at most), or ViT-S/14's last.
"""
WARM_UP = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8)
).eval()


def make(name: str) -> nn.Module:
    """Build one with random weights, ready to run."""
    torch.manual_seed(0)
    return NETWORKS[name]().eval().to(memory_format=torch.channels_last)


def a_set() -> torch.Tensor:
    """Give what all of them see, B x 3 x H x W."""
    frames = torch.from_numpy(sample_frames(CAMERAS, SIZE, SIZE))
    return to_input(frames).contiguous(memory_format=torch.channels_last)


def resident_mb(field: str) -> float:
    """Ask the kernel for this process's memory: VmRSS is now, VmHWM at its highest."""
    rows = Path('/proc/self/status').read_text(encoding='ascii').splitlines()
    return next(int(row.split()[1]) * 1024 / 1e6 for row in rows if row.startswith(field))


def memory_mb(name: str) -> float:
    """Give what a network adds to this process, weights included, while it runs."""
    torch.set_num_threads(1)
    images = a_set()
    with torch.inference_mode():
        WARM_UP(images)  # what the first layers of a process load is torch's
        before = resident_mb('VmRSS')
        network = make(name)
        Path('/proc/self/clear_refs').write_text('5', encoding='ascii')  # forgets the highest
        for _ in range(5):
            network(images)
        return resident_mb('VmHWM') - before


def in_own_process(name: str) -> float:
    """Measure memory where no other network has left any behind."""
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        return pool.submit(memory_mb, name).result()


def alignment_error(name: str, runs: Iterable[Run]) -> str:
    """Give the study's mean over seeds, and how many; `-` for what it has not trained."""
    cells = []
    for row, kind in ROWS.get(name, {}).items():
        errors = [run.alignment_error for run in runs if run.row == row and not run.error]
        if errors:
            cells.append(f'{kind}{np.mean(errors):.1%} ({len(errors)})')
    return ', '.join(cells) or '-'


def facts(name: str, network: nn.Module) -> list[Any]:
    """Give what does not depend on time: parameters, MB of weights and at the peak, GFLOP."""
    size = sum(parameter.numel() for parameter in network.parameters())
    highest = median(np.array([in_own_process(name) for _ in range(MEMORY_PROCESSES)]))
    work = gflop(network, a_set()) / CAMERAS
    return [f'{size / 1e6:.2f} M', f'{4 * size / 1e6:.1f}', f'{highest:.0f}', work]


def in_torch(network: nn.Module, images: torch.Tensor) -> Callable[[], np.ndarray]:
    """Give what runs it as it is written."""

    def run() -> np.ndarray:
        with torch.inference_mode():
            return network(images).numpy()

    return run


def in_onnx(network: nn.Module, images: torch.Tensor) -> Callable[[], np.ndarray]:
    """Export it; give what runs it in one thread."""
    import onnxruntime

    images = images.contiguous()
    program = torch.onnx.export(network, (images,), dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    inputs = {session.get_inputs()[0].name: images.numpy()}
    return lambda: session.run(None, inputs)[0]


def measure(made: dict[str, nn.Module]) -> dict[tuple[str, str], np.ndarray]:
    """Give the milliseconds of every network in both engines, all taking turns."""
    images, tasks = a_set(), {}
    for name, network in made.items():
        plain, exported = in_torch(network, images), in_onnx(network, images)
        # Untrained, TCN's last norms magnify rounding, in PyTorch as well.
        exact = in_torch(deepcopy(network).double(), images.double())()
        allowed = max(4 * np.abs(plain() - exact).max(), 1e-5 * np.abs(exact).max())
        off = np.abs(exported() - exact).max()
        require(off < allowed, f'{name} in ONNX Runtime is off by {off:.1e}')
        tasks[name, 'torch'], tasks[name, 'onnx'] = plain, exported
    with threads(1):
        return side_by_side(tasks, rounds=100, seconds=90, clock=time.thread_time)


def main() -> None:
    """Print a table."""
    runs = list(read_runs(STUDY).values())
    made = {name: make(name) for name in NETWORKS}
    spent, first, rows = measure(made), next(iter(made)), []
    for name, network in made.items():
        row = [name, *facts(name, network)]
        for engine in ('torch', 'onnx'):
            times, base = spent[name, engine], spent[first, engine]
            row += [median(times), p99(times), f'{median(times) / median(base):.1f}']
        rows.append([*row, alignment_error(name, runs)])
    print(
        f'{machine()}. Two frames of {SIZE} px a set, one thread; torch is PyTorch as written, '
        'channels last, onnx ONNX Runtime.\n'
    )
    columns = ['network', 'parameters', 'MB of weights', 'peak MB added', 'GFLOP a frame',
               'torch ms a set', 'p99', 'times SMAK-Net', 'onnx ms a set', 'p99',
               'times SMAK-Net', 'alignment error (seeds)']  # fmt: skip
    print(table(columns, rows) + NOTES.format(processes=MEMORY_PROCESSES))


if __name__ == '__main__':
    main()
