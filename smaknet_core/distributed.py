"""
Several processes as one training: what they share, say and end together (torchrun starts them).

Every process holds the whole network and takes its share of a batch, some of its recordings. What
depends on the batch as a whole sees it whole: batch norm's statistics, the embedding norm and the
loss. So how many processes there are decides how fast a run is, not what it learns. The first one
alone writes and speaks. A process by itself is the ordinary case; then nothing here does a thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
from datetime import timedelta
import logging
import os
from typing import Any, cast, TypeVar

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from smaknet_core.errors import ConfigError, SaidElsewhere, SmaknetError
from smaknet_core.model import Encoder
import torch
from torch import distributed, nn

T = TypeVar('T')

# For collective calls: the first process may decode recordings for long while the others wait.
_PATIENCE = timedelta(hours=12)


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return bool(distributed.is_torchelastic_launched()) and int(os.environ['WORLD_SIZE']) > 1


def fabric_settings(cuda: bool) -> dict[str, Any]:
    """
    Say how many devices this machine's share of a training takes, in Fabric's words.

    Raises:
        ConfigError: more processes than CUDA devices.
    """
    if not launched():
        return {'devices': 1}
    logging.getLogger('lightning_fabric').setLevel(logging.WARNING)  # it greets in each process
    here = int(os.environ['LOCAL_WORLD_SIZE'])
    if cuda and here > torch.cuda.device_count():
        raise ConfigError(
            f'device: {here} processes for {torch.cuda.device_count()} CUDA devices; '
            'lower --nproc-per-node, or --device cpu'
        )
    return {
        'devices': here,
        'num_nodes': int(os.environ['WORLD_SIZE']) // here,
        'strategy': DDPStrategy(timeout=_PATIENCE),
    }


class Ranks:
    """The processes of one training; `fabric` must have been launched."""

    def __init__(self, fabric: Fabric) -> None:
        self.count: int = fabric.world_size
        self.rank: int = fabric.global_rank
        self._leads_machine = fabric.local_rank == 0
        self._device = fabric.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def check(self, sequences: int) -> None:
        """Raise ConfigError unless a batch of so many recordings can be shared out evenly."""
        if sequences % self.count:
            raise ConfigError(
                f'batch.sequences: {sequences} recordings cannot be shared out among {self.count} '
                f'processes; choose a multiple of {self.count}'
            )

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Give this process's share of what a batch consists of."""
        each = len(items) // self.count
        return items[self.rank * each : (self.rank + 1) * each]

    def agree(self, stop: bool, seconds: float) -> tuple[bool, float]:
        """Tell all whether anybody was asked to stop, and the time by the first one's clock."""
        if self.count == 1:
            return stop, seconds
        told = torch.tensor([float(stop), seconds if self.first else 0.0], dtype=torch.float64)
        told = told.to(self._device)
        distributed.all_reduce(told)
        return bool(told[0] > 0), float(told[1])

    def together(self, work: Callable[[], T]) -> T:
        """
        Do this in every process; where it fails in one, it fails in all.

        Raises:
            SaidElsewhere: it went well here, but not in another process.
            Exception: whatever `work` raised here.
        """
        if self.count == 1:
            return work()
        try:
            result = work()
        except Exception:
            self._any(True)
            raise
        if self._any(False):
            raise SaidElsewhere('another process of this training could not go on')
        return result

    def first_alone(self, work: Callable[[], object]) -> None:
        """Do this in the first process while the others wait; raises as `together` does."""
        self.together(work if self.first else _nothing)

    def machine_by_machine(self, work: Callable[[], T]) -> T:
        """Do this in one process of each machine, then in the others, which find it done."""
        results = []
        for turn in (True, False):
            mine = turn == self._leads_machine
            results.append(self.together(work if mine else _nothing))
        return cast(T, results[0] if self._leads_machine else results[1])

    @contextlib.contextmanager
    def one_voice(self) -> Iterator[None]:
        """Let the first process alone speak of an error that all processes meet alike."""
        try:
            yield
        except SmaknetError as err:
            if self.first:
                raise
            raise SaidElsewhere(str(err)) from err

    @contextlib.contextmanager
    def last_word(self) -> Iterator[None]:
        """Do not end before the process that says why: torchrun ends all when one has ended."""
        try:
            yield
        except SaidElsewhere:
            with contextlib.suppress(Exception):  # it breaks when that process ends
                distributed.barrier()
            raise

    def of_first(self, data: bytes) -> bytes:
        """Give to all what the first process has; the others' argument is ignored."""
        if self.count == 1:
            return data
        size = torch.tensor([len(data)], device=self._device)
        distributed.broadcast(size, 0)
        sent = torch.frombuffer(bytearray(data), dtype=torch.uint8) if self.first else None
        buffer = torch.empty(int(size), dtype=torch.uint8) if sent is None else sent
        buffer = buffer.to(self._device)
        distributed.broadcast(buffer, 0)
        return buffer.cpu().numpy().tobytes()

    def see_whole_batch(self, encoder: Encoder) -> None:
        """Let the network's batch norms and its embedding norm see all processes' images."""
        if self.count > 1:
            _share_statistics(encoder.network)
            encoder.meet = _meet

    def is_lost(self, err: Exception) -> bool:
        """Whether the connection to another process broke, because that one ended."""
        closed = isinstance(err, distributed.DistError) or 'gloo' in str(err).lower()
        return self.count > 1 and closed

    def _any(self, here: bool) -> bool:
        told = torch.tensor([float(here)], device=self._device)
        distributed.all_reduce(told)
        return bool(told[0] > 0)


