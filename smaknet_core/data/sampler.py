"""
Clips → the frames of one training step; a pure function of (seed, step, rank).

Each step takes `sequences` recordings. From each it takes two views, the same two for all its
timesteps: were the views drawn per timestep, "it is the other camera" would rule out half of the
negatives and the network could lower the loss without looking at time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import BatchConfig
from smaknet_core.errors import DataError
from smaknet_core.types import Clip

FEWEST_SETS = 4  # of a recording that distances can be measured on (matching.calibrate)


@dataclass(frozen=True)
class Draw:
    """Where one recording's share of a batch comes from."""

    clip: int  # index into the clips
    timesteps: NDArray[np.int64]  # P, strictly increasing
    anchor: str  # camera of the anchors
    positive: str  # camera of the positives


def check_clips(clips: Sequence[Clip], config: BatchConfig) -> None:
    """Raise DataError naming the first recording that cannot be trained on."""
    if not clips:
        raise DataError('no recording to train on')
    for clip in clips:
        if len(clip.views) < 2:
            raise DataError(
                f'{clip.name}: training needs two cameras that saw the task at the same time, '
                f'found {", ".join(clip.cameras)}'
            )
        if len(clip) < max(config.pairs, FEWEST_SETS):
            raise DataError(
                f'{clip.name}: {len(clip)} camera sets are too few for batch.pairs = '
                f'{config.pairs} (and at least {FEWEST_SETS}); record longer or lower batch.pairs'
            )


def draw(
    clips: Sequence[Clip], config: BatchConfig, seed: int, step: int, rank: int = 0
) -> list[Draw]:
    """Choose recordings, timesteps and views for one step; equal arguments, equal draws."""
    rng = np.random.default_rng([seed, step, rank])
    distinct = len(clips) >= config.sequences
    chosen = rng.choice(len(clips), config.sequences, replace=not distinct)
    return [_draw_one(clips[i], int(i), config, rng) for i in chosen]


def load(clips: Sequence[Clip], draws: Sequence[Draw]) -> NDArray[np.uint8]:
    """
    Read the drawn frames.

    Returns:
        2 x S x P x H x W x 3 uint8: anchors, then positives.
    """
    anchors = [clips[d.clip].views[d.anchor][d.timesteps] for d in draws]
    positives = [clips[d.clip].views[d.positive][d.timesteps] for d in draws]
    return np.stack([np.stack(anchors), np.stack(positives)])


def _draw_one(clip: Clip, index: int, config: BatchConfig, rng: np.random.Generator) -> Draw:
    anchor, positive = rng.choice(len(clip.cameras), 2, replace=False)
    if config.stratified:
        # Whole-numbered edges: stretches that share a timestep could both draw it, and an image
        # would be its own negative.
        edges = np.arange(config.pairs + 1) * len(clip) // config.pairs
        timesteps = rng.integers(edges[:-1], edges[1:])
    else:
        timesteps = np.sort(rng.choice(len(clip), config.pairs, replace=False))
    return Draw(index, timesteps, clip.cameras[anchor], clip.cameras[positive])
