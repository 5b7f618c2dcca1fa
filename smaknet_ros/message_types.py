"""
Message types by name: their Python class, and the definition a recording carries with it.

The text is that of the installed packages, so a recording of any message, also of one of your own,
can be read where they are not installed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
import re
from typing import Any

_SEPARATOR = '=' * 80
# A field or constant: `sensor_msgs/Image[<=3] images`; what follows the name does not matter.
_FIELD = re.compile(r'^\s*([A-Za-z]\w*(?:/\w+)*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*')
_PRIMITIVES = re.compile(r'u?int(8|16|32|64)|float(32|64)|bool|byte|char|w?string')


def message_class(msgtype: str) -> Any:
    """Find the class of `package/msg/Name`; None where its package is not installed."""
    package, _, name = msgtype.replace('/msg/', '/').partition('/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name, None)
    except (ImportError, ValueError):
        return None


def definition_of(msgtype: str) -> str:
    """
    Give a type's definition and those of all messages in it, as rosbag2 stores them (ros2msg).

    Returns:
        '' where a package does not hold the text.
    """
    short = msgtype.replace('/msg/', '/')
    texts: dict[str, str] = {}
    waiting = [short]
    while waiting:
        name = waiting.pop(0)
        if name in texts:
            continue
        path = _file_of(name)
        if path is None:
            return ''
        texts[name] = path.read_text(encoding='utf-8').strip('\n')
        waiting += _inner(name, texts[name])
    root = texts.pop(short)
    parts = [f'{_SEPARATOR}\nMSG: {name}\n{text}' for name, text in texts.items()]
    return '\n'.join([root, *parts]) + '\n'


def _file_of(name: str) -> Path | None:
    """Find the `.msg` file of `package/Name`, installed beside the package's Python code."""
    package, _, leaf = name.partition('/')
    try:
        places = list(importlib.import_module(package).__path__)
    except (ImportError, AttributeError, ValueError):
        return None
    for place in (Path(path).resolve() for path in places):
        for prefix in place.parents:
            path = prefix / 'share' / package / 'msg' / f'{leaf}.msg'
            if path.is_file():
                return path
    return None


def _inner(name: str, text: str) -> list[str]:
    """Name the messages that are fields of a message."""
    package = name.partition('/')[0]
    found = []
    for line in text.splitlines():
        field = _FIELD.match(line.partition('#')[0])
        if field is None or _PRIMITIVES.fullmatch(field[1]):
            continue
        inner = field[1].replace('/msg/', '/')
        inner = 'std_msgs/Header' if inner == 'Header' else inner
        found.append(inner if '/' in inner else f'{package}/{inner}')
    return found
