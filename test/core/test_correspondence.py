"""Pairs of streams whose truth is known: alignment, and choosing evenly."""

from __future__ import annotations

from embedding_world import World
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from smaknet_core.distances import pairwise
from smaknet_core.matching.correspondence import align, choose


def test_alignment_follows_a_known_warp():
    world = World(79, noise=0.0, bias=0.0)
    taught = world.taught()
    moments = 20 * np.linspace(0, 1, 150) ** 1.5
    seen = np.array([world.see(t) for t in moments])
    aligned = align(pairwise(seen, taught.embeddings[:, 0]).astype(np.float64))
    assert (np.diff(aligned) >= 0).all()
    assert np.abs(taught.times_s[aligned] - moments).mean() <= 0.1


@given(st.lists(st.integers(), max_size=40), st.integers(1, 10))
def test_choose_takes_evenly_and_not_too_many(things, most):
    chosen = choose(list(enumerate(things)), most)
    assert len(chosen) == min(most, len(things))
    gaps = np.diff([index for index, _ in chosen])
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
