"""Which parts of a demonstration look alike."""

from __future__ import annotations

from dataclasses import replace

from embedding_world import World
import pytest
from smaknet_core.matching.likeness import look_alikes


def test_a_demonstration_that_comes_back_is_said_to():
    world = World(80, revisit_s=5.0)
    unique, likenesses = look_alikes(world.taught(), 0.3)
    assert 0.4 <= unique <= 0.65
    assert len(likenesses) == 1
    assert likenesses[0].first_s == pytest.approx((0, 5), abs=0.6)
    assert likenesses[0].second_s == pytest.approx((15, 20), abs=0.6)


def test_standing_still_is_no_likeness():
    taught = World(81).taught()
    still = taught.embeddings.copy()
    still[50:120] = still[50]
    unique, likenesses = look_alikes(replace(taught, embeddings=still), 0.3)
    assert unique >= 0.97
    assert likenesses == []
