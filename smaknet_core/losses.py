"""
Embeddings of concurrent frames → a number to lower.

Letters: S recordings in the batch, P timesteps of each, D embedding size. Row (s, p) of anchors
and positives shows the same instant of recording s from two cameras. Negatives are other instants
of the *same* recording: across recordings the same instant of the task may be equal, and with
negatives there a network learns which scene it sees, not when (docs/decisions.md). Only late in
training, and between recordings known to show different tasks, are there others: `strangers`.

With one camera, anchor and positive are different instants near in time; then frames that are
`near` each other without being partners, S x 2P x 2P over anchors and then positives, are no
negatives of each other.
"""

from __future__ import annotations

from smaknet_core.config import LossConfig
import torch
from torch.nn import functional as F


def infonce(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    temperature: float,
    strangers: torch.Tensor | None = None,
    near: torch.Tensor | None = None,
    both_views: bool = False,
    times_s: torch.Tensor | None = None,
    soft_s: float = 0.0,
) -> torch.Tensor:
    """
    InfoNCE over cosine similarity (van den Oord et al. 2018, eq. 4); every frame is an anchor.

    Args:
        anchors: S x P x D.
        positives: S x P x D.
        temperature: divides the cosine; chance level of the loss is ln P, and ln (2P - 1) with
            `both_views`.
        strangers: S x S bool, recordings known to show different tasks, whose frames are
            negatives of each other too; None for no such pair.
        near: S x 2P x 2P bool, frames that are no negatives of each other; None for no such pair.
        both_views: other moments of the anchor's own view are negatives too, not only those of
            its partner's (Chen et al. 2020, SimCLR).
        times_s: S x 2P, when each frame was taken, anchors and then positives; needed by `soft_s`.
        soft_s: frames of a recording share an anchor's target with its partner, by a Gaussian of
            their distance in time with this standard deviation; 0: the partner has it all.

    Returns:
        Scalar: cross-entropy with the targets, less what is left where it is lowest, their own
        entropy.

    Raises:
        ValueError: soft targets without times.
    """
    count = anchors.shape[1]
    frames = F.normalize(torch.cat([anchors, positives], 1), dim=-1).flatten(0, 1)  # 2SP x D
    logits = frames @ frames.T / temperature  # 2SP x 2SP
    meet = _compared(anchors, strangers, both_views)
    if near is not None:
        meet &= ~torch.block_diag(*near)  # type: ignore[no-untyped-call]
    each = torch.arange(len(frames), device=frames.device)
    partners = each.view(-1, 2, count).flip(1).flatten()
    if not soft_s:
        return F.cross_entropy(logits.masked_fill(~meet, -torch.inf), partners)
    if times_s is None:
        raise ValueError('soft_s needs times_s')
    shares = _soft_targets(times_s, meet, partners, soft_s)
    logs = F.log_softmax(logits.masked_fill(~meet, -torch.inf), 1).masked_fill(~meet, 0.0)
    return (torch.xlogy(shares, shares) - shares * logs).sum(1).mean()


def _soft_targets(
    times_s: torch.Tensor, meet: torch.Tensor, partners: torch.Tensor, soft_s: float
) -> torch.Tensor:
    """Share out each frame's target among compared frames of its recording, 2SP x 2SP."""
    apart = (times_s[:, :, None] - times_s[:, None]) / soft_s  # S x 2P x 2P
    same = torch.exp(-0.5 * apart.square())
    near: torch.Tensor = torch.block_diag(*same)  # type: ignore[no-untyped-call]
    shares = (near * meet).scatter(1, partners[:, None], 1.0)
    return shares / shares.sum(1, keepdim=True)


def _compared(
    anchors: torch.Tensor, strangers: torch.Tensor | None, both_views: bool
) -> torch.Tensor:
    """Say which of S x 2 x P frames are told apart by InfoNCE, 2SP x 2SP; partners are."""
    sequences, count, _ = anchors.shape
    each = torch.arange(2 * sequences * count, device=anchors.device)
    recording, view = each // (2 * count), each // count % 2
    meet = recording[:, None] == recording
    if strangers is not None:
        meet = meet | strangers[recording][:, recording]
    own = each[:, None] == each if both_views else view[:, None] == view
    return meet & ~own


