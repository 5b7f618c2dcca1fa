"""Parts of the scene that the story moves: the two cups, and what hides the view for a while."""

from __future__ import annotations

from typing import Any

import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.cups import add_visual, Cup
from smaknet_core.simulation.pose import Array, Pose

_HIDDEN = np.array([0.0, 0.0, -5.0])  # below the floor


class Vessels:
    """The cup that is poured and, where there is one, the recipient that stands still."""

    def __init__(self, source: Cup, recipient: Cup, place: Array) -> None:
        """`place`: where the recipient stands, metres, 3."""
        self._source, self._recipient, self._place = source, recipient, place
        self._ids = (0, 0)

    def add_to(self, spec: Any) -> None:
        """Add both cups."""
        add_visual(spec, self._source, 'cup/source')
        add_visual(spec, self._recipient, 'cup/recipient')

    def bind(self, model: Any) -> None:
        """Look the cups up."""
        source, recipient = (model.body(f'cup/{name}') for name in ('source', 'recipient'))
        self._ids = int(source.mocapid[0]), int(recipient.mocapid[0])

    def place(self, data: Any, source: Pose) -> None:
        """Put the poured cup where it is."""
        data.mocap_pos[self._ids[0]], data.mocap_quat[self._ids[0]] = source
        data.mocap_pos[self._ids[1]] = self._place


class Occluder:
    """Somebody's sleeve before the lens of one camera, for a while."""

    def __init__(self, rng: np.random.Generator, begins_s: float, lasts_s: float) -> None:
        """Draw its colour; it hides the view from `begins_s` for `lasts_s`."""
        self._colour = rng.uniform(0.1, 0.6, 3)
        self._begins, self._ends = begins_s, begins_s + lasts_s
        self._id = 0

    def add_to(self, spec: Any) -> None:
        """Add it, out of sight."""
        mj = mujoco()
        body = spec.worldbody.add_body(name='occluder', mocap=True, pos=_HIDDEN)
        body.add_geom(
            type=mj.mjtGeom.mjGEOM_CAPSULE,
            size=[0.07, 0.4, 0],
            quat=[0.64, 0.3, 0.64, 0.3],
            rgba=[*self._colour, 1],
            contype=0,
            conaffinity=0,
        )

    def bind(self, model: Any) -> None:
        """Look it up."""
        self._id = int(model.body('occluder').mocapid[0])

    def hides_at(self, time_s: float) -> bool:
        """Say whether it is before the lens."""
        return self._begins <= time_s <= self._ends

    def place(self, data: Any, camera: Pose, time_s: float, hides: bool) -> None:
        """Put it 16 cm before a camera (looking along -z), sweeping by, or out of sight."""
        if not (hides and self.hides_at(time_s)):
            data.mocap_pos[self._id] = _HIDDEN
            return
        share = (time_s - self._begins) / (self._ends - self._begins)
        before = np.array([0.10 * (share - 0.5), 0.0, -0.16])
        data.mocap_pos[self._id], data.mocap_quat[self._id] = camera @ Pose(before, _STRAIGHT)


_STRAIGHT = np.array([1.0, 0.0, 0.0, 0.0])
