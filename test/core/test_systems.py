"""The networks that are compared: their sizes to the parameter, what learns, their names."""

from __future__ import annotations

from clip_maker import make_model
import pytest
from smaknet_core.checkpoint import load_model
from smaknet_core.config import ModelConfig
from smaknet_core.model import backbone_of, EMBEDDING_SIZE, Encoder, SmakNet, Tcn, title
import torch

torch.set_num_threads(1)
TRAINED = [
    # the slides' ResNet variant, 1080k: 683,072 of them are ResNet-18's
    ({'system': 'resnet18'}, 1_079_552, 1_079_552),
    ({'system': 'resnet18', 'freeze_backbone': True}, 1_079_552, 1_079_552 - 683_072),
    ({'system': 'lite0'}, 932_256, 932_256),
    ({'system': 'lite0', 'freeze_backbone': True}, 932_256, 231_488),
    # TCN's head: 1,327,616 + 2,359,808 + 2,099,200 + 65,568, and the softmax's temperature
    ({'system': 'tcn', 'freeze_backbone': True}, None, 5_852_192 + 1),
]
# what batch norm counts
TRACKED = {'running_mean', 'running_var', 'num_batches_tracked'}


@pytest.mark.parametrize(('settings', 'total', 'trained'), TRAINED)
def test_number_of_parameters(settings, total, trained):
    network = Encoder(ModelConfig(**settings)).network
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    assert sum(count for count, learns in counts if learns) == trained
    if total:
        assert sum(count for count, _ in counts) == total


def test_the_parts_of_tcns_head():
    network = Encoder(ModelConfig(system='tcn')).network
    assert isinstance(network, Tcn)
    counts = [
        sum(p.numel() for p in part.parameters() if p.requires_grad) for part in network.head
    ]
    _, first, second, softmax, *fully = counts
    assert (first, second, softmax) == (1_327_616, 2_359_808, 1)
    assert sum(fully) == 2_099_200 + 65_568


@pytest.mark.parametrize('system', ['smaknet', 'resnet18', 'lite0', 'tcn'])
def test_every_system_embeds_and_learns(system):
    torch.manual_seed(0)
    encoder = Encoder(ModelConfig(system=system)).train()
    images = torch.rand(8, 3, 64, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    embedded = encoder(images, recordings=2)
    assert embedded.shape == (8, EMBEDDING_SIZE)
    embedded.square().mean(0)[:5].sum().backward()
    learning = [p for p in encoder.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learning)
    with torch.no_grad():
        both = encoder.eval()(images)
        apart = torch.cat([encoder(part) for part in images.split(4)])
    torch.testing.assert_close(both, apart, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('system', ['resnet18', 'lite0'])
def test_attention_on_other_trunks_has_the_same_levels(system):
    network = Encoder(ModelConfig(system=system)).network.eval()
    _, scores = network.forward_with_scores(torch.zeros(1, 3, 64, 96))
    assert {level: tuple(c.shape[1:]) for level, c in scores.items()} == {
        1: (16, 24),
        2: (8, 12),
        3: (4, 6),
    }


@pytest.mark.parametrize('system', ['resnet18', 'lite0', 'tcn'])
def test_a_frozen_trunk_keeps_its_weights_while_its_batch_norm_follows_the_data(system):
    torch.manual_seed(0)
    encoder = Encoder(ModelConfig(system=system, freeze_backbone=True)).train()
    backbone = backbone_of(encoder.network)
    assert backbone is not None
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.1, weight_decay=0.1)
    encoder(torch.rand(6, 3, 48, 48)).square()[:, 0].sum().backward()
    optimizer.step()
    after = backbone.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.split('.')[-1] in TRACKED for name in changed)


def test_smaknet_has_no_foreign_part():
    network = Encoder(ModelConfig()).network
    assert isinstance(network, SmakNet)
    assert backbone_of(network) is None


@pytest.mark.parametrize('system', ['resnet18', 'lite0', 'tcn'])
def test_a_model_file_is_enough_to_rebuild_each(system, tmp_path):
    made = make_model(tmp_path / 'model', system=system)
    loaded = load_model(tmp_path / 'model')
    assert loaded.config.model.system == system
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(loaded.encoder(images), made.encoder(images))


def test_weights_from_elsewhere_are_not_looked_for_again(tmp_path):
    """The model file has them; the file they came from may be gone."""
    make_model(tmp_path / 'model', system='resnet18', backbone_weights='/gone.pth')
    assert load_model(tmp_path / 'model').config.model.backbone_weights == '/gone.pth'


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, 'SMAK-Net Att123'),
        ({'levels': (1, 3)}, 'SMAK-Net Att13'),
        ({'extended': True}, 'SMAK-Net Att123 extended'),
        ({'attention': 'softmax'}, 'SMAK-Net Att123 softmax'),
        ({'system': 'tcn'}, 'Multi-view TCN on Inception-v3 (random init)'),
        (
            {'system': 'resnet18', 'backbone_weights': 'ResNet18_Weights.DEFAULT'},
            'SMAK-Net Att123 on ResNet-18 (ResNet18_Weights.DEFAULT)',
        ),
        (
            {'system': 'lite0', 'backbone_weights': 'shipped', 'freeze_backbone': True},
            'SMAK-Net Att123 on EfficientNet-Lite0 frozen (shipped)',
        ),
        (
            {'system': 'tcn', 'backbone_weights': '/home/me/inception.pth'},
            'Multi-view TCN on Inception-v3 (inception.pth)',
        ),
    ],
)
def test_what_a_table_calls_it(settings, expected):
    assert title(ModelConfig(**settings)) == expected
