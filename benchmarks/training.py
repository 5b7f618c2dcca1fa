"""
The trainer's images per second beside a bare loop's, and what loading and augmenting take.

The bare loop is forward, backward and step of the same network on one batch that stays in memory.
Seconds are those in which the one thread had a core.
"""

from __future__ import annotations

from timing import machine, median, require, side_by_side, table, threads  # isort: skip

from pathlib import Path
import tempfile
import time
from typing import Any

from materials import CAMERAS, scene
import numpy as np
from smaknet_core.config import DataConfig, OptimConfig, TrainConfig
from smaknet_core.data import sampler
from smaknet_core.data.noise import Noise
from smaknet_core.data.transforms import Augment, resize, to_input
from smaknet_core.losses import compute_loss
from smaknet_core.model import Encoder
from smaknet_core.trainer import train
from smaknet_core.types import Clip
import torch

SIZE, STEPS, TURNS = 128, 6, 3
TIMESTEPS = 60


def make_clips(folder: Path) -> list[Clip]:
    """Two recordings of two cameras, mapped from disk as training has them."""
    clips = []
    for number in range(2):
        views = {}
        for camera, name in enumerate(CAMERAS):
            frames = [
                resize(scene(share, camera + 7 * number), SIZE, SIZE)
                for share in np.linspace(0, 1, TIMESTEPS)
            ]
            path = folder / f'{number}_{name}.npy'
            np.save(path, np.stack(frames))
            views[name] = np.load(path, mmap_mode='r')
        stamps = np.arange(TIMESTEPS, dtype=np.int64) * 100_000_000
        clips.append(Clip(f'clip {number}', '', stamps, views))
    return clips


def settings(steps: int) -> TrainConfig:
    """Train as by default, measuring nothing before the end."""
    return TrainConfig(
        data=DataConfig(height=SIZE, width=SIZE),
        optim=OptimConfig(steps=steps, evaluate_every=10**6),
        device='cpu',
    )


class Bare:
    """Forward, backward, step."""

    def __init__(self, clips: list[Clip], config: TrainConfig) -> None:
        torch.manual_seed(0)
        self.config = config
        self.encoder = Encoder(config.model).to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(self.encoder.parameters(), lr=1e-4)
        self.draws = sampler.draw(clips, config.batch, 0, 0)
        frames = torch.from_numpy(sampler.load(clips, self.draws))
        self.shape = frames.shape[:3]
        self.times_s = torch.from_numpy(sampler.times_s(clips, self.draws))
        self.images = to_input(frames.flatten(0, 2)).contiguous(memory_format=torch.channels_last)

    def step(self) -> None:
        """Do one step on the batch that is there."""
        embedded = self.encoder(self.images, recordings=len(self.draws))
        anchors, positives = embedded.view(*self.shape, -1)
        loss = compute_loss(self.config.loss, anchors, positives, times_s=self.times_s)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        require(bool(torch.isfinite(loss)), 'the loss')


def seconds_per_step(clips: list[Clip], folder: Path, number: int) -> float:
    """Train for a while; the time from the second step on, without the last measurement."""
    marks: list[float] = []

    class Show:
        def update(self, step: int, seconds: float, *_: Any) -> None:
            marks.append(time.thread_time())

    train(settings(STEPS + 1), clips, [], folder / f'run{number}', show=Show())
    # the last step saves and calibrates
    return (marks[-2] - marks[0]) / (STEPS - 1)


def main() -> None:
    """Print two small tables."""
    with tempfile.TemporaryDirectory() as name, threads(1):
        folder = Path(name)
        clips = make_clips(folder)
        bare = Bare(clips, settings(STEPS))
        bare.step()
        ours, theirs = [], []
        for turn in range(TURNS):
            ours.append(seconds_per_step(clips, folder, turn))
            start = time.thread_time()
            for _ in range(STEPS):
                bare.step()
            theirs.append((time.thread_time() - start) / STEPS)
        stages = _stages(clips)
    images = int(np.prod(bare.shape))
    print(f'{machine()}. {SIZE} px, {images} images a step, one thread.\n')
    ours_s, theirs_s = float(np.median(ours)), float(np.median(theirs))
    print(table(['loop', 's a step', 'images/s', 'of bare'], [
        ['bare', theirs_s, images / theirs_s, '100%'],
        ['smaknet train', ours_s, images / ours_s, f'{theirs_s / ours_s:.0%}'],
    ]))  # fmt: skip
    whole = 1e3 * ours_s
    rows = [[name, median(t), f'{median(t) / whole:.1%}'] for name, t in stages.items()]
    print(table(['of a step', 'ms', 'share'], rows))


def _stages(clips: list[Clip]) -> dict[str, np.ndarray]:
    config = settings(1)
    augment = Augment(config.augment)
    draws = sampler.draw(clips, config.batch, 0, 0)
    frames = torch.from_numpy(sampler.load(clips, draws))
    noise = Noise(0)
    return side_by_side(
        {
            'loading': lambda: sampler.load(clips, sampler.draw(clips, config.batch, 0, 0)),
            'augmenting': lambda: augment(to_input(frames.flatten(0, 2)), noise),
        },
        rounds=30,
        clock=time.thread_time,
    )


if __name__ == '__main__':
    main()
