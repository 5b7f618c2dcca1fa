"""Engines: they agree, the choice between them is announced, bad files are refused in one line."""

from __future__ import annotations

import json
import shutil
import sys

from clip_maker import frames, make_bag, make_encoder, make_model, SIZE
import numpy as np
import onnx
import pytest
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.cli import main
from smaknet_core.embedder import Embedder
from smaknet_core.engines import EagerEngine, OnnxEngine
from smaknet_core.engines.onnx_file import KEY
from smaknet_core.engines.onnx_runtime import choose_providers
from smaknet_core.errors import ConfigError, ModelError
import torch

torch.set_num_threads(1)
ONNX = 'model.onnx'


@pytest.fixture
def run(exported, tmp_path):
    """A copy to damage."""
    return shutil.copytree(exported, tmp_path / 'run')


def rewrite(path, **changes):
    """Change what the metadata says."""
    graph = onnx.load(path)
    facts = json.loads(next(p.value for p in graph.metadata_props if p.key == KEY))
    onnx.helper.set_model_props(graph, {KEY: json.dumps(facts | changes)})
    onnx.save(graph, path)


class TestAgreement:
    def test_engines_agree(self, exported):
        views = np.concatenate([frames(20), frames(20, camera=1)])
        one, other = (
            Embedder.load(exported, 'cpu', engine=name).embed(list(views))
            for name in ('torch', 'onnx')
        )
        np.testing.assert_allclose(one, other, atol=1e-4)
        assert np.abs(one[0] - one[19]).max() > 1e-3, 'else nothing was compared'

    def test_any_number_of_frames(self, exported, monkeypatch):
        monkeypatch.setattr('smaknet_core.engines.batches.BATCH', 4)
        several = frames(10)
        onnx_engine = OnnxEngine(exported / ONNX)
        whole = onnx_engine.embed(several)
        assert onnx_engine.embed(several[:0]).shape == (0, 32)
        for count in (1, 3, 9):
            np.testing.assert_allclose(
                onnx_engine.embed(several[:count]), whole[:count], atol=1e-5
            )

    def test_half_precision_as_on_a_gpu(self):
        encoder = make_encoder()
        exact, half = (EagerEngine(encoder, SIZE, SIZE, half=half) for half in (False, True))
        found = half.embed(frames(6))
        assert found.dtype == np.float32
        assert (exact.name, half.name) == ('torch', 'torch float16')
        np.testing.assert_allclose(found, exact.embed(frames(6)), atol=1e-2)

    def test_a_memmap_and_a_view_backwards(self, exported, tmp_path):
        np.save(tmp_path / 'view.npy', frames(6))
        mapped = np.load(tmp_path / 'view.npy', mmap_mode='r')
        for engine in (OnnxEngine(exported / ONNX), EagerEngine(make_encoder(), SIZE, SIZE)):
            forth, back = engine.embed(mapped), engine.embed(mapped[::-1])
            np.testing.assert_allclose(forth, back[::-1], atol=1e-6)


class Hungry:
    """A session on a machine that has memory for two frames."""

    def __init__(self, session):
        self.session, self.batches = session, []

    def run(self, names, feeds):
        count = len(next(iter(feeds.values())))
        self.batches.append(count)
        if count > 2:
            raise RuntimeError('BFCArena: Failed to allocate memory for requested buffer')
        return self.session.run(names, feeds)


def test_onnx_without_memory_goes_by_halves(exported):
    engine = OnnxEngine(exported / ONNX)
    expected = engine.embed(frames(5))
    engine._session = Hungry(engine._session)
    np.testing.assert_allclose(engine.embed(frames(5)), expected, atol=1e-6)
    assert engine._session.batches == [5, 2, 3, 1, 2]


