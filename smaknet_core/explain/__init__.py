"""
Model and recording → what the network looks at: a video, and the slides' qualitative figure.

`run_explain` is the body of `smaknet explain`.
"""

from smaknet_core.explain.command import run_explain

__all__ = ['run_explain']
