"""
Which versions smaknet asks for, as setup.py declared them, and whether a version will do.

Only for the doctor, and only with Python's own library: it must work where nothing else does.
"""

from __future__ import annotations

from importlib import metadata
import re
from typing import Final

DISTRIBUTION: Final = 'smaknet_ros'


def declared() -> dict[str, str]:
    """Give the version ranges of the installed smaknet_ros, e.g. '>=2.4'; {} if it is not."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    needed = [line for line in lines if 'extra ==' not in line]
    parts = [re.split(r'(?=[\s<>=!~;(])', line, maxsplit=1) for line in needed]
    return {name: ''.join(rest).partition(';')[0].strip(' ()') for name, *rest in parts}


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version's numbers are in a range like '<5,>=4.5'; builds (+cu126) do not count."""
    for sign, bound in re.findall(r'([<>=!~]+)\s*([\d.]+)', wanted):
        have, want = _padded(version, bound)
        allowed = {
            '>=': have >= want,
            '<': have < want,
            '<=': have <= want,
            '>': have > want,
            '==': have == want,
            '!=': have != want,
        }
        if not allowed.get(sign, True):
            return False
    return True


def _padded(*versions: str) -> list[tuple[int, ...]]:
    """Give the leading numbers of versions, filled with zeros to one length."""
    starts = [re.match(r'\d+(\.\d+)*', version) for version in versions]
    numbers = [[int(part) for part in start[0].split('.')] if start else [] for start in starts]
    length = max(map(len, numbers))
    return [tuple(part + [0] * (length - len(part))) for part in numbers]


def installed(name: str) -> str:
    """Give the version of an installed distribution, '' where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ''
