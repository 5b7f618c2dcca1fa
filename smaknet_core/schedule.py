"""How long a run is and how fast it learns: functions of its settings and of how far it is."""

from __future__ import annotations

import math

from smaknet_core.config import OptimConfig
from smaknet_core.run_folder import Status


def learning_rate(optim: OptimConfig, status: Status) -> float:
    """Rise linearly for the warm-up, then follow a cosine down to a twentieth."""
    rise = min(1.0, (status.step + 1) / max(1, optim.warmup_steps))
    fall = 0.05 + 0.95 * (1 + math.cos(math.pi * progress(optim, status))) / 2
    return optim.learning_rate * rise * fall


def progress(optim: OptimConfig, status: Status) -> float:
    """Share of the run that is over, 0 ... 1: by steps, or by minutes where they end first."""
    share = status.step / optim.steps
    if optim.minutes:
        share = max(share, status.seconds / (60 * optim.minutes))
    return min(1.0, share)


def finished(optim: OptimConfig, status: Status) -> bool:
    """Whether all steps are done, or the time is up."""
    over = bool(optim.minutes) and status.seconds >= 60 * optim.minutes
    return over or status.step >= optim.steps
