"""The embedder: frames of any size in, finite vectors out, whatever their company."""

from __future__ import annotations

import dataclasses

from clip_maker import frames, make_clip, make_encoder, make_model, SIZE
import numpy as np
import pytest
from smaknet_core import embedder as embedder_module
from smaknet_core.checkpoint import load_model, MODEL_NAME
from smaknet_core.data.transforms import resize, to_input
from smaknet_core.embedder import (
    choose_device,
    embed_frames,
    Embedder,
    NotFiniteError,
)
from smaknet_core.engines import is_out_of_memory
from smaknet_core.errors import ConfigError, ModelError
import torch


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    return out, make_model(out / MODEL_NAME)


@pytest.fixture(scope='module')
def embedder(run):
    return Embedder.load(run[0], 'cpu')


def images(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes]


def test_is_the_network_on_the_resized_frame(run, embedder):
    (image,) = images((90, 120))
    batch = to_input(torch.from_numpy(resize(image, SIZE, SIZE))[None])
    with torch.no_grad():
        expected = run[1].encoder(batch).numpy()
    np.testing.assert_allclose(embedder.embed([image]), expected, atol=1e-5)


def test_shapes_and_lengths(embedder):
    found = embedder.embed(images((40, 50), (32, 32), (100, 20)))
    assert found.shape == (3, 32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)  # batch_l2
    assert embedder.embed([]).shape == (0, 32)


def test_company_does_not_matter(embedder):
    several = images((40, 50), (32, 32), (64, 64), (33, 77))
    alone = np.concatenate([embedder.embed([image]) for image in several])
    np.testing.assert_allclose(embedder.embed(several), alone, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(several[::-1])[::-1], alone, atol=1e-5)


def test_many_frames_go_in_parts(embedder, monkeypatch):
    several = list(frames(10))
    whole = embedder.embed(several)
    monkeypatch.setattr(embedder_module, 'BATCH', 4)
    np.testing.assert_allclose(embedder.embed(several), whole, atol=1e-5)


def test_cached_frames_and_live_frames_agree(embedder, tmp_path):
    """Training and evaluation embed from the cache what the node embeds from topics."""
    view = make_clip().views['left']
    np.save(tmp_path / 'view.npy', view)
    mapped = np.load(tmp_path / 'view.npy', mmap_mode='r')
    offline = embed_frames(embedder._encoder, mapped, 'cpu')
    np.testing.assert_allclose(embedder.embed(list(view)), offline, atol=1e-6)


def test_repeats_to_the_bit(embedder):
    several = images((40, 50), (32, 32))
    assert np.array_equal(embedder.embed(several), embedder.embed(several))


def test_what_it_says_of_itself(run, embedder):
    said = embedder.describe()
    assert said['hash'] == embedder.model_hash == load_model(run[0]).hash
    assert (said['height'], said['width'], said['embedding_size']) == (SIZE, SIZE, 32)
    assert said['cameras'] == ['left', 'right']
    assert (said['device'], said['engine']) == ('cpu', 'torch')
    assert said['calibration']['sigma'] == embedder.calibration.sigma
    assert embedder.warm_up(3) > 0


@pytest.mark.parametrize('attention', ['sigmoid', 'softmax'])
def test_attention_of_each_level(tmp_path, attention):
    make_model(tmp_path / 'model', attention=attention, levels=(1, 3))
    (image,) = images((48, 100))
    found = Embedder.load(tmp_path / 'model', 'cpu').attention(image)
    assert {level: weights.shape for level, weights in found.items()} == {1: (8, 8), 3: (2, 2)}
    for weights in found.values():
        assert weights.dtype == np.float32
        assert weights.min() >= 0
        assert weights.max() <= 1
        assert weights.std() > 0
        if attention == 'softmax':
            assert weights.max() == 1, 'weights of a softmax are shown as shares of the largest'


def test_a_network_without_attention_gives_none(tmp_path):
    make_model(tmp_path / 'model', system='tcn')
    embedder = Embedder.load(tmp_path / 'model', 'cpu')
    (image,) = images((48, 100))
    assert embedder.attention(image) == {}
    assert embedder.embed([image]).shape == (1, 32)
    assert embedder.describe()['system'] == 'Multi-view TCN on Inception-v3 (random init)'


