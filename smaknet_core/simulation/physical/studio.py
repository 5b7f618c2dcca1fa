"""The studio: composes a scene of its parts, and takes the cameras' pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.cameras import Cameras, NAMES
from smaknet_core.simulation.physical.renderer import Renderer, require_gl
from smaknet_core.simulation.physical.room import Room
from smaknet_core.simulation.pose import Array
from smaknet_core.types import Image

# Frames up to this high (pixels) are drawn so many times as large, and shrunk: without it, edges
# are jagged; OpenGL's own way (samples) takes twice as long.
_LARGER = ((160, 2.0), (320, 1.5))
_HIDDEN = 5  # a group of shapes that MuJoCo does not draw
_EXTENT_M = 1.3  # of what casts shadows
_NOISE = 1.5  # grey levels
_NOISE_SHIFTS = 64  # pixels


class Part(Protocol):
    """Something that is drawn; it moves itself when asked for a picture."""

    def add_to(self, spec: Any) -> None:
        """Add bodies, shapes and materials to the scene (MjSpec)."""
        ...

    def bind(self, model: Any) -> None:
        """Look up what it moves in the compiled scene (MjModel)."""
        ...


class Studio:
    """
    One scene, ready to be photographed; close it, or use it as a context manager.

    Attributes:
        model: the compiled scene (MjModel).
        data: where everything is (MjData).
        renderer: draws it; larger than its pictures where those are small.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        room: Room,
        cameras: Cameras,
        size: tuple[int, int],
        noise_seed: int = 0,
    ) -> None:
        """
        Compose and compile.

        Args:
            parts: what is drawn besides the room.
            room: the laboratory.
            cameras: those of this episode.
            size: height and width of the pictures, 32 ... 1080 pixels (width up to 1920).
            noise_seed: decides the sensors' noise.

        Raises:
            ConfigError: a size out of bounds; no OpenGL without a screen (names the package).
        """
        height, width = size
        if not (32 <= height <= 1080 and 32 <= width <= 1920):
            raise ConfigError(f'size: expected 32x32 ... 1080x1920 pixels, got {height}x{width}')
        require_gl()
        self._size, self._seed = size, noise_seed
        drawn = _drawn_size(size)
        self._cameras = cameras
        everything = (room, *parts, cameras)
        spec = _spec(drawn)
        for part in everything:
            part.add_to(spec)
        self.model = spec.compile()
        self.data = mujoco().MjData(self.model)
        for part in everything:
            part.bind(self.model)
        # What only stands around, and throws no shadow, need not be drawn where it is not seen.
        alone = (self.model.geom_castshadow == 0) & (self.model.geom_rbound > 0)
        self._scenery = np.flatnonzero(alone & (self.model.geom_group == 0))
        noise = _noise(size, np.random.default_rng([noise_seed, 13]))
        # OpenCV adds bytes with a sign five times slower than without.
        self._brighter = np.maximum(noise, 0).astype(np.uint8)
        self._darker = np.maximum(-noise, 0).astype(np.uint8)
        self._curves = {name: _curve(view.tint) for name, view in cameras.viewpoints.items()}
        self.renderer = Renderer(self.model, drawn)

    def render(
        self, camera: str, time_s: float, place: Callable[[Any, Any], None] | None = None
    ) -> Image:
        """
        Take a picture, H x W x 3 RGB uint8.

        Args:
            camera: one of `cameras.NAMES`.
            time_s: decides where a moving camera is, and the noise.
            place: puts every part where it is at that time, given model and data.
        """
        mj = mujoco()
        if place is not None:
            place(self.model, self.data)
        self._cameras.place(self.model, camera, time_s)
        mj.mj_kinematics(self.model, self.data)
        mj.mj_camlight(self.model, self.data)
        self._leave_out_unseen(camera, time_s)
        picture = self.renderer.draw(self.data, self.model.camera(camera).id)
        if picture.shape[:2] != self._size:
            shrunk = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA)
            picture = shrunk.astype(np.uint8, copy=False)
        return self._sense(picture, camera, time_s)

    def _leave_out_unseen(self, camera: str, time_s: float) -> None:
        ids, (height, width) = self._scenery, self._size
        centres, radii = self.data.geom_xpos[ids], self.model.geom_rbound[ids]
        seen = self._cameras.sees(camera, time_s, centres, radii, width / height)
        self.model.geom_group[ids] = np.where(seen, 0, _HIDDEN)

    def _sense(self, picture: Image, camera: str, time_s: float) -> Image:
        """Look as a sensor sees: its white balance, exposure and noise."""
        moment = [self._seed, NAMES.index(camera), round(1e6 * time_s)]
        top, left = np.random.default_rng(moment).integers(0, _NOISE_SHIFTS, 2)
        height, width = self._size
        part = np.s_[top : top + height, left : left + width]
        exposed = cv2.LUT(picture, self._curves[camera])
        sensed = cv2.subtract(cv2.add(exposed, self._brighter[part]), self._darker[part])
        return sensed.astype(np.uint8, copy=False)

    def close(self) -> None:
        """Give the renderer's memory back; a second time does nothing."""
        self.renderer.close()

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _drawn_size(size: tuple[int, int]) -> tuple[int, int]:
    height, width = size
    scale = next((scale for limit, scale in _LARGER if height <= limit), 1.0)
    if height % 2 or width % 2:
        scale = np.floor(scale)  # whole pixels, or the picture is distorted
    return int(height * scale), int(width * scale)


def _spec(size: tuple[int, int]) -> Any:
    """Begin a scene that is drawn, never stepped; `size` of the drawing in pixels."""
    spec = mujoco().MjSpec()
    spec.visual.global_.offheight, spec.visual.global_.offwidth = size
    quality = spec.visual.quality
    quality.shadowsize, quality.offsamples = 1024, 0
    slices = int(np.clip(size[0] / 20, 12, 28))  # of what is round
    quality.numslices, quality.numstacks, quality.numquads = slices, slices // 2 + 2, 1
    spec.stat.extent, spec.stat.center = _EXTENT_M, np.array([0.0, 0.0, 0.0])
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 8.0  # extents
    return spec


def _noise(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Grey levels to add, larger than the picture: each takes another part of it."""
    height, width = size[0] + _NOISE_SHIFTS, size[1] + _NOISE_SHIFTS
    grey = rng.normal(0, _NOISE, (height, width, 1))
    colour = rng.normal(0, _NOISE / 2, (height, width, 3))
    return np.rint(grey + colour).astype(np.int64)


def _curve(tint: Array) -> Image:
    """Look-up table (1 x 256 x 3) of a camera's white balance; highlights roll off."""
    exposed = np.arange(256)[:, None] / 255 * tint
    bright = np.maximum(exposed - 0.8, 0)
    rolled = np.minimum(exposed, 0.8) + 0.2 * np.tanh(bright / 0.2)
    return np.rint(255 * rolled).astype(np.uint8)[None]
