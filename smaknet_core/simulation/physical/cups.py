"""
The cups: what is poured from and what is poured into, of many shapes, sizes and materials.

A cup is a surface of revolution about its z axis, its foot's centre the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.revolution import Mesh, revolve, revolve_loop, sweep
from smaknet_core.simulation.pose import Array, multiply, turn

_SIDES, _SLAB_M = 16, 0.006  # of a cup's collision shape: sides of the polygon, thickness
_FINISH = {  # specular, shininess, reflectance, opacity
    'ceramic': (0.6, 0.7, 0.05, 1.0),
    'plastic': (0.25, 0.3, 0.0, 1.0),
    'metal': (0.9, 0.8, 0.25, 1.0),
    'glass': (0.9, 0.9, 0.1, 0.32),
}


@dataclass(frozen=True)
class Cup:
    """A cup and what is in it at first; metres, in the cup's own frame."""

    kind: str
    heights: tuple[float, ...]  # of the outer profile, from 0 up to the rim
    radii: tuple[float, ...]  # outside, at these heights
    wall: float  # thickness, of the floor too
    grip_height: float  # where it is held
    material: str  # ceramic, plastic, metal or glass
    colour: tuple[float, float, float]
    handle_deg: float | None = None  # direction of the handle about z, if there is one
    band: tuple[float, float] | None = None  # heights between which it is painted, if it is
    paint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fill: float = 0.0  # share of the inside that is liquid at first

    @property
    def radius(self) -> float:
        """Outer radius at the rim."""
        return self.radii[-1]

    @property
    def height(self) -> float:
        """Height of the rim."""
        return self.heights[-1]

    def diameter_at(self, height: float) -> float:
        """Outer diameter at a height."""
        return 2 * float(np.interp(height, self.heights, self.radii))

    def inner_radius(self, heights: Array) -> Array:
        """Radius of the inside at any heights; 0 below the floor and above the rim."""
        within = (heights >= self.wall) & (heights <= self.height)
        inner = np.interp(heights, self.heights, self.radii) - self.wall
        return np.where(within, inner, 0.0)

    @property
    def volume(self) -> float:
        """Volume of the inside, cubic metres."""
        heights = np.linspace(self.wall, self.height, 200)
        area = np.pi * self.inner_radius(heights) ** 2
        return float(area.mean() * (self.height - self.wall))

    def holds(self, points: Array, margin: float = 0.0) -> NDArray[np.bool_]:
        """Say which points (... x 3, in the cup's frame) are in it, or that near: ... bool."""
        z, away = points[..., 2], np.hypot(points[..., 0], points[..., 1])
        inner = np.interp(z, self.heights, self.radii) - self.wall
        inside: NDArray[np.bool_] = (
            (away < inner + margin) & (z > self.wall - margin) & (z < self.height + margin)
        )
        return inside


def draw_source(rng: np.random.Generator) -> Cup:
    """Draw a cup with liquid in it, slim enough for a hand or a gripper (4.8 ... 7.2 cm)."""
    kind = str(rng.choice(['tumbler', 'mug', 'beaker', 'carafe', 'barrel']))
    grip, height = rng.uniform(0.029, 0.035), rng.uniform(0.085, 0.115)
    up = np.linspace(0, 1, 13)
    if kind == 'tumbler':
        shape = 1 + rng.uniform(0.08, 0.22) * (up - 0.55)
    elif kind == 'beaker':
        shape = 1 + 0.10 * np.exp(-(1 - up) * 14)
    elif kind == 'carafe':
        shape = 1 - rng.uniform(0.14, 0.22) / (1 + np.exp(-(up - 0.72) * 16))
        height *= 1.15
    elif kind == 'barrel':
        shape = 1 - rng.uniform(0.3, 0.5) * (up - 0.5) ** 2
    else:
        shape = np.ones(13)
        height *= 0.9
    handle = rng.uniform(60, 120) if kind == 'mug' else None
    return _make(kind, up * height, grip * _round_foot(shape, up), rng, handle, fill=True)


