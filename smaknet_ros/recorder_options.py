"""
Every option of `smaknet_recorder`, once: flags of its command line, ROS parameters, YAML.

`--episode-time 20`, `-p episode_time:=20.0` and a line of config/recorder.yaml are the same; the
command line wins. `python -m smaknet_ros.recorder_options --yaml` writes config/recorder.yaml,
`--markdown` the table of docs/interfaces.md. Importing this module needs no ROS.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import re
import sys
from typing import Any

from smaknet_core.config import nearest
from smaknet_core.errors import ConfigError, printable
from smaknet_ros.arguments import Parser
from smaknet_ros.parameters import (
    check,
    descriptor,
    FOREIGN,
    FOREIGN_PREFIX,
    markdown_of,
    Row,
    yaml_of,
)
from smaknet_ros.settings import is_topic

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]*')
_MEGABYTE = 1 << 20
EXAMPLE = """\
example: smaknet_recorder --task "pick the cube" --episodes 20 --countdown 3 --episode-time 20
    --cameras wrist:=/wrist/image_raw/compressed top:=/top/image_raw/compressed
    --topics /joint_states --out demos/pick_cube

keys: SPACE begins or ends an episode, d discards it and waits, r records it again, q ends.
The same as services: ~/start, ~/stop, ~/discard, ~/redo (std_srvs/Trigger)."""

TABLE: tuple[Row, ...] = (
    Row('task', '', 'What is demonstrated, in words; kept in every episode.json.', 'at start'),
    Row('out', '', 'Folder of the episodes; those that are there stay, numbers go on.',
        'at start'),
    Row('cameras', [''], 'Image topics to record, each as `name:=/topic`.', 'at start'),
    Row('topics', [''], 'Other topics to record, such as /joint_states.', 'at start'),
    Row('episodes', 1, 'How many to record now.', 'at start', '', 1, 100000),
    Row('countdown', 3.0, 'Before each episode: the time to set the scene up.', 'at start', 's',
        0.0, 3600.0),
    Row('episode_time', 0.0, 'Length of an episode; with 0 it goes on until it is stopped.',
        'at start', 's', 0.0, 86400.0),
    Row('wait', False, 'Begin the countdown of each episode when asked to, not at once.',
        'at start'),
    Row('force', False, 'Go on whatever the preflight finds.', 'at start'),
    Row('max_spread_s', 0.05, 'Frames of one set may be this far apart, for the verdicts.',
        'at start', 's', 0.001, 10.0),
    Row('min_free_mb', 200, 'An episode ends when the disk has less room than this.', 'at start',
        'MB', 1, 100000),
    Row('queue_mb', 256, 'Messages may wait for a slow disk in this much memory; more are '
        'dropped, and counted.', 'at start', 'MB', 1, 100000),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the recorder is asked to do."""

    task: str
    out: Path
    cameras: Mapping[str, str]  # name -> topic as given
    topics: tuple[str, ...]
    episodes: int
    countdown_s: float
    episode_time_s: float  # 0: until it is stopped
    wait: bool
    force: bool
    max_spread_s: float
    min_free_bytes: int
    queue_bytes: int


