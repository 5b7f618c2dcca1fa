"""Makes of arms with their grippers: how they stand, reach and hold, out of shipped models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from smaknet_core.simulation.physical.assets import household_assets, mujoco
from smaknet_core.simulation.pose import turn

FLANGE = 'right_hand'  # what the models call the body that grippers are put on
GRIPPER = 'gripper/'
GRIP = 'grip'  # the site in the middle of what is held
_FORWARD = turn((0.0, 0.0, 1.0), 90)  # an arm's own x axis is the table's y


class Kind(NamedTuple):
    """
    A make of arm with its gripper.

    Attributes:
        arm, gripper: models, in the folder of household assets.
        base: where it stands, metres, in the table's frame.
        rest: posture to which it tends, rad.
        joints: a name in the model -> the name its ROS driver gives it; base first.
        speeds: how fast these can turn, rad/s.
        depth: from the flange to the middle of the object, metres.
        stoop_deg: how far the gripper points below the grasp's x axis, so that the wrist stays
            off the table.
        fingers: width between the fingers, metres -> positions of the joints that move them.
        measured: those of them that a driver reports -> the name it gives them.
        width: between the fingers at most, metres.
    """

    arm: str
    gripper: str
    base: tuple[float, float, float]
    rest: tuple[float, ...]
    joints: Mapping[str, str]
    speeds: tuple[float, ...]
    depth: float
    stoop_deg: float
    fingers: Callable[[float], Mapping[str, float]]
    measured: Mapping[str, str]
    width: float


def _panda_fingers(width: float) -> Mapping[str, float]:
    return {GRIPPER + 'finger_joint1': width / 2, GRIPPER + 'finger_joint2': -width / 2}


KINDS: Mapping[str, Kind] = {
    'panda': Kind(
        arm='robots/panda/robot.xml',
        gripper='grippers/panda_gripper.xml',
        base=(0.26, -0.36, 0.20),
        rest=(1.61, 1.21, -0.5, -2.34, -1.91, 2.33, -0.38),
        joints={f'joint{i}': f'panda_joint{i}' for i in range(1, 8)},
        speeds=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
        depth=0.106,
        stoop_deg=15.0,
        fingers=_panda_fingers,
        measured={f'{GRIPPER}finger_joint{i}': f'panda_finger_joint{i}' for i in (1, 2)},
        width=0.08,
    ),
}


def assemble(kind: Kind) -> Any:
    """Put the gripper on the arm and the arm in its place (MjSpec): what is seen of it."""
    arm, gripper = _read(kind.arm), _read(kind.gripper)
    flange, base = arm.body(FLANGE), arm.body('base')
    flange.add_frame().attach_body(gripper.worldbody.first_body(), GRIPPER, '')
    upright = turn((0.0, 1.0, 0.0), -90 - kind.stoop_deg)  # the grasp, seen by the flange
    flange.add_site(name=GRIP, pos=[0, 0, kind.depth], quat=upright, group=5)
    base.pos, base.quat = kind.base, _FORWARD
    return arm


def skeleton(kind: Kind) -> Any:
    """Joints and links without any shape (MjSpec); compiles at once."""
    arm = assemble(kind)
    for part in (*arm.geoms, *arm.meshes, *arm.materials):
        arm.delete(part)
    return arm


def _read(model: str) -> Any:
    """Read a model without what acts, senses, or collides."""
    spec = mujoco().MjSpec.from_file(str(household_assets() / model))
    for parts in (spec.actuators, spec.sensors, spec.cameras, spec.sites, spec.tendons):
        for part in list(parts):
            spec.delete(part)
    for geom in list(spec.geoms):
        if geom.group != 1:
            spec.delete(geom)
    drawn = {geom.meshname for geom in spec.geoms}
    for mesh in list(spec.meshes):
        if mesh.name not in drawn:
            spec.delete(mesh)
    return spec
