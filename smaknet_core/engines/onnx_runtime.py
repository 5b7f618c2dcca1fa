"""The network in ONNX Runtime, from what `smaknet export` wrote: the fastest on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from smaknet_core.config import cache_folder
from smaknet_core.engines.batches import Frames, in_batches, Vectors
from smaknet_core.engines.onnx_file import INPUT, MAX_BYTES, OnnxFacts, OUTPUT, read_facts
from smaknet_core.errors import ConfigError, ModelError, printable
from smaknet_core.model import EMBEDDING_SIZE
import torch

Provider = tuple[str, dict[str, Any]]


class OnnxEngine:
    """
    One .onnx file in a session of its own.

    Args:
        path: what `smaknet export` wrote.
        device: cpu, cuda or cuda:N.
        threads: within one operator, on the CPU.

    Raises:
        ModelError: the file is missing, unreadable or not ours.
        ConfigError: onnxruntime is not installed, or has nothing for the device.
    """

    def __init__(self, path: Path, device: str = 'cpu', threads: int = 1) -> None:
        runtime = _import_runtime()
        providers = choose_providers(runtime.get_available_providers(), device, threads)
        self._device = device
        self._session = _open(runtime, path, providers, threads)
        self.facts: OnnxFacts = read_facts(self._session.get_modelmeta().custom_metadata_map, path)
        _check_shapes(self._session, self.facts, path)
        used = str(self._session.get_providers()[0]).removesuffix('ExecutionProvider')
        precision = '' if self.facts.precision == 'float32' else f' {self.facts.precision}'
        self.name = f'onnx{precision} ({used})'

    def embed(self, frames: Frames) -> Vectors:
        """Embed N x H x W x 3 uint8 RGB, N x 32; ConfigError if one frame is too much."""
        return in_batches(self._compute, frames, self._device)

    def _compute(self, frames: Frames) -> Vectors:
        vectors: Vectors = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(frames)})[0]
        return vectors


def choose_providers(available: list[str], device: str, threads: int) -> list[Provider]:
    """Put what this onnxruntime can compute with on a device in order, the fastest first."""
    chosen = torch.device(device)
    if chosen.type == 'cuda':
        return _for_cuda(available, chosen.index or 0)
    wanted: list[Provider] = [
        # Without the hint it computes in bfloat16 where the CPU has it.
        (
            'OpenVINOExecutionProvider',
            {'device_type': 'CPU', 'precision': 'FP32', 'num_of_threads': threads},
        ),
        ('CPUExecutionProvider', {}),
    ]
    return [provider for provider in wanted if provider[0] in available]


def _for_cuda(available: list[str], index: int) -> list[Provider]:
    cache = str(cache_folder() / 'tensorrt')  # or it compiles for minutes at every start
    wanted: list[Provider] = [
        (
            'TensorrtExecutionProvider',
            {
                'device_id': index,
                'trt_fp16_enable': True,
                'trt_engine_cache_enable': True,
                'trt_engine_cache_path': cache,
            },
        ),
        ('CUDAExecutionProvider', {'device_id': index}),
    ]
    found = [provider for provider in wanted if provider[0] in available]
    if not found:
        raise ConfigError(
            'engine: this onnxruntime cannot use CUDA; pip install onnxruntime-gpu in its place, '
            'or take engine torch'
        )
    return [*found, ('CPUExecutionProvider', {})]


def _import_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as err:
        raise ConfigError('engine: onnx needs onnxruntime: pip install onnxruntime') from err
    return onnxruntime


def _open(runtime: Any, path: Path, providers: list[Provider], threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters is raised
    # Threads that wait in a spin slow a shared CPU down several times over.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    data = _read(path)
    try:
        return runtime.InferenceSession(data, options, providers=providers)
    except Exception as err:  # its errors have no common base but this
        reason = printable(' '.join(str(err).split()))[:200]
        raise ModelError(f'{path}: ONNX Runtime cannot use it ({reason})') from err


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f'{path}: larger than {MAX_BYTES >> 30} GiB, not a model')
        return path.read_bytes()
    except OSError as err:
        raise ModelError(f'{path}: cannot be read ({err.strerror or err})') from err


def _check_shapes(session: Any, facts: OnnxFacts, path: Path) -> None:
    """Refuse a graph that does not take and give what its metadata says."""
    given = [(one.name, one.type, one.shape[1:]) for one in session.get_inputs()]
    gives = [(one.name, one.type, one.shape[1:]) for one in session.get_outputs()]
    frames = [(INPUT, 'tensor(uint8)', [facts.height, facts.width, 3])]
    vectors = [(OUTPUT, 'tensor(float)', [EMBEDDING_SIZE])]
    if given != frames or gives != vectors:
        raise ModelError(
            f'{path}: its graph maps {given} to {gives}, expected {frames}, {vectors}'
        )
