"""Losses against loops that spell them out, and against pytorch-metric-learning."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from loss_maker import random_near, random_pair, SHAPES
import numpy as np
import pytest
from smaknet_core.config import LossConfig
from smaknet_core.losses import compute_loss, infonce, npairs, triplet_all, triplet_semihard
import torch

torch.set_num_threads(1)


def slow_cross_entropy(scores, right):
    """-log of the share of exp(score) that the right answer has."""
    return -math.log(math.exp(scores[right]) / sum(math.exp(score) for score in scores))


def slow_npairs(anchors, positives, regulariser):
    """As TCN's code has it: one recording after the other, one anchor after the other."""
    terms, norms = [], []
    for of_anchors, of_positives in zip(anchors.tolist(), positives.tolist(), strict=True):
        for i, anchor in enumerate(of_anchors):
            scores = [sum(a * p for a, p in zip(anchor, q, strict=True)) for q in of_positives]
            terms.append(slow_cross_entropy(scores, i))
            norms.append(sum(a * a for a in anchor) + sum(p * p for p in of_positives[i]))
    return sum(terms) / len(terms) + 0.25 * regulariser * sum(norms) / len(norms)


def slow_infonce(anchors, positives, temperature):
    def cosine(a, b):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    terms = []
    for of_anchors, of_positives in zip(anchors.tolist(), positives.tolist(), strict=True):
        for i in range(len(of_anchors)):
            there = [cosine(of_anchors[i], p) / temperature for p in of_positives]
            back = [cosine(of_positives[i], a) / temperature for a in of_anchors]
            terms.append((slow_cross_entropy(there, i) + slow_cross_entropy(back, i)) / 2)
    return sum(terms) / len(terms)


