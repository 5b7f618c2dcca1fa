"""What choreography asks of a demonstrator, hand or robot, at one moment."""

from __future__ import annotations

from typing import NamedTuple

from smaknet_core.simulation.pose import Pose


class Grasp(NamedTuple):
    """
    The grasp frame, and how far open the fingers are.

    The frame's origin is the middle of what is held, its x axis points from the palm into the
    object, its z axis along the object (up when it stands).
    """

    frame: Pose
    opening: float  # 0: around an object of `diameter_m`; 1: open, ready to take it
    diameter_m: float  # of what is held, at the height where it is held
