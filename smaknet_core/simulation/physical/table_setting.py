"""What stands on the table in an episode, and where: decided by its seed, whoever pours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from smaknet_core.simulation.physical.choreography import draw_places, Places
from smaknet_core.simulation.physical.cups import Cup, draw_recipient, draw_source


class TableSetting(NamedTuple):
    """The two cups of an episode, and where they stand."""

    source: Cup
    recipient: Cup
    places: Places


def draw_setting(seed: int) -> TableSetting:
    """Set the table of an episode; the same seed, the same cups in the same places."""
    rngs = (np.random.default_rng([seed, purpose]) for purpose in (1, 2, 3))
    source, recipient, places = next(rngs), next(rngs), next(rngs)
    return TableSetting(draw_source(source), draw_recipient(recipient), draw_places(places))
