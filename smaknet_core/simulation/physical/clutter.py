"""What else stands on the table: household objects, out of the way and of the cameras' sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from smaknet_core.simulation.physical.assets import household_assets, mujoco
from smaknet_core.simulation.physical.room import Room
from smaknet_core.simulation.physical.surfaces import add_paint, add_surface, tinted
from smaknet_core.simulation.pose import Array, turn

# Where the task happens on the table: left, right, front, back; metres. Between it and the
# demonstrator (front, up to `_APPROACH` to both sides) nothing stands either.
CORRIDOR = (-0.36, 0.26, -0.14, 0.14)
_APPROACH = (-0.40, 0.42)
_SIGHT_M = 0.04  # what a thing may hide of the task, from the table up
_TRIES = 200
_CHOICE = 4  # free places, of which the nearest is taken: what is far off is seldom seen


class Kind(NamedTuple):
    """A mesh of robosuite's objects; sizes in metres, as scaled."""

    mesh: str
    texture: str  # '' for plain paint
    own: float  # how much of its texture's own colour it keeps, at least
    scale: float
    radius: float  # of the circle around what it stands on
    height: float
    floor: float  # how far its foot is below its origin
    colours: tuple[tuple[float, float, float], ...]  # RGB 0 ... 1


_ANY = ((0.75, 0.2, 0.15), (0.2, 0.35, 0.7), (0.25, 0.55, 0.3), (0.85, 0.7, 0.25), (0.5, 0.3, 0.6))
_DRINK = ((0.85, 0.86, 0.85), (0.6, 0.72, 0.85), (0.85, 0.65, 0.65), (0.65, 0.8, 0.6))
_GLASS = ((0.13, 0.32, 0.16), (0.36, 0.20, 0.08), (0.14, 0.24, 0.42), (0.55, 0.62, 0.60))
_FRUIT = ((0.92, 0.78, 0.2), (0.9, 0.5, 0.12), (0.5, 0.68, 0.2), (0.75, 0.2, 0.15))
_CRUST = ((0.72, 0.48, 0.25), (0.5, 0.33, 0.2), (0.82, 0.64, 0.4))

KINDS = (
    Kind('can', 'soda', 0.5, 1.35, 0.034, 0.108, 0.054, _ANY),
    Kind('milk', 'ceramic', 0.0, 1.25, 0.039, 0.200, 0.085, _DRINK),
    Kind('cereal', 'cereal', 0.3, 1.35, 0.070, 0.203, 0.101, _ANY),
    Kind('bread', 'bread', 0.3, 1.9, 0.072, 0.114, 0.055, _CRUST),
    Kind('lemon', 'lemon', 0.0, 1.6, 0.037, 0.064, 0.032, _FRUIT),
    Kind('bottle', '', 0.0, 1.35, 0.039, 0.216, 0.088, _GLASS),
)


@dataclass(frozen=True)
class Thing:
    """One object of an episode."""

    kind: Kind
    position: Array  # 2, metres: on the table
    turned_deg: float
    colour: Array  # 3, RGB 0 ... 1: what its texture is tinted with
    own: float


class Clutter:
    """The 2 to 5 objects of one episode, a part of the scene that is drawn; they stand still."""

    def __init__(self, rng: np.random.Generator, room: Room) -> None:
        """Draw objects and places on the room's table; fewer when there is no place left."""
        self.things: list[Thing] = []
        wanted = int(rng.integers(2, 6))
        for index in rng.permutation(len(KINDS))[:wanted]:
            kind = KINDS[index]
            place = self._place_for(kind, room, rng)
            if place is not None:
                colour = rng.choice(kind.colours) * rng.uniform(0.9, 1.1, 3)
                own = rng.uniform(kind.own, 1)
                self.things.append(Thing(kind, place, rng.uniform(0, 360), colour, own))

    def _place_for(self, kind: Kind, room: Room, rng: np.random.Generator) -> Array | None:
        left, right, front, back = room.table
        margin = kind.radius + 0.02
        eyes = [view.position for view in room.viewpoints.values()]
        free: list[Array] = []
        for _ in range(_TRIES):
            place = np.array(
                [
                    rng.uniform(left + margin, right - margin),
                    rng.uniform(front + margin, back - margin),
                ]
            )
            apart = all(
                np.linalg.norm(place - thing.position) > kind.radius + thing.kind.radius + 0.02
                for thing in self.things
            )
            if apart and is_out_of_the_way(place, kind, eyes):
                free.append(place)
            if len(free) == _CHOICE:
                break
        return min(free, key=lambda place: float(np.linalg.norm(place)), default=None)

    def add_to(self, spec: Any) -> None:
        """Add the objects."""
        for thing in self.things:
            kind, name = thing.kind, f'clutter/{thing.kind.mesh}'
            spec.worldbody.add_geom(
                name=name,
                type=mujoco().mjtGeom.mjGEOM_MESH,
                meshname=_add_mesh(spec, name, kind),
                material=_add_material(spec, name, thing),
                pos=[*thing.position, kind.floor],
                quat=turn((0, 0, 1), thing.turned_deg),
                contype=0,
                conaffinity=0,
            )

    def bind(self, model: Any) -> None:
        """Nothing of it is moved, so nothing is looked up."""


def _add_mesh(spec: Any, name: str, kind: Kind) -> str:
    """Add its mesh: with its texture's places, or round where it has no texture."""
    mesh = f'{kind.mesh}.msh' if kind.texture else f'{kind.mesh}.stl'
    file = household_assets() / 'objects' / 'meshes' / mesh
    spec.add_mesh(name=name, file=str(file), scale=[kind.scale] * 3, smoothnormal=not kind.texture)
    return name


def _add_material(spec: Any, name: str, thing: Thing) -> str:
    if not thing.kind.texture:
        return add_paint(spec, name, thing.colour, shine=0.8)
    image = tinted(thing.kind.texture, thing.colour, thing.own)
    return add_surface(spec, name, image, shine=0.35)


def is_out_of_the_way(place: Array, kind: Kind, eyes: list[Array]) -> bool:
    """
    Say whether a thing neither stands where the task happens nor hides it from a camera.

    Args:
        place: 2, metres.
        kind: how large it is.
        eyes: 3 metres each, where cameras are.
    """
    left, right, front, back = CORRIDOR
    x, y = place
    reach = kind.radius + 0.02
    if left - reach < x < right + reach and front - reach < y < back + reach:
        return False
    if _APPROACH[0] - reach < x < _APPROACH[1] + reach and y < front + reach:
        return False
    return not any(_hides(place, kind, eye) for eye in eyes)


def _hides(place: Array, kind: Kind, eye: Array) -> bool:
    """Say whether what a thing hides from an eye reaches into the corridor."""
    hidden_m = (kind.height - _SIGHT_M) / (eye[2] - kind.height)  # per metre between eye and it
    away = place - eye[:2]
    across = np.array([-away[1], away[0]]) / np.linalg.norm(away)
    left, right, front, back = CORRIDOR
    for along in np.linspace(0, max(hidden_m, 0), 8):
        for aside in (-kind.radius, 0.0, kind.radius):
            x, y = place + along * away + aside * across
            if left < x < right and front < y < back:
                return True
    return False
