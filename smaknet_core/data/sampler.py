"""
Clips → the frames of one training step; a pure function of (seed, step).

Each step takes `sequences` recordings. From each it takes two views, the same two for all its
timesteps: were the views drawn per timestep, "it is the other camera" would rule out half of the
negatives and the network could lower the loss without looking at time.

A recording of one camera has no second view. With `batch.time_contrastive` a frame a moment
earlier or later stands in for it (Sermanet et al. 2018, single-view TCN).
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
    # P, of the positives: those of the anchors, but for recordings of one camera.
    positive_timesteps: NDArray[np.int64]


def check_clips(clips: Sequence[Clip], config: BatchConfig) -> None:
    """Raise DataError naming the first recording that cannot be trained on."""
    if not clips:
        raise DataError('no recording to train on')
    for clip in clips:
        if len(clip.views) < 2 and not config.time_contrastive:
            raise DataError(
                f'{clip.name}: training needs two cameras that saw the task at the same time, '
                f'found {", ".join(clip.cameras)}; one camera is learned from with '
                'batch.time_contrastive'
            )
        if len(clip) < max(config.pairs, FEWEST_SETS):
            raise DataError(
                f'{clip.name}: {len(clip)} camera sets are too few for batch.pairs = '
                f'{config.pairs} (and at least {FEWEST_SETS}); record longer or lower batch.pairs'
            )
        if len(clip.views) < 2:
            _check_times(clip, config)


def draw(clips: Sequence[Clip], config: BatchConfig, seed: int, step: int) -> list[Draw]:
    """Choose recordings, timesteps and views for one step; equal arguments, equal draws."""
    rng = np.random.default_rng([seed, step])
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
    positives = [clips[d.clip].views[d.positive][d.positive_timesteps] for d in draws]
    return np.stack([np.stack(anchors), np.stack(positives)])


def times_s(clips: Sequence[Clip], draws: Sequence[Draw]) -> NDArray[np.float32]:
    """Say when each drawn frame was taken, S x 2P seconds of its recording, anchors first."""
    stamps_ns = [
        clips[d.clip].stamps_ns[np.concatenate([d.timesteps, d.positive_timesteps])] for d in draws
    ]
    starts_ns = [clips[d.clip].stamps_ns[0] for d in draws]
    seconds: NDArray[np.float64] = (np.stack(stamps_ns) - np.stack(starts_ns)[:, None]) / 1e9
    return seconds.astype(np.float32)


def near_in_time(
    clips: Sequence[Clip], draws: Sequence[Draw], config: BatchConfig
) -> NDArray[np.bool_] | None:
    """
    Say which drawn frames are no negatives of each other, being neither partners nor far apart.

    Only in recordings of one camera; where two look, another instant is a negative.

    Returns:
        S x 2P x 2P over anchors and then positives, or None where there is no such recording.
    """
    if all(len(clips[d.clip].views) > 1 for d in draws):
        return None
    near = np.zeros((len(draws), 2 * config.pairs, 2 * config.pairs), bool)
    partners = np.tile(np.eye(config.pairs, dtype=bool), (2, 2))
    for own, d in zip(near, draws, strict=True):
        clip = clips[d.clip]
        if len(clip.views) == 1:
            stamps_ns = clip.stamps_ns[np.concatenate([d.timesteps, d.positive_timesteps])]
            apart_s = np.abs(stamps_ns[:, None] - stamps_ns) / 1e9
            own[:] = (apart_s <= config.negative_beyond_s) & ~partners
    return near


def _check_times(clip: Clip, config: BatchConfig) -> None:
    """Raise DataError unless each frame of one camera can have positives and negatives."""
    period_s = np.diff(clip.stamps_ns).min() / 1e9
    if period_s > config.positive_within_s:
        raise DataError(
            f'{clip.name}: its frames are {period_s:.2f} s apart or more, none has another '
            f'within batch.positive_within_s = {config.positive_within_s:g}'
        )
    lasts_s = (clip.stamps_ns[-1] - clip.stamps_ns[0]) / 1e9
    if lasts_s <= 2 * config.negative_beyond_s:
        raise DataError(
            f'{clip.name}: it lasts {lasts_s:.1f} s, too short for negatives farther than '
            f'batch.negative_beyond_s = {config.negative_beyond_s:g} from every frame'
        )


def _draw_one(clip: Clip, index: int, config: BatchConfig, rng: np.random.Generator) -> Draw:
    if len(clip.views) == 1:
        timesteps = _draw_timesteps(clip, config, rng)
        (camera,) = clip.cameras
        positives = _draw_neighbours(clip.stamps_ns, timesteps, config.positive_within_s, rng)
        return Draw(index, timesteps, camera, camera, positives)
    anchor, positive = rng.choice(len(clip.cameras), 2, replace=False)
    timesteps = _draw_timesteps(clip, config, rng)
    return Draw(index, timesteps, clip.cameras[anchor], clip.cameras[positive], timesteps)


def _draw_timesteps(
    clip: Clip, config: BatchConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    if config.stratified:
        # Whole-numbered edges: stretches that share a timestep could both draw it, and an image
        # would be its own negative.
        edges = np.arange(config.pairs + 1) * len(clip) // config.pairs
        return rng.integers(edges[:-1], edges[1:])
    return np.sort(rng.choice(len(clip), config.pairs, replace=False))


def _draw_neighbours(
    stamps_ns: NDArray[np.int64],
    timesteps: NDArray[np.int64],
    within_s: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw for each timestep another one near in time; itself where a gap leaves none."""
    reach = round(within_s * 1e9)
    first = np.searchsorted(stamps_ns, stamps_ns[timesteps] - reach)
    last = np.searchsorted(stamps_ns, stamps_ns[timesteps] + reach, side='right') - 1
    others = last - first  # itself left out
    drawn = first + rng.integers(0, np.maximum(others, 1))
    neighbours: NDArray[np.int64] = np.where(others > 0, drawn + (drawn >= timesteps), timesteps)
    return neighbours