def test_a_network_that_gives_nan_is_refused(run):
    """All its weights are finite, so loading cannot notice."""
    broken = make_encoder()
    with torch.no_grad():
        broken.normalise.batch.running_var.fill_(-1)
    file = dataclasses.replace(run[1], encoder=broken)
    with pytest.raises(NotFiniteError, match='NaN or infinite') as caught:
        Embedder(file).embed(images((32, 32)))
    assert isinstance(caught.value, ModelError)


class Hungry(torch.nn.Module):
    """A network on a device that has memory for so many frames at a time."""

    def __init__(self, encoder, room, error=torch.OutOfMemoryError):
        super().__init__()
        self.encoder, self.room, self.error = encoder, room, error
        self.batches = []

    def forward(self, frames):
        self.batches.append(len(frames))
        if len(frames) > self.room:
            raise self.error('out of memory. Tried to allocate 20.00 GiB')
        return self.encoder(frames)


class TestMemory:
    def hungry(self, run, room, **kind):
        hungry = Embedder(run[1])
        hungry.engine._network = Hungry(hungry.engine._network, room, **kind)
        return hungry.engine._network, hungry

    @pytest.mark.parametrize(
        ('room', 'batches'),
        [(10, [10]), (5, [10, 5, 5]), (3, [10, 5, 2, 3, 5, 2, 3]), (1, None)],
    )
    def test_too_many_frames_are_tried_again_half_as_many_at_a_time(
        self, run, embedder, room, batches
    ):
        several = list(frames(10))
        network, hungry = self.hungry(run, room)
        np.testing.assert_allclose(hungry.embed(several), embedder.embed(several), atol=1e-5)
        assert batches is None or network.batches == batches

    def test_memory_of_the_cpu_as_well(self, run, embedder):
        several = list(frames(10))
        hungry = self.hungry(run, 3, error=MemoryError)[1]
        np.testing.assert_allclose(hungry.embed(several), embedder.embed(several), atol=1e-5)

    @pytest.mark.parametrize('count', [1, 2, 9])
    def test_no_room_for_a_single_frame_is_one_clear_line(self, run, count):
        with pytest.raises(ConfigError, match='^device: cpu has no memory left for one frame of'):
            self.hungry(run, 0)[1].embed(list(frames(count)))

    def test_what_the_cpu_says_is_understood(self, run):
        with pytest.raises(RuntimeError) as caught:
            torch.empty(2**60, dtype=torch.uint8)
        assert is_out_of_memory(caught.value)
        assert not is_out_of_memory(RuntimeError('the sizes do not fit'))

    def test_other_errors_come_through(self, run):
        with pytest.raises(RuntimeError, match='Tried to allocate'):
            self.hungry(run, 0, error=RuntimeError)[1].embed(list(frames(2)))


class TestDevice:
    def test_auto_is_the_cpu_where_there_is_nothing_else(self):
        expected = 'cuda' if torch.cuda.is_available() else 'cpu'
        assert choose_device('auto') == expected
        assert choose_device('cpu') == 'cpu'

    @pytest.mark.parametrize('name', ['cuda', 'cuda:0', 'cuda:7'])
    def test_cuda_asked_for_and_absent(self, run, monkeypatch, name):
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
        with pytest.raises(ConfigError, match=f'{name} was asked for, but torch sees 0 CUDA'):
            Embedder.load(run[0], name)

    @pytest.mark.parametrize('name', ['gpu', '', 'mps', 'cuda:x', 'cpu:nine', 'meta'])
    def test_what_is_no_device(self, name):
        with pytest.raises(ConfigError, match='expected auto, cpu, cuda or cuda:N, got'):
            choose_device(name)

    @pytest.mark.cuda
    def test_cuda_agrees_with_the_cpu(self, run, embedder):
        if not torch.cuda.is_available():
            pytest.skip('needs cuda')
        several = images((40, 50), (32, 32))
        found = Embedder.load(run[0], 'cuda').embed(several)
        np.testing.assert_allclose(found, embedder.embed(several), atol=1e-2)


def test_threads_are_set_as_asked(run):
    Embedder.load(run[0], 'cpu', threads=2)
    try:
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
