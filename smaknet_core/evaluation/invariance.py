"""
What an embedding is to ignore, and how much alignment suffers from it.

The searched-for view is changed, as a live scene differs from the one taught; the view searched in
stays as it was recorded. A camera that moved is nothing pixels can pretend: record it, or simulate
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
from typing import Any
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.data.transforms import resize
from smaknet_core.embedder import Embedder
from smaknet_core.metrics import alignment_error, interval_of_mean
from smaknet_core.types import Clip

AS_RECORDED = 'as recorded'
Frames = NDArray[np.uint8]  # T x H x W x 3 RGB
SCALES = (0.6, 0.8, 1.25, 1.5)
BRIGHTNESS = (-0.25, 0.25)  # shares of the range
MEDIAN_OF = 64  # frames, spread evenly
STILL, MOVING = 12, 36  # grey levels from the median: surely background, surely not
OTHER_SHARE = 0.5  # of the foreign background in the mix


def measure_invariance(embedder: Embedder, clips: Sequence[Clip]) -> dict[str, dict[str, Any]]:
    """
    Alignment error over pairs i < j, with view i as recorded and then changed in each way.

    Args:
        embedder: the model.
        clips: recordings with two or more cameras.

    Returns:
        What was changed -> `alignment_error` and its `..._interval` over recordings.
    """
    errors = errors_by_change(embedder, clips)
    return {
        name: {
            'alignment_error': float(np.mean(values)),
            'alignment_error_interval': interval_of_mean(np.array(values)),
        }
        for name, values in errors.items()
    }


def errors_by_change(
    embedder: Embedder, clips: Sequence[Clip], *, changed: bool = True
) -> dict[str, list[float]]:
    """
    Give the alignment error of each clip under each change; `changed` False: as recorded alone.

    Arguments as `measure_invariance`.
    """
    errors: dict[str, list[float]] = {}
    for clip in clips:
        views = list(clip.views.values())
        taught = [embedder.embed(list(view)) for view in views]
        errors.setdefault(AS_RECORDED, []).append(_mean_error(taught[:-1], taught))
        for name, change in perturbations(clip.name).items() if changed else ():
            if name != AS_RECORDED:
                live = [_embed(embedder, change, view) for view in views[:-1]]
                errors.setdefault(name, []).append(_mean_error(live, taught))
    return errors


def _embed(
    embedder: Embedder, change: Callable[[Frames], Frames], view: Frames
) -> NDArray[np.float32]:
    return embedder.embed(list(change(np.array(view))))


def _mean_error(
    live: Sequence[NDArray[np.float32]], taught: Sequence[NDArray[np.float32]]
) -> float:
    """Mean over pairs i < j of finding live view i in taught view j."""
    errors = [
        alignment_error(view, taught[j])
        for i, view in enumerate(live)
        for j in range(i + 1, len(taught))
    ]
    return float(np.mean(errors))


def perturbations(seed: str) -> dict[str, Callable[[Frames], Frames]]:
    """Name the changes; the same seed gives the same foreign background."""
    changes: dict[str, Callable[[Frames], Frames]] = {AS_RECORDED: lambda view: view}
    for scale in SCALES:
        changes[f'scale {scale:g}'] = functools.partial(rescale, scale=scale)
    for share in BRIGHTNESS:
        changes[f'brightness {share:+.0%}'] = functools.partial(brighten, share=share)
    changes['background'] = functools.partial(mix_background, seed=zlib.crc32(seed.encode()))
    return changes


def change_names() -> list[str]:
    """Name what is measured, as recorded first."""
    return list(perturbations(''))


def rescale(view: Frames, scale: float) -> Frames:
    """Show the scene larger, cut at the border, or smaller, with the border drawn out."""
    height, width = view.shape[1:3]
    if scale >= 1:
        rows, cols = round(height / scale), round(width / scale)
        top, left = (height - rows) // 2, (width - cols) // 2
        inner = view[:, top : top + rows, left : left + cols]
        return np.stack([resize(frame, height, width) for frame in inner])
    rows, cols = round(height * scale), round(width * scale)
    top, left = (height - rows) // 2, (width - cols) // 2
    around = ((top, height - rows - top), (left, width - cols - left), (0, 0))
    return np.stack([np.pad(resize(frame, rows, cols), around, 'edge') for frame in view])


def brighten(view: Frames, share: float) -> Frames:
    """Add a share of the range to every channel."""
    return (view.astype(np.float32) + 255 * share).clip(0, 255).astype(np.uint8)


def mix_background(view: Frames, seed: int) -> Frames:
    """
    Mix what stands still with a foreign background; what moves stays as it is.

    The background is the median over time. What never moves cannot be told from it, a bowl that
    is poured into for one, and must not vanish: so half of it stays visible.
    """
    some = view[:: -(-len(view) // MEDIAN_OF)]
    median = np.median(some, axis=0).astype(np.float32)
    mixed = (1 - OTHER_SHARE) * median + OTHER_SHARE * foreign_background(view.shape[1:3], seed)
    return np.stack([_lay_over(frame, median, mixed) for frame in view])


def foreign_background(size: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Paint soft patches of colour, H x W x 3 in 0 ... 255."""
    rng = np.random.default_rng([seed, 23])
    patches = rng.uniform(0, 255, (6, 6, 3)).astype(np.float32)
    smooth = cv2.resize(patches, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth.clip(0, 255), np.float32)


def _lay_over(
    frame: NDArray[np.uint8], median: NDArray[np.float32], background: NDArray[np.float32]
) -> NDArray[np.uint8]:
    away = np.abs(frame - median).max(axis=-1)
    away = cv2.GaussianBlur(cv2.dilate(away, np.ones((3, 3), np.uint8)), (3, 3), 0)
    moving = ((away - STILL) / (MOVING - STILL)).clip(0, 1)[..., None]
    return np.asarray(moving * frame + (1 - moving) * background, np.uint8)
