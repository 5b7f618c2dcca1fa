"""The baseline without memory."""

from __future__ import annotations

from embedding_world import calibration, EPOCH_NS, World
import pytest
from smaknet_core.config import MatchConfig
from smaknet_core.matching import NearestNeighbour
from smaknet_core.types import State

CONFIG = MatchConfig()


def test_nearest_neighbour_finds_each_timestep_of_its_own_view():
    world = World(60)
    taught = world.taught()
    nearest = NearestNeighbour([taught], calibration(), CONFIG)
    for step in range(0, len(taught), 7):
        match = nearest.update(EPOCH_NS + step, {'a': taught.embeddings[step, 0]})
        assert match.timestep == step
        assert match.distance == pytest.approx(0, abs=1e-3)
        assert 0 <= match.confidence <= 1
    assert match.state is State.TRACKING


def test_nearest_neighbour_is_lost_beyond_the_outlier_and_done_at_the_end():
    world = World(60)
    nearest = NearestNeighbour([world.taught()], calibration(), CONFIG)
    assert nearest.update(EPOCH_NS, {'b': World(61).see(5)}).state is State.LOST
    assert nearest.update(EPOCH_NS + 1, {'b': world.see(20)}).state is State.DONE
    nearest.reset()
    assert nearest.update(EPOCH_NS, {'b': world.see(5)}).rate == 0
