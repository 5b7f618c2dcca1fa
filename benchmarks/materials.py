"""What the benchmarks are run on: a model without training, recordings of two VGA cameras."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import sys

import numpy as np
from smaknet_core.checkpoint import ModelFile, save_model
from smaknet_core.config import DataConfig, ModelConfig, TrainConfig
from smaknet_core.data.transforms import to_input
from smaknet_core.embedder import Embedder
from smaknet_core.matching import Calibration
from smaknet_core.model import Encoder
from smaknet_core.types import Image
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'core'))
from bag_maker import JPEG, jpeg_cdr, Message, RAW, raw_cdr, START_NS, write_bag  # noqa: E402

CAMERAS = ('left', 'right')


def scene(share: float, camera: int, height: int = 480, width: int = 640) -> Image:
    """Draw a textured room in which something moves: `share` of the way, as one camera sees it."""
    rng = np.random.default_rng(camera)
    coarse = rng.uniform(30, 220, (height // 40, width // 40, 3))
    room = np.kron(coarse, np.ones((40, 40, 1)))
    room += np.random.default_rng([camera, int(share * 1e6)]).normal(0, 4, room.shape)
    rows, columns = np.mgrid[0:height, 0:width]
    x, y = (0.2 + 0.6 * share) * width, (0.5 + 0.3 * np.sin(6 * share + camera)) * height
    inside = np.hypot(rows - y, columns - x) < height * (0.1 + 0.15 * share)
    room[inside] = (255 * (1 - share), 60, 255 * share)
    return np.clip(room, 0, 255).astype(np.uint8)


def make_bag(path: Path, seconds: float = 10.0, hz: float = 30.0, raw: bool = False) -> Path:
    """Write a recording of two cameras, 640 x 480, JPEG or raw."""
    kind, serialise = (RAW, raw_cdr) if raw else (JPEG, jpeg_cdr)
    ending = 'image_raw' if raw else 'image_raw/compressed'
    count = round(seconds * hz)
    messages = []
    for step in range(count):
        for number, camera in enumerate(CAMERAS):
            stamp_ns = START_NS + round(step * 1e9 / hz) + number * 2_000_000
            cdr = serialise(stamp_ns, scene(step / count, number))
            topic = f'/camera/{camera}/{ending}'
            messages.append(Message(topic, kind, stamp_ns + 5_000_000, cdr))
    return write_bag(path, messages)


def make_encoder(config: ModelConfig, size: int) -> Encoder:
    """Build a network whose batch norms have seen such scenes; its weights are random."""
    torch.manual_seed(0)
    encoder = Encoder(config).train()
    frames = np.stack([scene(share, 0, 480, 640) for share in np.linspace(0, 1, 8)])
    with torch.no_grad():
        small = torch.nn.functional.interpolate(
            to_input(torch.from_numpy(frames)), (size, size), mode='area'
        )
        for _ in range(20):
            encoder(small)
    return encoder.eval()


def make_model(path: Path, size: int = 128, model: ModelConfig | None = None) -> Path:
    """Write a model file; its distances are scaled so that scenes of `scene` can be followed."""
    config = TrainConfig(data=DataConfig(height=size, width=size), model=model or ModelConfig())
    encoder = make_encoder(config.model, size)
    file = ModelFile(encoder, config, CAMERAS, Calibration(1.0, 1.0))
    save_model(file, path)
    embedded = Embedder.load(path, 'cpu', engine='torch').embed(
        [scene(share, 0) for share in np.linspace(0, 1, 20)]
    )
    step = float(np.mean(np.linalg.norm(np.diff(embedded, axis=0), axis=1)))
    calibration = Calibration(step / 2, step * 1.5, basis='scenes of the benchmarks')
    save_model(dataclasses.replace(file, calibration=calibration), path)
    return path