def parse(args: Sequence[str]) -> dict[str, Any]:
    """Read the command line (without --ros-args): name to value, of what is given alone."""
    parser = Parser(
        prog='smaknet_recorder',
        description='Record demonstrations, an episode after the other, and judge each.',
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for row in TABLE:
        default = '' if row.type == 'texts' or row.default in ('', False) else f'{row.default:g}'
        note = ' '.join(filter(None, (default, row.unit)))
        text = row.text + (f' ({note})' if note else '')
        flag = f'--{row.name.replace("_", "-")}'
        parser.add_argument(flag, help=text.replace('%', '%%'), **_how(row))
    given = vars(parser.parse_args(args))
    return {name: value for name, value in given.items() if value is not None}


def _how(row: Row) -> dict[str, Any]:
    """Say how argparse is to read an option."""
    if row.type == 'bool':
        return {'action': 'store_true', 'default': None}
    if row.type == 'texts':
        return {'nargs': '+', 'metavar': 'NAME:=TOPIC' if row.name == 'cameras' else 'TOPIC'}
    kind = type(row.default)
    metavar = {'text': 'TEXT', 'integer': 'N', 'number': 'X'}[row.type]
    return {'type': kind, 'metavar': 'DIR' if row.name == 'out' else metavar}


def resolve(given: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """
    Complete what is given on the command line by parameters, and these by defaults.

    Raises:
        ConfigError: an unknown parameter (the nearest is offered), or a value out of range.
    """
    rows = {row.name: row for row in TABLE}
    for name in overrides:
        if name not in rows and name not in FOREIGN and not name.startswith(FOREIGN_PREFIX):
            raise ConfigError(f'parameter {name} does not exist{nearest(name, rows)}')
    both = {**overrides, **given}
    return {name: check(row, name, both.get(name, row.default)) for name, row in rows.items()}


def options_of(values: Mapping[str, Any]) -> Options:
    """Read resolved values as one record; raise ConfigError for what is missing or no name."""
    for name, example in (('task', '"pick the cube"'), ('out', 'demos/pick_cube')):
        if not values[name].strip():
            raise ConfigError(f'--{name} is not given: say, for example, --{name} {example}')
    cameras = _cameras([item for item in values['cameras'] if item])
    topics = tuple(name for name in values['topics'] if name)
    for topic in topics:
        _require_topic('topics', topic)
    return Options(
        task=values['task'].strip(),
        out=Path(values['out']).expanduser(),
        cameras=cameras,
        topics=topics,
        episodes=values['episodes'],
        countdown_s=values['countdown'],
        episode_time_s=values['episode_time'],
        wait=values['wait'],
        force=values['force'],
        max_spread_s=values['max_spread_s'],
        min_free_bytes=values['min_free_mb'] * _MEGABYTE,
        queue_bytes=values['queue_mb'] * _MEGABYTE,
    )


def declare(node: Any, given: Mapping[str, Any]) -> Options:
    """Declare every option as a parameter of an rclpy node, read-only; raise ConfigError."""
    # No public way leads to the overrides of parameters that are not declared.
    overrides = {name: p.value for name, p in node._parameter_overrides.items()}
    values = resolve(given, overrides)
    options = options_of(values)
    for row in TABLE:
        node.declare_parameter(row.name, values[row.name], descriptor(row), ignore_override=True)
    return options


def _cameras(items: Sequence[str]) -> dict[str, str]:
    cameras: dict[str, str] = {}
    for item in items:
        name, defines, topic = item.partition(':=')
        if not defines or not _NAME.fullmatch(name):
            text = printable(item)
            raise ConfigError(f'--cameras: expected name:=/topic, got {text!r}')
        _require_topic('cameras', topic)
        if name in cameras or topic in cameras.values():
            raise ConfigError(f'--cameras: {item} names a camera or a topic for the second time')
        cameras[name] = topic
    if not cameras:
        raise ConfigError(
            '--cameras is not given: say, for example, --cameras top:=/top/image_raw'
        )
    return cameras


def _require_topic(option: str, topic: str) -> None:
    if not is_topic(topic):
        raise ConfigError(f'--{option}: {printable(topic)!r} is no ROS topic name')


def to_yaml() -> str:
    """Write config/recorder.yaml: every option with its default and a comment."""
    rows = {row.name: row for row in TABLE}
    return yaml_of('smaknet_recorder', 'smaknet_ros.recorder_options', rows)


def main(args: list[str] | None = None) -> int:
    """Print the table as YAML or Markdown."""
    args = sys.argv[1:] if args is None else args
    texts = {'--yaml': to_yaml(), '--markdown': markdown_of(TABLE)}
    if len(args) != 1 or args[0] not in texts:
        usage = 'usage: python -m smaknet_ros.recorder_options --yaml|--markdown'
        print(usage, file=sys.stderr)
        return 2
    print(texts[args[0]], end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
