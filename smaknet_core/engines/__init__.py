"""Frames of the network's size → embeddings: what computes them, PyTorch or ONNX Runtime."""

from __future__ import annotations

from smaknet_core.engines.batches import BATCH, Engine, is_out_of_memory
from smaknet_core.engines.choice import choose_engine, ENGINES
from smaknet_core.engines.eager import EagerEngine
from smaknet_core.engines.onnx_runtime import OnnxEngine

__all__ = [
    'BATCH',
    'choose_engine',
    'EagerEngine',
    'Engine',
    'ENGINES',
    'is_out_of_memory',
    'OnnxEngine',
]
