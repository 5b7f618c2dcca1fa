"""
The demonstration file: what `teach` writes, and `follow` and the node match against.

One safetensors file: tensors `embeddings`, `stamps_ns` and `thumbnails`, and text metadata. It is
read with every doubt a file from somewhere else deserves, and never unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
import hashlib
import json
import os
from pathlib import Path
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open, SafetensorError
from safetensors.numpy import save
from smaknet_core.errors import DemonstrationError, printable
from smaknet_core.matching import Taught
from smaknet_core.rating import from_json, Rating, to_json

FORMAT = 'smaknet_demonstration'
VERSION = 1
# A file that claims more is damaged or hostile: a day, nine hours at 30 Hz.
MAX_DURATION_NS = 86_400 * 10**9
MAX_TIMESTEPS = 1_000_000
MAX_CAMERAS = 64
MAX_DIMENSIONS = 4096
MAX_BYTES = 4 << 30

_DTYPES = {'embeddings': 'F32', 'stamps_ns': 'I64', 'thumbnails': 'U8'}
_RANKS = {'embeddings': 3, 'stamps_ns': 1, 'thumbnails': 5}
_NUMPY_DTYPES = {'embeddings': '<f4', 'stamps_ns': '<i8', 'thumbnails': 'u1'}


@dataclass(frozen=True, eq=False)
class Demonstration:
    """One taught recording: T timesteps of V cameras."""

    name: str
    task: str  # '' when unknown
    cameras: tuple[str, ...]  # V names
    stamps_ns: NDArray[np.int64]  # T, strictly increasing, capture clock of the recording
    embeddings: NDArray[np.float32]  # T x V x D
    thumbnails: NDArray[np.uint8]  # T x V x h x w x 3, RGB, small
    model_hash: str  # sha256 of the model file the embeddings are from
    sigma: float | None = None  # distance of concurrent views, None with one camera
    # What `teach` found out; not part of the content that `hash` is of. None in older files.
    rating: Rating | None = None

    def __post_init__(self) -> None:
        problem = _find_problem(self)
        if problem:
            raise DemonstrationError(f'demonstration {self.name!r}: {problem}')

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def origin_stamp_ns(self) -> int:
        """Capture stamp of timestep 0."""
        return int(self.stamps_ns[0])

    @property
    def times_s(self) -> NDArray[np.float64]:
        """T seconds since timestep 0."""
        times: NDArray[np.float64] = (self.stamps_ns - self.stamps_ns[0]) / 1e9
        return times

    @property
    def duration_s(self) -> float:
        """Seconds from the first timestep to the last."""
        return float(self.times_s[-1])

    @cached_property
    def hash(self) -> str:
        """Sha256 (hex) of the content; its first 8 letters name the demonstration to consumers."""
        digest = hashlib.sha256(json.dumps(_describe(self), sort_keys=True).encode())
        for name, tensor in _tensors(self).items():
            digest.update(f'{name}{tensor.shape}'.encode())
            digest.update(tensor.tobytes())
        return digest.hexdigest()

    def taught(self) -> Taught:
        """Give what the trackers need of it."""
        return Taught(self.name, self.embeddings, self.times_s, self.cameras, self.sigma)

    def save(self, path: Path) -> None:
        """
        Write the file at once or not at all.

        Raises:
            DemonstrationError: `path` exists (it is never overwritten) or cannot be written.
        """
        refuse_existing(path)
        metadata = {'format': FORMAT, 'version': str(VERSION), 'hash': self.hash}
        metadata['demonstration'] = json.dumps(_describe(self))
        if self.rating is not None:
            metadata['quality'] = to_json(self.rating)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written = _write_new(path, save(_tensors(self), metadata))
        except OSError as err:
            raise DemonstrationError(f'{path}: cannot be written ({err.strerror})') from err
        if not written:
            raise DemonstrationError(f'{path}: exists and is not overwritten')


def load(path: Path, model_hash: str | None = None) -> Demonstration:
    """
    Read a demonstration file.

    Args:
        path: the file.
        model_hash: of the model in use; None skips that check.

    Raises:
        DemonstrationError: missing, truncated, not safetensors, of another version, holding NaN or
            tensors that do not fit together, or made with another model. One line, naming `path`.
    """
    try:
        demonstration = _read(path)
    except DemonstrationError as err:
        raise DemonstrationError(f'{path}: {err}') from err
    except SafetensorError as err:
        raise DemonstrationError(
            f'{path}: truncated, damaged or not a safetensors file ({_one_line(err)})'
        ) from err
    except OSError as err:
        raise DemonstrationError(f'{path}: cannot be read ({err.strerror or err})') from err
    if model_hash is not None and demonstration.model_hash != model_hash:
        raise DemonstrationError(
            f'{path}: made with another model ({demonstration.model_hash[:8]}, the one in use is '
            f'{model_hash[:8]}): run `smaknet teach` again with this model'
        )
    return demonstration


def refuse_existing(path: Path) -> None:
    """Raise DemonstrationError if there is something at `path` already."""
    if os.path.lexists(path):
        raise DemonstrationError(f'{path}: exists and is not overwritten')


def _read(path: Path) -> Demonstration:
    if not path.is_file():
        raise DemonstrationError('no such file' if not path.exists() else 'not a file')
    if path.stat().st_size > MAX_BYTES:
        raise DemonstrationError(f'larger than {MAX_BYTES >> 30} GiB, not a demonstration')
    with safe_open(path, framework='numpy') as file:
        metadata = file.metadata() or {}
        if metadata.get('format') != FORMAT:
            raise DemonstrationError('a safetensors file, but not a smaknet demonstration')
        if metadata.get('version') != str(VERSION):
            raise DemonstrationError(
                f'version {printable(str(metadata.get("version")))}, this smaknet reads {VERSION}'
            )
        _check_headers(file)
        tensors = {name: file.get_tensor(name) for name in _DTYPES}
    rating = from_json(metadata['quality']) if 'quality' in metadata else None
    demonstration = Demonstration(**_read_description(metadata), **tensors, rating=rating)
    if demonstration.hash != metadata.get('hash'):
        raise DemonstrationError('damaged: the content does not have the hash noted with it')
    return demonstration


def _check_headers(file: Any) -> None:
    """Refuse odd tensors by their declared shapes, before anything of their size is allocated."""
    if sorted(file.keys()) != sorted(_DTYPES):
        names = printable(', '.join(sorted(file.keys())))
        raise DemonstrationError(f'expected tensors {", ".join(sorted(_DTYPES))}, got {names}')
    for name, dtype in _DTYPES.items():
        header = file.get_slice(name)
        if header.get_dtype() != dtype or len(header.get_shape()) != _RANKS[name]:
            raise DemonstrationError(
                f'tensor {name}: expected {_RANKS[name]}-d {dtype}, got '
                f'{len(header.get_shape())}-d {header.get_dtype()}'
            )
    shape = file.get_slice('embeddings').get_shape()
    for size, limit, what in zip(
        shape, (MAX_TIMESTEPS, MAX_CAMERAS, MAX_DIMENSIONS), ('T', 'V', 'D'), strict=True
    ):
        if not 1 <= size <= limit:
            raise DemonstrationError(
                f'tensor embeddings: {what} is {size}, expected 1 ... {limit}'
            )


def _read_description(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        values = json.loads(metadata['demonstration'])
        described = {key: values[key] for key in ('name', 'task', 'model_hash', 'sigma')}
        described['cameras'] = tuple(values['cameras'])
    except (KeyError, TypeError, ValueError, RecursionError) as err:
        raise DemonstrationError('its description is missing or damaged') from err
    return described


def _describe(demo: Demonstration) -> dict[str, Any]:
    return {
        'name': demo.name,
        'task': demo.task,
        'cameras': list(demo.cameras),
        'model_hash': demo.model_hash,
        'sigma': demo.sigma,
    }


def _tensors(demo: Demonstration) -> dict[str, NDArray[Any]]:
    return {
        name: np.ascontiguousarray(getattr(demo, name), dtype)
        for name, dtype in _NUMPY_DTYPES.items()
    }


def _find_problem(demo: Demonstration) -> str | None:
    """Say what makes a demonstration unusable, None if nothing does."""
    return _find_text_problem(demo) or _find_tensor_problem(demo)


def _find_text_problem(demo: Demonstration) -> str | None:
    texts = (demo.name, demo.task, demo.model_hash, *demo.cameras)
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        return 'names must be printable text'
    if not demo.name or not all(demo.cameras) or len(set(demo.cameras)) != len(demo.cameras):
        return 'needs a name and differently named cameras'
    sigma = demo.sigma
    if sigma is not None and not (isinstance(sigma, float) and 0 < sigma < np.inf):
        return f'expected sigma > 0, got {sigma!r}'
    return None


def _find_tensor_problem(demo: Demonstration) -> str | None:
    steps, views = len(demo.stamps_ns), len(demo.cameras)
    if steps < 2:
        return f'expected at least 2 timesteps, got {steps}'
    if demo.embeddings.ndim != 3 or demo.embeddings.shape[:2] != (steps, views):
        return f'embeddings are {demo.embeddings.shape} for {steps} timesteps, {views} cameras'
    if demo.thumbnails.shape[:2] != (steps, views) or demo.thumbnails.shape[4:] != (3,):
        return f'thumbnails are {demo.thumbnails.shape} for {steps} timesteps, {views} cameras'
    if not np.isfinite(demo.embeddings).all():
        return 'embeddings hold NaN or infinity'
    return _find_stamp_problem(demo.stamps_ns)


def _find_stamp_problem(stamps: NDArray[np.int64]) -> str | None:
    if stamps[0] < 0 or not (stamps[1:] > stamps[:-1]).all():
        return 'stamps are negative or do not increase'
    if stamps[-1] - stamps[0] > MAX_DURATION_NS:
        return 'stamps span more than a day'
    return None


def _write_new(path: Path, content: bytes) -> bool:
    """Write beside `path`, then link: appears whole, and never in place of another file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        return _link_or_move(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _link_or_move(name: str, path: Path) -> bool:
    """Give a finished file its name; False if that is taken."""
    try:
        os.link(name, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if os.path.lexists(path):
            return False
        os.replace(name, path)
    return True


def _one_line(err: Exception) -> str:
    return printable(' '.join(str(err).split()))[:200]
