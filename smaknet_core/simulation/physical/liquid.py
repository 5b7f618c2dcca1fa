"""
The liquid: beads that flow from one cup into another, simulated before anything is drawn.

What comes out are tracks over time; `Liquid` shows them in the scene that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.beads import BeadPhysics, EVERY_S
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.physical.liquid_body import Body, faces, Shape, VERTICES
from smaknet_core.simulation.pose import Array, blend, Pose

Counts = NDArray[np.int64]

_AIR_S = 0.03  # liquid flows while a bead is in the air this long before or after
_BLEND_S = 0.16  # beads that come or go raise or lower the level over so long
_FALL_S = 0.08  # from the recipient's rim to the level
_FEW = 3.5  # so few beads are drops, not a body
_SWIFT_M_S = 0.35  # slower beads that stick out of a body belong to its surface
_UP = np.array([0.0, 0.0, 1.0])
_AWAY = np.array([0.0, 0.0, -9.0])  # where what is not shown is: far under the floor


@dataclass(frozen=True)
class Pour:
    """What happened: tracks of N moments, `beads.EVERY_S` apart, from 0."""

    source: Cup
    recipient: Cup
    recipient_position: Array  # 3, metres
    bead_radius: float
    times_s: Array  # N
    beads: NDArray[np.float32]  # N x B x 3, metres
    cup_poses: Array  # N x 7: metres, quaternion (w, x, y, z)
    held: NDArray[np.bool_]  # N x B: in the source
    caught: NDArray[np.bool_]  # N x B: in the recipient
    flowing: NDArray[np.bool_]  # N: some are in the air between the cups

    @property
    def in_source(self) -> Counts:
        """How many beads are in the source, N."""
        counts: Counts = self.held.sum(axis=1)
        return counts

    @property
    def in_recipient(self) -> Counts:
        """How many beads are in the recipient, N."""
        counts: Counts = self.caught.sum(axis=1)
        return counts

    @property
    def spilled(self) -> int:
        """How many beads end in neither cup."""
        return int((~self.held[-1] & ~self.caught[-1]).sum())

    @property
    def delivered(self) -> float:
        """Share of the liquid that ends in the recipient, 0 ... 1."""
        return float(self.caught[-1].mean())

    def flowing_at(self, time_s: float) -> bool:
        """Say whether liquid is in the air between the cups."""
        return bool(self.flowing[self.moment(time_s)])

    def in_recipient_at(self, time_s: float) -> int:
        """How many beads are in the recipient."""
        return int(self.caught[self.moment(time_s)].sum())

    def beads_at(self, time_s: float) -> Array:
        """Where the beads are, B x 3 metres, interpolated."""
        before, through = self._between(time_s)
        between: Array = (1 - through) * self.beads[before] + through * self.beads[before + 1]
        return between

    def velocity_at(self, time_s: float) -> Array:
        """How fast the beads move, B x 3 metres per second."""
        moved: Array = self.beads_at(time_s + EVERY_S) - self.beads_at(time_s - EVERY_S)
        return moved / (2 * EVERY_S)

    def cup_at(self, time_s: float) -> Pose:
        """Where the source is, interpolated."""
        before, through = self._between(time_s)
        first, then = self.cup_poses[before], self.cup_poses[before + 1]
        position = (1 - through) * first[:3] + through * then[:3]
        return Pose(position, blend(first[3:], then[3:], through))

    def _between(self, time_s: float) -> tuple[int, float]:
        """Index of the moment before a time, and how far towards the next one, 0 ... 1."""
        last = len(self.times_s) - 1
        place = float(np.clip(time_s / EVERY_S, 0, last))
        before = min(int(place), last - 1)
        return before, place - before

    def moment(self, time_s: float) -> int:
        """Index of the moment nearest to a time."""
        return int(np.clip(round(time_s / EVERY_S), 0, len(self.times_s) - 1))


def simulate_pour(
    source: Cup,
    recipient: Cup,
    recipient_position: Array,
    cup_pose: Callable[[float], Pose],
    duration_s: float,
    rng: np.random.Generator,
) -> Pour:
    """
    Let the liquid of one cup flow as the cup is moved.

    Args:
        source: the cup that moves; its `fill` decides how much there is.
        recipient: the cup that stands.
        recipient_position: its foot's centre on the table, metres, 3.
        cup_pose: where the source is (its foot's centre, z up through it) at a time in seconds.
        duration_s: how long.
        rng: decides how the beads lie at first.
    """
    times = np.array([EVERY_S * moment for moment in range(round(duration_s / EVERY_S) + 1)])
    poses = [cup_pose(float(time)) for time in times]
    physics = BeadPhysics(source, recipient, recipient_position, poses[0], rng)
    beads = [physics.beads()]
    for before, after in zip(poses, poses[1:], strict=False):
        physics.advance(before, after)
        beads.append(physics.beads())
    return as_pour(source, recipient, recipient_position, physics.radius, beads, poses)


def as_pour(
    source: Cup,
    recipient: Cup,
    recipient_position: Array,
    bead_radius: float,
    beads: Sequence[Array],
    poses: Sequence[Pose],
) -> Pour:
    """
    Say what tracks mean: which beads are in which cup, and when some are in the air.

    Args:
        source: as `simulate_pour` has it, like `recipient` and `recipient_position`.
        recipient: the same.
        recipient_position: the same.
        bead_radius: metres.
        beads: N, where they were every `EVERY_S`, B x 3 metres.
        poses: N, where the source was.
    """
    tracks = np.array(beads)
    seen = [(now - cup.position) @ cup.matrix for now, cup in zip(tracks, poses, strict=True)]
    held, caught = source.holds(np.array(seen)), recipient.holds(tracks - recipient_position)
    leaving = source.holds(np.array(seen), margin=bead_radius)  # not all of it is over the lip
    lying = tracks[..., 2] < 2.5 * bead_radius
    return Pour(
        source,
        recipient,
        recipient_position,
        bead_radius,
        np.array([EVERY_S * moment for moment in range(len(poses))]),
        tracks.astype(np.float32),
        np.array([[*cup.position, *cup.quaternion] for cup in poses]),
        held,
        caught,
        _widened(np.any(~leaving & ~caught & ~lying, axis=1), round(_AIR_S / EVERY_S)),
    )


def _widened(flags: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    return np.convolve(flags, np.ones(2 * by + 1), mode='same') > 0.5


class Liquid:
    """
    The liquid in the scene that is drawn.

    What stands in a cup is a body with a level; what is in the air is drops, drawn out the
    faster they fall, larger than the beads collide so that they join into a stream.
    """

    def __init__(self, pour: Pour, rng: np.random.Generator) -> None:
        """Draw the liquid's colour, one that differs from both cups'."""
        self._pour = pour
        self.colour = _colour(pour, rng)
        volume = pour.source.fill * pour.source.volume / pour.beads.shape[1]
        self._contents = [
            _Content(pour.source, pour.held, volume, 0.0),
            _Content(pour.recipient, pour.caught, volume, _FALL_S),
        ]
        self._stands = Pose(pour.recipient_position, np.array([1.0, 0.0, 0.0, 0.0]))
        self._mocap = self._geoms = np.zeros(0, int)
        self._skins: list[slice] = []

    def watch(self, pour: Pour) -> None:
        """Show other moments of the same pour, such as the last ones of one that goes on."""
        self._pour = pour
        for content, inside in zip(self._contents, (pour.held, pour.caught), strict=True):
            content.watch(inside)

    def add_to(self, spec: Any) -> None:
        """Add one drop per bead, and one body per cup."""
        mj = mujoco()
        material = spec.add_material(
            name='liquid/', rgba=[*self.colour, 1.0], specular=0.5, shininess=0.7, emission=0.1
        )
        for bead in range(self._pour.beads.shape[1]):
            body = spec.worldbody.add_body(name=f'liquid/{bead}', mocap=True)
            body.add_geom(
                name=f'liquid/{bead}',
                type=mj.mjtGeom.mjGEOM_ELLIPSOID,
                size=[self._pour.bead_radius] * 3,
                material=material.name,
                contype=0,
                conaffinity=0,
            )
        spec.worldbody.add_body(name='liquid/bodies')
        for cup in ('source', 'recipient'):
            spec.add_skin(
                name=f'liquid/{cup}',
                material=material.name,
                vert=np.zeros(3 * VERTICES),
                face=faces().ravel(),
                bodyname=['liquid/bodies'],
                bindpos=np.zeros(3),
                bindquat=[1, 0, 0, 0],
                vertid=[list(range(VERTICES))],
                vertweight=[[1.0] * VERTICES],
            )

    def bind(self, model: Any) -> None:
        """Look up drops and bodies in the compiled model."""
        names = [f'liquid/{bead}' for bead in range(self._pour.beads.shape[1])]
        self._mocap = np.array([int(model.body(name).mocapid[0]) for name in names])
        self._geoms = np.array([int(model.geom(name).id) for name in names])
        first = [int(model.skin_vertadr[model.skin(f'liquid/{cup}').id])
                 for cup in ('source', 'recipient')]  # fmt: skip
        self._skins = [slice(start, start + VERTICES) for start in first]

    def place(self, model: Any, data: Any, time_s: float) -> None:
        """Show the liquid as it is at a time."""
        moment = self._pour.moment(time_s)
        beads, velocity = self._pour.beads_at(time_s), self._pour.velocity_at(time_s)
        swift = np.linalg.norm(velocity, axis=1) > _SWIFT_M_S
        tops = beads - np.where(swift, 0.0, 1.5 * self._pour.bead_radius)[:, None] * _UP
        below = np.zeros(len(beads), bool)
        cups = (self._pour.cup_at(time_s), self._stands)
        for content, cup, rows in zip(self._contents, cups, self._skins, strict=True):
            shape = content.shape(moment, cup)
            model.skin_vert[rows] = _AWAY if shape is None else shape.vertices
            if shape is not None:
                below |= content.inside[moment] & shape.covers(tops)
        data.mocap_pos[self._mocap] = np.where(below[:, None], _AWAY, beads)
        size, turned = _drawn_out(velocity, 1.15 * self._pour.bead_radius)
        data.mocap_quat[self._mocap] = turned
        model.geom_size[self._geoms] = size


class _Content:
    """What stands in one cup over time."""

    def __init__(
        self, cup: Cup, inside: NDArray[np.bool_], bead_volume: float, late_s: float
    ) -> None:
        self._body, self._late_s = Body(cup), late_s
        self._each = bead_volume / cup.volume
        self._last: tuple[float, Pose, Shape] | None = None  # as it was shaped last
        self.watch(inside)

    def watch(self, inside: NDArray[np.bool_]) -> None:
        """Take over which beads are in the cup at all moments, N x B."""
        self.inside = inside
        self._counts = _smooth(inside.sum(axis=1), self._late_s)

    def shape(self, moment: int, cup: Pose) -> Shape | None:
        """Shape it where the cup is; None while it is a few drops."""
        count = float(self._counts[moment])
        if count < _FEW:
            return None
        if self._last is None or not _same(self._last[:2], (count, cup)):
            self._last = count, cup, self._body.shape(count * self._each, cup)
        return self._last[2]


def _same(first: tuple[float, Pose], second: tuple[float, Pose]) -> bool:
    alike = map(np.array_equal, first[1], second[1])
    return abs(first[0] - second[0]) < 1e-6 and all(alike)


def _smooth(counts: Counts, late_s: float) -> Array:
    """Counts over time, blended, and so much later."""
    half, late = round(_BLEND_S / EVERY_S / 2), round(late_s / EVERY_S)
    wide = np.pad(counts.astype(float), (half + late, half), mode='edge')[: len(counts) + 2 * half]
    return np.convolve(wide, np.full(2 * half + 1, 1 / (2 * half + 1)), mode='valid')


def _drawn_out(velocity: Array, radius: float) -> tuple[Array, Array]:
    """Give each drop's half axes (B x 3, metres) and quaternion (B x 4): long as it flies."""
    speed = np.linalg.norm(velocity, axis=1, keepdims=True)
    long = 1 + 2.2 * np.clip(speed - 0.15, 0, 1.0)
    size = radius * np.column_stack([long**-0.5, long**-0.5, long])
    # From z to the direction of flight: half of that turn.
    halfway = velocity / np.maximum(speed, 1e-9) + [0.0, 0.0, 1.0]
    halfway /= np.maximum(np.linalg.norm(halfway, axis=1, keepdims=True), 1e-9)
    x, y, z = halfway.T
    still = z < 1e-6  # straight down is as long as straight up
    turned = np.column_stack([z, -y, x, 0 * z])
    turned[still] = [1.0, 0.0, 0.0, 0.0]
    return size, turned


def _colour(pour: Pour, rng: np.random.Generator) -> Array:
    """Draw until neither cup is near; what is nearly as good is not looked for."""
    others = np.array([pour.source.colour, pour.recipient.colour])
    hues = rng.uniform(0, 1, (6, 3))
    hues = 0.07 + 0.78 * (hues - hues.min(axis=1, keepdims=True)) / np.ptp(hues, 1)[:, None]
    best = np.linalg.norm(hues[:, None] - others, axis=2).min(axis=1).argmax()
    chosen: Array = hues[best]
    return chosen
