"""Embeddings that losses are tried on."""

from __future__ import annotations

from hypothesis import strategies as st
import torch

SHAPES = {'seed': st.integers(0, 999), 'sequences': st.integers(1, 3), 'pairs': st.integers(2, 6)}


def random_pair(seed=0, sequences=2, pairs=5, size=4):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, sequences, pairs, size)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def random_near(seed, sequences, pairs, share=0.2):
    """Say that some frames are near each other, but for partners."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(sequences, 2 * pairs, 2 * pairs, generator=generator) < share
    near = drawn | drawn.transpose(1, 2)
    moments = torch.arange(pairs).repeat(2)
    return near & (moments[:, None] != moments)