@given(st.fixed_dictionaries(SHAPES), st.floats(0, 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_npairs_is_what_the_loop_says(shape, regulariser):
    anchors, positives = random_pair(**shape)
    expected = slow_npairs(anchors, positives, regulariser)
    assert npairs(anchors, positives, regulariser).item() == pytest.approx(expected)


@given(st.fixed_dictionaries(SHAPES), st.floats(0.05, 2))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_infonce_is_what_the_loop_says(shape, temperature):
    anchors, positives = random_pair(**shape)
    expected = slow_infonce(anchors, positives, temperature)
    assert infonce(anchors, positives, temperature).item() == pytest.approx(expected)
    swapped = infonce(positives, anchors, temperature).item()
    assert swapped == pytest.approx(expected), 'both directions count alike'


@pytest.mark.parametrize('seed', range(3))
def test_npairs_agrees_with_pytorch_metric_learning(seed):
    """Out of the box theirs normalises and has no regulariser: both are set straight here."""
    pytest.importorskip('pytorch_metric_learning')
    from pytorch_metric_learning.distances import DotProductSimilarity
    from pytorch_metric_learning.losses import NPairsLoss

    theirs = NPairsLoss(distance=DotProductSimilarity(normalize_embeddings=False))
    anchors, positives = random_pair(seed, sequences=1, pairs=8, size=32)
    labels = torch.arange(8)
    expected = theirs(torch.cat([anchors[0], positives[0]]), torch.cat([labels, labels]))
    assert npairs(anchors, positives, 0.0).item() == pytest.approx(expected.item(), rel=1e-5)


@given(st.fixed_dictionaries(SHAPES))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_frames_that_are_near_are_no_negatives(shape):
    """Leaving frames out is what leaving their terms out of the sums is."""
    anchors, positives = random_pair(**shape)
    near = random_near(shape['seed'], shape['sequences'], shape['pairs'], 0.4)
    count = shape['pairs']
    unit = torch.nn.functional.normalize(torch.stack([anchors, positives]), dim=-1)
    cosines = unit[0] @ unit[1].transpose(1, 2) / 0.1
    dots = anchors @ positives.transpose(1, 2)
    left = {'infonce': [], 'npairs': []}
    for s in range(shape['sequences']):
        for i in range(count):
            row = [j for j in range(count) if not near[s, i, count + j]]
            column = [j for j in range(count) if not near[s, j, count + i]]
            there = slow_cross_entropy([cosines[s, i, j] for j in row], row.index(i))
            back = slow_cross_entropy([cosines[s, j, i] for j in column], column.index(i))
            left['infonce'].append((there + back) / 2)
            left['npairs'].append(slow_cross_entropy([dots[s, i, j] for j in row], row.index(i)))
    found = infonce(anchors, positives, 0.1, near=near).item()
    assert found == pytest.approx(np.mean(left['infonce']))
    found = npairs(anchors, positives, 0.0, near).item()
    assert found == pytest.approx(np.mean(left['npairs']))
    strangers = torch.zeros(len(near), len(near), dtype=torch.bool)
    if len(near) > 1:
        strangers[0, 1] = strangers[1, 0] = True
        alone = infonce(anchors, positives, 0.1, strangers, near)
        more = infonce(anchors, positives, 0.1, strangers)
        assert alone <= more + 1e-9, 'fewer negatives, a smaller loss'


@pytest.mark.parametrize('pairs', [2, 16, 64])
def test_chance_level_is_the_logarithm_of_the_number_of_pairs(pairs):
    same = torch.ones(2, pairs, 8)
    assert infonce(same, same, 0.1).item() == pytest.approx(math.log(pairs), rel=1e-5)
    assert npairs(same, same, 0.0).item() == pytest.approx(math.log(pairs), rel=1e-5)


def test_the_regulariser_is_a_quarter_of_lambda_per_squared_length():
    anchors = positives = 2 * torch.ones(1, 3, 4)  # squared length 16 each
    with_it = npairs(anchors, positives, 0.002) - npairs(anchors, positives, 0.0)
    assert with_it.item() == pytest.approx(0.25 * 0.002 * 32, rel=1e-3)


def test_other_recordings_are_no_negatives():
    """Two recordings of the same scene: were they mixed, each pair would have two right rows."""
    anchors, positives = random_pair(sequences=1)
    alone = infonce(anchors, positives, 0.1)
    twice = infonce(anchors.repeat(2, 1, 1), positives.repeat(2, 1, 1), 0.1)
    assert twice.item() == pytest.approx(alone.item())


def slow_infonce_with_strangers(anchors, positives, temperature, strangers):
    """Each frame picks its partner among its own recording's frames and those of strangers."""
    anchors = torch.nn.functional.normalize(anchors, dim=-1)
    positives = torch.nn.functional.normalize(positives, dim=-1)
    sequences, pairs = anchors.shape[:2]
    terms = []
    for one, other in ((anchors, positives), (positives, anchors)):
        for s in range(sequences):
            met = [s, *(t for t in range(sequences) if strangers[s][t])]
            for p in range(pairs):
                scores = [(one[s, p] @ other[t, q]).item() for t in met for q in range(pairs)]
                scores = [score / temperature for score in scores]
                terms.append(slow_cross_entropy(scores, p))
    return sum(terms) / len(terms)


@pytest.mark.parametrize('tasks', ['aab', 'abc', 'aaa', 'ab', 'a'])
def test_recordings_known_to_show_other_tasks_are_negatives_late_in_training(tasks):
    anchors, positives = random_pair(sequences=len(tasks))
    strangers = torch.tensor([[a != b for b in tasks] for a in tasks])
    found = infonce(anchors, positives, 0.2, strangers).item()
    slow = slow_infonce_with_strangers(anchors, positives, 0.2, strangers)
    assert found == pytest.approx(slow)
    if len(set(tasks)) == 1:
        assert found == pytest.approx(infonce(anchors, positives, 0.2).item())


def test_strangers_leave_finite_gradients():
    anchors, positives = random_pair(sequences=3)
    anchors.requires_grad_()
    strangers = torch.tensor([[False, True, False], [True, False, False], [False] * 3])
    infonce(anchors, positives, 0.05, strangers).backward()
    assert torch.isfinite(anchors.grad).all()
    assert anchors.grad.any(dim=-1).all()


def test_perfect_and_perfectly_wrong_matches():
    axes = torch.eye(8)[None]
    assert infonce(axes, axes, 0.05).item() < 1e-6
    assert infonce(axes, axes.roll(1, dims=1), 0.05).item() > 19


def test_lowering_the_loss_brings_pairs_together():
    anchors, positives = random_pair(pairs=6, size=8)
    anchors.requires_grad_()
    infonce(anchors, positives, 0.5).backward()
    moved = anchors.detach() - 0.1 * anchors.grad

    def own(a):
        return torch.cosine_similarity(a, positives, dim=-1).mean()

    assert own(moved) > own(anchors.detach())


def slow_soft_infonce(anchors, positives, temperature, times_s, soft_s, both_views):
    """Frame by frame: sum of share x log(share / probability), over what it is compared with."""
    frames = torch.cat([anchors, positives], 1)
    frames = torch.nn.functional.normalize(frames, dim=-1).tolist()
    pairs, terms = anchors.shape[1], []
    for own, times in zip(frames, times_s.tolist(), strict=True):
        for i, frame in enumerate(own):
            partner = (i + pairs) % (2 * pairs)
            met = [
                j
                for j in range(2 * pairs)
                if j != i and (both_views or (j < pairs) != (i < pairs))
            ]
            shares = [math.exp(-0.5 * ((times[i] - times[j]) / soft_s) ** 2) for j in met]
            shares[met.index(partner)] = 1.0
            scores = [
                sum(a * b for a, b in zip(frame, own[j], strict=True)) / temperature for j in met
            ]
            terms += [
                share
                / sum(shares)
                * (math.log(share / sum(shares)) + slow_cross_entropy(scores, k))
                for k, share in enumerate(shares)
                if share
            ]
    return sum(terms) / len(frames) / (2 * pairs)


@given(st.fixed_dictionaries(SHAPES), st.floats(0.1, 2), st.floats(0.05, 3), st.booleans())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_soft_targets_are_what_the_loop_says(shape, temperature, soft_s, both_views):
    anchors, positives = random_pair(**shape)
    times_s = torch.rand(len(anchors), 2 * anchors.shape[1], dtype=torch.float64).cumsum(1)
    found = infonce(
        anchors, positives, temperature, both_views=both_views, times_s=times_s, soft_s=soft_s
    )
    slow = slow_soft_infonce(anchors, positives, temperature, times_s, soft_s, both_views)
    assert found.item() == pytest.approx(slow)


def test_soft_targets_become_hard_where_no_other_instant_is_near():
    anchors, positives = random_pair()
    times_s = torch.arange(5.0, dtype=torch.float64).repeat(2, 2) * 10
    found = infonce(anchors, positives, 0.2, both_views=True, times_s=times_s, soft_s=0.5)
    assert found.item() == pytest.approx(infonce(anchors, positives, 0.2, both_views=True).item())


def test_the_configured_loss_is_applied():
    anchors, positives = random_pair()
    near = random_near(0, 2, 5)
    for name, loss in (('triplet_all', triplet_all), ('triplet_semihard', triplet_semihard)):
        made = LossConfig(name=name, margin=0.3)
        assert compute_loss(made, anchors, positives) == loss(anchors, positives, 0.3)
        assert compute_loss(made, anchors, positives, near=near) == loss(
            anchors, positives, 0.3, near
        )
    made = LossConfig(name='npairs')
    assert compute_loss(made, anchors, positives, near=near) == npairs(
        anchors, positives, 0.002, near
    )
    made = LossConfig(name='npairs', regulariser=0.5)
    assert compute_loss(made, anchors, positives) == npairs(anchors, positives, 0.5)
    made = LossConfig(name='infonce', temperature=0.2, soft_s=0.0)
    expected = infonce(anchors, positives, 0.2, both_views=True)
    assert compute_loss(made, anchors, positives) == expected
    made = LossConfig(name='infonce', temperature=0.2, soft_s=0.4)
    times_s = torch.arange(10.0).repeat(2, 1) / 10
    expected = infonce(anchors, positives, 0.2, both_views=True, times_s=times_s, soft_s=0.4)
    assert compute_loss(made, anchors, positives, times_s=times_s) == expected
    with pytest.raises(ValueError, match='soft_s needs times_s'):
        compute_loss(made, anchors, positives)
    made = LossConfig(name='infonce', temperature=0.2, both_views=False, soft_s=0.0)
    assert compute_loss(made, anchors, positives) == infonce(anchors, positives, 0.2)
    strangers = ~torch.eye(2, dtype=torch.bool)
    expected = infonce(anchors, positives, 0.2, strangers)
    assert compute_loss(made, anchors, positives, strangers) == expected


def test_frames_of_another_task_are_negatives_too() -> None:
    torch.manual_seed(0)
    anchors, positives = torch.randn(3, 4, 8), torch.randn(3, 4, 8)
    strangers = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]).bool()
    rows = [(s, p) for s in range(3) for p in range(4)]

    def one_way(left: torch.Tensor, right: torch.Tensor) -> float:
        total = 0.0
        for s, p in rows:
            similar = {
                (r, q): float(torch.cosine_similarity(left[s, p], right[r, q], dim=0)) / 0.1
                for r, q in rows
                if r == s or strangers[s, r]
            }
            total -= similar[s, p] - math.log(sum(math.exp(value) for value in similar.values()))
        return total / len(rows)

    slow = (one_way(anchors, positives) + one_way(positives, anchors)) / 2
    assert float(infonce(anchors, positives, 0.1, strangers)) == pytest.approx(slow, rel=1e-5)


