"""
Clips → a model file: the training loop.

Draws and augmentation depend on (seed, step) alone, so a resumed run gives the numbers of an
unbroken one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import math
from pathlib import Path
import time
from typing import NoReturn

from lightning_fabric import Fabric
import numpy as np
from numpy.typing import NDArray
from smaknet_core import run_folder
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.compiling import compiled
from smaknet_core.config import TrainConfig
from smaknet_core.data import sampler
from smaknet_core.data.noise import Noise
from smaknet_core.data.transforms import Augment, to_input
from smaknet_core.distributed import fabric_settings, Ranks
from smaknet_core.embedder import NotFiniteError
from smaknet_core.engines import is_out_of_memory
from smaknet_core.errors import ConfigError, printable, TrainingError
from smaknet_core.interrupts import stop_requests, StopRequest
from smaknet_core.losses import compute_loss
from smaknet_core.model import Encoder
from smaknet_core.pretrained import check_backbone, load_backbone
from smaknet_core.progress import TrainingProgress
from smaknet_core.run_folder import EventLog, Status
from smaknet_core.schedule import finished, learning_rate, progress
from smaknet_core.training_run import keep, Run
from smaknet_core.types import Clip
import torch


class Interrupted(Exception):
    """Ctrl-C or SIGTERM came; the run was saved and can be resumed."""


def train(
    config: TrainConfig,
    clips: Sequence[Clip],
    held_out: Sequence[Clip],
    out: Path,
    resume: bool = False,
    show: TrainingProgress | None = None,
) -> Status:
    """
    Train one model.

    Args:
        config: all settings.
        clips: recordings to learn from, two or more cameras each.
        held_out: recordings that are only measured, may be empty.
        out: run folder; must not exist, or be resumed.
        resume: continue the run in `out`.
        show: progress display, or None for silence.

    Raises:
        ConfigError: `out` exists, holds a run with other settings or recordings, or is being
            trained into by another process; the batch cannot be shared out among processes.
        DataError: a recording cannot be trained on.
        TrainingError: the loss became NaN, memory ran out, or the disk refused the model.
        Interrupted: after saving, when Ctrl-C or SIGTERM came.
        SaidElsewhere: another process of this training raises one of these.
    """
    fabric = make_fabric(config)
    ranks = Ranks(fabric)
    with ranks.one_voice():
        ranks.check(config.batch.sequences)
        sampler.check_clips(clips, config.batch)
        if not resume:
            check_backbone(config.model)
    # Requests count from before the folder is made, so that it is never left without a model.
    with _no_denormals(), stop_requests() as stop, contextlib.ExitStack() as folder:
        prepared = run_folder.prepare(out, config, resume)
        ranks.first_alone(lambda: folder.enter_context(prepared))
        try:
            with ranks.one_voice():
                run = _start(config, clips, held_out, out, fabric, ranks, resume)
            ranks.first_alone(lambda: _open_events(run, folder))
            _loop(run, stop, show if ranks.first else None)
        except (MemoryError, RuntimeError) as err:
            if ranks.is_lost(err):
                text = f'another process of this training ended; {_kept(out)}'
                with ranks.one_voice():
                    raise TrainingError(text) from err
            if not is_out_of_memory(err):
                raise
            raise TrainingError(_describe_out_of_memory(config, out)) from err
    return run.status


@contextlib.contextmanager
def _no_denormals() -> Iterator[None]:
    """Take numbers next to nothing for nothing: they make a dead network 25 times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _start(
    config: TrainConfig,
    clips: Sequence[Clip],
    held_out: Sequence[Clip],
    out: Path,
    fabric: Fabric,
    ranks: Ranks,
    resume: bool,
) -> Run:
    saved: bytes | None = None
    if resume:
        found: list[bytes] = []
        ranks.first_alone(lambda: found.append(run_folder.read_state(out)))
        saved = ranks.of_first(found[0] if found else b'')
    torch.manual_seed(config.seed)
    encoder = Encoder(config.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not resume:
        load_backbone(encoder, config.model)
    ranks.see_whole_batch(encoder)
    optimizer = torch.optim.AdamW(
        encoder.parameters(),
        lr=config.optim.learning_rate,
        weight_decay=config.optim.weight_decay,
    )
    faster = config.optim.compile
    runs = compiled(encoder, fabric.device, ranks.count) if faster else encoder
    model, optimizer = fabric.setup(runs, optimizer)
    status = run_folder.restore(out, encoder, optimizer, clips, saved) if resume else Status()
    shared = (config, clips, held_out, out, fabric, ranks)
    return Run(*shared, encoder, model, optimizer, status, None)


def _open_events(run: Run, open_files: contextlib.ExitStack) -> None:
    run.events = EventLog(run.out / run_folder.EVENTS_NAME)
    open_files.callback(run.events.close)


def _loop(run: Run, stop: StopRequest, show: TrainingProgress | None) -> None:
    config, clips, fabric, status = run.config, run.clips, run.fabric, run.status
    ranks = run.ranks
    augment = Augment(config.augment)
    started = time.monotonic() - status.seconds

    while not finished(config.optim, status):
        # draw a batch: anchors and positives of a few recordings
        draws = sampler.draw(clips, config.batch, config.seed, status.step)
        frames = _to_device(sampler.load(clips, ranks.share(draws)), fabric.device)
        near = _near(clips, draws, config, fabric.device)
        noise = Noise(hash_seed(config.seed, status.step), ranks.rank, ranks.count)
        torch.manual_seed(hash_seed(config.seed, status.step, ranks.rank))  # decides dropout
        images = augment(to_input(frames.flatten(0, 2)), noise)

        # forward, loss
        run.model.train()
        strangers = None
        if progress(config.optim, status) >= config.optim.settle_after:
            run.encoder.settle()
            strangers = _strangers(config, [clips[d.clip].task for d in draws], fabric.device)
        images = images.contiguous(memory_format=torch.channels_last)
        embedded = run.model(images, recordings=len(draws))
        anchors, positives = embedded.view(2, len(draws), config.batch.pairs, -1)  # S x P x D
        times_s = torch.from_numpy(sampler.times_s(clips, draws)).to(fabric.device)  # S x 2P
        loss = compute_loss(config.loss, anchors, positives, strangers, near, times_s)
        if not torch.isfinite(loss):
            _fail('loss', run, draws)

        # backward, step
        for group in run.optimizer.param_groups:
            group['lr'] = learning_rate(config.optim, status)
        run.optimizer.zero_grad()
        fabric.backward(loss)
        if not _clip_gradients(run):
            _fail('gradient', run, draws)
        run.optimizer.step()

        # account, measure, save
        status.step += 1
        # read once: a later request is for the next step
        stopping, status.seconds = ranks.agree(stop.requested, time.monotonic() - started)
        value = float(loss.detach())
        status.loss = value if math.isnan(status.loss) else 0.95 * status.loss + 0.05 * value
        if run.events:
            run.events.scalar('loss/train', value, status.step)
        last = stopping or finished(config.optim, status)
        if last or status.step % config.optim.evaluate_every == 0:
            paused = time.monotonic()
            try:
                ranks.first_alone(lambda: keep(run))
            except NotFiniteError:
                _fail('embedding', run, draws)
            started += time.monotonic() - paused  # only steps count, however much is held out
        if show:
            show.update(status.step, status.seconds, status.loss, status.alignment)
        if stopping:
            raise Interrupted(f'saved after step {status.step}; continue with --resume')


def _strangers(
    config: TrainConfig, tasks: Sequence[str], device: torch.device
) -> torch.Tensor | None:
    """Say which recordings of a batch show different tasks, S x S; an unknown task is no other."""
    if not config.loss.other_tasks:
        return None
    different = [[bool(a and b) and a != b for b in tasks] for a in tasks]
    return torch.tensor(different, device=device)


def _near(
    clips: Sequence[Clip],
    draws: Sequence[sampler.Draw],
    config: TrainConfig,
    device: torch.device,
) -> torch.Tensor | None:
    """Say which frames of recordings of one camera are no negatives, S x 2P x 2P."""
    near = sampler.near_in_time(clips, draws, config.batch)
    return None if near is None else torch.from_numpy(near).to(device)


def make_fabric(config: TrainConfig) -> Fabric:
    """Choose device and precision; mixed precision only where it pays, on CUDA."""
    cuda = torch.cuda.is_available() and config.device != 'cpu'
    if config.device == 'cuda' and not cuda:
        raise ConfigError(f'device: {config.device} was asked for, but torch sees no CUDA device')
    precision = config.precision if cuda else '32'
    if precision == 'auto':
        precision = 'bf16-mixed' if torch.cuda.is_bf16_supported() else '32'
    fabric = Fabric(
        **fabric_settings(cuda),
        accelerator='cuda' if cuda else 'cpu',
        precision='32-true' if precision == '32' else precision,
    )
    fabric.launch()
    return fabric


def hash_seed(seed: int, step: int, rank: int = 0) -> int:
    """Give every (seed, step, rank) its own generator seed."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def _clip_gradients(run: Run) -> bool:
    """Shorten long gradients; return whether they were finite."""
    norm = run.fabric.clip_gradients(
        run.model,
        run.optimizer,
        max_norm=run.config.optim.clip_norm or math.inf,
        error_if_nonfinite=False,
    )
    # With 16-mixed a scaler expects overflows, and skips their steps.
    scaled = run.config.precision == '16-mixed' and run.fabric.device.type == 'cuda'
    return scaled or (norm is not None and bool(torch.isfinite(norm)))


def _to_device(frames: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Copy a batch; from pinned memory to a GPU, so that nobody waits for it."""
    batch = torch.from_numpy(frames)
    return batch.pin_memory().to(device, non_blocking=True) if device.type == 'cuda' else batch


def _fail(what: str, run: Run, draws: Sequence[sampler.Draw]) -> NoReturn:
    """Raise TrainingError for what all processes find alike; the first one says it."""
    with run.ranks.one_voice():
        raise TrainingError(_describe_nan(what, run, draws))


def _describe_nan(what: str, run: Run, draws: Sequence[sampler.Draw]) -> str:
    names = printable(', '.join(run.clips[draw.clip].name for draw in draws))
    return (
        f'the {what} became NaN or infinite at step {run.status.step} on {names}; '
        f'{_kept(run.out)}; lower optim.learning_rate'
    )


def _describe_out_of_memory(config: TrainConfig, out: Path) -> str:
    batch, data = config.batch, config.data
    return (
        f'out of memory; {_kept(out)}; lower batch.sequences ({batch.sequences}), batch.pairs '
        f'({batch.pairs}) or data.height and data.width ({data.height} x {data.width})'
    )


def _kept(out: Path) -> str:
    model = out / MODEL_NAME
    return f'{model} keeps the last good model' if model.exists() else 'no model was saved yet'
