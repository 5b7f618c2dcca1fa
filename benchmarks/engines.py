"""
What each engine takes per call, against the matrix product of the same run.

The share of the limit is the time that the network's floating-point operations would take at the
speed of a 512 x 512 matrix product on as many threads, over the time the engine took. Convolutions
are products of other shapes, which no library does as fast: the last column compares with those
themselves, one after the other, their inputs laid out beforehand. With one thread it is the time
the thread had a core, with two the time that passed.
"""

from __future__ import annotations

from timing import (  # first: it sets how threads wait
    gemm,
    gflop,
    machine,
    median,
    p99,
    require,
    side_by_side,
    table,
    threads,
)

from collections.abc import Callable, Sequence  # isort: skip
from pathlib import Path  # isort: skip
import tempfile  # isort: skip
import time  # isort: skip
from typing import Any  # isort: skip

from materials import make_model
import numpy as np
from rich.console import Console
from smaknet_core.checkpoint import load_model
from smaknet_core.data.transforms import to_input
from smaknet_core.engines import EagerEngine, OnnxEngine
from smaknet_core.engines.choice import sample_frames
from smaknet_core.export import run_export
from smaknet_core.model import Encoder
import torch

SIZES, BATCHES, THREADS = (96, 128), (1, 2, 4), (1, 2)


def plain(encoder: Encoder, channels_last: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Give the network as it is trained, with the normalisation of pixels before it."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    encoder = encoder.to(memory_format=layout)

    def embed(frames: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            images = to_input(torch.from_numpy(frames)).contiguous(memory_format=layout)
            return encoder(images).numpy()

    return embed


def rows_of(model: Path, size: int) -> list[list[Any]]:
    """Measure one input size."""
    encoder = load_model(model).encoder
    work, shapes = gflop(encoder, torch.zeros(1, 3, size, size)), product_shapes(encoder, size)
    rows = []
    for count in THREADS:
        with threads(count):
            engines = {
                'torch, as trained': plain(load_model(model).encoder, False),
                'torch, channels last': plain(load_model(model).encoder, True),
                'torch, folded': EagerEngine(load_model(model).encoder, size, size).embed,
                'ONNX Runtime': OnnxEngine(model.with_suffix('.onnx'), 'cpu', count).embed,
            }
            for batch in BATCHES:
                rows += _compare(engines, sample_frames(batch, size, size), work, shapes, count)
    return rows


def product_shapes(encoder: Encoder, size: int) -> list[tuple[int, int, int]]:
    """Give rows, inner length and columns of the product that each convolution of a frame is."""
    shapes = []

    def see(layer: torch.nn.Conv2d, _: Any, gave: torch.Tensor) -> None:
        shapes.append((*layer.weight.flatten(1).shape, gave[0, 0].numel()))

    layers = [module for module in encoder.modules() if isinstance(module, torch.nn.Conv2d)]
    hooks = [layer.register_forward_hook(see) for layer in layers]
    with torch.inference_mode():
        encoder(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return shapes


def own_products(
    shapes: Sequence[tuple[int, int, int]], batch: int
) -> Callable[[], list[torch.Tensor]]:
    """Give the products of a batch, all frames of a layer in one."""
    pairs = [(torch.randn(m, k), torch.randn(k, batch * n)) for m, k, n in shapes]
    return lambda: [torch.mm(left, right) for left, right in pairs]


def _compare(
    engines: dict[str, Callable[[np.ndarray], np.ndarray]],
    frames: np.ndarray,
    work: float,
    shapes: Sequence[tuple[int, int, int]],
    count: int,
) -> list[list[Any]]:
    batch, size = frames.shape[:2]
    expected = engines['torch, as trained'](frames)
    for name, embed in engines.items():
        off = np.abs(embed(frames) - expected).max()
        require(off < 1e-5, f'{name} at {size} px differs by {off:.1e}')
    product, of_product = gemm()
    tasks = {name: lambda embed=embed: embed(frames) for name, embed in engines.items()}
    own = own_products(shapes, batch)
    clock = time.thread_time if count == 1 else time.perf_counter
    spent = side_by_side({'product': product, 'own': own, **tasks}, clock=clock)
    floor = work * batch / of_product * median(spent.pop('product'))  # ms
    own_ms, before = median(spent.pop('own')), median(spent['torch, as trained'])
    return [
        [
            size,
            batch,
            count,
            name,
            median(times),
            p99(times),
            f'{before / median(times):.2f}',
            f'{floor / median(times):.0%}',
            f'{own_ms / median(times):.0%}',
        ]
        for name, times in spent.items()
    ]


def main() -> None:
    """Print a table of milliseconds per call."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            model = make_model(Path(folder) / f'{size}.safetensors', size)
            run_export(model, console=Console(quiet=True))
            rows += rows_of(model, size)
    print(f'{machine()}. All four give the same embeddings to 1e-5.\n')
    columns = [
        'px',
        'batch',
        'threads',
        'engine',
        'ms, median',
        'p99',
        'times as fast',
        'of limit',
        'of own products',
    ]
    print(table(columns, rows))


if __name__ == '__main__':
    main()