def draw_recipient(rng: np.random.Generator) -> Cup:
    """Draw an empty cup, wide enough to be poured into."""
    kind = str(rng.choice(['bowl', 'mug', 'glass', 'pot']))
    up = np.linspace(0, 1, 13)
    if kind == 'bowl':
        radius, height = rng.uniform(0.055, 0.066), rng.uniform(0.055, 0.07)
        shape = 0.5 + 0.5 * np.sqrt(1 - (1 - up) ** 2)
    elif kind == 'glass':
        radius, height = rng.uniform(0.045, 0.052), rng.uniform(0.072, 0.092)
        shape = 1 - rng.uniform(0.05, 0.2) * (1 - up)
    elif kind == 'pot':
        radius, height = rng.uniform(0.045, 0.052), rng.uniform(0.062, 0.078)
        shape = 1 + 0.3 * up * (1 - up)
    else:
        radius, height = rng.uniform(0.044, 0.05), rng.uniform(0.07, 0.088)
        shape = np.ones(13)
    handle = rng.uniform(-150, -30) if kind == 'mug' else None
    return _make(kind, up * height, radius * _round_foot(shape, up), rng, handle, fill=False)


def _round_foot(shape: Array, up: Array) -> Array:
    return shape * (1 - 0.08 * np.exp(-up * 25))


def _make(
    kind: str,
    heights: Array,
    radii: Array,
    rng: np.random.Generator,
    handle: float | None,
    fill: bool,
) -> Cup:
    likely = {'glass': ['glass'], 'beaker': ['glass', 'metal'], 'carafe': ['glass', 'ceramic']}
    usual = ['ceramic', 'ceramic', 'plastic', 'plastic', 'metal']
    material = str(rng.choice(likely.get(kind, usual)))
    hue = _colour(material, rng)
    wall = rng.uniform(0.0022, 0.0035)
    grip = float(heights[-1]) * rng.uniform(0.42, 0.5)
    content = rng.uniform(0.64, 0.76) if fill else 0.0
    low, wide = rng.uniform(0.1, 0.6), rng.uniform(0.08, 0.3)
    painted = material in ('ceramic', 'plastic') and rng.uniform() < 0.5
    return Cup(
        kind=kind,
        heights=tuple(heights.tolist()),
        radii=tuple(radii.tolist()),
        wall=wall,
        grip_height=grip,
        material=material,
        colour=hue,
        handle_deg=handle,
        band=(low * heights[-1], (low + wide) * heights[-1]) if painted else None,
        paint=_colour(material, rng),
        fill=content,
    )


def _colour(material: str, rng: np.random.Generator) -> tuple[float, float, float]:
    if material == 'glass':
        red, green, blue = rng.uniform(0.75, 0.95, 3)
    elif material == 'metal':
        red, green, blue = np.full(3, rng.uniform(0.6, 0.8)) * rng.uniform(0.95, 1.0, 3)
    else:
        pale = rng.uniform(0, 0.8)
        red, green, blue = pale * 0.92 + (1 - pale) * rng.uniform(0.08, 0.9, 3)
    return float(red), float(green), float(blue)


