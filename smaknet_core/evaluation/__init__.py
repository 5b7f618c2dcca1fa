"""
Model and recordings → every score, beside the trivial answers; body of `smaknet evaluate`.

`evaluate` measures, `run_evaluate` also loads, prints and writes.
"""

from smaknet_core.evaluation.command import run_evaluate
from smaknet_core.evaluation.measure import evaluate, raw_pixels

__all__ = ['evaluate', 'raw_pixels', 'run_evaluate']
