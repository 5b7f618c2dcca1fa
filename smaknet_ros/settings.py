"""
The parameters' values as one checked record, which is what the node's parts are given.

Importing this module needs no ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from smaknet_core.config import MatchConfig
from smaknet_core.errors import ConfigError

# Absolute, private or relative, of words that do not begin with a digit.
_TOPIC = re.compile(r'(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


@dataclass(frozen=True)
class Camera:
    """One camera as the node is told of it."""

    name: str
    topic: str  # as given: relative names are resolved, and all are remapped, by ROS
    compressed: bool


@dataclass(frozen=True)
class Settings:
    """The parameters' values, checked together."""

    cameras: tuple[Camera, ...]
    model: str
    demonstrations: tuple[Path, ...]
    device: str
    engine: str
    threads: int
    autostart: bool
    max_spread_s: float
    absent_after_s: float | None  # None requires every camera
    stale_s: float
    lost_s: float
    frozen_check: bool
    attention_rate: float
    debug_rate: float
    match: MatchConfig

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(camera.name for camera in self.cameras)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Read the values of all parameters as one record; raise ConfigError where they clash."""
    cameras = values['cameras']
    bad = [name for name in cameras if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name)]
    if bad or not cameras or len(set(cameras)) != len(cameras):
        raise ConfigError(f'parameter cameras: expected different ROS names, got {cameras}')
    if values['lost_s'] < values['stale_s']:
        raise ConfigError(
            f'parameter lost_s: {values["lost_s"]:g} is less than stale_s {values["stale_s"]:g}'
        )
    made = tuple(_camera(name, values) for name in cameras)
    for number, camera in enumerate(made):
        twin = next((other for other in made[:number] if other.topic == camera.topic), None)
        if twin is not None:
            raise ConfigError(
                f'parameter camera.{camera.name}.topic: {camera.topic} is that of {twin.name}, too'
            )
    match = {f.name: values[f'match.{f.name}'] for f in dataclasses.fields(MatchConfig)}
    plain = ('model', 'device', 'engine', 'threads', 'autostart')
    plain += ('max_spread_s', 'stale_s', 'lost_s')
    return Settings(
        cameras=made,
        demonstrations=tuple(Path(p).expanduser() for p in values['demonstration'] if p),
        absent_after_s=values['absent_after_s'] or None,
        frozen_check=values['frozen_check'],
        attention_rate=values['attention_rate'],
        debug_rate=values['debug_rate'],
        match=MatchConfig(**match),
        **{name: values[name] for name in plain},
    )


def _camera(name: str, values: Mapping[str, Any]) -> Camera:
    topic = values[f'camera.{name}.topic'] or f'{name}/image_raw'
    compressed = values[f'camera.{name}.transport'] == 'compressed'
    if compressed and not topic.endswith('/compressed'):
        topic += '/compressed'
    if not is_topic(topic):
        raise ConfigError(f'parameter camera.{name}.topic: {topic!r} is no ROS topic name')
    return Camera(name, topic, compressed)


def is_topic(name: str) -> bool:
    """Tell whether a name can be a topic's: absolute, private or relative."""
    return _TOPIC.fullmatch(name) is not None


def require_files(settings: Settings) -> None:
    """Raise ConfigError if the model or the demonstration is not given at all."""
    if not settings.model:
        raise ConfigError('parameter model is not set: give a model file or a run folder')
    if not settings.demonstrations:
        raise ConfigError('parameter demonstration is not set: give what `smaknet teach` wrote')