def npairs(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    regulariser: float,
    near: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Multi-class n-pairs (Sohn 2016) as TCN's code computes it.

    One direction, dot products without temperature, plus 0.25 lambda (mean |a|^2 + mean |p|^2).

    Args:
        anchors: S x P x D, not normalised.
        positives: S x P x D, not normalised.
        regulariser: lambda, 0.002 in TCN.
        near: S x 2P x 2P bool, as for `infonce`.

    Returns:
        Scalar.
    """
    logits = _without(anchors @ positives.transpose(1, 2), near)  # S x P x P
    norms = anchors.square().sum(-1).mean() + positives.square().sum(-1).mean()
    return _own_row(logits) + 0.25 * regulariser * norms


def triplet_all(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    margin: float,
    near: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Mean hinge max(D_ap - D_an + margin, 0) over all triplets (slides, equation 1).

    The slides print min(D_an - D_ap - alpha, 0), which is its negative. D is the Euclidean
    distance of unit vectors; every frame is an anchor, all frames of other moments are negatives,
    whichever camera saw them.

    Args:
        anchors: S x P x D.
        positives: S x P x D.
        margin: alpha.
        near: S x 2P x 2P bool, as for `infonce`.

    Returns:
        Scalar; 0 where there is no negative.
    """
    distances, partners, negatives = _compare(anchors, positives, near)
    distances = distances.clamp_min(1e-12).sqrt()  # the root of 0 has no gradient
    positive = distances.gather(2, partners)  # S x 2P x 1
    hinges = (positive - distances + margin).clamp_min(0)
    return (hinges * negatives).sum() / negatives.sum().clamp_min(1)


def triplet_semihard(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    margin: float,
    near: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    One negative for each pair, as TCN's code picks it (Schroff et al. 2015).

    Squared distances of unit vectors. The negative is the nearest frame that is farther from the
    anchor than the positive is, else the farthest; mean over all pairs, both orders.

    Args:
        anchors: S x P x D.
        positives: S x P x D.
        margin: alpha, 0.2 in TCN.
        near: S x 2P x 2P bool, as for `infonce`.

    Returns:
        Scalar; a frame without negatives counts as 0.
    """
    distances, partners, negatives = _compare(anchors, positives, near)
    positive = distances.gather(2, partners)  # S x 2P x 1
    outside = negatives & (distances > positive)
    nearest = distances.masked_fill(~outside, torch.inf).amin(2)
    farthest = distances.masked_fill(~negatives, -torch.inf).amax(2)
    negative = torch.where(outside.any(2), nearest, farthest)  # S x 2P
    hinges = (positive[..., 0] - negative + margin).clamp_min(0)
    return torch.where(negatives.any(2), hinges, 0.0).mean()


def compute_loss(
    config: LossConfig,
    anchors: torch.Tensor,
    positives: torch.Tensor,
    strangers: torch.Tensor | None = None,
    near: torch.Tensor | None = None,
    times_s: torch.Tensor | None = None,
) -> torch.Tensor:
    """Apply the configured loss to S x P x D anchors and positives; only InfoNCE has strangers."""
    if config.name == 'npairs':
        return npairs(anchors, positives, config.regulariser, near)
    if config.name == 'triplet_all':
        return triplet_all(anchors, positives, config.margin, near)
    if config.name == 'triplet_semihard':
        return triplet_semihard(anchors, positives, config.margin, near)
    return infonce(
        anchors,
        positives,
        config.temperature,
        strangers,
        near,
        config.both_views,
        times_s,
        config.soft_s,
    )


def _own_row(logits: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of picking column p in row p, mean over S x P rows."""
    count = logits.shape[1]
    target = torch.arange(count, device=logits.device).expand(logits.shape[0], count)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def _without(logits: torch.Tensor, near: torch.Tensor | None) -> torch.Tensor:
    """Take frames near the anchor out of S x P x P logits."""
    count = logits.shape[1]
    return logits if near is None else logits.masked_fill(near[:, :count, count:], -torch.inf)


def _compare(
    anchors: torch.Tensor, positives: torch.Tensor, near: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Compare all frames of a recording, anchors and then positives, with each other.

    Returns:
        Squared distances of the unit vectors, S x 2P x 2P; the partner of each, S x 2P x 1; which
        are negatives, S x 2P x 2P.
    """
    frames = F.normalize(torch.cat([anchors, positives], 1), dim=-1)  # S x 2P x D
    distances = (frames[:, :, None] - frames[:, None]).square().sum(-1)
    moments = torch.arange(anchors.shape[1], device=frames.device).repeat(2)
    partners = torch.arange(len(moments), device=frames.device).roll(anchors.shape[1])
    negatives = (moments[:, None] != moments).expand_as(distances)
    if near is not None:
        negatives = negatives & ~near
    return distances, partners.expand(len(frames), -1)[..., None], negatives
