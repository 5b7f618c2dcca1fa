"""A live frame beside the demonstration's frame it was matched with: the debug image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from smaknet_core.types import Image, Match, State

HEIGHT = 192  # of a frame, pixels
STRIP = 52  # of the strip below: two lines of text, and the bar
GAP = 4
DIM = 0.35  # of what cannot be acted on
INK, BACK, TRACK = (240, 240, 240), (24, 24, 24), (70, 70, 70)
# Okabe and Ito's colours, as in the report.
COLOURS = {
    State.INIT: (0x99, 0x99, 0x99),
    State.TRACKING: (0x00, 0x9E, 0x73),
    State.AMBIGUOUS: (0xE6, 0x9F, 0x00),
    State.LOST: (0xD5, 0x5E, 0x00),
    State.STALE: (0xCC, 0x79, 0xA7),
    State.DONE: (0x00, 0x72, 0xB2),
}


def side_by_side(pairs: Sequence[tuple[Image, Image]], match: Match, duration_s: float) -> Image:
    """
    Show frames beside the matched ones, a row per camera, over the state and a progress bar.

    The matched side is dim unless the match can be acted on: a guess must not look like an answer.

    Args:
        pairs: for each camera its live frame and the demonstration's, H x W x 3 RGB of any sizes.
        match: of these frames.
        duration_s: of the demonstration.

    Returns:
        H x W x 3 RGB: 192 pixels per row, and the strip.
    """
    rows = [_row(live, taught, match.state.actionable) for live, taught in pairs]
    width = max(row.shape[1] for row in rows)
    strip = _strip(match, duration_s, width)
    return np.concatenate([_widened(row, width) for row in rows] + [strip])


def _row(live: Image, taught: Image, bright: bool) -> Image:
    right = _scaled(taught)
    if not bright:
        right = (right * DIM).astype(np.uint8)
    gap = np.full((HEIGHT, GAP, 3), BACK, np.uint8)
    return np.concatenate([_scaled(live), gap, right], axis=1)


def _scaled(image: Image) -> Image:
    width = max(1, round(image.shape[1] * HEIGHT / image.shape[0]))
    smaller = image.shape[0] > HEIGHT
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, HEIGHT), interpolation=how), np.uint8)


def _widened(row: Image, width: int) -> Image:
    missing = np.full((row.shape[0], width - row.shape[1], 3), BACK, np.uint8)
    return np.concatenate([row, missing], axis=1)


def _strip(match: Match, duration_s: float, width: int) -> Image:
    strip = np.full((STRIP, width, 3), BACK, np.uint8)
    words = f'{match.state.value}  {match.progress:.0%}  confidence {match.confidence:.2f}'
    where = f'{match.demonstration}  {match.time_s:.1f} of {duration_s:.1f} s'
    _write(strip, words, 15, COLOURS[match.state])
    _write(strip, where, 32, INK)
    _bar(strip[STRIP - 12 : STRIP - 4, GAP : width - GAP], match, duration_s)
    return strip


def _write(strip: Image, text: str, baseline: int, colour: tuple[int, int, int]) -> None:
    place = (GAP, baseline)
    cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)


def _bar(bar: Image, match: Match, duration_s: float) -> None:
    """Fill it up to the match; the 90 % interval is a band, the match a line."""
    last = bar.shape[1] - 1

    def column(time_s: float) -> int:
        return int(round(last * min(max(time_s / max(duration_s, 1e-9), 0.0), 1.0)))

    colour = np.array(COLOURS[match.state])
    low, high = match.interval_s
    bar[:] = TRACK
    bar[:, : column(match.time_s) + 1] = colour // 2
    bar[:, column(low) : column(high) + 1] = colour
    here = column(match.time_s)
    bar[:, max(here - 1, 0) : here + 2] = INK
