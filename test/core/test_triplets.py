"""Triplet losses against loops that spell them out, and against pytorch-metric-learning."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from loss_maker import random_near, random_pair, SHAPES
import pytest
from smaknet_core.losses import triplet_all, triplet_semihard
import torch

torch.set_num_threads(1)


def frames_of(anchors, positives):
    """For each recording: (moment, unit vector) of all frames, anchors and then positives."""
    for of_anchors, of_positives in zip(anchors, positives, strict=True):
        frames = torch.nn.functional.normalize(torch.cat([of_anchors, of_positives]), dim=-1)
        yield list(zip([*range(len(of_anchors))] * 2, frames, strict=True))


def slow_triplets(anchors, positives, near=None):
    """Give D_ap and all D_an of each frame of each recording, as squared distances."""
    for s, frames in enumerate(frames_of(anchors, positives)):
        for i, (moment, anchor) in enumerate(frames):
            away = [(anchor - frame).square().sum().item() for _, frame in frames]
            (positive,) = [a for j, a in enumerate(away) if frames[j][0] == moment and j != i]
            negatives = [
                a
                for j, a in enumerate(away)
                if frames[j][0] != moment and (near is None or not near[s, i, j])
            ]
            yield positive, negatives


def slow_triplet_all(anchors, positives, margin, near=None):
    hinges = [
        max(math.sqrt(positive) - math.sqrt(negative) + margin, 0)
        for positive, negatives in slow_triplets(anchors, positives, near)
        for negative in negatives
    ]
    return sum(hinges) / max(len(hinges), 1)


def slow_triplet_semihard(anchors, positives, margin, near=None):
    hinges = []
    for positive, negatives in slow_triplets(anchors, positives, near):
        farther = [negative for negative in negatives if negative > positive]
        if negatives:
            negative = min(farther) if farther else max(negatives)
            hinges.append(max(positive - negative + margin, 0))
        else:
            hinges.append(0.0)
    return sum(hinges) / len(hinges)


SLOW = [(triplet_all, slow_triplet_all), (triplet_semihard, slow_triplet_semihard)]


@pytest.mark.parametrize(('loss', 'slow'), SLOW)
@given(shape=st.fixed_dictionaries(SHAPES), margin=st.floats(0.01, 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_triplets_are_what_the_loops_say(loss, slow, shape, margin):
    anchors, positives = random_pair(**shape)
    expected = slow(anchors, positives, margin)
    assert loss(anchors, positives, margin).item() == pytest.approx(expected)
    swapped = loss(positives, anchors, margin).item()
    assert swapped == pytest.approx(expected), 'both orders count alike'
    near = random_near(shape['seed'], shape['sequences'], shape['pairs'])
    expected = slow(anchors, positives, margin, near)
    assert loss(anchors, positives, margin, near).item() == pytest.approx(expected)


@pytest.mark.parametrize('seed', range(3))
def test_triplets_agree_with_pytorch_metric_learning(seed):
    pytest.importorskip('pytorch_metric_learning')
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.reducers import MeanReducer

    theirs = TripletMarginLoss(0.2, distance=LpDistance(power=1), reducer=MeanReducer())
    anchors, positives = random_pair(seed, sequences=1, pairs=7, size=16)
    labels = torch.arange(7).repeat(2)
    expected = theirs(torch.cat([anchors[0], positives[0]]), labels)
    assert triplet_all(anchors, positives, 0.2).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize('loss', [triplet_all, triplet_semihard])
def test_triplets_by_hand(loss):
    """Unit vectors at given angles; a chord is 2 sin(angle / 2)."""

    def at(*degrees):
        angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        return torch.stack([angles.cos(), angles.sin()], -1)[None]

    assert loss(at(0, 180), at(0, 180), 0.2).item() == pytest.approx(0, abs=1e-5)
    # all at one place: every hinge is the margin
    assert loss(at(30, 30), at(30, 30), 0.2).item() == pytest.approx(0.2, abs=1e-5)
    # partners opposite, strangers at the same place: as wrong as can be
    wrong = loss(at(0, 180), at(180, 0), 0.2).item()
    expected = {triplet_all: (2 - 0 + 2 - 2) / 2 + 0.2, triplet_semihard: 4 - 4 + 0.2}[loss]
    assert wrong == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('loss', [triplet_all, triplet_semihard])
def test_triplets_leave_finite_gradients_even_without_negatives(loss):
    anchors, positives = random_pair(pairs=3)
    positives[0] = anchors[0]  # a distance of 0
    anchors.requires_grad_()
    near = torch.zeros(2, 6, 6, dtype=torch.bool)
    near[1] = True
    value = loss(anchors, positives, 0.2, near)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(anchors.grad).all()
    assert not anchors.grad[1].any(), 'nothing to tell apart, nothing to learn'
