"""SMAK-Net: its size to the parameter, its shapes for any input."""

from __future__ import annotations

import pytest
from smaknet_core.config import ModelConfig
from smaknet_core.model.smaknet import EMBEDDING_SIZE, SmakNet
import torch

torch.set_num_threads(1)


def images(height=64, width=64, count=2):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, 1_081_824),  # the slides: 1082k
        ({'levels': (1, 2)}, 1_026_336),
        ({'levels': (2, 3)}, 1_014_048),
        ({'levels': (1, 3)}, 1_001_760),
        ({'extended': True}, 1_580_256),  # the slides: 1580k
        ({'attention': 'softmax', 'pool': 'sum', 'embedding_norm': 'none'}, 1_081_824),
    ],
)
def test_number_of_parameters(settings, expected):
    network = SmakNet(ModelConfig(**settings))
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize('settings', [{}, {'extended': True}, {'levels': (2,)}])
@pytest.mark.parametrize(('height', 'width'), [(32, 32), (33, 47), (64, 128), (1, 1)])
def test_any_input_size(settings, height, width):
    network = SmakNet(ModelConfig(**settings)).eval()
    embedded, scores = network.forward_with_scores(images(height, width))
    assert embedded.shape == (2, EMBEDDING_SIZE)
    assert torch.isfinite(embedded).all()
    strides = {1: 4, 2: 8, 3: 16}
    assert {level: tuple(c.shape) for level, c in scores.items()} == {
        level: (2, -(-height // strides[level]), -(-width // strides[level]))
        for level in network.levels
    }


def test_convolutions_have_no_bias_and_the_rest_has():
    network = SmakNet(ModelConfig())
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    linears = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert len(convolutions) == 7 + 2 + 3  # trunk, projectors, scores
    assert all(m.bias is None for m in convolutions)
    assert all(m.bias is not None for m in linears)


def test_gradients_reach_every_parameter():
    network = SmakNet(ModelConfig())
    network(images()).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_with_softmax_the_global_feature_cancels_and_learns_nothing():
    """It shifts all scores alike; the slides' ablation therefore has a part that never moves."""
    network = SmakNet(ModelConfig(attention='softmax')).double()
    network(images().double()).square().sum().backward()
    largest = max(p.grad.abs().max().item() for p in network.parameters())
    for parameter in network.globals.parameters():
        assert parameter.grad.abs().max().item() < 1e-12 * largest


def test_images_of_a_batch_do_not_see_each_other():
    network = SmakNet(ModelConfig()).eval()
    both = images()
    apart = torch.cat([network(both[:1]), network(both[1:])])
    torch.testing.assert_close(network(both), apart, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_network():
    made = []
    for _ in range(2):
        torch.manual_seed(7)
        made.append(SmakNet(ModelConfig()).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
