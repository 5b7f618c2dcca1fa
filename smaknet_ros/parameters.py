"""
Every ROS parameter of `smaknet_matcher`, once: table in, declarations, YAML and README out.

`python -m smaknet_ros.parameters --yaml` writes config/matcher.yaml, `--markdown` the README's
table; a test compares them. rclpy ignores parameters nobody declared, so a typing error in a YAML
file would go unnoticed: `resolve` refuses them. Importing this module needs no ROS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
from dataclasses import dataclass
import sys
from typing import Any, Literal

from smaknet_core.config import MatchConfig, nearest
from smaknet_core.errors import ConfigError
from smaknet_ros.settings import Settings, settings_of

Changes = Literal['at start', 'while unconfigured', 'any time']
CAMERA = '<camera>'  # stands for each name in `cameras`
# Declared by rclpy itself, for every node.
FOREIGN = ('use_sim_time', 'start_type_description_service')
FOREIGN_PREFIX = 'qos_overrides.'
# rclpy's own topics, which may be overridden as well.
FOREIGN_TOPICS = ('/clock', '/parameter_events', '/rosout')
QOS = {
    'depth': range(1, 1001),
    'history': ('keep_last', 'keep_all', 'system_default'),
    'reliability': ('reliable', 'best_effort', 'system_default'),
}


@dataclass(frozen=True)
class Row:
    """One parameter; its type is its default's."""

    name: str
    default: bool | int | float | str | list[str]
    text: str
    changes: Changes = 'any time'
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """Name of the type, as people say it."""
        return {bool: 'bool', int: 'integer', float: 'number', str: 'text', list: 'texts'}[
            type(self.default)
        ]

    @property
    def range(self) -> str:
        """What values are allowed, '' when all are."""
        if self.choices:
            return ' or '.join(self.choices)
        return '' if self.low is None else f'{self.low:g} ... {self.high:g}'


def _match(name: str, low: float, high: float, unit: str, text: str) -> Row:
    default: Any = next(f.default for f in dataclasses.fields(MatchConfig) if f.name == name)
    choices = ('filter', 'dtw', 'nearest') if name == 'method' else ()
    if choices:
        return Row(f'match.{name}', default, text, choices=choices)
    return Row(f'match.{name}', default, text, 'any time', unit, low, high)


TABLE: tuple[Row, ...] = (
    Row('cameras', ['camera'], 'Names of the cameras; at most one frame of each is in a set.',
        'at start'),
    Row(f'camera.{CAMERA}.topic', '', 'Image topic of this camera, remappable; empty means '
        '`<camera>/image_raw`.', 'at start'),
    Row(f'camera.{CAMERA}.transport', 'raw', 'compressed subscribes to `<topic>/compressed`.',
        'at start', choices=('raw', 'compressed')),
    Row('model', '', 'Model file, or the folder of a training run.', 'while unconfigured'),
    Row('demonstration', [''], 'Demonstration files to follow; setting it loads them, and '
        'keeps the old ones if that fails.'),
    Row('device', 'auto', 'auto, cpu, cuda or cuda:1; auto takes a GPU when there is one.',
        'while unconfigured'),
    Row('engine', 'auto', 'auto is onnx on a CPU, once `smaknet export` was run and onnxruntime '
        'is there; else torch.', 'while unconfigured', choices=('auto', 'torch', 'onnx')),
    Row('threads', 1, 'CPU threads of the network.', 'while unconfigured', '', 1, 64),
    Row('autostart', True, 'Configure and activate at start; else wait for a lifecycle manager.',
        'at start'),
    Row('max_spread_s', 0.05, 'Frames of one set may be this far apart; half a camera period is '
        'right.', 'any time', 's', 0.001, 10.0),
    Row('absent_after_s', 0.5, 'Sets go on without a camera silent for this long; 0 requires '
        'every camera.', 'any time', 's', 0.0, 3600.0),
    Row('stale_s', 0.5, 'Without a valid set for this long the match is STALE.', 'any time', 's',
        0.05, 60.0),
    Row('lost_s', 2.0, 'Without a valid set for this long the match is LOST.', 'any time', 's',
        0.05, 3600.0),
    Row('frozen_check', True, 'Refuse a camera that repeats the same bytes for stale_s; switch '
        'off for simulators, whose standing scene has no noise.'),
    Row('attention_rate', 5.0, 'At most this many attention images per second and camera.',
        'any time', 'Hz', 0.1, 60.0),
    Row('debug_rate', 5.0, 'At most this many debug images per second.', 'any time', 'Hz', 0.1,
        60.0),
    _match('method', 0, 0, '', 'filter follows the course of the demonstration; dtw the best path '
           'through it; nearest looks at the present frame only.'),
    _match('evidence_time_s', 0.01, 10.0, 's', 'Frames nearer than this are not independent '
           'evidence.'),
    _match('rate_min', 0.01, 0.99, '', 'Slowest pace against the demonstration.'),
    _match('rate_max', 1.01, 100.0, '', 'Fastest pace against the demonstration.'),
    _match('pause_per_s', 0.0, 9.9, '1/s', 'Chance that the scene pauses.'),
    _match('jump_per_s', 0.0, 9.9, '1/s', 'Chance of a jump to anywhere in the demonstration.'),
    _match('leave_per_s', 0.0, 9.9, '1/s', 'Chance that the scene leaves the demonstration.'),
    _match('enter_per_s', 0.0, 9.9, '1/s', 'Chance that it comes back.'),
    _match('settle_s', 0.0, 10.0, 's', 'INIT for at least this long after a start: one lucky '
           'frame is no match.'),
    _match('lost_above', 0.0, 1.0, '', 'LOST when the scene is elsewhere with more than this '
           'probability,'),
    _match('found_below', 0.0, 1.0, '', '... and found again below this.'),
    _match('ambiguous_below', 0.0, 1.0, '', 'AMBIGUOUS when the confidence is below this,'),
    _match('certain_above', 0.0, 1.0, '', '... and TRACKING again above this.'),
    _match('done_within_s', 0.0, 60.0, 's', 'DONE when the match is this near to the end.'),
)  # fmt: skip


