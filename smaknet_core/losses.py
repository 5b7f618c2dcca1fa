"""
Embeddings of concurrent frames → a number to lower.

Letters: S recordings in the batch, P timesteps of each, D embedding size. Row (s, p) of anchors
and positives shows the same instant of recording s from two cameras. Negatives are other instants
of the *same* recording: across recordings the same instant of the task may be equal, and with
negatives there a network learns which scene it sees, not when (docs/decisions.md). Only late in
training, and between recordings known to show different tasks, are there others: `strangers`.
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
) -> torch.Tensor:
    """
    InfoNCE over cosine similarity, both directions (van den Oord et al. 2018, eq. 4).

    Args:
        anchors: S x P x D.
        positives: S x P x D.
        temperature: divides the cosine; chance level of the loss is ln P.
        strangers: S x S bool, recordings known to show different tasks, whose frames are
            negatives of each other too; None for no such pair.

    Returns:
        Scalar.
    """
    anchors = F.normalize(anchors, dim=-1)
    positives = F.normalize(positives, dim=-1)
    if strangers is None or not strangers.any():
        logits = anchors @ positives.transpose(1, 2) / temperature  # S x P x P
        return (_own_row(logits) + _own_row(logits.transpose(1, 2))) / 2
    count = anchors.shape[1]
    logits = anchors.flatten(0, 1) @ positives.flatten(0, 1).T / temperature  # SP x SP
    meet = strangers | torch.eye(len(strangers), dtype=torch.bool, device=strangers.device)
    meet = meet.repeat_interleave(count, 0).repeat_interleave(count, 1)  # SP x SP
    logits = logits.masked_fill(~meet, -torch.inf)[None]
    return (_own_row(logits) + _own_row(logits.transpose(1, 2))) / 2


def npairs(anchors: torch.Tensor, positives: torch.Tensor, regulariser: float) -> torch.Tensor:
    """
    Multi-class n-pairs (Sohn 2016) as TCN's code computes it.

    One direction, dot products without temperature, plus 0.25 lambda (mean |a|^2 + mean |p|^2).

    Args:
        anchors: S x P x D, not normalised.
        positives: S x P x D, not normalised.
        regulariser: lambda, 0.002 in TCN.

    Returns:
        Scalar.
    """
    logits = anchors @ positives.transpose(1, 2)  # S x P x P
    norms = anchors.square().sum(-1).mean() + positives.square().sum(-1).mean()
    return _own_row(logits) + 0.25 * regulariser * norms


def compute_loss(
    config: LossConfig,
    anchors: torch.Tensor,
    positives: torch.Tensor,
    strangers: torch.Tensor | None = None,
) -> torch.Tensor:
    """Apply the configured loss to S x P x D anchors and positives; only InfoNCE has strangers."""
    if config.name == 'npairs':
        return npairs(anchors, positives, config.regulariser)
    return infonce(anchors, positives, config.temperature, strangers)


def _own_row(logits: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of picking column p in row p, mean over S x P rows."""
    count = logits.shape[1]
    target = torch.arange(count, device=logits.device).expand(logits.shape[0], count)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())
