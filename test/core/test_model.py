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
