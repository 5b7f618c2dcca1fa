"""What `smaknet export` notes in an .onnx file, so that it is never used for another model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Literal

from smaknet_core.errors import ConfigError, ModelError, printable
from smaknet_core.mappings import from_mapping, to_mapping

FORMAT_VERSION = 1
KEY = 'smaknet_onnx'  # of the file's metadata
INPUT, OUTPUT = 'frames', 'embeddings'
MAX_BYTES = 2**30
TOLERANCE = 1e-4  # embeddings may differ from PyTorch's by this
Precision = Literal['float32', 'int8']


@dataclass(frozen=True)
class OnnxFacts:
    """The metadata; what a program in another language needs as well."""

    # SHA-256 of the model file that it was exported from, hex.
    model_hash: str
    # Input `frames`: N x height x width x 3 uint8, RGB as it is, resized with antialiasing.
    height: int
    width: int
    precision: Precision
    # Largest difference of an embedding's element to PyTorch's when it was exported,
    max_difference: float
    # ... over so many frames.
    frames_compared: int
    # Mean alignment error on the recordings given with --int8, of PyTorch and of this file.
    alignment_error_torch: float | None = None
    alignment_error: float | None = None
    format_version: int = FORMAT_VERSION


def to_text(facts: OnnxFacts) -> str:
    """Write the metadata's value."""
    return json.dumps(to_mapping(facts))


def read_facts(metadata: Mapping[str, str], path: Path) -> OnnxFacts:
    """Read the metadata of an .onnx file; ModelError where it is not one of ours."""
    if KEY not in metadata:
        raise ModelError(f'{path}: was not written by smaknet export')
    try:
        values: Any = json.loads(metadata[KEY])
        facts = from_mapping(OnnxFacts, values, f'{path}: {KEY}')
    except (ConfigError, ValueError, TypeError, RecursionError) as err:
        raise ModelError(f'{path}: unreadable metadata ({printable(str(err))})') from err
    if facts.format_version != FORMAT_VERSION:
        raise ModelError(
            f'{path}: .onnx format {facts.format_version}, this smaknet reads {FORMAT_VERSION}'
        )
    return facts


def onnx_beside(model: Path) -> Path:
    """Name the .onnx file that belongs to a model file."""
    return model.with_suffix('.onnx')