def rows_for(cameras: list[str]) -> dict[str, Row]:
    """Write the table out for these cameras: full parameter name to row."""
    rows = {}
    for row in TABLE:
        names = [row.name.replace(CAMERA, camera) for camera in cameras]
        rows.update(dict.fromkeys(names if CAMERA in row.name else [row.name], row))
    return rows


def resolve(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """
    Complete what the user set by the defaults.

    Args:
        overrides: parameter name to value, from the command line and YAML files.

    Raises:
        ConfigError: a name that is not in the table (the nearest is offered), a value of the
            wrong type or out of range, or values that contradict each other.
    """
    by_name = {row.name: row for row in TABLE}
    cameras = check(by_name['cameras'], 'cameras', overrides.get('cameras', ['camera']))
    rows = rows_for(cameras)
    for name in overrides:
        if name in rows or name in FOREIGN or name.startswith(FOREIGN_PREFIX):
            continue
        parts = name.split('.')
        if parts[0] == 'camera' and len(parts) == 3 and parts[1] not in cameras:
            raise ConfigError(f'parameter {name}: `cameras` names {", ".join(cameras)}')
        raise ConfigError(f'parameter {name} does not exist{nearest(name, rows)}')
    values = {
        name: check(row, name, overrides.get(name, row.default)) for name, row in rows.items()
    }
    settings_of(values)
    return values


def check(row: Row, name: str, value: Any) -> Any:
    """Give the value in the row's type; raise ConfigError naming what was expected."""
    kind = type(row.default)
    if kind is float and type(value) is int:  # `stale_s: 1` means 1.0
        value = float(value)
    if kind is list and isinstance(value, str):  # -p demonstration:=file
        value = [value]
    if isinstance(value, tuple):
        value = list(value)
    if value is None:  # what rclpy makes of an empty list
        raise ConfigError(f'parameter {name}: expected {row.type}, got nothing')
    if type(value) is not kind or (kind is list and not all(type(v) is str for v in value)):
        raise ConfigError(f'parameter {name}: expected {row.type}, got {value!r}')
    if row.choices and value not in row.choices:
        raise ConfigError(f'parameter {name}: expected {row.range}, got {value!r}')
    if row.low is not None and row.high is not None and not row.low <= value <= row.high:
        raise ConfigError(f'parameter {name}: expected {row.range}, got {value}')
    return value


def declare(node: Any) -> Settings:
    """
    Declare every parameter on an rclpy node, with description, range and read-only flag.

    Raises:
        ConfigError: as `resolve`; nothing is declared then.
    """
    from smaknet_ros import topics

    # No public way leads to the overrides of parameters that are not declared.
    overrides = {name: p.value for name, p in node._parameter_overrides.items()}
    values = resolve(overrides)
    settings = settings_of(values)
    own = {
        'subscription': [camera.topic for camera in settings.cameras],
        'publisher': topics.outputs(settings.camera_names),
    }
    check_qos(overrides, {k: [node.resolve_topic_name(n) for n in own[k]] for k in own})
    rows = rows_for(values['cameras'])
    for name, value in values.items():
        node.declare_parameter(name, value, descriptor(rows[name]), ignore_override=True)
    return settings


def check_qos(overrides: Mapping[str, Any], own: Mapping[str, Sequence[str]]) -> None:
    """
    Refuse QoS overrides that would be ignored: of no topic of this node, or without sense.

    Args:
        overrides: parameter name to value, others than `qos_overrides.` included.
        own: publisher and subscription, each with full topic names.

    Raises:
        ConfigError: naming the parameter, and the nearest or the values that are possible.
    """
    known = {
        f'{FOREIGN_PREFIX}{topic}.{role}.{policy}': values
        for role, names in own.items()
        for topic in names
        for policy, values in QOS.items()
    }
    foreign = tuple(f'{FOREIGN_PREFIX}{topic}.' for topic in FOREIGN_TOPICS)
    for name, value in overrides.items():
        if not name.startswith(FOREIGN_PREFIX) or name.startswith(foreign):
            continue
        if name not in known:
            raise ConfigError(f'parameter {name} does not exist{nearest(name, known)}')
        if value not in known[name] or isinstance(value, bool):
            choices = known[name]
            span = '1 ... 1000' if isinstance(choices, range) else ' or '.join(choices)
            raise ConfigError(f'parameter {name}: expected {span}, got {value!r}')


def descriptor(row: Row) -> Any:
    """Describe a parameter as `ros2 param describe` shows it."""
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    described = ParameterDescriptor(
        description=f'{row.text} [{row.unit}]' if row.unit else row.text,
        additional_constraints=f'changes {row.changes}; {row.range}'.rstrip('; '),
        read_only=row.changes == 'at start',
        # Types are checked by `check`: rclpy's reason is "expected '3' got '4'", and it refuses 1
        # where 1.0 is meant.
        dynamic_typing=True,
    )
    if row.low is not None and row.type == 'integer':
        limits = IntegerRange(from_value=int(row.low), to_value=int(row.high or 0))
        described.integer_range = [limits]
    elif row.low is not None:
        limits = FloatingPointRange(from_value=float(row.low), to_value=float(row.high or 0))
        described.floating_point_range = [limits]
    return described


def to_yaml() -> str:
    """Write config/matcher.yaml: every parameter with its default and a comment."""
    return yaml_of('smaknet_matcher', 'smaknet_ros.parameters', rows_for(['camera']))


def yaml_of(node: str, module: str, rows: Mapping[str, Row]) -> str:
    """Write a node's parameter file: name, module that writes it, full parameter names to rows."""
    lines = [
        f'# Every parameter of {node} with its default.',
        f'# Written by `python -m {module} --yaml`; edit a copy.',
        '/**:',
        '  ros__parameters:',
    ]
    groups: tuple[str, ...] = ()
    for name, row in rows.items():
        *parents, leaf = name.split('.')
        for depth, group in enumerate(parents):
            if groups[: depth + 1] != tuple(parents[: depth + 1]):
                lines.append(f'{"  " * (depth + 2)}{group}:')
        groups = tuple(parents)
        indent = '  ' * (len(parents) + 2)
        notes = '; '.join(filter(None, (row.range, row.unit, f'changes {row.changes}')))
        lines += [f'{indent}# {row.text} ({notes})', f'{indent}{leaf}: {_yaml(row.default)}']
    return '\n'.join(lines) + '\n'


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return f'[{", ".join(map(_yaml, value))}]'
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def to_markdown() -> str:
    """Write the README's table."""
    return markdown_of(TABLE)


def markdown_of(rows: Sequence[Row]) -> str:
    """Write parameters as a Markdown table."""
    lines = ['| parameter | default | range | changes | meaning |', '|---|---|---|---|---|']
    for row in rows:
        unit = f' {row.unit}' if row.unit else ''
        cells = (
            f'`{row.name}`',
            f'`{_yaml(row.default)}`{unit}',
            row.range,
            row.changes,
            row.text,
        )
        lines.append(f'| {" | ".join(cell.replace("|", "/") for cell in cells)} |')
    return '\n'.join(lines) + '\n'


def main(args: list[str] | None = None) -> int:
    """Print the table as YAML or Markdown."""
    writers = {'--yaml': to_yaml, '--markdown': to_markdown}
    args = sys.argv[1:] if args is None else args
    if len(args) != 1 or args[0] not in writers:
        print('usage: python -m smaknet_ros.parameters --yaml|--markdown', file=sys.stderr)
        return 2
    print(writers[args[0]](), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