def test_recordings_of_one_task_are_no_strangers() -> None:
    anchors, positives = torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    none = torch.zeros(2, 2, dtype=torch.bool)
    assert infonce(anchors, positives, 0.1, none) == infonce(anchors, positives, 0.1)


@given(seed=st.integers(0, 10), near=st.booleans(), strange=st.booleans())
@settings(max_examples=12, deadline=None)
def test_moments_of_both_views_are_negatives(seed, near, strange):
    anchors, positives = random_pair(seed, sequences=2, pairs=3)
    left_out = random_near(seed, 2, 3) if near else torch.zeros(2, 6, 6, dtype=torch.bool)
    frames = [(s, v, p) for s in range(2) for v in range(2) for p in range(3)]
    vectors = {(s, v, p): (anchors, positives)[v][s, p] for s, v, p in frames}
    terms = []
    for s, v, p in frames:
        scores = {
            (r, w, q): float(torch.cosine_similarity(vectors[s, v, p], vectors[r, w, q], dim=0))
            / 0.2
            for r, w, q in frames
            if (r, w, q) != (s, v, p)
            and (r == s or strange)
            and not (r == s and left_out[s, 3 * v + p, 3 * w + q])
        }
        terms.append(slow_cross_entropy(list(scores.values()), list(scores).index((s, 1 - v, p))))
    strangers = ~torch.eye(2, dtype=torch.bool) if strange else None
    found = infonce(anchors, positives, 0.2, strangers, left_out if near else None, True)
    assert found.item() == pytest.approx(np.mean(terms))


def test_which_camera_it_is_costs_only_with_negatives_of_both_views():
    """Embeddings that tell cameras apart and nothing else are a plateau without them."""
    anchors = torch.zeros(1, 4, 3, dtype=torch.float64)
    anchors[..., 0] = 1
    anchors[..., 1] = 1e-3 * torch.randn(4, generator=torch.Generator().manual_seed(0))
    positives = anchors * torch.tensor([-1.0, 1.0, 1.0])
    for both in (False, True):
        aligned = infonce(anchors, anchors, 0.1, both_views=both)
        apart = infonce(anchors, positives, 0.1, both_views=both)
        assert (apart > aligned + 10) == both
