"""
Every setting of training and matching: frozen dataclasses, read from YAML and the command line.

An unknown key is refused with the nearest known one; a value out of range is refused at birth.
Model files carry the `TrainConfig` they were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass, field
import difflib
from pathlib import Path
import types
from typing import Any, get_args, get_origin, get_type_hints, Literal, TypeVar, Union

from smaknet_core.errors import ConfigError

T = TypeVar('T')

EmbeddingNorm = Literal['none', 'batch', 'l2', 'batch_l2']


@dataclass(frozen=True)
class DataConfig:
    """From recordings to clips."""

    # Network input in pixels; frames are resized to it whatever their aspect.
    height: int = 128
    width: int = 128
    # Frames of one set may be this far apart; about half a camera period is right.
    max_spread_s: float = 0.05
    # Share of the recordings held out for the alignment shown while training and for calibration.
    held_out: float = 0.2
    # Names of the recordings to hold out instead; wins over the share.
    held_out_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(32 <= self.height <= 1024, 'data.height', self.height, '32 ... 1024')
        _check(32 <= self.width <= 1024, 'data.width', self.width, '32 ... 1024')
        _check(0 < self.max_spread_s <= 10, 'data.max_spread_s', self.max_spread_s, '0 ... 10')
        _check(0 <= self.held_out < 1, 'data.held_out', self.held_out, '0 ... 1')


@dataclass(frozen=True)
class ModelConfig:
    """Which SMAK-Net."""

    # Attention levels used: (1, 2, 3) is Att123, (1, 2) is Att12 ...
    levels: tuple[int, ...] = (1, 2, 3)
    # How compatibility scores become weights; `softmax` is the slides' ablation.
    attention: Literal['sigmoid', 'softmax'] = 'sigmoid'
    # What "weighted averaging" divides by: H*W, the sum of the weights, or nothing.
    pool: Literal['mean', 'normalised', 'sum'] = 'mean'
    # The slides' 1580k network, with more convolutions.
    extended: bool = False
    # What the embedder applies to the raw 32-d vector; distances see the result.
    embedding_norm: EmbeddingNorm = 'batch_l2'

    def __post_init__(self) -> None:
        ordered = tuple(sorted(set(self.levels)))
        _check(
            bool(self.levels) and self.levels == ordered and set(self.levels) <= {1, 2, 3},
            'model.levels',
            self.levels,
            'some of 1, 2, 3, in order',
        )


@dataclass(frozen=True)
class LossConfig:
    """What pulls concurrent frames together."""

    # infonce: cosine with temperature, both directions; npairs: as TCN's code computes it.
    name: Literal['infonce', 'npairs'] = 'infonce'
    # InfoNCE only: small values look at the hardest negatives.
    temperature: float = 0.1
    # N-pairs only: weight of the norm regulariser (TCN's lambda).
    regulariser: float = 0.002

    def __post_init__(self) -> None:
        _check(self.temperature > 0, 'loss.temperature', self.temperature, '> 0')
        _check(self.regulariser >= 0, 'loss.regulariser', self.regulariser, '>= 0')


@dataclass(frozen=True)
class BatchConfig:
    """Which frames meet in a batch."""

    # Recordings per step; negatives are always of the anchor's own recording.
    sequences: int = 2
    # Timesteps drawn from each, one anchor and one positive view of each.
    pairs: int = 16
    # Draw one timestep from each of `pairs` equal stretches instead of anywhere.
    stratified: bool = True

    def __post_init__(self) -> None:
        _check(self.sequences >= 1, 'batch.sequences', self.sequences, '>= 1')
        _check(self.pairs >= 2, 'batch.pairs', self.pairs, '>= 2')


@dataclass(frozen=True)
class AugmentConfig:
    """What each image meets on its own, so that views differ in more than viewpoint."""

    # Zoom range: 0.8 shows 80 % of the frame, 1.25 adds a border of a quarter.
    zoom: tuple[float, float] = (0.75, 1.15)
    # Shift as a share of the frame.
    shift: float = 0.08
    # Shift of all channels together, as a share of the range.
    brightness: float = 0.15
    # Contrast is multiplied by 1 plus or minus this.
    contrast: float = 0.25
    # Saturation is multiplied by 1 plus or minus this.
    saturation: float = 0.3
    # Largest side of a grey patch over the image, as a share of the frame; 0 means none.
    patch: float = 0.0

    def __post_init__(self) -> None:
        _check(0 < self.zoom[0] <= self.zoom[1], 'augment.zoom', self.zoom, '0 < low <= high')
        for name in ('shift', 'brightness', 'contrast', 'saturation', 'patch'):
            value = getattr(self, name)
            _check(0 <= value <= 1, f'augment.{name}', value, '0 ... 1')


@dataclass(frozen=True)
class OptimConfig:
    """How long and how fast."""

    # Training steps; the learning rate's schedule spans them.
    steps: int = 4000
    # Stop earlier when this much time has passed; 0 means no limit.
    minutes: float = 0.0
    # Of AdamW, at its highest.
    learning_rate: float = 1e-3
    # The rate rises over this many steps, then follows a cosine down to a twentieth.
    warmup_steps: int = 50
    # Of AdamW.
    weight_decay: float = 1e-4
    # Gradients longer than this are shortened; 0 means never.
    clip_norm: float = 5.0
    # Held-out alignment is measured this often.
    evaluate_every: int = 200

    def __post_init__(self) -> None:
        _check(self.steps >= 1, 'optim.steps', self.steps, '>= 1')
        _check(self.minutes >= 0, 'optim.minutes', self.minutes, '>= 0')
        _check(self.learning_rate > 0, 'optim.learning_rate', self.learning_rate, '> 0')
        _check(self.evaluate_every >= 1, 'optim.evaluate_every', self.evaluate_every, '>= 1')


@dataclass(frozen=True)
class TrainConfig:
    """All that decides a training run, but for the recordings."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    # Decides initial weights, draws and augmentation.
    seed: int = 0
    # auto, cpu or cuda.
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    # 32 on the CPU whatever is asked; auto takes bf16 on CUDA devices that have it.
    precision: Literal['auto', '32', '16-mixed', 'bf16-mixed'] = 'auto'


