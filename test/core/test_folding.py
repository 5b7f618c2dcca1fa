"""Folding leaves the function as it is, at the borders too, in every network."""

from __future__ import annotations

from clip_maker import make_encoder
import pytest
from smaknet_core.data.transforms import PIXEL_MEAN, PIXEL_SCALE, to_input
from smaknet_core.model.folding import fold
import torch
from torch import nn

torch.set_num_threads(1)
NETWORKS = [
    {},
    {'extended': True, 'levels': (1, 3)},
    {'attention': 'softmax'},
    {'pool': 'sum', 'embedding_norm': 'none'},
    {'embedding_norm': 'batch'},
    {'system': 'resnet18'},
    {'system': 'lite0'},
    {'system': 'tcn'},
]
HEIGHT, WIDTH = 64, 48


def folded(encoder):
    return fold(encoder, HEIGHT, WIDTH, PIXEL_MEAN, PIXEL_SCALE)


def frames(*values):
    """Noise, and frames of one grey level: black and white tell the most about borders."""
    noise = torch.randint(
        0, 256, (3, HEIGHT, WIDTH, 3), generator=torch.Generator().manual_seed(0)
    )
    plain = [torch.full((1, HEIGHT, WIDTH, 3), value) for value in values]
    return torch.cat([noise, *plain]).to(torch.uint8)


@pytest.mark.parametrize('settings', NETWORKS, ids=str)
def test_gives_what_the_network_gives(settings):
    encoder = make_encoder(**settings)
    with torch.no_grad():
        for module in encoder.modules():  # as after training: no two channels alike
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.affine:
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        batch = frames(0, 255, 127)
        expected = encoder(to_input(batch))
        found = folded(encoder)(batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize('settings', NETWORKS, ids=str)
def test_no_batch_norm_is_left(settings):
    network = folded(make_encoder(**settings))
    assert [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))] == []


def test_leaves_the_original_alone():
    encoder = make_encoder()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    folded(encoder)
    after = encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


class Odd(nn.Module):
    """A batch norm after a ReLU, which no layer can take over."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm2d(4)
        self.norm.running_mean.fill_(0.3)

    def forward(self, images):
        return self.norm(self.relu(self.first(images))).mean((2, 3))


def test_a_batch_norm_that_follows_no_layer_stays():
    torch.manual_seed(0)
    odd = Odd().eval()
    network = folded(odd)
    assert [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)] != []
    batch = frames(0, 255)
    with torch.no_grad():
        torch.testing.assert_close(network(batch), odd(to_input(batch)))
