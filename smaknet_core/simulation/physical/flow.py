"""A pour that is not known beforehand: stepped as the cup is moved, its last moments at hand."""

from __future__ import annotations

from collections import deque

import numpy as np
from smaknet_core.simulation.physical.beads import BeadPhysics, BEADS, EVERY_S
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.physical.liquid import as_pour, Pour
from smaknet_core.simulation.pose import Array, Pose

KEPT_S = 0.4  # more than drawing a moment looks back


class Flow:
    """The same physics as `liquid.simulate_pour`, moment by moment, `beads.EVERY_S` apart."""

    def __init__(
        self,
        source: Cup,
        recipient: Cup,
        recipient_position: Array,
        start: Pose,
        rng: np.random.Generator,
    ) -> None:
        """Let the liquid settle; arguments as `beads.BeadPhysics`."""
        self._cups = (source, recipient, recipient_position)
        self._physics = BeadPhysics(source, recipient, recipient_position, start, rng)
        kept = round(KEPT_S / EVERY_S)
        self._poses = deque([start] * kept, kept)
        self._beads = deque([self._physics.beads()] * kept, kept)

    def advance(self, cup: Pose) -> None:
        """Go on for `EVERY_S`, in which the source moves evenly to `cup`."""
        self._physics.advance(self._poses[-1], cup)
        self._poses.append(cup)
        self._beads.append(self._physics.beads())

    def recent(self) -> Pour:
        """Give the last `KEPT_S` of it; now is its last moment."""
        return as_pour(*self._cups, self._physics.radius, list(self._beads), list(self._poses))

    @property
    def delivered(self) -> float:
        """Share of the liquid that is in the recipient now, 0 ... 1."""
        _, recipient, position = self._cups
        return float(recipient.holds(self._beads[-1] - position).sum()) / BEADS

    @property
    def left(self) -> float:
        """Share of the liquid that is in the source now, 0 ... 1."""
        source, cup = self._cups[0], self._poses[-1]
        return float(source.holds((self._beads[-1] - cup.position) @ cup.matrix).sum()) / BEADS
