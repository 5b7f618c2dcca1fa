"""
Meshes to pixels: a pinhole camera and a painter that draws the farthest quads first.

No depth buffer: quads are small, so sorting them by distance is right almost everywhere, and a
frame takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from smaknet_core.simulation.pose import Array
from smaknet_core.simulation.small.meshes import Mesh
from smaknet_core.types import Image

# Pixels are drawn this many times finer, then averaged: smooth edges without seams.
OVERSAMPLING = 2
AMBIENT = 0.58
SHADOW = 0.42
# Shadow mask to what is left of the light, both 0 ... 255.
_DARKENING = np.rint(255 - SHADOW * np.arange(256)).astype(np.uint8)
# cv2 takes polygon corners as integers with this many fractional bits.
_BITS = 4


@dataclass(frozen=True)
class Pinhole:
    """A camera: where it is, where it looks, and how wide."""

    position: Array  # 3, metres
    rotation: Array  # 3 x 3, world to camera (x right, y down, z forward)
    focal: float  # focal length over image width
    size: tuple[int, int]  # H, W of the image it makes

    def project(self, points: Array) -> tuple[Array, Array]:
        """Project points ... x 3 (metres); return pixels ... x 2 and depths ..., in metres."""
        seen = (points - self.position) @ self.rotation.T
        depth = np.maximum(seen[..., 2], 1e-3)
        height, width = self.size
        pixels = self.focal * width * seen[..., :2] / depth[..., None]
        return pixels + np.array([width / 2, height / 2]), seen[..., 2]

    def finer(self, factor: int) -> Pinhole:
        """Make the same camera with `factor` times as many pixels each way."""
        height, width = self.size
        return Pinhole(self.position, self.rotation, self.focal, (height * factor, width * factor))


@dataclass(frozen=True)
class Light:
    """One distant lamp."""

    direction: Array  # 3, unit, from the scene to the lamp
    strength: float  # 1 = normal


def look_at(
    position: Array, target: Array, roll_deg: float, focal: float, size: tuple[int, int]
) -> Pinhole:
    """Aim a camera at `position` towards `target` (metres), rolled by `roll_deg`."""
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = np.deg2rad(roll_deg)
    turned = np.cos(roll) * right + np.sin(roll) * down
    return Pinhole(position, np.stack([turned, np.cross(forward, turned), forward]), focal, size)


def paint_picture(canvas: Image, camera: Pinhole, picture: Image, corners: Array) -> None:
    """
    Draw a picture onto the rectangle `corners` of the world, into `canvas` in place.

    Args:
        canvas: H x W x 3 uint8.
        camera: of the canvas's size.
        picture: h x w x 3 uint8.
        corners: 4 x 3 metres; where the picture's corners go, clockwise from its top left.
    """
    height, width = picture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    target = camera.project(corners)[0].astype(np.float32)
    # float32 corners are exact enough; float64 is not accepted here.
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (canvas.shape[1], canvas.shape[0])
    cv2.warpPerspective(
        picture, matrix, size, canvas, cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )


def paint_shadow(canvas: Image, camera: Pinhole, mesh: Mesh, light: Light) -> None:
    """Darken the table (the plane z = 0) where `mesh` keeps the light off, in place."""
    quads = mesh.quads[_normals(mesh.quads) @ light.direction > 0]
    ground = quads - quads[..., 2:3] * light.direction / light.direction[2]
    mask = np.zeros(canvas.shape[:2], np.uint8)
    for corners in _fixed_point(camera.project(ground)[0]):
        cv2.fillConvexPoly(mask, corners, 255, lineType=cv2.LINE_8, shift=_BITS)
    blur = 2 * (canvas.shape[1] // 64) + 1
    keep = _DARKENING[cv2.GaussianBlur(mask, (blur, blur), 0)]
    cv2.multiply(canvas, cv2.merge([keep] * 3), canvas, 1 / 255)


def paint_mesh(canvas: Image, camera: Pinhole, mesh: Mesh, light: Light) -> None:
    """Draw the faces of `mesh` that look at the camera, farthest first, in place."""
    normals = _normals(mesh.quads)
    to_camera = camera.position - mesh.quads.mean(axis=1)
    distance = np.sqrt(np.einsum('fk,fk->f', to_camera, to_camera))
    facing = np.flatnonzero(np.einsum('fk,fk->f', normals, to_camera) > 0)
    order = facing[np.argsort(-distance[facing], kind='stable')]
    pixels, depth = camera.project(mesh.quads[order])
    colours = _shade(
        mesh.colours[order], normals[order], to_camera[order] / distance[order, None], light
    ).tolist()
    in_front = (depth.min(axis=1) > 0.05).tolist()
    for corners, colour, visible in zip(_fixed_point(pixels), colours, in_front, strict=True):
        if visible:
            cv2.fillConvexPoly(canvas, corners, colour, lineType=cv2.LINE_8, shift=_BITS)


def shrink(canvas: Image, factor: int, tint: Array, rng: np.random.Generator) -> Image:
    """Average `factor` x `factor` pixels, then add the camera's tint (3) and sensor noise."""
    size = (canvas.shape[1] // factor, canvas.shape[0] // factor)
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small *= tint.astype(np.float32)
    small += 1.6 * rng.standard_normal(small.shape, dtype=np.float32)
    image: Image = np.clip(small, 0, 255).astype(np.uint8)
    return image


def _shade(colours: Array, normals: Array, to_camera: Array, light: Light) -> Array:
    """Lambert and a small highlight; RGB F x 3 in 0 ... 255."""
    diffuse = np.maximum(normals @ light.direction, 0)
    halfway = to_camera + light.direction
    aligned = np.einsum('fk,fk->f', normals, halfway) / np.sqrt((halfway**2).sum(axis=1))
    shine = 0.25 * np.maximum(aligned, 0) ** 24
    # A little more light from above than from below keeps undersides readable.
    sky = AMBIENT + 0.12 * normals[:, 2]
    level = light.strength * (sky + 0.5 * diffuse)
    shaded: Array = np.clip(255 * (colours * level[:, None] + shine[:, None]), 0, 255)
    return shaded


def _normals(quads: Array) -> Array:
    """Outward unit normals F x 3; the diagonals serve for triangles too."""
    a, b = (quads[:, 2] - quads[:, 0]).T, (quads[:, 3] - quads[:, 1]).T
    # np.cross takes several times as long for so few vectors.
    normals = np.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=1
    )
    lengths = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    unit: Array = normals / np.maximum(lengths, 1e-12)
    return unit


def _fixed_point(pixels: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    limit = 1 << 14
    return np.rint(np.clip(pixels, -limit, limit) * (1 << _BITS)).astype(np.int32)
