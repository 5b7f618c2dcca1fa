"""
The bones of a right hand, and the flesh around them.

Where joints are and how they turn follows the Shadow hand (gymnasium-robotics); lengths and
thickness are those of a person. The frame of a bone: z along it to the fingertip, -y to the palmar
side. That of the palm: origin in the wrist, z to the fingers, x to the thumb, -y out of the palm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from smaknet_core.simulation.pose import Array, multiply, Pose, turn

UNTURNED = np.array([1.0, 0.0, 0.0, 0.0])
FOREARM = 'forearm'
PALM = 'palm'


class Bone(NamedTuple):
    """A phalanx or the thumb's metacarpal; metres."""

    parent: str
    joint: Array  # 3: its beginning, in its parent's frame
    length: float
    thickness: tuple[float, float]  # radius of the flesh at its beginning and at its end


class Flesh(NamedTuple):
    """A cone with round ends, fixed to a bone; metres."""

    bone: str
    begin: tuple[float, float, float]  # in the bone's frame
    end: tuple[float, float, float]
    thickness: tuple[float, float]  # radius at both


# Knuckle in the palm's frame, lengths of three phalanges, thickness at the joints and the tip.
FINGERS = {
    'index': ((0.030, 0.000, 0.092), (0.043, 0.025, 0.019), (0.0106, 0.0094, 0.0086, 0.0075)),
    'middle': ((0.009, 0.002, 0.096), (0.047, 0.029, 0.020), (0.0109, 0.0096, 0.0088, 0.0077)),
    'ring': ((-0.012, 0.001, 0.091), (0.043, 0.027, 0.020), (0.0104, 0.0090, 0.0082, 0.0072)),
    'little': ((-0.031, -0.003, 0.083), (0.034, 0.020, 0.017), (0.0092, 0.0079, 0.0072, 0.0063)),
}
THUMB = ((0.022, -0.010, 0.020), (0.046, 0.034, 0.023), (0.0150, 0.0120, 0.0108, 0.0090))
PHALANGES = ('proximal', 'middle', 'distal')


def _chain(
    name: str,
    joint: tuple[float, float, float],
    lengths: tuple[float, float, float],
    thickness: tuple[float, float, float, float],
) -> dict[str, Bone]:
    """Give a finger's three bones, each at the end of the one before."""
    bones: dict[str, Bone] = {}
    parent, start = PALM, np.array(joint)
    for index, part in enumerate(PHALANGES):
        around = (thickness[index], thickness[index + 1])
        bones[f'{name}_{part}'] = Bone(parent, start, lengths[index], around)
        parent, start = f'{name}_{part}', np.array([0.0, 0.0, lengths[index]])
    return bones


BONES = {
    bone: part
    for name, finger in {**FINGERS, 'thumb': THUMB}.items()
    for bone, part in _chain(name, *finger).items()
}

# The palm's pads and metacarpals, and the wrist: what lies between the bones above.
BODY = (
    *(
        Flesh(PALM, (0.35 * knuckle[0], -0.001, 0.004), (*knuckle[:2], knuckle[2] - 0.004), ends)
        for knuckle, _, (thick, *_) in FINGERS.values()
        for ends in [(0.0145, thick + 0.0012)]
    ),
    Flesh(PALM, (0.018, -0.010, 0.016), (0.034, -0.008, 0.068), (0.014, 0.0095)),  # to the web
    Flesh(PALM, (-0.020, -0.008, 0.014), (-0.029, -0.007, 0.066), (0.0145, 0.0105)),  # the heel
    Flesh(FOREARM, (0.011, 0.000, -0.008), (0.013, 0.000, -0.190), (0.0180, 0.0275)),
    Flesh(FOREARM, (-0.011, 0.000, -0.008), (-0.013, 0.000, -0.190), (0.0170, 0.0275)),
)
FLESH = (
    *BODY,
    *(
        Flesh(name, (0.0, 0.0, 0.0), (0.0, 0.0, bone.length), bone.thickness)
        for name, bone in BONES.items()
    ),
)


def relaxed() -> Array:
    """
    Joint angles in which the skin is made: nothing touches.

    Like all joint angles: quaternions relative to the bone before, bones (as BONES) x 4.
    """
    fingers = [
        [multiply(turn((0, 1, 0), spread), bend(12)), bend(14), bend(8)]
        for spread in (9.0, 1.0, -8.0, -18.0)
    ]
    thumb = [facing(np.array([0.62, -0.52, 0.58]), np.array([-0.4, 0.1, 0.9])), bend(12), bend(12)]
    return np.concatenate([*fingers, thumb])


def bend(degrees: float) -> Array:
    """Quaternion of a joint that bends to the palmar side."""
    return turn((1, 0, 0), degrees)


def facing(along: Array, palmar: Array) -> Array:
    """Quaternion of a bone that points `along` and whose palmar side looks to `palmar`."""
    z = along / np.linalg.norm(along)
    x = np.cross(-palmar, z)
    x = x / np.linalg.norm(x)
    return quaternion(np.stack([x, np.cross(z, x), z], axis=1))


def quaternion(matrix: Array) -> Array:
    """Quaternion of a rotation matrix (3 x 3); w may be anything (Bar-Itzhack's eigenvector)."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    symmetric = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    found: Array = np.linalg.eigh(symmetric)[1][:, -1]
    return found if found[0] >= 0 else -found


def bone_poses(joints: Array) -> dict[str, Pose]:
    """Place every bone, the palm and the forearm in the palm's frame, the wrist being straight."""
    here = Pose(np.zeros(3), UNTURNED)
    poses = {PALM: here, FOREARM: here}
    for (name, bone), turned in zip(BONES.items(), joints, strict=True):
        poses[name] = poses[bone.parent] @ Pose(bone.joint, turned)
    return poses
