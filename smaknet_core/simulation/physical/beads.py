"""
The physics of a pour: beads in a cup that moves as it is told, over another that stands.

The moving cup is a free body far heavier than the beads, whose place and velocity are set anew
every `EVERY_S`: contacts know how fast the wall comes, so nothing leaks through it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.cups import add_collision, Cup
from smaknet_core.simulation.pose import Array, multiply, Pose

BEADS = 80
EVERY_S = 0.01  # the cup moves evenly for so long
_STEPS = 3  # of the physics in between
_PACKING = 0.6  # share of the room that beads in a heap fill
_BEAD_KG = 0.001
_CUP_KG = 100.0
_SETTLE_S = 0.5
_CALM_M_S = 0.02  # beads that creep no faster stay where they are while the cup stands
# Softer than MuJoCo's usual contacts: stiff ones throw beads out of a heap.
_SOFT = {'solref': [0.01, 1.0], 'solimp': [0.9, 0.95, 0.001, 0.5, 2.0]}


def bead_radius(source: Cup) -> float:
    """Radius of beads that, in a heap, fill the source as its `fill` says; metres."""
    bead = source.fill * source.volume * _PACKING / BEADS
    return float((bead * 3 / (4 * np.pi)) ** (1 / 3))


class BeadPhysics:
    """The model that is stepped: a cup that moves as it is told, a cup that stands, beads."""

    def __init__(
        self,
        source: Cup,
        recipient: Cup,
        recipient_position: Array,
        start: Pose,
        rng: np.random.Generator,
    ) -> None:
        """Let the beads settle in the source where it stands at first."""
        self._mj = mujoco()
        self.radius = bead_radius(source)
        self._model = self._build(source, recipient, recipient_position)
        self._data = self._mj.MjData(self._model)
        beads = start.position + _heap(source, self.radius, rng) @ start.matrix.T
        self._data.qpos[7:] = beads.ravel()
        for _ in range(round(_SETTLE_S / EVERY_S)):
            self._step(start, start)

    def _build(self, source: Cup, recipient: Cup, recipient_position: Array) -> Any:
        mj = self._mj
        spec = mj.MjSpec()
        spec.option.timestep = EVERY_S / _STEPS
        spec.option.solver = mj.mjtSolver.mjSOL_NEWTON
        spec.option.iterations = 8
        spec.option.tolerance = 1e-5
        cup = spec.worldbody.add_body(
            name='source', mass=_CUP_KG, inertia=[_CUP_KG] * 3, explicitinertial=True, gravcomp=1
        )
        cup.add_freejoint()
        solid = {'contype': 1, 'conaffinity': 0, 'condim': 1, **_SOFT}
        add_collision(spec, cup, source, **solid)
        stand = spec.worldbody.add_body(pos=recipient_position)
        add_collision(spec, stand, recipient, **solid)
        table = {**solid, 'condim': 3, 'friction': [0.6, 0, 0], 'priority': 1}
        spec.worldbody.add_geom(type=mj.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], **table)
        for _ in range(BEADS):
            self._add_bead(spec)
        return spec.compile()

    def _add_bead(self, spec: Any) -> None:
        mj = self._mj
        body = spec.worldbody.add_body()
        for axis in np.eye(3):
            body.add_joint(type=mj.mjtJoint.mjJNT_SLIDE, axis=axis, damping=_BEAD_KG / 0.7)
        body.add_geom(
            type=mj.mjtGeom.mjGEOM_SPHERE,
            size=[self.radius, 0, 0],
            mass=_BEAD_KG,
            contype=2,
            conaffinity=3,
            condim=1,
            **_SOFT,
        )

    def advance(self, before: Pose, after: Pose) -> None:
        """Go on for `EVERY_S`, in which the cup moves evenly from one pose to another."""
        stands = all(map(np.array_equal, before, after))
        if not stands or np.abs(self._data.qvel[6:]).max() > _CALM_M_S:
            self._step(before, after)

    def _step(self, before: Pose, after: Pose) -> None:
        self._data.qpos[:3] = before.position
        self._data.qpos[3:7] = before.quaternion
        self._data.qvel[:3] = (after.position - before.position) / EVERY_S
        self._data.qvel[3:6] = _turning(before.quaternion, after.quaternion) / EVERY_S
        self._mj.mj_step(self._model, self._data, nstep=_STEPS)

    def beads(self) -> Array:
        """Where the beads are, B x 3."""
        places: Array = self._data.qpos[7:].reshape(-1, 3).copy()
        return places


def _turning(before: Array, after: Array) -> Array:
    """Rotation vector, in the turning body's own frame, from one quaternion to another."""
    w, *vector = multiply(before * [1, -1, -1, -1], after)
    sine = float(np.linalg.norm(vector))
    angle = 2 * np.arctan2(sine, abs(w))
    turned: Array = np.array(vector) * (np.copysign(angle, w) / sine if sine > 1e-12 else 0.0)
    return turned


def _heap(cup: Cup, radius: float, rng: np.random.Generator) -> Array:
    """Places of the beads before they settle: loose layers from the floor up, B x 3."""
    pitch = 2.02 * radius
    places: list[Array] = []
    height = cup.wall + 1.05 * radius
    while len(places) < BEADS:
        # Above the rim the layers go on as wide as the rim is.
        room = float(cup.inner_radius(np.array([min(height, cup.height)]))[0]) - 1.1 * radius
        grid = np.stack(np.meshgrid(*[np.arange(-6, 7) * pitch] * 2), axis=-1).reshape(-1, 2)
        grid = grid + rng.uniform(-0.5, 0.5, 2) * pitch
        layer = grid[np.hypot(*grid.T) < room]
        places += [np.array([*at, height]) for at in layer]
        height += pitch
    return np.array(places[:BEADS]) + rng.normal(0, 0.02 * radius, (BEADS, 3))
