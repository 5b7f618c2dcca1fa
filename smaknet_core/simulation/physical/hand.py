"""The right hand and arm of a person, posed by where the object is that it holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.clothing import (
    add_cloth,
    add_nail_paint,
    add_skin_material,
    add_torso,
    add_tube,
    draw_look,
    wrinkled,
)
from smaknet_core.simulation.physical.grasp import Grasp
from smaknet_core.simulation.physical.hand_bones import BONES, FOREARM, PALM, quaternion
from smaknet_core.simulation.physical.hand_pose import hand_pose
from smaknet_core.simulation.physical.hand_skin import hand_skin, NAMES, Skin
from smaknet_core.simulation.physical.surfaces import add_paint
from smaknet_core.simulation.pose import Array, cross, length, Pose, turn

PREFIX = 'hand/'
ELBOW = np.array([0.27, -0.62, 0.15])  # metres, table frame: where a demonstrator's elbow rests
CHEST = np.array([0.03, -0.68, 0.0])  # on the table's height
SHOULDER = np.array([0.17, 0.02, 0.38])  # from there
WRIST_FROM = np.array([0.16, -0.12, 0.06])  # the wrist for which that is so
FOREARM_LENGTH = 0.27
UPPER_LENGTH = 0.385
UPPER, TORSO = 'upper_arm', 'torso'
SLEEVE = (0.036, 0.052)  # metres: radius at the wrist and at the elbow


class HumanHand:
    """A part of the scene that is drawn: hand, forearm and sleeve; nothing of it collides."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw what the person looks like."""
        self.look = draw_look(rng)
        self._wrinkles = int(rng.integers(2**31))
        self._ids: dict[str, int] = {}
        self._joints: list[int] = []

    def add_to(self, spec: Any) -> None:
        """Add the bodies of the bones, the skin around them, and what is worn."""
        bodies = {
            name: spec.worldbody.add_body(name=PREFIX + name)
            for name in (PALM, FOREARM, UPPER, TORSO)
        }
        for name, bone in BONES.items():
            bodies[name] = bodies[bone.parent].add_body(name=PREFIX + name, pos=bone.joint)
        bare = hand_skin().outside(self.look.sleeve_from + 0.02)
        _add_skin(spec, bare, add_skin_material(spec, PREFIX + 'skin', self.look.skin))
        _add_nails(bodies, add_nail_paint(spec, PREFIX + 'nail', self.look.skin))
        self._add_clothes(spec, bodies)

    def _add_clothes(self, spec: Any, bodies: dict[str, Any]) -> None:
        look, rng = self.look, np.random.default_rng(self._wrinkles)
        cloth = add_cloth(spec, PREFIX + 'cloth', look)
        cuff = add_paint(spec, PREFIX + 'cuff', 0.8 * look.shirt, shine=0.02)
        start = -look.sleeve_from
        width = SLEEVE[0] + (start + 0.05) / (0.05 - FOREARM_LENGTH) * (SLEEVE[1] - SLEEVE[0])
        profile = np.array([(SLEEVE[1], -FOREARM_LENGTH), (width, start)])
        add_tube(spec, bodies[FOREARM], PREFIX + 'sleeve', cloth, wrinkled(profile, rng))
        hem = np.array([(width + 0.0025, start - 0.022), (width + 0.002, start + 0.002)])
        add_tube(spec, bodies[FOREARM], PREFIX + 'cuff', cuff, hem)
        _add_capsule(bodies[UPPER], UPPER_LENGTH, SLEEVE[1] + 0.002, cloth)
        add_torso(spec, bodies[TORSO], PREFIX + 'shirt', cloth)
        if look.watch is not None:
            _add_watch(spec, bodies[FOREARM], look.watch)

    def bind(self, model: Any) -> None:
        """Find the bodies in the compiled model."""
        self._ids = {name: int(model.body(PREFIX + name).id) for name in (*NAMES, UPPER, TORSO)}
        self._joints = [self._ids[name] for name in BONES]

    def place(self, model: Any, data: Any, grasp: Grasp) -> None:
        """Hold what the grasp says, or be about to."""
        pose = hand_pose(grasp.diameter_m, grasp.opening)
        palm = grasp.frame @ pose.palm
        self._put(model, PALM, palm)
        for name, placed in zip((FOREARM, UPPER, TORSO), arm(palm), strict=True):
            self._put(model, name, placed)
        model.body_quat[self._joints] = pose.joints

    def _put(self, model: Any, name: str, pose: Pose) -> None:
        model.body_pos[self._ids[name]] = pose.position
        model.body_quat[self._ids[name]] = pose.quaternion


