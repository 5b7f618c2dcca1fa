"""
What else a user might take as the network: milliseconds for a set of two cameras, size, memory.

All of them see the same frames; weights are random, which changes no time. Those that smaknet does
not have are torchvision's, with their last layer, and a transformer in the shape of ViT-S/14.
"""

from __future__ import annotations

from timing import gflop, machine, median, p99, side_by_side, table, threads  # isort: skip

from collections.abc import Callable
import importlib.util
import time
from typing import Any

from smaknet_core.config import ModelConfig
from smaknet_core.model import Encoder
import torch
from torch import nn

SIZE, CAMERAS = 128, 2
OURS = {
    'SMAK-Net Att123': ModelConfig(),
    'SMAK-Net on ResNet-18, first half': ModelConfig(system='resnet18'),
    'SMAK-Net on EfficientNet-Lite0 (weights shipped)': ModelConfig(system='lite0'),
    'multi-view TCN': ModelConfig(system='tcn'),
}


class VisionTransformer(nn.Module):
    """ViT-S/14: 12 blocks of 384, 6 heads; the shape of DINOv2's smallest, without weights."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 384, 14, 14)
        self.places = nn.Parameter(torch.zeros(1, (size // 14) ** 2, 384))
        block = nn.TransformerEncoderLayer(
            384, 6, 1536, 0.0, 'gelu', batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, 12, enable_nested_tensor=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x 3 x H x W to B x 384."""
        places = self.patches(images).flatten(2).transpose(1, 2) + self.places
        return self.blocks(places).mean(1)


def networks() -> dict[str, Callable[[], nn.Module] | None]:
    """Name what is compared; None where a package is missing."""
    made: dict[str, Callable[[], nn.Module] | None] = {
        name: (lambda config=config: Encoder(config)) for name, config in OURS.items()
    }
    made['ViT-S/14'] = lambda: VisionTransformer(SIZE)
    for name, title in (
        ('resnet18', 'ResNet-18'),
        ('resnet50', 'ResNet-50'),
        ('mobilenet_v3_small', 'MobileNetV3-S'),
    ):
        there = importlib.util.find_spec('torchvision') is not None
        made[title] = (lambda name=name: _of_torchvision(name)) if there else None
    return made


def _of_torchvision(name: str) -> nn.Module:
    from torchvision import models

    return models.get_model(name, weights=None)


def main() -> None:
    """Print a table."""
    images = torch.randn(CAMERAS, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    tasks, facts, missing = {}, {}, []
    for name, make in networks().items():
        if make is None:
            missing.append(name)
            continue
        torch.manual_seed(0)
        network = make().eval().to(memory_format=torch.channels_last)
        size = sum(p.numel() for p in network.parameters())
        facts[name] = (size, gflop(network, images) / CAMERAS)

        def task(network: nn.Module = network) -> Any:
            with torch.inference_mode():
                return network(images)

        tasks[name] = task
    with threads(1):
        spent = side_by_side(tasks, rounds=25, seconds=60, clock=time.thread_time)
    base = median(next(iter(spent.values())))
    rows = [
        [name, f'{facts[name][0] / 1e6:.2f} M', f'{4 * facts[name][0] / 1e6:.1f}', facts[name][1],
         median(times), p99(times), f'{median(times) / base:.1f}']
        for name, times in spent.items()
    ]  # fmt: skip
    rows += [[name, 'not run: needs torchvision', *[''] * 5] for name in missing]
    print(f'{machine()}. Two frames of {SIZE} px a set, torch eager, channels last, one thread.\n')
    columns = ['network', 'parameters', 'MB of weights', 'GFLOP a frame', 'ms a set', 'p99',
               'times SMAK-Net']  # fmt: skip
    print(table(columns, rows))


if __name__ == '__main__':
    main()