class TestChoice:
    def test_auto_takes_what_was_exported(self, exported):
        chosen = Embedder.load(exported, 'cpu')
        assert chosen.engine.name == chosen.describe()['engine'] == 'onnx (CPU)'
        assert chosen.note == ''

    def test_auto_without_a_file_is_torch_and_says_nothing(self, run):
        (run / ONNX).unlink()
        chosen = Embedder.load(run, 'cpu')
        assert (chosen.engine.name, chosen.note) == ('torch', '')
        with pytest.raises(
            ModelError, match=r'model\.onnx: not there; write it with: smaknet exp'
        ):
            Embedder.load(run, 'cpu', engine='onnx')

    def test_torch_asked_for_is_torch(self, exported):
        assert Embedder.load(exported, 'cpu', engine='torch').engine.name == 'torch'
        with pytest.raises(ConfigError, match="auto or torch or onnx, got 'tensorflow'"):
            Embedder.load(exported, 'cpu', engine='tensorflow')

    def refused(self, run, because):
        """Asked for by name it is an error, else a note, and PyTorch goes on."""
        with pytest.raises((ModelError, ConfigError), match=because) as caught:
            Embedder.load(run, 'cpu', engine='onnx')
        assert len(str(caught.value).splitlines()) == 1
        chosen = Embedder.load(run, 'cpu')
        assert chosen.engine.name == 'torch'
        assert chosen.note == f'{caught.value}; going on with torch'

    def test_of_another_model(self, run):
        make_model(run / MODEL_NAME, seed=1)
        self.refused(run, r'model\.onnx: of another model \(\w{8}; this one is \w{8}\); remove it')

    def test_not_ours(self, run):
        graph = onnx.load(run / ONNX)
        del graph.metadata_props[:]
        onnx.save(graph, run / ONNX)
        self.refused(run, 'was not written by smaknet export')

    @pytest.mark.parametrize('damage', ['empty', 'text', 'half', 'folder'])
    def test_damaged(self, run, damage):
        path = run / ONNX
        whole = path.read_bytes()
        path.unlink()
        if damage == 'folder':
            path.mkdir()
        else:
            path.write_bytes(
                {'empty': b'', 'text': b'weights', 'half': whole[: len(whole) // 2]}[damage]
            )
        self.refused(run, r'model\.onnx: (ONNX Runtime cannot use it|cannot be read|was not)')

    @pytest.mark.parametrize(
        ('changes', 'because'),
        [
            ({'format_version': 9}, r'\.onnx format 9, this smaknet reads 1'),
            ({'precision': 'int4'}, 'unreadable metadata'),
            ({'colour': 'red'}, 'unreadable metadata'),
            ({'height': 64}, 'its graph maps'),
        ],
    )
    def test_metadata_that_does_not_fit(self, run, changes, because):
        rewrite(run / ONNX, **changes)
        self.refused(run, because)

    def test_weights_that_give_something_else(self, run):
        """Its metadata says it is of this model; only comparing tells."""
        graph = onnx.load(run / ONNX)
        weights = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
        weights.raw_data = bytes(len(weights.raw_data))
        onnx.save(graph, run / ONNX)
        self.refused(run, 'differs from torch by .* on this machine, more than 1e-04')

    def test_int8_is_taken_only_when_asked_for(self, run):
        rewrite(run / ONNX, precision='int8')
        assert Embedder.load(run, 'cpu', engine='onnx').engine.name == 'onnx int8 (CPU)'
        chosen = Embedder.load(run, 'cpu')
        assert chosen.engine.name == 'torch'
        assert 'int8, which only engine onnx takes' in chosen.note

    def test_without_onnxruntime(self, run, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnxruntime', None)
        self.refused(run, 'onnx needs onnxruntime: pip install onnxruntime')


class TestProviders:
    ALL = [f'{name}ExecutionProvider' for name in ('Tensorrt', 'CUDA', 'OpenVINO', 'Azure', 'CPU')]

    def names(self, available, device):
        chosen = choose_providers(available, device, 1)
        return [name.removesuffix('ExecutionProvider') for name, _ in chosen]

    def test_the_fastest_first(self):
        assert self.names(self.ALL, 'cuda:1') == ['Tensorrt', 'CUDA', 'CPU']
        assert self.names(self.ALL[1:], 'cuda') == ['CUDA', 'CPU']
        assert self.names(self.ALL, 'cpu') == ['OpenVINO', 'CPU']
        assert self.names(self.ALL[3:], 'cpu') == ['CPU']
        assert choose_providers(self.ALL, 'cuda:1', 1)[1][1] == {'device_id': 1}

    def test_none_for_the_gpu(self):
        with pytest.raises(ConfigError, match='onnxruntime cannot use CUDA; pip install'):
            choose_providers(self.ALL[2:], 'cuda', 1)


def test_commands_tell_which_engine_and_why(run, tmp_path, capsys):
    make_model(run / MODEL_NAME, seed=1)
    bag = make_bag(tmp_path / 'bag')
    out = tmp_path / 'taught.safetensors'
    assert main(['teach', str(run), str(bag), '--out', str(out)]) == 0
    said = ' '.join(capsys.readouterr().out.split())
    assert 'note: ' in said
    assert 'of another model' in said
    assert main(['teach', str(run), str(bag), '--out', f'{out}2', '--engine', 'onnx']) == 2
    assert 'of another model' in capsys.readouterr().err
