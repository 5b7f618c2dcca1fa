"""Embedding norms: what each promises of the vectors that metric, matcher and topic see."""

from __future__ import annotations

import pytest
from smaknet_core.model.normalise import Normalise
import torch

torch.set_num_threads(1)


def raw(count=64):
    generator = torch.Generator().manual_seed(0)
    scale, offset = torch.rand(2, 32, generator=generator)
    return torch.randn(count, 32, generator=generator) * (0.1 + scale) + 10 * offset


@pytest.mark.parametrize('kind', ['none', 'batch', 'l2', 'batch_l2'])
def test_has_nothing_to_learn(kind):
    assert list(Normalise(kind).parameters()) == []


def test_none_changes_nothing():
    assert torch.equal(Normalise('none')(raw()), raw())


def test_batch_centres_and_scales_each_dimension():
    found = Normalise('batch').train()(raw())
    torch.testing.assert_close(found.mean(0), torch.zeros(32), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.var(0, unbiased=False), torch.ones(32), atol=1e-3, rtol=0)


@pytest.mark.parametrize('kind', ['l2', 'batch_l2'])
def test_l2_puts_vectors_on_the_sphere(kind):
    found = Normalise(kind).train()(raw())
    torch.testing.assert_close(found.norm(dim=1), torch.ones(64))


def test_without_centring_all_embeddings_point_the_same_way():
    """Why `batch_l2` is the default: a fresh network leaves the loss nothing to hold on to."""

    def mean_cosine(kind):
        found = Normalise(kind).train()(raw())
        return (found @ found.T).mean().item()

    assert mean_cosine('l2') > 0.9
    assert abs(mean_cosine('batch_l2')) < 0.1


def test_deployed_it_uses_what_it_learned_and_takes_single_frames():
    layer = Normalise('batch').train()
    for _ in range(200):
        layer(raw())
    layer.eval()
    torch.testing.assert_close(layer(raw())[:1], layer(raw()[:1]))
    torch.testing.assert_close(layer(raw()).mean(0), torch.zeros(32), atol=1e-3, rtol=0)


def test_the_zero_vector_is_no_nan():
    assert torch.isfinite(Normalise('l2')(torch.zeros(1, 32))).all()
