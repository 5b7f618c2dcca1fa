"""Names of what can be simulated, and the worlds behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from smaknet_core.simulation.pouring import Pouring
from smaknet_core.simulation.stacking import Stacking
from smaknet_core.simulation.tabletop import Tabletop

SCENARIOS: Mapping[str, str] = {
    'normal': 'the pour, at its own tempo',
    'pause': 'the pour, with one long pause',
    'other-task': 'a box is stacked on a crate, in the same laboratory',
}


def make_world(
    seed: int, scenario: str, cameras: Sequence[str], size: tuple[int, int], lab: int
) -> Tabletop:
    """Build one episode of the small world; `scenario` is one of SCENARIOS."""
    if scenario == 'other-task':
        return Stacking(seed, cameras, size, lab)
    pause = float(np.random.default_rng([seed, 13]).uniform(2.0, 4.0))
    return Pouring(seed, cameras, size, lab, pause if scenario == 'pause' else 0.0)
