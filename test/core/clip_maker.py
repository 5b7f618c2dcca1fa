"""
Clips, recordings and models small enough to train in a test: their frames show what time it is.

A disc grows and turns from red to blue while time passes; each camera sees it elsewhere, over a
background of its own, so that equal instants look alike in nothing but the disc.
"""

from __future__ import annotations

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch: threads share two cores

from bag_maker import JPEG, jpeg_cdr, Message, START_NS, write_bag
import numpy as np
from smaknet_core.checkpoint import ModelFile, save_model
from smaknet_core.config import (
    BatchConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from smaknet_core.matching import Calibration
from smaknet_core.model import Encoder
from smaknet_core.types import Clip
import torch

torch.set_num_threads(1)

SIZE = 32
PERIOD_NS = 100_000_000


def frames(steps=24, camera=0, seed=0, size=SIZE):
    """T x size x size x 3 RGB: what one camera sees of the growing disc."""
    rng = np.random.default_rng([seed, camera])
    coarse = rng.uniform(40, 200, (4, 4, 3))
    background = np.kron(coarse, np.ones((size // 4, size // 4, 1)))
    centre = rng.uniform(0.35, 0.65, 2) * size
    rows, columns = np.mgrid[0:size, 0:size]
    away = np.hypot(rows - centre[0], columns - centre[1])
    shown = []
    for share in np.linspace(0, 1, steps):
        inside = (away < size * (0.08 + 0.4 * share))[..., None]
        colour = np.array([255 * (1 - share), 40, 255 * share])
        shown.append(np.where(inside, colour, background))
    return np.stack(shown).astype(np.uint8)


def make_clip(name='clip', steps=24, cameras=('left', 'right'), seed=0, task='', size=SIZE):
    """A clip as the cache would give it, 10 Hz."""
    views = {camera: frames(steps, n, seed, size) for n, camera in enumerate(cameras)}
    return Clip(name, task, START_NS + np.arange(steps, dtype=np.int64) * PERIOD_NS, views)


def make_bag(path, steps=24, cameras=('left', 'right'), seed=0, size=SIZE):
    """The same as a recording: a rosbag2 folder of compressed images."""
    seen = [frames(steps, number, seed, size) for number in range(len(cameras))]
    messages = []
    for step in range(steps):
        for number, camera in enumerate(cameras):
            stamp_ns = START_NS + step * PERIOD_NS + number * 2_000_000
            cdr = jpeg_cdr(stamp_ns, seen[number][step])
            topic = f'/camera/{camera}/image_raw/compressed'
            messages.append(Message(topic, JPEG, stamp_ns + 5_000_000, cdr))
    return write_bag(path, messages)


def make_config(steps=12, evaluate_every=6, **more):
    """Settings under which a step takes a twentieth of a second."""
    return TrainConfig(
        **{
            'data': DataConfig(height=SIZE, width=SIZE),
            'batch': BatchConfig(sequences=1, pairs=8),
            'optim': OptimConfig(steps=steps, evaluate_every=evaluate_every, warmup_steps=5),
            'device': 'cpu',
            **more,
        }
    )


def make_encoder(seed=0, **model):
    """A network whose batch norms have seen what it will see; its weights are random."""
    torch.manual_seed(seed)
    encoder = Encoder(ModelConfig(**model)).train()
    with torch.no_grad():
        for _ in range(3):
            encoder(torch.rand(16, 3, SIZE, SIZE) * 2 - 1)
    return encoder.eval()


def make_model(path, seed=0, cameras=('left', 'right'), summary=None, **model):
    """Write a model file with random weights; give what was written."""
    config = make_config(model=ModelConfig(**model))
    calibration = Calibration(0.5, 1.0, basis='made up')
    file = ModelFile(make_encoder(seed, **model), config, cameras, calibration, summary or {})
    save_model(file, path)
    return file
