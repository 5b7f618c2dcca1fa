"""MuJoCo's renderer, without a screen: one OpenGL context for all scenes of a process."""

from __future__ import annotations

import atexit
import functools
from typing import Any
from weakref import WeakSet

import cv2
import numpy as np
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.physical.assets import GL_REMEDY, mujoco
from smaknet_core.types import Image

# What the bindings of OpenGL raise, on import and later, when a library is missing or no good.
_GL_ERRORS = (AttributeError, ImportError, OSError, RuntimeError)
_MAX_SHAPES = 4000  # in one picture


@functools.cache
def require_gl() -> Any:
    """
    Open this process's OpenGL context, once, and return it.

    Shaders are compiled per context: a context for every scene costs 0.3 s a scene.

    Raises:
        ConfigError: there is no OpenGL without a screen; names the package that is missing.
    """
    try:
        context = mujoco().GLContext(64, 64)
        context.make_current()
    except _GL_ERRORS as err:
        raise ConfigError(f'no OpenGL without a screen ({err}): {GL_REMEDY}') from err
    atexit.register(_close_all)  # before MuJoCo, which registered earlier, ends OpenGL
    return context


class Renderer:
    """Draws one scene; close it."""

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        """
        Send a scene's meshes and textures to OpenGL.

        Args:
            model: the scene (MjModel); its offscreen buffer is at least `size`.
            size: height and width of the pictures in pixels.

        Raises:
            ConfigError: as `require_gl`.
        """
        self._gl, mj = require_gl(), mujoco()
        self._model, self._size = model, size
        self._gl.make_current()
        try:
            self._context = mj.MjrContext(model, mj.mjtFontScale.mjFONTSCALE_50)
        except mj.FatalError as err:
            raise ConfigError(f'no OpenGL without a screen ({err}): {GL_REMEDY}') from err
        self._scene = mj.MjvScene(model, _MAX_SHAPES)
        self._options, self._camera = mj.MjvOption(), mj.MjvCamera()
        self._camera.type = mj.mjtCamera.mjCAMERA_FIXED
        _open.add(self)

    def draw(self, data: Any, camera: int) -> Image:
        """Draw where everything is (MjData) from the camera of an id, H x W x 3 RGB uint8."""
        mj = mujoco()
        height, width = self._size
        self._camera.fixedcamid = camera
        everything = mj.mjtCatBit.mjCAT_ALL
        mj.mjv_updateScene(
            self._model, data, self._options, None, self._camera, everything, self._scene
        )
        self._gl.make_current()
        mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self._context)  # another's may be set
        place, picture = mj.MjrRect(0, 0, width, height), np.empty((height, width, 3), np.uint8)
        mj.mjr_render(place, self._scene, self._context)
        mj.mjr_readPixels(picture, None, place, self._context)
        return cv2.flip(picture, 0).astype(np.uint8, copy=False)  # OpenGL's rows go up

    def close(self) -> None:
        """Give the scene's memory in OpenGL back; a second time does nothing."""
        if self in _open:
            _open.discard(self)
            self._gl.make_current()
            self._context.free()


_open: WeakSet[Renderer] = WeakSet()


def _close_all() -> None:
    for renderer in list(_open):
        renderer.close()
