"""
Meshes and textures that robosuite ships, found without importing it, and MuJoCo itself.

It brings arms, grippers, household objects and textures; `make sim` installs it without what it
depends on.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
from pathlib import Path
from typing import Any

from smaknet_core.errors import ConfigError

REMEDY = 'run `make sim`, or take the small world: --world small'


@functools.cache
def household_assets() -> Path:
    """Folder of robosuite's robots, grippers, objects, textures; ConfigError when missing."""
    found = importlib.util.find_spec('robosuite')
    if found is None or not found.submodule_search_locations:
        raise ConfigError(f'robosuite (meshes and textures) is not installed: {REMEDY}')
    return Path(next(iter(found.submodule_search_locations))) / 'models' / 'assets'


@functools.cache
def mujoco() -> Any:
    """Import MuJoCo with a renderer that needs no screen; ConfigError says what is missing."""
    os.environ.setdefault('MUJOCO_GL', 'egl')
    os.environ.setdefault('LP_NUM_THREADS', '1')  # Mesa's software renderer: workers, not threads
    try:
        module = importlib.import_module('mujoco')
    except ImportError as err:
        if 'GL' in str(err):
            raise ConfigError(f'no OpenGL without a screen ({err}): {GL_REMEDY}') from err
        raise ConfigError(f'MuJoCo is not installed: {REMEDY}') from err
    except (AttributeError, OSError, RuntimeError) as err:  # what loading OpenGL can end in
        raise ConfigError(f'no OpenGL without a screen ({err}): {GL_REMEDY}') from err
    # Otherwise a warning leaves MUJOCO_LOG.TXT wherever the command was started.
    module.set_mju_user_warning(logging.getLogger(__name__).info)
    return module


GL_REMEDY = 'sudo apt install --no-install-recommends libegl1 libegl-mesa0 libgl1-mesa-dri'
