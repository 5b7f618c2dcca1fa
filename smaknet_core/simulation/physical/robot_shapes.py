"""What an arm looks like: the shipped meshes, coarser, one for each colour of each link."""

from __future__ import annotations

from collections.abc import Iterator
import functools
from typing import Any, NamedTuple

import numpy as np
from smaknet_core.simulation.physical.coarsening import coarsen
from smaknet_core.simulation.physical.revolution import Mesh
from smaknet_core.simulation.physical.robot_kinds import assemble, GRIPPER, KINDS
from smaknet_core.simulation.pose import Array, Pose

LINK_CELL_M, GRIPPER_CELL_M = 0.008, 0.004  # of what is merged; the gripper is seen from nearer
MINIMUM = 4  # vertices of a mesh; what is left with less was a speck

Colour = tuple[float, ...]  # red, green, blue, alpha: 0 ... 1


class Shape(NamedTuple):
    """A part of a link, in the link's frame."""

    body: str
    colour: Colour
    mesh: Mesh


@functools.cache
def robot_shapes(kind: str) -> tuple[Shape, ...]:
    """Return what is seen of an arm; reading and coarsening it takes two seconds, once."""
    model = assemble(KINDS[kind]).compile()
    pieces: dict[tuple[str, Colour], list[Mesh]] = {}
    for body, colour, mesh in _pieces(model):
        pieces.setdefault((body, colour), []).append(mesh)
    shapes = (
        Shape(body, colour, coarsen(_joined(meshes), _cell(body)))
        for (body, colour), meshes in pieces.items()
    )
    return tuple(shape for shape in shapes if len(shape.mesh.vertices) >= MINIMUM)


def _cell(body: str) -> float:
    return GRIPPER_CELL_M if body.startswith(GRIPPER) else LINK_CELL_M


def _pieces(model: Any) -> Iterator[Shape]:
    """Each shape of a compiled model, as fine as it is."""
    for geom in range(model.ngeom):
        index = int(model.geom_dataid[geom])
        first, count = model.mesh_vertadr[index], model.mesh_vertnum[index]
        vertices = model.mesh_vert[first : first + count].astype(np.float64)
        first, count = model.mesh_faceadr[index], model.mesh_facenum[index]
        faces = model.mesh_face[first : first + count].astype(np.int64)
        placed = Pose(model.geom_pos[geom], model.geom_quat[geom])
        body = model.body(model.geom_bodyid[geom]).name
        mesh = Mesh(vertices @ placed.matrix.T + placed.position, faces)
        yield Shape(body, _colour(model, geom), mesh)


def _colour(model: Any, geom: int) -> Colour:
    """Its material's, or its own; near colours are one."""
    material = int(model.geom_matid[geom])
    rgba: Array = model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]
    return tuple(np.round(rgba, 1).tolist())


def _joined(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(np.vstack([mesh.vertices for mesh in meshes]), np.vstack(faces))
