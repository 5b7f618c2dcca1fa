"""
A gripper and the cup it may hold: closing around the cup takes it, opening lets it fall.

Fingers close at their own pace and stop at the cup. Closed beside it, they hold nothing.
"""

from __future__ import annotations

import numpy as np
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.physical.retarget import grip_of
from smaknet_core.simulation.pose import Array, Pose

FINGERS_M_S = 0.1  # how fast the width changes
NEAR_M, NEAR_DEG = 0.015, 15.0  # a cup so near its place between the fingers is taken
_LOOSE_M = 0.002  # wider than the cup by this much, they let go
_GRAVITY = 9.81


class Gripper:
    """
    The fingers, and the cup that they hold or do not.

    Attributes:
        width: between the fingers, metres.
        cup: where the cup is.
        holds: whether it is in the gripper.
    """

    def __init__(self, cup: Cup, stands: Pose, width: float) -> None:
        """Let the cup stand somewhere, and the fingers be so far apart."""
        self._shape, self.cup, self.width = cup, stands, width
        self._diameter = cup.diameter_at(cup.grip_height)
        self._held: Pose | None = None  # the cup, seen from the gripper
        self._falls_m_s = 0.0

    @property
    def holds(self) -> bool:
        """Whether the cup is in the gripper."""
        return self._held is not None

    def advance(self, site: Pose, wanted: float, seconds: float) -> None:
        """Go on for so long: the gripper is at `site`, its fingers shall be `wanted` apart."""
        most = FINGERS_M_S * seconds
        between = self.holds or self._is_between(site)
        least = self._diameter if between else 0.0
        self.width = max(self.width + float(np.clip(wanted - self.width, -most, most)), least)
        if self.width > self._diameter + _LOOSE_M:
            self._held = None
        elif between and not self.holds:
            self._held = site.inverse @ self.cup
        if self._held is not None:
            self.cup, self._falls_m_s = site @ self._held, 0.0
        else:
            self._fall(seconds)

    def _is_between(self, site: Pose) -> bool:
        off = site.inverse @ grip_of(self.cup, self._shape)
        turned = np.rad2deg(2 * np.arccos(min(1.0, abs(float(off.quaternion[0])))))
        # About its own axis a cup may be turned as it likes.
        tilted = np.rad2deg(np.arccos(np.clip(off.matrix[2, 2], -1, 1)))
        near = float(np.linalg.norm(off.position)) < NEAR_M
        return near and bool(tilted < NEAR_DEG) and bool(turned < 3 * NEAR_DEG)

    def _fall(self, seconds: float) -> None:
        """Let it down until something of it touches the table."""
        room = float(_outline(self._shape, self.cup)[:, 2].min())
        if room <= 1e-4:
            self._falls_m_s = 0.0
            return
        self._falls_m_s += _GRAVITY * seconds
        down = min(room, self._falls_m_s * seconds)
        self.cup = Pose(self.cup.position - [0.0, 0.0, down], self.cup.quaternion)


def runs_into(cup: Cup, pose: Pose, other: Cup, stands: Array, depth: float = 0.005) -> bool:
    """
    Say whether a cup is further below another's rim, within its walls or inside, than `depth`.

    Args:
        cup: the one that moves.
        pose: where it is.
        other: the one that stands upright.
        stands: where the foot of that one is, metres, 3.
        depth: metres.
    """
    points = _outline(cup, pose) - stands
    z = points[:, 2]
    within = np.hypot(points[:, 0], points[:, 1]) < np.interp(z, other.heights, other.radii)
    return bool((within & (z > 0) & (z < other.height - depth)).any())


def _outline(cup: Cup, pose: Pose) -> Array:
    """Points all over the outside of a cup, P x 3, in the world's frame."""
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii, heights = np.array(cup.radii)[:, None], np.array(cup.heights)[:, None]
    x, y = radii * np.cos(around), radii * np.sin(around)
    points = np.stack([x, y, np.broadcast_to(heights, x.shape)], axis=-1).reshape(-1, 3)
    placed: Array = points @ pose.matrix.T + pose.position
    return placed
