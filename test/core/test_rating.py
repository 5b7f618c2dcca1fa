"""How good a demonstration is."""

from __future__ import annotations

from dataclasses import replace

from embedding_world import World
import numpy as np
import pytest
from smaknet_core.rating import from_json, rate, to_json


def test_a_clear_demonstration_is_better_than_one_that_comes_back_or_whose_views_differ():
    clear = rate(World(80).taught(('a', 'b')), 0.3)
    assert clear.score >= 0.9
    assert clear.likenesses == ()
    back = rate(World(80, revisit_s=5.0).taught(('a', 'b')), 0.3)
    assert back.score <= 0.7
    assert back.likenesses[0].second_s == pytest.approx((15, 20), abs=0.6)
    taught = World(80).taught(('a', 'b'))
    shuffled = taught.embeddings.copy()
    shuffled[:, 1] = np.random.default_rng(0).permutation(shuffled[:, 1])
    assert rate(replace(taught, embeddings=shuffled), 0.3).score <= 0.2


def test_one_camera_is_rated_by_what_looks_alike_alone():
    rating = rate(World(80).taught(), 0.3)
    assert rating.view_error is None
    assert rating.score == rating.unique >= 0.95


def test_a_rating_survives_the_file():
    rating = rate(World(80, revisit_s=5.0).taught(('a', 'b')), 0.3)
    assert from_json(to_json(rating)) == rating
