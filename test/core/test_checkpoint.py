"""The model file: there and back, and every way in which a file can be no model."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import struct
import subprocess
import sys
import threading

from clip_maker import make_config, make_encoder, make_model
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from smaknet_core.checkpoint import (
    load_model,
    MODEL_NAME,
    ModelFile,
    replace_file,
    resolve,
    save_model,
)
from smaknet_core.config import ModelConfig
from smaknet_core.errors import ModelError
from smaknet_core.matching import Calibration
import torch


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """A run folder with a model in it, and what the model was."""
    out = tmp_path_factory.mktemp('run')
    return out, make_model(out / MODEL_NAME, summary={'steps': 7, 'recordings': ['a']})


@pytest.fixture
def parts(written):
    """Tensors and metadata of a good file, to be spoilt and written again."""
    path = written[0] / MODEL_NAME
    with safe_open(path, 'pt') as file:
        header = json.loads(file.metadata()['smaknet_model'])
    return load_file(path), header


def refused(path):
    """Load a file that is no model; give the one line that says so."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    text = str(caught.value)
    assert str(path) in text
    assert '\n' not in text
    return text


def write(path, tensors, header):
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(tensors, path, metadata={'smaknet_model': text})
    return path


class TestThereAndBack:
    def test_everything_survives(self, written):
        out, file = written
        for path in (out, out / MODEL_NAME):
            loaded = load_model(path)
            assert loaded.config == file.config
            assert loaded.cameras == file.cameras
            assert loaded.calibration == file.calibration
            assert loaded.summary == {'steps': 7, 'recordings': ['a']}
            assert not loaded.encoder.training
            before, after = file.encoder.state_dict(), loaded.encoder.state_dict()
            assert before.keys() == after.keys()
            assert all(torch.equal(before[name], after[name]) for name in before)

    @pytest.mark.parametrize(
        'model',
        [{'levels': (1, 3)}, {'extended': True}, {'embedding_norm': 'l2'}, {'pool': 'sum'}],
    )
    def test_every_network(self, tmp_path, model):
        make_model(tmp_path / 'model', **model)
        assert load_model(tmp_path / 'model').config.model == ModelConfig(**model)

    def test_channels_last_weights_as_training_has_them(self, tmp_path):
        encoder = make_encoder().to(memory_format=torch.channels_last)
        file = ModelFile(encoder, make_config(), ('a',), Calibration(1.0, 1.0))
        save_model(file, tmp_path / 'model')
        for name, value in load_model(tmp_path / 'model').encoder.state_dict().items():
            assert torch.equal(value, encoder.state_dict()[name])

    def test_the_same_model_has_the_same_hash(self, tmp_path):
        for name in 'ab':
            make_model(tmp_path / name)
        make_model(tmp_path / 'c', seed=1)
        one, same, other = (load_model(tmp_path / name).hash for name in 'abc')
        assert one == same != other
        assert one == hashlib.sha256((tmp_path / 'a').read_bytes()).hexdigest()

    def test_a_file_replaced_while_it_is_read_is_wholly_the_old_or_the_new(self, tmp_path):
        """Weights of one file under the hash of another would go with the wrong demonstrations."""
        for name in 'ab':
            make_model(tmp_path / name, seed=ord(name))
        known = {load_model(tmp_path / name).hash: name for name in 'ab'}
        first = {name: next(load_model(tmp_path / name).encoder.parameters()) for name in 'ab'}
        files = [(tmp_path / name).read_bytes() for name in 'ab']
        path, ended = tmp_path / 'model', threading.Event()
        replace_file(path, files[0])

        def replace():
            for number in itertools.count(1):
                replace_file(path, files[number % 2])
                if ended.is_set():
                    return

        writer = threading.Thread(target=replace)
        writer.start()
        try:
            models = [load_model(path) for _ in range(40)]
        finally:
            ended.set()
            writer.join()
        assert {known[model.hash] for model in models} == {'a', 'b'}
        for model in models:
            assert torch.equal(next(model.encoder.parameters()), first[known[model.hash]])


