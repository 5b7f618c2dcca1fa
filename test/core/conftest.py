"""What is made once for the tests of several steps, or missing for all of them."""

from __future__ import annotations

from pathlib import Path

from clip_maker import make_model
import pytest
from rich.console import Console
from smaknet_core.checkpoint import MODEL_NAME
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


@pytest.fixture(scope='session')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with its .onnx; exporting takes seconds, so once. Copy it to change it."""
    from smaknet_core.export import run_export

    run = tmp_path_factory.mktemp('exported')
    make_model(run / MODEL_NAME)
    run_export(run, console=Console(quiet=True))
    return run
