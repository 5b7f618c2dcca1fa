"""How to hold a cup that pours: at which angles its liquid leaves, and where its foot goes."""

from __future__ import annotations

import numpy as np
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.pose import Array, Pose, turn

CLEARANCE_M = 0.03  # between the recipient's rim and the lip that pours
_APART_M = 0.006  # at least, between the two cups elsewhere

# How much further than a liquid the beads have to be tilted, degrees: they lie in a slope, and
# are thick. Measured over 14 cups of every kind, within 3 degrees: 16 when the last ones leave,
# 26 when the first ones do, in between as the square root of what is left.
_LAST_DEG, _FIRST_DEG = 16.0, 26.0


def kept(cup: Cup, tilt_deg: float, grid: int = 20) -> float:
    """Share of the cup's inside that still holds liquid at a tilt: what its lip keeps back."""
    heights = np.linspace(cup.wall, cup.height, 2 * grid)
    radii = cup.inner_radius(heights)
    flat = np.linspace(-radii.max(), radii.max(), grid)
    x, y, z = np.meshgrid(flat, flat, heights, indexing='ij')
    inside = x**2 + y**2 < radii**2
    cosine, sine = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    bed = heights * cosine - radii * sine  # how high the lowest line of the wall is
    dam = np.maximum.accumulate(bed[::-1])[::-1]  # and what is in the way out from there
    below = inside & (z * cosine + x * sine < dam)
    return float(below.sum() / inside.sum())


def pour_tilts(source: Cup, left: Array) -> Array:
    """Tilts (degrees) at which the shares `left` (falling, 1 ... 0) of the liquid are in it."""
    tilts = np.arange(0.0, 150.0, 3.0)
    room = np.minimum.accumulate([kept(source, tilt) for tilt in tilts])
    angles: Array = np.interp(-left * source.fill, -room, tilts)
    return angles + _LAST_DEG + (_FIRST_DEG - _LAST_DEG) * np.sqrt(left)


def pour_angles(source: Cup) -> tuple[float, float]:
    """Tilts (degrees) at which the liquid begins to leave, and at which all has left."""
    first, last = pour_tilts(source, np.array([0.98, 0.01]))
    return float(first), float(last)


def foot_over(source: Cup, recipient: Cup, recipient_position: Array, tilt_deg: float) -> Array:
    """
    Where the source's foot goes so that its lip is over the recipient; metres, 3.

    The lip stays over one place; while the cup is so upright that it would run into the
    recipient, it stays further out (towards +x). The cup tilts with its top towards -x.
    """
    turned = Pose(np.zeros(3), turn((0.0, -1.0, 0.0), tilt_deg)).matrix
    lip = turned @ [-source.radius, 0.0, source.height]
    # The side that faces the recipient, from the lip: profile, then the foot's far edge.
    heights, radii = np.array(source.heights), np.array(source.radii)
    side = np.column_stack([np.append(-radii, radii[0]), 0 * np.append(radii, 0.0), [*heights, 0]])
    side = side @ turned.T - lip
    low = side[:, 2] < -CLEARANCE_M + _APART_M
    widest = max(recipient.radii)
    clear = max([widest + _APART_M - x for x in side[low, 0]], default=-np.inf)
    over = max(0.35 * recipient.radius, clear)
    place: Array = recipient_position + [over, 0.0, recipient.height + CLEARANCE_M] - lip
    return place