def _nothing() -> None:
    pass


class _Gather(torch.autograd.Function):
    """Equal-shaped tensors of all processes, stacked in their order; gradients find their way."""

    @staticmethod
    def forward(ctx: Any, own: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, own)
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient[distributed.get_rank()]


def _gather(own: torch.Tensor) -> torch.Tensor:
    gathered: torch.Tensor = _Gather.apply(own.contiguous())  # type: ignore[no-untyped-call]
    return gathered


def _meet(raw: torch.Tensor) -> torch.Tensor:
    """
    Put the embeddings of all processes into the order of one batch: views x recordings x moments.

    Each process then computes the whole loss. Its gradient arrives here once per process, and DDP
    takes the mean over processes: what is left is the gradient that one process would have.
    """
    views = raw.view(2, -1, raw.shape[-1])
    return _gather(views).transpose(0, 1).flatten(0, 2)


class _SharedBatchNorm(nn.BatchNorm2d):
    """
    Batch norm, 1-d or 2-d, whose statistics are those of all processes' images together.

    torch's SyncBatchNorm runs on CUDA only; this is the same, by torch's ordinary functions, over
    any connection. Shares are equal, so means of means are means.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map B x C or B x C x H x W to the same shape."""
        if not self.training:
            return super().forward(images)
        places = [dim for dim in range(images.ndim) if dim != 1]
        variance, mean = torch.var_mean(images.float(), places, correction=0)
        variances, means = _gather(torch.stack([variance, mean])).unbind(1)  # processes x C
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        self._follow(mean.detach(), variance.detach(), len(means) * images[:, 0].numel())
        scale = torch.rsqrt(variance + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale
        shift = shift if self.bias is None else shift + self.bias
        shape = [1, -1, *[1] * (images.ndim - 2)]
        return torch.addcmul(shift.view(shape), images, scale.view(shape)).to(images.dtype)

    def _follow(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        """Move the running averages, as torch does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Take what nn.BatchNorm1d takes, too."""


def _share_statistics(module: nn.Module) -> None:
    """Replace the batch norms of a network, weights and names kept."""
    for name, child in module.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            shared = _SharedBatchNorm(child.num_features, child.eps, child.momentum)
            shared.__dict__.update(child.__dict__)
            setattr(module, name, shared)
        else:
            _share_statistics(child)
