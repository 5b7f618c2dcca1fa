"""What the tests of the physical world share."""

from __future__ import annotations

import pytest
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.physical import assets
from smaknet_core.simulation.physical.renderer import require_gl


@pytest.fixture(scope='session')
def physical() -> None:
    """Skip, with the reason, where MuJoCo, its renderer or the meshes are not installed."""
    try:
        require_gl()
        assets.household_assets()
    except ConfigError as err:
        pytest.skip(str(err))