def add_visual(spec: Any, cup: Cup, name: str) -> Any:
    """Add the cup as it looks to a MuJoCo spec: a mocap body called `name`, which is returned."""
    mj = mujoco()
    specular, shininess, reflectance, opacity = _FINISH[cup.material]
    body = spec.worldbody.add_body(name=name, mocap=True)
    for part, mesh in _meshes(cup).items():
        colour = cup.paint if part == 'band' else cup.colour
        spec.add_material(
            name=f'{name}/{part}',
            rgba=[*colour, opacity],
            specular=specular,
            shininess=shininess,
            reflectance=reflectance,
        )
        spec.add_mesh(
            name=f'{name}/{part}',
            uservert=mesh.vertices.ravel(),
            userface=mesh.faces.ravel(),
            inertia=mj.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
        body.add_geom(
            name=f'{name}/{part}',
            type=mj.mjtGeom.mjGEOM_MESH,
            meshname=f'{name}/{part}',
            material=f'{name}/{part}',
            contype=0,
            conaffinity=0,
        )
    return body


def _meshes(cup: Cup) -> dict[str, Mesh]:
    heights, radii = np.array(cup.heights), np.array(cup.radii)
    inner = heights[heights > cup.wall][::-1]
    rim = (cup.radius - cup.wall / 2, cup.height + cup.wall / 3)
    outside = np.column_stack([radii, heights])
    inside = np.column_stack([np.interp(inner, heights, radii) - cup.wall, inner])
    floor = (cup.diameter_at(cup.wall) / 2 - cup.wall, cup.wall)
    profile = np.vstack([(0.0, 0.0), outside, rim, inside, floor, (0.0, cup.wall)])
    meshes = {'wall': revolve(profile)}
    if cup.handle_deg is not None:
        meshes['handle'] = _handle(cup)
    if cup.band is not None:
        meshes['band'] = _band(cup, *cup.band)
    return meshes


def _band(cup: Cup, low: float, high: float) -> Mesh:
    """Paint: a ring around the wall, its inner side hidden in it."""
    heights = np.linspace(low, high, 9)
    radii = np.interp(heights, cup.heights, cup.radii)
    around = np.column_stack([radii + 0.0004, heights])
    within = np.column_stack([radii - cup.wall / 2, heights])
    return revolve_loop(np.vstack([around, within[::-1]]))


def _handle(cup: Cup) -> Mesh:
    bend = np.linspace(-np.pi / 2, np.pi / 2, 13)
    tall = 0.3 * cup.height
    out = cup.diameter_at(cup.height / 2) / 2 - cup.wall / 2 + 0.026 * np.cos(bend) ** 0.7
    centre = np.column_stack([out, 0 * bend, 0.52 * cup.height + tall * np.sin(bend)])
    around = np.deg2rad(cup.handle_deg or 0.0)
    cosine, sine = np.cos(around), np.sin(around)
    return sweep(centre @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]), 0.0045)


def add_collision(spec: Any, body: Any, cup: Cup, **contact: Any) -> None:
    """Add to a body of a MuJoCo spec the cup as beads feel it: a polygon of slabs, and a floor."""
    mj = mujoco()
    heights = _corners(cup)
    radii = np.interp(heights, cup.heights, cup.radii) - cup.wall
    wide = float(max(radii)) + _SLAB_M
    depth = 0.02  # thick enough that no bead gets through, whatever its speed
    body.add_geom(
        type=mj.mjtGeom.mjGEOM_CYLINDER,
        size=[wide, depth, 0],
        pos=[0, 0, cup.wall - depth],
        **contact,
    )
    for low, high, first, last in zip(heights, heights[1:], radii, radii[1:], strict=False):
        lean = np.arctan2(last - first, high - low)
        normal = np.array([np.cos(lean), 0.0, -np.sin(lean)])
        middle = np.array([(first + last) / 2, 0.0, (low + high) / 2]) + normal * _SLAB_M / 2
        across = (max(first, last) + _SLAB_M) * np.tan(np.pi / _SIDES)
        size = [_SLAB_M / 2, across, np.hypot(high - low, last - first) / 2]
        for side in range(_SIDES):
            around = turn((0.0, 0.0, 1.0), 360 * side / _SIDES)
            facing = multiply(around, turn((0.0, 1.0, 0.0), float(np.rad2deg(lean))))
            angle = 2 * np.pi * side / _SIDES
            pos = [middle[0] * np.cos(angle), middle[0] * np.sin(angle), middle[2]]
            body.add_geom(type=mj.mjtGeom.mjGEOM_BOX, size=size, pos=pos, quat=facing, **contact)


def _corners(cup: Cup) -> Array:
    """Heights between which the wall is taken for straight: as few as keep within 0.7 mm."""
    heights = np.array([cup.wall, *(h for h in cup.heights if h > cup.wall)])
    radii = np.interp(heights, cup.heights, cup.radii)
    kept = [0, len(heights) - 1]
    while True:
        chord = np.interp(heights, heights[kept], radii[kept])
        worst = int(np.argmax(np.abs(chord - radii)))
        if abs(chord[worst] - radii[worst]) < 0.0007:
            return heights[kept]
        kept = sorted([*kept, worst])
