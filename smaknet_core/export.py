"""
Model file → `model.onnx`: what `engine: onnx` runs; body of `smaknet export`.

The graph takes frames as they are, so nothing about pixels has to be known to use it. Before the
file gets its name it is opened in ONNX Runtime and compared with PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import importlib.util
import io
import logging
from pathlib import Path
import tempfile
from typing import Any
import warnings

import numpy as np
from rich.console import Console
from smaknet_core.checkpoint import load_model, ModelFile, replace_file, resolve
from smaknet_core.data.dataset import load_clips
from smaknet_core.data.transforms import PIXEL_MEAN, PIXEL_SCALE
from smaknet_core.engines import EagerEngine, Engine, OnnxEngine
from smaknet_core.engines.choice import difference, sample_frames
from smaknet_core.engines.onnx_file import (
    INPUT,
    KEY,
    onnx_beside,
    OnnxFacts,
    OUTPUT,
    to_text,
    TOLERANCE,
)
from smaknet_core.errors import ConfigError, ModelError
from smaknet_core.metrics import alignment
from smaknet_core.model.folding import fold
from smaknet_core.types import Clip
import torch

NEEDED = ('onnx', 'onnxruntime', 'onnxscript')
COMPARED = 16  # frames
CALIBRATED = 200  # frames that int8's ranges are taken from
PER_PASS = 8


def run_export(
    model: Path,
    out: Path | None = None,
    *,
    int8: Sequence[Path] = (),
    cache_dir: Path | None = None,
    console: Console | None = None,
) -> OnnxFacts:
    """
    Write the .onnx of a model and say how well it agrees.

    Args:
        model: a RUN folder or model file.
        out: the file to write; must not exist; None means beside the model file.
        int8: recordings to take the ranges of numbers from, for a file in 8 bits; none: float32.
        cache_dir: where decoded frames are kept; None means the user's cache folder.
        console: where to write; None means standard output.

    Returns:
        What the file's metadata says.

    Raises:
        SmaknetError: a model or recording that cannot be used, a file that exists, packages that
            are not installed, or a result that does not agree.
    """
    console = console or Console()
    source = resolve(model)
    out = out or onnx_beside(source)
    _check(out)
    loaded = load_model(source)
    clips = load_clips(int8, (), loaded.config.data, cache_dir, console) if int8 else []
    with tempfile.TemporaryDirectory(prefix='smaknet_export_') as folder:
        plain = Path(folder) / 'float32.onnx'
        facts = _write_plain(loaded, plain)
        made = plain
        if int8:
            made = Path(folder) / 'int8.onnx'
            facts = _write_int8(loaded, clips, plain, made)
        _move(made, out)
    for line in describe(facts):
        console.print(line, markup=False, highlight=False)
    console.print(f'written: {out}', markup=False, highlight=False)
    if out.resolve() != onnx_beside(source).resolve():
        console.print(
            f'commands and node look for {onnx_beside(source)}',
            markup=False,
            highlight=False,
        )
    return facts


def describe(facts: OnnxFacts) -> Iterator[str]:
    """Say in a line or two how well a file agrees with PyTorch."""
    yield (
        f'{facts.precision}: embeddings differ from torch by at most {facts.max_difference:.1e} '
        f'over {facts.frames_compared} frames'
    )
    if facts.alignment_error is not None and facts.alignment_error_torch is not None:
        yield (
            f'alignment error {facts.alignment_error:.1%}, with torch '
            f'{facts.alignment_error_torch:.1%}'
        )
    if facts.precision == 'int8':
        yield 'int8 is used with engine onnx only; teach with the engine that will follow'


def _check(out: Path) -> None:
    if out.exists():
        raise ConfigError(f'{out}: exists and is never overwritten; remove it first')
    if not out.parent.is_dir():
        raise ConfigError(f'{out}: there is no folder {out.parent}')
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f'export needs {", ".join(missing)}: pip install {" ".join(missing)}')


def _write_plain(model: ModelFile, path: Path) -> OnnxFacts:
    """Write the network in float32; ModelError if ONNX Runtime gives something else."""
    data = model.config.data
    network = fold(model.encoder, data.height, data.width, PIXEL_MEAN, PIXEL_SCALE).eval()
    frames = torch.from_numpy(sample_frames(2, data.height, data.width))
    with _quiet():
        program = torch.onnx.export(
            network,
            (frames,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim('batch')},),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    _forget_sources(graph)
    facts = OnnxFacts(model.hash, data.height, data.width, 'float32', 0.0, 0)
    _save(graph, facts, path)
    compared = sample_frames(COMPARED, data.height, data.width)
    off = difference(OnnxEngine(path), _eager(model), compared)
    if not off <= TOLERANCE:
        raise ModelError(
            f'the exported network differs from torch by {off:.1e}, more than {TOLERANCE:.0e}; '
            'nothing was written'
        )
    facts = dataclasses.replace(facts, max_difference=off, frames_compared=COMPARED)
    _save(graph, facts, path)
    return facts


def _write_int8(model: ModelFile, clips: Sequence[Clip], plain: Path, path: Path) -> OnnxFacts:
    """Write the network in 8 bits and measure what that costs."""
    import onnx
    from onnxruntime import quantization

    frames = _spread(clips)
    with _quiet():
        quantization.quantize_static(
            str(plain),
            str(path),
            _Reader(frames),
            per_channel=True,
            # Weights of 7 bits: where the CPU sums products in 16, those of 8 overflow.
            reduce_range=True,
            op_types_to_quantize=['Conv', 'Gemm'],
        )
    data = model.config.data
    graph = onnx.load(str(path))
    facts = OnnxFacts(model.hash, data.height, data.width, 'int8', 0.0, len(frames))
    _save(graph, facts, path)
    engine, eager = OnnxEngine(path), _eager(model)
    facts = dataclasses.replace(
        facts,
        max_difference=difference(engine, eager, frames),
        alignment_error_torch=_alignment(eager, clips),
        alignment_error=_alignment(engine, clips),
    )
    _save(graph, facts, path)
    return facts


class _Reader:
    """Gives ONNX Runtime's calibration its frames, a few at a time."""

    def __init__(self, frames: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        self._parts = iter(np.array_split(frames, -(-len(frames) // PER_PASS)))

    def get_next(self) -> dict[str, Any] | None:
        """Give the next input, None at the end."""
        part = next(self._parts, None)
        return None if part is None else {INPUT: part}


def _spread(clips: Sequence[Clip]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Take frames of all views of all recordings, evenly."""
    views = [view for clip in clips for view in clip.views.values()]
    each = max(CALIBRATED // len(views), 1)
    picked = [view[np.linspace(0, len(view) - 1, each).astype(int)] for view in views]
    return np.concatenate(picked)


def _alignment(engine: Engine, clips: Sequence[Clip]) -> float | None:
    """Mean alignment error over the recordings of two cameras or more; None without any."""
    errors = [
        alignment(np.stack([engine.embed(view) for view in clip.views.values()], axis=1))[0]
        for clip in clips
        if len(clip.views) > 1
    ]
    return float(np.mean(errors)) if errors else None


def _eager(model: ModelFile) -> EagerEngine:
    return EagerEngine(model.encoder, model.config.data.height, model.config.data.width)


def _forget_sources(graph: Any) -> None:
    """Drop what the exporter notes of the exporting machine: paths, stack traces."""
    for one in (*graph.graph.node, *graph.graph.input, *graph.graph.output):
        del one.metadata_props[:]
    for one in (*graph.graph.initializer, *graph.graph.value_info):
        del one.metadata_props[:]
    del graph.graph.metadata_props[:]
    del graph.metadata_props[:]


def _save(graph: Any, facts: OnnxFacts, path: Path) -> None:
    import onnx

    onnx.helper.set_model_props(graph, {KEY: to_text(facts)})
    path.write_bytes(graph.SerializeToString())


def _move(made: Path, out: Path) -> None:
    try:
        replace_file(out, made.read_bytes())
    except OSError as err:
        raise ModelError(f'{out}: cannot be written ({err.strerror or err})') from err


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks (torchvision is absent ...) from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)