@dataclass(frozen=True)
class MatchConfig:
    """
    How embeddings become a match.

    Every number is a rate, a probability or a time, so that the input's frame rate drops out.
    """

    # filter: causal forward filter; nearest: memoryless nearest neighbour.
    method: Literal['filter', 'nearest'] = 'filter'
    # Evidence is independent only this far apart; nearer frames count in proportion.
    evidence_time_s: float = 0.2
    # Slowest and fastest pace of the stream against the demonstration.
    rate_min: float = 0.25
    rate_max: float = 3.0
    # Chances per second: that the scene pauses or resumes; jumps to anywhere in the
    # demonstration (repeat, skip, restart); leaves it; comes back to it.
    pause_per_s: float = 0.5
    jump_per_s: float = 0.01
    leave_per_s: float = 0.05
    enter_per_s: float = 0.1
    # LOST when the posterior of `elsewhere` rises above the first, found again below the second.
    lost_above: float = 0.6
    found_below: float = 0.3
    # AMBIGUOUS when the calibrated confidence is below this, TRACKING again above the second.
    ambiguous_below: float = 0.3
    certain_above: float = 0.45
    # DONE when the match is within this of the demonstration's end.
    done_within_s: float = 0.3

    def __post_init__(self) -> None:
        _check(
            0 < self.rate_min < 1 < self.rate_max,
            'match.rate_min, rate_max',
            (self.rate_min, self.rate_max),
            'rate_min < 1 < rate_max',
        )
        _check(self.evidence_time_s > 0, 'match.evidence_time_s', self.evidence_time_s, '> 0')
        for name in ('pause_per_s', 'jump_per_s', 'leave_per_s', 'enter_per_s'):
            value = getattr(self, name)
            _check(0 <= value < 10, f'match.{name}', value, '0 ... 10')
        for low, high in (('found_below', 'lost_above'), ('ambiguous_below', 'certain_above')):
            pair = (getattr(self, low), getattr(self, high))
            _check(0 <= pair[0] <= pair[1] <= 1, f'match.{low}, {high}', pair, '0 <= a <= b <= 1')


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """
    Build a config dataclass from nested mappings, as YAML and model files hold them.

    Args:
        cls: one of the dataclasses of this module.
        values: field name to value; missing fields keep their defaults.
        where: the file or place to name in errors.

    Raises:
        ConfigError: unknown key (the nearest is offered), wrong type or range.
    """
    hints = get_type_hints(cls)
    unknown = [key for key in values if key not in hints]
    if unknown:
        raise ConfigError(f'{where}: unknown key {unknown[0]!r}{nearest(unknown[0], hints)}')
    built = {key: _convert(value, hints[key], f'{where}: {key}') for key, value in values.items()}
    try:
        return cls(**built)
    except ConfigError as err:
        raise ConfigError(f'{where}: {err}') from err


def load_yaml(cls: type[T], path: Path) -> T:
    """Read one config dataclass from a YAML file; raise ConfigError naming the file."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f'{path}: cannot be read ({err})') from err
    except yaml.YAMLError as err:
        raise ConfigError(f'{path}: not valid YAML ({" ".join(str(err).split())})') from err
    if not isinstance(values or {}, Mapping):
        raise ConfigError(f'{path}: expected keys and values, got a {type(values).__name__}')
    return from_mapping(cls, values or {}, str(path))


def to_mapping(config: Any) -> dict[str, Any]:
    """Turn a config dataclass into what `from_mapping` reads, JSON- and YAML-ready."""
    mapping: dict[str, Any] = dataclasses.asdict(config)
    return mapping


def nearest(name: str, known: Any) -> str:
    """Say what was probably meant: `, did you mean 'x'?`, or list the choices."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f', did you mean {close[0]!r}?' if close else f'; known: {", ".join(sorted(known))}'


def _check(good: bool, name: str, value: object, expected: str) -> None:
    if not good:
        raise ConfigError(f'{name}: expected {expected}, got {value}')


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where}: expected keys and values, got {value!r}')
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin is Literal:
        return _convert_choice(value, get_args(hint), where)
    if origin is tuple:
        return _convert_tuple(value, get_args(hint), where)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _convert(value, next(a for a in get_args(hint) if a is not type(None)), where)
    return _convert_scalar(value, hint, where)


def _convert_choice(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    if value not in choices:
        known = ', '.join(map(str, choices))
        raise ConfigError(f'{where}: expected one of {known}, got {value!r}')
    return value


def _convert_tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f'{where}: expected a list, got {value!r}')
    if Ellipsis not in args and len(value) != len(args):
        raise ConfigError(f'{where}: expected {len(args)} values, got {len(value)}')
    kinds = (args[0],) * len(value) if Ellipsis in args else args
    return tuple(_convert(v, kind, where) for v, kind in zip(value, kinds, strict=True))


def _convert_scalar(value: Any, kind: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            pass
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ConfigError(f'{where}: expected {kind.__name__}, got {value!r}')
    return value