class TestWriting:
    def test_replaces_in_one_step_and_leaves_nothing_beside(self, tmp_path):
        path = tmp_path / 'file'
        replace_file(path, b'old')
        before = path.stat().st_ino
        replace_file(path, b'new')
        assert path.read_bytes() == b'new'
        assert path.stat().st_ino != before, 'a reader of the old file keeps the old file'
        assert os.listdir(tmp_path) == ['file']

    def test_a_folder_that_is_missing(self, tmp_path):
        model = ModelFile(make_encoder(), make_config(), (), Calibration(1.0, 1.0))
        with pytest.raises(ModelError, match='cannot be written .No such file'):
            save_model(model, tmp_path / 'missing' / MODEL_NAME)

    def test_a_full_disk_keeps_the_old_file(self, tmp_path):
        """The limit on file size stands for the disk's end: the same error at the same place."""
        path = tmp_path / 'file'
        replace_file(path, b'old')
        code = (
            'import resource, sys; from pathlib import Path\n'
            'from smaknet_core.checkpoint import replace_file\n'
            'resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n'
            'replace_file(Path(sys.argv[1]), bytes(100_000))\n'
        )
        run = subprocess.run(
            [sys.executable, '-c', code, str(path)], capture_output=True, text=True, check=False
        )
        assert 'OSError: [Errno 27] File too large' in run.stderr
        assert path.read_bytes() == b'old'
        assert os.listdir(tmp_path) == ['file']


