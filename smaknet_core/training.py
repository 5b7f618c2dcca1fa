"""Body of `smaknet train`: recordings in, a run folder out, and a word on what was learned."""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path

from rich.console import Console
from rich.text import Text
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.compiling import why_not
from smaknet_core.config import TrainConfig
from smaknet_core.data.dataset import load_clips, split
from smaknet_core.distributed import Ranks
from smaknet_core.errors import ConfigError, DataError, printable
from smaknet_core.metrics import CHANCE, CONSTANT_MIDDLE
from smaknet_core.pretrained import check_backbone
from smaknet_core.progress import TrainingProgress
from smaknet_core.run_folder import check_resumable, recordings
from smaknet_core.trainer import Interrupted, make_fabric, train
from smaknet_core.types import Clip

_EXIT_INTERRUPTED = 130


def run_train(
    demos: Sequence[Path],
    out: Path,
    config: TrainConfig,
    *,
    cameras: Sequence[str] = (),
    resume: bool = False,
    cache_dir: Path | None = None,
    console: Console | None = None,
) -> int:
    """
    Load recordings, train, and say where the model is; 130 when interrupted.

    Raises:
        SmaknetError: bad recordings, settings or folder.
    """
    console = console or Console()
    # What can be told at once, such as an absent device, is said before minutes of loading.
    fabric = make_fabric(config)
    ranks = Ranks(fabric)
    if not ranks.first:
        console = Console(quiet=True)
    if config.optim.compile and ranks.first:
        reason = why_not(fabric.device.type, ranks.count)
        if reason:
            console.print(Text(f'optim.compile: goes on without it, {reason}'))
    with ranks.last_word():
        return _train(demos, out, config, cameras, resume, cache_dir, console, ranks)


def _train(
    demos: Sequence[Path],
    out: Path,
    config: TrainConfig,
    cameras: Sequence[str],
    resume: bool,
    cache_dir: Path | None,
    console: Console,
    ranks: Ranks,
) -> int:
    ranks.first_alone(lambda: _check(config, out, resume))
    clips = ranks.machine_by_machine(
        lambda: load_clips(demos, cameras, config.data, cache_dir, console)
    )
    ranks.together(lambda: _compare(clips, ranks))
    training, held_out = split(clips, config.data, config.seed)
    sets = sum(len(clip) for clip in training)
    names = printable(', '.join(clip.name for clip in held_out)) or 'none'
    cameras_used = dict.fromkeys(camera for clip in clips for camera in clip.cameras)
    seen_by = printable(', '.join(cameras_used))
    console.print(
        Text(f'{len(training)} recordings, {sets} camera sets of {seen_by}; held out: {names}')
    )
    try:
        with TrainingProgress(console, config.optim.steps, config.optim.minutes) as show:
            status = train(config, training, held_out, out, resume, show)
    except Interrupted as stop:
        console.print(str(stop))
        return _EXIT_INTERRUPTED
    console.print(Text(f'{out / MODEL_NAME}: {status.step} steps in {status.seconds:.0f} s'))
    if not math.isnan(status.alignment):
        console.print(
            f'held-out alignment error {status.alignment:.1%} (chance {CHANCE:.1%}, '
            f'constant middle {CONSTANT_MIDDLE:.1%})'
        )
    return 0


def _check(config: TrainConfig, out: Path, resume: bool) -> None:
    """Raise ConfigError for a run folder or settings that training would refuse later."""
    if resume:
        check_resumable(out, config)
        return
    if out.exists():
        raise ConfigError(f'{out}: exists and is never overwritten; choose another, or --resume')
    check_backbone(config.model)


def _compare(clips: Sequence[Clip], ranks: Ranks) -> None:
    """Raise DataError unless this machine has the recordings that the first process has."""
    own = '\n'.join(recordings(clips))
    first = ranks.of_first(own.encode()).decode()
    if own != first:
        raise DataError(
            f'the first machine trains on [{printable(first)}], here are '
            f'[{printable(own)}]; give all machines the same recordings'
        )
