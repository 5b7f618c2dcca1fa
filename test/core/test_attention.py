"""One level's attention against equation 2 written as a loop over places."""

from __future__ import annotations

import pytest
from smaknet_core.config import ModelConfig
from smaknet_core.model.attention import SpatialAttention
import torch

torch.set_num_threads(1)
WIDTH = 6


def make(attention='sigmoid', pool='mean', channels=4):
    torch.manual_seed(0)
    config = ModelConfig(attention=attention, pool=pool)
    layer = SpatialAttention(channels, WIDTH, config).double()
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, channels, 3, 5, generator=generator, dtype=torch.float64)
    g = torch.randn(2, WIDTH, generator=generator, dtype=torch.float64)
    return layer, features, g


def slow(layer, features, g, attention, pool):
    """Compute c = <u, P(L) + g> at every place of every image, then the weighted average."""
    u = layer.score.weight[0, :, 0, 0]
    same = isinstance(layer.project, torch.nn.Identity)
    projector = torch.eye(WIDTH).double() if same else layer.project.weight[:, :, 0, 0]
    pooled, scores = [], []
    for image, of_image in zip(features, g, strict=True):
        places = [image[:, y, x] for y in range(3) for x in range(5)]
        local = [projector @ place for place in places]
        c = torch.stack([u @ (vector + of_image) for vector in local])
        weights = c.softmax(0) if attention == 'softmax' else c.sigmoid()
        total = sum(w * vector for w, vector in zip(weights, local, strict=True))
        divisor = {'mean': 15, 'normalised': weights.sum(), 'sum': 1}[pool]
        pooled.append(total / (1 if attention == 'softmax' else divisor))
        scores.append(c.reshape(3, 5))
    return torch.stack(pooled), torch.stack(scores)


@pytest.mark.parametrize('channels', [4, WIDTH])
@pytest.mark.parametrize(
    ('attention', 'pool'),
    [('sigmoid', 'mean'), ('sigmoid', 'normalised'), ('sigmoid', 'sum'), ('softmax', 'mean')],
)
def test_is_what_the_loop_says(attention, pool, channels):
    layer, features, g = make(attention, pool, channels)
    for found, expected in zip(
        layer(features, g), slow(layer, features, g, attention, pool), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_the_deepest_level_needs_no_projector():
    layer, _, _ = make(channels=WIDTH)
    assert sum(p.numel() for p in layer.parameters()) == WIDTH  # u alone
    layer, _, _ = make(channels=4)
    assert sum(p.numel() for p in layer.parameters()) == 4 * WIDTH + WIDTH


@pytest.mark.parametrize('pool', ['mean', 'normalised'])
def test_averages_do_not_grow_with_the_image(pool):
    layer, features, g = make(pool=pool)
    larger = features.repeat(1, 1, 2, 3)
    torch.testing.assert_close(layer(larger, g)[0], layer(features, g)[0])


def test_the_sum_does():
    layer, features, g = make(pool='sum')
    torch.testing.assert_close(layer(features.repeat(1, 1, 2, 3), g)[0], 6 * layer(features, g)[0])


def test_softmax_does_not_care_for_g():
    layer, features, g = make('softmax')
    torch.testing.assert_close(layer(features, g)[0], layer(features, g + 3)[0])
    g.requires_grad_()
    layer(features, g)[0].square().sum().backward()
    assert g.grad.abs().max() < 1e-12


def test_sigmoid_does():
    layer, features, g = make()
    g.requires_grad_()
    layer(features, g)[0].square().sum().backward()
    assert g.grad.abs().min() > 0