class TestDamage:
    def test_nothing_there(self, tmp_path):
        for path in (tmp_path, tmp_path / 'missing', tmp_path / 'missing' / 'deeper'):
            assert 'no model here' in refused(path)
            with pytest.raises(ModelError):
                resolve(path)

    @pytest.mark.parametrize('share', [0.0, 0.0001, 0.01, 0.5, 0.999999])
    def test_truncated(self, tmp_path, written, share):
        whole = (written[0] / MODEL_NAME).read_bytes()
        path = tmp_path / 'cut'
        path.write_bytes(whole[: int(share * len(whole))])
        assert 'not a readable model file' in refused(path)

    @pytest.mark.parametrize('data', [b'not safetensors at all', b'\xff' * 100, b'PK\x03\x04'])
    def test_something_else(self, tmp_path, data):
        path = tmp_path / 'other'
        path.write_bytes(data)
        assert 'not a readable model file' in refused(path)

    def test_larger_than_any_model(self, tmp_path):
        """A file of holes: nothing of it is on the disk."""
        with (tmp_path / 'huge').open('wb') as file:
            file.truncate(2**30 + 1)
        assert 'larger than 1 GiB' in refused(tmp_path / 'huge')

    def test_a_pickle_is_not_even_opened(self, tmp_path):
        path = tmp_path / 'model.pt'
        torch.save({'encoder': torch.zeros(3)}, path)
        assert 'not a readable model file' in refused(path)

    def test_safetensors_of_others(self, tmp_path, parts):
        save_file(parts[0], tmp_path / 'bare')
        assert 'not a smaknet model' in refused(tmp_path / 'bare')

    @pytest.mark.parametrize('text', ['{', '[]', '"model"', '1', '[' * 100_000])
    def test_metadata_that_is_none(self, tmp_path, parts, text):
        refused(write(tmp_path / 'model', parts[0], text))

    @pytest.mark.parametrize('version', [0, 2, '1', None])
    def test_another_version(self, tmp_path, parts, version):
        header = {**parts[1], 'format_version': version}
        words = refused(write(tmp_path / 'model', parts[0], header))
        assert f'model format {version}, this smaknet reads 1' in words

    @pytest.mark.parametrize('key', ['config', 'cameras', 'calibration', 'summary'])
    @pytest.mark.parametrize('value', ['missing', None, 3, [1, 2], 'text'])
    def test_incomplete_or_wrong_metadata(self, tmp_path, parts, key, value):
        header = {**parts[1], key: value}
        if value == 'missing':
            del header[key]
        refused(write(tmp_path / 'model', parts[0], header))

    def test_unknown_preprocessing(self, tmp_path, parts):
        header = {**parts[1], 'preprocessing': {'order': 'BGR', 'mean': 0, 'scale': 1}}
        assert 'preprocessing' in refused(write(tmp_path / 'model', parts[0], header))

    @pytest.mark.parametrize('number', [float('nan'), float('inf'), -1.0, 0.0])
    @pytest.mark.parametrize('name', ['sigma', 'outlier', 'temperature'])
    def test_a_calibration_that_is_none(self, tmp_path, parts, name, number):
        calibration = {**parts[1]['calibration'], name: number}
        header = {**parts[1], 'calibration': calibration}
        assert 'calibration' in refused(write(tmp_path / 'model', parts[0], header))

    def test_settings_of_a_later_smaknet(self, tmp_path, parts):
        config = {**parts[1]['config'], 'sorcery': 1}
        header = {**parts[1], 'config': config}
        assert "unknown key 'sorcery'" in refused(write(tmp_path / 'model', parts[0], header))

    @pytest.mark.parametrize('levels', [[1, 2], [2, 3]])
    def test_weights_of_another_network(self, tmp_path, parts, levels):
        config = {**parts[1]['config'], 'model': {**parts[1]['config']['model'], 'levels': levels}}
        words = refused(write(tmp_path / 'model', parts[0], {**parts[1], 'config': config}))
        assert 'do not fit the configured network (first: network.attention.' in words

    @pytest.mark.parametrize('number', [float('nan'), float('inf')])
    def test_weights_that_are_no_numbers(self, tmp_path, parts, number):
        tensors, header = parts
        tensors['network.globals.bias'][3] = number
        words = refused(write(tmp_path / 'model', tensors, header))
        assert 'network.globals.bias holds NaN or infinite values' in words

    @pytest.mark.parametrize('shape', [(191,), (1, 192), (192, 1, 1), ()])
    def test_misshaped_weights(self, tmp_path, parts, shape):
        tensors, header = parts
        tensors['network.globals.bias'] = torch.zeros(shape)
        words = refused(write(tmp_path / 'model', tensors, header))
        assert f'has shape {shape}, expected (192,)' in words

    def test_weights_of_another_type(self, tmp_path, parts):
        tensors, header = parts
        tensors['network.globals.bias'] = torch.zeros(192, dtype=torch.float64)
        words = refused(write(tmp_path / 'model', tensors, header))
        assert 'is torch.float64, expected torch.float32' in words

    def test_a_weight_missing_or_too_many(self, tmp_path, parts):
        tensors, header = parts
        more = {**tensors, 'extra': torch.zeros(1)}
        assert '(first: extra)' in refused(write(tmp_path / 'more', more, header))
        del tensors['network.globals.bias']
        assert 'network.globals.bias' in refused(write(tmp_path / 'less', tensors, header))

    @pytest.mark.parametrize('shape', [[10**15], [2**62, 4], [2**40, 2**40]])
    @pytest.mark.parametrize('honest', [True, False])
    def test_a_huge_shape_in_the_header_allocates_nothing(self, tmp_path, parts, shape, honest):
        """A few hundred bytes that promise petabytes, or that do not match their own offsets."""
        count = 1
        for side in shape:
            count *= side
        end = 4 * count if honest else 8
        header = {
            '__metadata__': {'smaknet_model': json.dumps(parts[1])},
            'network.globals.bias': {'dtype': 'F32', 'shape': shape, 'data_offsets': [0, end]},
        }
        text = json.dumps(header).encode()
        path = tmp_path / 'huge'
        path.write_bytes(struct.pack('<Q', len(text)) + text + bytes(8))
        refused(path)

    def test_a_header_that_promises_to_be_huge(self, tmp_path):
        path = tmp_path / 'huge'
        path.write_bytes(struct.pack('<Q', 2**63) + b'{}')
        assert 'not a readable model file' in refused(path)
