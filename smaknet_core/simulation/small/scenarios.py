"""Names of what can be simulated, and the worlds behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from smaknet_core.simulation.small.lab import PLACES
from smaknet_core.simulation.small.pouring import Pouring
from smaknet_core.simulation.small.stacking import Stacking
from smaknet_core.simulation.small.tabletop import Tabletop

SCENARIOS: Mapping[str, str] = {
    'normal': 'the pour, at its own tempo',
    'pause': 'the pour, with one long pause',
    'other-task': 'a box is stacked on a crate, in the same laboratory',
}


CAMERAS = tuple(PLACES)
DEMONSTRATORS = ('robot',)


def make_world(
    seed: int,
    scenario: str,
    cameras: Sequence[str],
    size: tuple[int, int],
    lab: int,
    demonstrator: str = 'robot',
    turn_deg: float = 0.0,
) -> Tabletop:
    """
    Build one episode of the small world.

    Args:
        seed: decides the episode.
        scenario: one of SCENARIOS.
        cameras: some of CAMERAS.
        size: height and width of the frames in pixels.
        lab: decides the room and where the cameras are.
        demonstrator: one of DEMONSTRATORS, of which there is one.
        turn_deg: 0; the cameras of this world stand where they are, see `worlds.decide`.
    """
    del turn_deg
    if scenario == 'other-task':
        return Stacking(seed, cameras, size, lab)
    pause = float(np.random.default_rng([seed, 13]).uniform(2.0, 4.0))
    return Pouring(seed, cameras, size, lab, pause if scenario == 'pause' else 0.0)
