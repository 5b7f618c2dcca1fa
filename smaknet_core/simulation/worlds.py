"""What decides an episode, checked against what the world that shows it can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import importlib
from typing import Any, cast, Protocol

import numpy as np
from smaknet_core.config import nearest
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.world import World

WORLDS = ('physical', 'small')
MOST_TURNED = 45  # degrees
BOTH = 'both'  # demonstrators in turn


class Offer(Protocol):
    """What a world's module `scenarios` has; the first camera and demonstrator are usual."""

    SCENARIOS: Mapping[str, str]
    CAMERAS: Sequence[str]
    DEMONSTRATORS: Sequence[str]

    def make_world(
        self,
        seed: int,
        scenario: str,
        cameras: Sequence[str],
        size: tuple[int, int],
        lab: int,
        demonstrator: str,
        turn_deg: float,
    ) -> World:
        """Build one episode."""
        ...


@dataclass(frozen=True)
class Settings:
    """What is asked of a series of episodes."""

    world: str = 'physical'  # one of WORLDS
    scenario: str = 'normal'
    cameras: int | Sequence[str] = 2  # how many, or which
    rate_hz: float = 10.0  # frames per second of each camera, 1 ... 30
    size: tuple[int, int] = (96, 128)  # height and width of the frames, pixels
    lab: int | None = 0  # decides the room and the cameras' places; None: another each episode
    demonstrator: str | None = None  # None: the world's usual one
    raw: bool = False  # pixels instead of JPEG
    # How far the third-person camera is moved around the table, -45 ... 45 degrees; physical only.
    turn: float = 0.0


@dataclass(frozen=True)
class Episode:
    """All that decides one episode: the same values on the same machine give the same bytes."""

    world: str
    scenario: str
    seed: int
    lab: int
    demonstrator: str
    cameras: tuple[str, ...]
    size: tuple[int, int]
    rate_hz: float
    raw: bool
    turn: float = 0.0

    def open(self) -> World:
        """Build what is to be recorded; close it when done."""
        return _offer(self.world).make_world(
            self.seed,
            self.scenario,
            self.cameras,
            self.size,
            self.lab,
            self.demonstrator,
            self.turn,
        )

    def noted(self) -> dict[str, Any]:
        """Give what episode.json says of it; a camera where it always stands is not mentioned."""
        noted = asdict(self)
        if not self.turn:
            del noted['turn']
        return noted


def decide(settings: Settings, seed: int, index: int = 0) -> Episode:
    """
    Decide one episode of a series.

    Args:
        settings: of the series.
        seed: the episode's.
        index: its place in the series, for demonstrators in turn.

    Raises:
        ConfigError: a setting is out of range, or the world does not have it.
    """
    _check(settings, seed)
    offer = _offer(settings.world)
    _known('scenario', settings.scenario, list(offer.SCENARIOS), settings.world)
    return Episode(
        settings.world,
        settings.scenario,
        seed,
        settings.lab if settings.lab is not None else _draw_lab(seed),
        _demonstrator(settings, offer.DEMONSTRATORS, index),
        _camera_names(settings, offer.CAMERAS),
        settings.size,
        float(settings.rate_hz),
        settings.raw,
        float(settings.turn),
    )


def _offer(world: str) -> Offer:
    """Import a world only when it is asked for: each needs other packages."""
    return cast('Offer', importlib.import_module(f'smaknet_core.simulation.{world}.scenarios'))


def _check(settings: Settings, seed: int) -> None:
    """Raise ConfigError for what no world can do."""
    height, width = settings.size
    if settings.world not in WORLDS:
        raise ConfigError(
            f'world: there is no {settings.world!r}{nearest(settings.world, WORLDS)}'
        )
    if not 1 <= settings.rate_hz <= 30:
        raise ConfigError(f'rate: expected 1 ... 30 Hz, got {settings.rate_hz}')
    if not (32 <= height <= 1080 and 32 <= width <= 1080):
        raise ConfigError(f'size: expected 32 ... 1080 pixels, got {height}x{width}')
    if not abs(settings.turn) <= MOST_TURNED:
        raise ConfigError(
            f'turn: expected -{MOST_TURNED} ... {MOST_TURNED} degrees, got {settings.turn:g}'
        )
    if settings.turn and settings.world != 'physical':
        raise ConfigError(
            f'turn: the cameras of the {settings.world} world stand where they are; ask for '
            '--world physical'
        )
    if seed < 0:
        raise ConfigError(f'seed: expected 0 or more, got {seed}')
    if settings.lab is not None and settings.lab < 0:
        raise ConfigError(f'lab: expected 0 or more, got {settings.lab}')


def _known(what: str, name: str, names: Sequence[str], world: str) -> None:
    if name not in names:
        raise ConfigError(f'{what}: the {world} world has no {name!r}{nearest(name, names)}')


def _draw_lab(seed: int) -> int:
    return int(np.random.default_rng([seed, 23]).integers(2**31))


def _demonstrator(settings: Settings, names: Sequence[str], index: int) -> str:
    if settings.demonstrator is None:
        return names[0]
    if settings.demonstrator == BOTH and len(names) > 1:
        return names[index % len(names)]
    _known('demonstrator', settings.demonstrator, names, settings.world)
    return settings.demonstrator


def _camera_names(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """Turn a number of cameras, or names, into names."""
    cameras = settings.cameras
    if isinstance(cameras, int):
        if not 1 <= cameras <= len(names):
            raise ConfigError(f'cameras: expected 1 ... {len(names)}, got {cameras}')
        return tuple(names[:cameras])
    for name in cameras:
        _known('cameras', name, names, settings.world)
    if not cameras or len(set(cameras)) != len(cameras):
        raise ConfigError(f'cameras: expected different names, got {list(cameras)}')
    return tuple(cameras)
