"""The encoder: network and norm together, which is what a model file holds."""

from __future__ import annotations

import pytest
from smaknet_core.config import ModelConfig
from smaknet_core.model import EMBEDDING_SIZE, Encoder
import torch

torch.set_num_threads(1)
IMAGES = torch.rand(4, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize('norm', ['none', 'batch', 'l2', 'batch_l2'])
def test_images_to_embeddings(norm):
    encoder = Encoder(ModelConfig(embedding_norm=norm)).eval()
    embedded = encoder(IMAGES)
    assert embedded.shape == (4, EMBEDDING_SIZE)
    torch.testing.assert_close(embedded, encoder.normalise(encoder.network(IMAGES)))


def test_the_norm_is_part_of_the_state():
    state = Encoder(ModelConfig(embedding_norm='batch_l2')).state_dict()
    assert {'normalise.batch.running_mean', 'normalise.batch.running_var'} <= set(state)
    assert not any(
        n.startswith('normalise') for n in Encoder(ModelConfig(embedding_norm='l2')).state_dict()
    )


def test_running_averages_move_in_training_only():
    encoder = Encoder(ModelConfig())
    before = encoder.normalise.batch.running_mean.clone()
    encoder.eval()(IMAGES)
    assert torch.equal(encoder.normalise.batch.running_mean, before)
    encoder.train()(IMAGES)
    assert not torch.equal(encoder.normalise.batch.running_mean, before)


def test_channels_last_gives_the_same_numbers():
    """Training and the embedder use it because it is faster; it must not matter otherwise."""
    torch.manual_seed(0)
    encoder = Encoder(ModelConfig()).eval()
    plain = encoder(IMAGES)
    encoder = encoder.to(memory_format=torch.channels_last)
    found = encoder(IMAGES.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)


def test_in_training_each_recording_is_normalised_on_its_own():
    """A batch holds anchors of all recordings, then positives of all: 2 x S x P."""
    encoder = Encoder(ModelConfig(embedding_norm='batch')).train()
    generator = torch.Generator().manual_seed(1)
    brightness = torch.tensor([-0.6, 0.0, 0.6]).repeat_interleave(4).repeat(2)  # 2 x 3 x 4
    images = torch.rand(24, 3, 32, 32, generator=generator) * 0.4 + brightness[:, None, None, None]
    found = encoder(images, recordings=3).view(2, 3, 4, 32)
    for recording in range(3):
        own = found[:, recording].flatten(0, 1)
        torch.testing.assert_close(own.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
        assert own.std(0).mean() > 0.5
    together = encoder(images).view(2, 3, 4, 32)
    assert together.mean((0, 2)).abs().max() > 0.5, 'else it is the scene that fills the variance'


def test_the_order_of_the_batch_is_kept():
    """With a norm that treats each image alone, parting by recordings must change nothing."""
    encoder = Encoder(ModelConfig(embedding_norm='l2')).eval()
    encoder.normalise.train()
    images = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    torch.testing.assert_close(encoder(images, recordings=3), encoder(images))
    torch.testing.assert_close(encoder(images, recordings=2), encoder(images))


def test_settled_it_computes_in_training_what_it_will_compute_when_deployed():
    encoder = Encoder(ModelConfig()).train()
    encoder(IMAGES)
    encoder.settle()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    settled = encoder(IMAGES, recordings=2)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    torch.testing.assert_close(settled, encoder.eval()(IMAGES), rtol=1e-4, atol=1e-5)
    settled.sum().backward()
    assert encoder.network.globals.weight.grad.any(), 'its weights still learn'
    encoder.train()
    assert encoder.normalise.batch.training
