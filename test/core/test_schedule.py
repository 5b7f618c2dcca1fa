"""How long a run is and how fast it learns."""

from __future__ import annotations

import numpy as np
import pytest
from smaknet_core.config import OptimConfig
from smaknet_core.run_folder import Status
from smaknet_core.schedule import finished, learning_rate


def test_the_learning_rate_rises_and_falls():
    optim = OptimConfig(steps=1000, warmup_steps=100, learning_rate=0.01)
    rates = np.array([learning_rate(optim, Status(step)) for step in range(1000)])
    assert rates[0] == pytest.approx(0.0001, rel=0.01)
    assert rates.argmax() in range(95, 105)
    assert (np.diff(rates[105:]) < 0).all()
    assert rates[-1] == pytest.approx(0.01 / 20, rel=0.01)


def test_a_limit_in_minutes_shortens_the_fall():
    optim = OptimConfig(steps=1000, minutes=1, warmup_steps=0, learning_rate=0.01)
    assert learning_rate(optim, Status(10, 30)) == pytest.approx(0.01 * 0.525, rel=0.01)
    assert learning_rate(optim, Status(10, 99)) == pytest.approx(0.01 / 20, rel=0.01)


def test_it_ends_with_the_last_step_or_the_last_minute():
    optim = OptimConfig(steps=10, minutes=2)
    assert not finished(optim, Status(9, 119))
    assert finished(optim, Status(10, 0))
    assert finished(optim, Status(0, 120))
    assert not finished(OptimConfig(steps=10), Status(9, 1e9))
