"""
Sets in, matches out: `FrameSet -> Embedding -> Match` with the memory of one stream.

The node and `smaknet follow` both use this class, so what was tried on a bag is what runs live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from smaknet_core.config import MatchConfig
from smaknet_core.demonstration import Demonstration
from smaknet_core.errors import DemonstrationError
from smaknet_core.matching import Calibration, make_tracker
from smaknet_core.types import FrameSet, Image, Match, Size, State, Vector


class Embeds(Protocol):
    """What is needed of an embedder; `smaknet_core.embedder.Embedder` is the one."""

    @property
    def model_hash(self) -> str:
        """Sha256 (hex) of the model file."""
        ...

    @property
    def calibration(self) -> Calibration:
        """Distance scales measured when the model was trained."""
        ...

    @property
    def input_size(self) -> Size:
        """Height and width images are resized to."""
        ...

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Turn N images of any size into N x D finite numbers."""
        ...


@dataclass(frozen=True)
class Followed:
    """What became of one set."""

    match: Match
    embeddings: Mapping[str, Vector]  # camera -> D, the cameras present; {} if there are none
    spread_s: float  # between the set's oldest and newest frame


class Follower:
    """
    Sets in, matches out, with the memory of one stream.

    Args:
        embedder: the model.
        demonstrations: one or more, made with this model, differently named.
        match: how to match.
        stale_s: without a set for this long, the match is STALE.
        lost_s: without a set for this long, it is LOST.

    Raises:
        DemonstrationError: no demonstration, of another model, or two of one name.
    """

    def __init__(
        self,
        embedder: Embeds,
        demonstrations: Sequence[Demonstration],
        match: MatchConfig,
        stale_s: float = 0.5,
        lost_s: float = 2.0,
    ) -> None:
        _check_together(embedder, demonstrations)
        self.embedder = embedder
        self.demonstrations = tuple(demonstrations)
        self.stale_s = stale_s
        self.lost_s = lost_s
        taught = [demonstration.taught() for demonstration in demonstrations]
        self._tracker = make_tracker(taught, embedder.calibration, match)
        self._last: Match | None = None

    def process(self, sets: Sequence[FrameSet]) -> list[Followed]:
        """Embed all frames of all sets in one batch, then match the sets in order."""
        followed = []
        for frames, embeddings in zip(sets, embed_sets(self.embedder, sets), strict=True):
            self._last = self._tracker.update(frames.stamp_ns, embeddings)
            followed.append(Followed(self._last, embeddings, frames.spread_s))
        return followed

    def give_up(self, frames: FrameSet) -> Followed:
        """Say of a set that could not be matched that it is LOST: no place, no confidence."""
        demonstration = self.demonstrations[0]
        self._last = Match(
            stamp_ns=frames.stamp_ns,
            demonstration=demonstration.name,
            timestep=0,
            timesteps=len(demonstration),
            time_s=0.0,
            progress=0.0,
            rate=0.0,
            distance=math.inf,
            confidence=0.0,
            margin=0.0,
            interval_s=(0.0, demonstration.duration_s),
            state=State.LOST,
        )
        return Followed(self._last, {}, frames.spread_s)

    def stale(self, now_ns: int) -> Match | None:
        """
        Say what the last match is still worth at `now_ns` of the stream's clock.

        Returns:
            The last match with its *old* stamp, as STALE or LOST; None while it is fresh enough,
            and before the first set.
        """
        if self._last is None:
            return None
        age_s = (now_ns - self._last.stamp_ns) / 1e9
        if age_s < self.stale_s:
            return None
        return replace(self._last, state=State.LOST if age_s >= self.lost_s else State.STALE)

    def reset(self) -> None:
        """Forget the stream: the next set is the first."""
        self._tracker.reset()
        self._last = None


def embed_sets(embedder: Embeds, sets: Sequence[FrameSet]) -> list[dict[str, Vector]]:
    """Embed all frames of all sets in one batch; give camera -> D of each set."""
    images = [frame.image for frames in sets for frame in frames.frames.values()]
    vectors = iter(embedder.embed(images)) if images else iter(())
    return [
        dict(zip(frames.cameras, islice(vectors, len(frames.cameras)), strict=True))
        for frames in sets
    ]


def _check_together(embedder: Embeds, demonstrations: Sequence[Demonstration]) -> None:
    if not demonstrations:
        raise DemonstrationError('nothing to follow: give at least one demonstration')
    names = [demonstration.name for demonstration in demonstrations]
    for demonstration in demonstrations:
        if demonstration.model_hash != embedder.model_hash:
            raise DemonstrationError(
                f'demonstration {demonstration.name!r} was made with another model: '
                'run `smaknet teach` again with this one'
            )
        if names.count(demonstration.name) > 1:
            raise DemonstrationError(
                f'two demonstrations are called {demonstration.name!r}: teach one of them again '
                'under another --name'
            )
