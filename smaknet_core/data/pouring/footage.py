"""What is imported, whatever file it comes from: frames of several views, maybe with labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from smaknet_core.errors import DataError


class DamagedError(DataError):
    """One sequence cannot be read; it is named and skipped."""


@dataclass
class Footage:
    """One sequence, being read."""

    views: tuple[str, ...]  # names of the cameras
    length: int  # timesteps, as far as is known before reading
    frames: Iterator[tuple[bytes, ...]]  # per timestep a JPEG of each view; raises DamagedError
    labels: Sequence[Mapping[str, int]] = ()  # per timestep, or none at all
    notes: list[str] = field(default_factory=list)  # complete when all frames were read


class Source(Protocol):
    """Where one sequence is."""

    @property
    def name(self) -> str:
        """As it was published."""
        ...

    @property
    def origin(self) -> str:
        """File it is in, below the folder that is imported."""
        ...

    def open(self) -> Footage:
        """Begin to read; DamagedError where that fails."""
        ...


def in_order(views: Iterable[str]) -> list[str]:
    """Order view0, view1 ... by their numbers."""
    return sorted(views, key=lambda view: int(view.removeprefix('view')))
