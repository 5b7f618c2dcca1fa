"""
Mappings ↔ frozen config dataclasses: how YAML and model files become settings.

Nothing is guessed: an unknown key is answered with the nearest known one, a wrong type with the
expected one, a repeated key is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import contextlib
import dataclasses
import difflib
from pathlib import Path
import types
from typing import Any, get_args, get_origin, get_type_hints, Literal, TypeVar, Union

from smaknet_core.errors import ConfigError

T = TypeVar('T')


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """
    Build a config dataclass from nested mappings, as YAML and model files hold them.

    Args:
        cls: a dataclass, nested ones included.
        values: field name to value; missing fields keep their defaults.
        where: the file or place to name in errors.

    Raises:
        ConfigError: unknown key (the nearest is offered), wrong type or range.
    """
    hints = get_type_hints(cls)
    unknown = [key for key in values if key not in hints]
    if unknown:
        near = nearest(str(unknown[0]), hints)
        raise ConfigError(f'{where}: unknown key {unknown[0]!r}{near}')
    built = {key: _convert(value, hints[key], f'{where}: {key}') for key, value in values.items()}
    try:
        return cls(**built)
    except ConfigError as err:
        raise ConfigError(f'{where}: {err}') from err


def load_yaml(cls: type[T], path: Path) -> T:
    """Read one config dataclass from a YAML file; raise ConfigError naming the file."""
    return from_mapping(cls, read_yaml(path), str(path))


def read_yaml(path: Path) -> Mapping[Any, Any]:
    """Read the keys and values of a YAML file, each key once; raise ConfigError naming it."""
    import yaml

    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f'{path}: cannot be read ({err})') from err
    try:
        repeated = _repeated_key(yaml.compose(text, Loader=yaml.SafeLoader))
        values = yaml.safe_load(text)
    # ValueError: a date that does not exist; RecursionError: thousands of brackets
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise ConfigError(f'{path}: not valid YAML ({" ".join(str(err).split())})') from err
    if repeated is not None:
        raise ConfigError(f'{path}: key {repeated!r} is there twice')
    values = {} if values is None else values  # an empty file
    if not isinstance(values, Mapping):
        raise ConfigError(f'{path}: expected keys and values, got a {type(values).__name__}')
    return values


def to_mapping(config: Any) -> dict[str, Any]:
    """Turn a config dataclass into what `from_mapping` reads, JSON- and YAML-ready."""
    mapping: dict[str, Any] = dataclasses.asdict(config)
    return mapping


def nearest(name: str, known: Iterable[str]) -> str:
    """Say what was probably meant: `, did you mean 'x'?`, or list the choices."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f', did you mean {close[0]!r}?' if close else f'; known: {", ".join(sorted(known))}'


def _repeated_key(node: Any) -> str | None:
    """Find a key that a YAML mapping holds twice; the loader would silently keep the last."""
    if getattr(node, 'id', None) != 'mapping':
        return None
    keys = [key.value for key, _ in node.value]
    nested = (_repeated_key(value) for _, value in node.value)
    twice = next((str(key) for key in keys if keys.count(key) > 1), None)
    return twice or next((key for key in nested if key is not None), None)


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where}: expected keys and values, got {value!r}')
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin is Literal:
        return _convert_choice(value, get_args(hint), where)
    if origin is tuple:
        return _convert_tuple(value, get_args(hint), where)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _convert(value, next(a for a in get_args(hint) if a is not type(None)), where)
    return _convert_scalar(value, hint, where)


def _convert_choice(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    if isinstance(value, int) and str(value) in choices:  # YAML takes 32 for a number
        return str(value)
    if value not in choices:
        known = ', '.join(map(str, choices))
        raise ConfigError(f'{where}: expected one of {known}, got {value!r}')
    return value


def _convert_tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f'{where}: expected a list, got {value!r}')
    if Ellipsis not in args and len(value) != len(args):
        raise ConfigError(f'{where}: expected {len(args)} values, got {len(value)}')
    kinds = (args[0],) * len(value) if Ellipsis in args else args
    return tuple(_convert(v, kind, where) for v, kind in zip(value, kinds, strict=True))


def _convert_scalar(value: Any, kind: Any, where: str) -> Any:
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)  # from text too: YAML 1.1 takes 1e-3 for it
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ConfigError(f'{where}: expected {kind.__name__}, got {value!r}')
    return value