def arm(palm: Pose) -> tuple[Pose, Pose, Pose]:
    """
    Place forearm (begins in the wrist, z to the hand), upper arm (z to the shoulder) and torso.

    All follow the hand part of its way; the elbow rises when the hand turns its back up, and the
    person leans to where the arm does not reach.
    """
    thumb = palm.matrix[:, 0]
    follow = (palm.position - WRIST_FROM) * [0.55, 0.4, 0.3]
    aim = ELBOW + follow + [0.0, 0.0, 0.07 * (1 - thumb[2])]
    towards = (palm.position - aim) / length(palm.position - aim)
    elbow = palm.position - FOREARM_LENGTH * towards
    upright = Pose(CHEST + 0.45 * follow * [1, 1, 0], turn((0, 0, 1), -30 * float(follow[0])))
    reach = upright.position + upright.matrix @ SHOULDER - elbow
    lean = max(0.0, 1 - UPPER_LENGTH / length(reach))
    torso = upright._replace(position=upright.position - lean * reach)
    forearm = Pose(palm.position, _upright(towards, thumb))
    return forearm, Pose(elbow, _upright(reach, thumb)), torso


def _upright(along: Array, side: Array) -> Array:
    """Quaternion of a frame with z along a direction and x as near to another as can be."""
    z = along / length(along)
    y = cross(z, side)
    y = y / length(y)
    return quaternion(np.array([cross(y, z), y, z]).T)


def _add_skin(spec: Any, skin: Skin, material: str) -> None:
    held = [np.flatnonzero(column) for column in skin.weights.T]
    spec.add_skin(
        name=PREFIX + 'skin',
        material=material,
        vert=skin.points.astype(np.float32).ravel(),
        texcoord=(0.02 + 0.96 * skin.shade).astype(np.float32).ravel(),  # its edges wrap
        face=skin.faces.astype(np.int32).ravel(),
        bodyname=[PREFIX + name for name in NAMES],
        bindpos=np.concatenate([skin.bones[name].position for name in NAMES]),
        bindquat=np.concatenate([skin.bones[name].quaternion for name in NAMES]),
        vertid=[points.tolist() for points in held],
        vertweight=[w[points].tolist() for w, points in zip(skin.weights.T, held, strict=True)],
    )


def _add_nails(bodies: dict[str, Any], material: str) -> None:
    for name, bone in BONES.items():
        if name.endswith('distal'):
            width = bone.thickness[1]
            bodies[name].add_geom(
                type=mujoco().mjtGeom.mjGEOM_ELLIPSOID,
                pos=[0.0, 0.80 * width, bone.length + 0.15 * width],
                size=[0.64 * width, 0.0018, 0.70 * width],
                material=material,
                contype=0,
                conaffinity=0,
            )


def _add_capsule(body: Any, length: float, radius: float, material: str) -> None:
    body.add_geom(
        type=mujoco().mjtGeom.mjGEOM_CAPSULE,
        fromto=[0.0, 0.0, 0.0, 0.0, 0.0, length],
        size=[radius, 0.0, 0.0],
        material=material,
        contype=0,
        conaffinity=0,
    )


def _add_watch(spec: Any, forearm: Any, colour: Array) -> None:
    """Add a strap around the wrist, and the watch on its back."""
    strap = add_paint(spec, PREFIX + 'strap', colour, shine=0.3)
    band = np.array([(0.0325, -0.040), (0.0325, -0.022)])
    add_tube(spec, forearm, PREFIX + 'strap', strap, band)
    forearm.add_geom(
        type=mujoco().mjtGeom.mjGEOM_CYLINDER,
        pos=[0.0, 0.027, -0.031],
        quat=turn((1, 0, 0), 90),
        size=[0.017, 0.004, 0.0],
        material=add_paint(spec, PREFIX + 'watch', np.full(3, 0.75), shine=0.9),
        contype=0,
        conaffinity=0,
    )
