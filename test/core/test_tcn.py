"""The multi-view TCN: its spatial softmax, its batch norms, its dropout."""

from __future__ import annotations

import numpy as np
import pytest
from smaknet_core.model.tcn import SpatialSoftmax, Tcn
import torch

torch.set_num_threads(1)


def slow_spatial_softmax(features, temperature):
    """Per image and channel: the mean place, weighed by exp(feature / temperature)."""
    found = []
    for image in features:
        for channel in image:
            height, width = channel.shape
            weights = np.exp(channel / temperature)
            weights = weights / weights.sum()
            x = sum(
                weights[r, c] * (2 * c / (width - 1) - 1)
                for r in range(height)
                for c in range(width)
            )
            y = sum(
                weights[r, c] * (2 * r / (height - 1) - 1)
                for r in range(height)
                for c in range(width)
            )
            found += [x, y]
    return np.array(found).reshape(len(features), -1)


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_spatial_softmax_is_what_the_loop_says(temperature):
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    module = SpatialSoftmax().double()
    module.temperature.data.fill_(temperature)
    expected = slow_spatial_softmax(features.numpy(), temperature)
    np.testing.assert_allclose(module(features).detach().numpy(), expected, atol=1e-12)


def test_one_bright_place_is_found():
    features = torch.zeros(1, 2, 5, 9)
    features[0, 0, 0, 8] = features[0, 1, 4, 4] = 100
    expected = torch.tensor([[1.0, -1.0, 0.0, 1.0]])
    torch.testing.assert_close(SpatialSoftmax()(features).detach(), expected)


def test_the_embedding_is_batch_normalised_and_nothing_is_scaled():
    network = Tcn().train()
    raw = network(torch.rand(16, 3, 80, 80) * 2 - 1).detach()
    torch.testing.assert_close(raw.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
    assert raw.std(0, unbiased=False).max() < 1.01
    norms = [m for m in network.head.modules() if hasattr(m, 'running_mean')]
    assert len(norms) == 4
    assert all(m.bias.requires_grad and not m.weight.requires_grad for m in norms)
    assert all(m.eps == 1e-3 for m in norms)


def test_a_fifth_is_dropped_in_training_only():
    network = Tcn()
    dropout = network.head[0]
    features = torch.ones(1, 4, 100, 100)
    kept = (dropout.train()(features) > 0).float().mean().item()
    assert kept == pytest.approx(0.8, abs=0.02)
    assert torch.equal(dropout.eval()(features), features)
