"""
Topic names to camera names: which image topics are cameras, and what to call them.

A camera is called by the path component before `/image_raw[/compressed]`: `/robot/wrist/image_raw`
is `wrist`. Where two would be called the same, more components tell them apart: `left_wrist`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import re

from smaknet_core.config import nearest
from smaknet_core.errors import BagError

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]*')
# The same picture under several names: the first of these is taken.
_LEAVES = ('image_raw', 'image_color', 'image', 'image_rect_color', 'image_rect')
_DEPTH = ('16UC1', '32FC1')


def find_cameras(
    topics: Mapping[str, str], encoding_of: Callable[[str], str]
) -> tuple[dict[str, str], list[str]]:
    """
    Name the colour cameras among the image topics.

    Args:
        topics: topic -> type, image types only.
        encoding_of: reads what a topic's first message says its pixels are.

    Returns:
        Camera -> topic in order of name, and a sentence for each topic left out.
    """
    notes = []
    best: dict[str, str] = {}
    for topic in sorted(topics, key=_preference):
        source = _source(topic)
        if topic.endswith('/compressedDepth') or encoding_of(topic).startswith(_DEPTH):
            notes.append(f'{topic} holds distances, not colours: not used')
        elif source in best:
            notes.append(f'{topic} is not used, {best[source]} shows the same')
        else:
            best[source] = topic
    names = _unique_names(list(best))
    return {names[source]: best[source] for source in sorted(best, key=names.__getitem__)}, notes


def choose_cameras(
    wanted: Sequence[str], found: Mapping[str, str], topics: Mapping[str, str], where: str
) -> dict[str, str]:
    """
    Apply a user's choice to the cameras found; raise BagError naming `where`.

    `wanted` holds names of `found`, or definitions `name:=/topic` with a topic of `topics`.
    """
    if not wanted:
        return dict(found)
    chosen: dict[str, str] = {}
    for item in wanted:
        name, defines, topic = item.partition(':=')
        if name in chosen:
            raise BagError(f'{where}: camera {name!r} is asked for twice')
        if defines:
            chosen[name] = _defined(name, topic, topics, where)
        elif name in found:
            chosen[name] = found[name]
        else:
            known = nearest(name, found) if found else '; there is no camera in it'
            raise BagError(f'{where}: no camera {name!r}{known}')
    return chosen


def _defined(name: str, topic: str, topics: Mapping[str, str], where: str) -> str:
    if not _NAME.fullmatch(name):
        raise BagError(f'{where}: {name!r} cannot name a camera (letters, digits, _ . -)')
    topic = '/' + topic.lstrip('/')
    if topic not in topics:
        known = nearest(topic, topics) if topics else '; there is none'
        raise BagError(f'{where}: no image topic {topic!r}{known}')
    return topic


def _preference(topic: str) -> tuple[int, int, str]:
    """Sort compressed before raw, and the plain picture before rectified ones."""
    path = topic.removesuffix('/compressed')
    leaf = path.rpartition('/')[2]
    rank = _LEAVES.index(leaf) if leaf in _LEAVES else len(_LEAVES)
    return rank, int(path == topic), topic


def _source(topic: str) -> str:
    """Name what took the picture: the topic's path without what only says `image`."""
    path = topic.removesuffix('/compressed').removesuffix('/compressedDepth')
    parent, _, leaf = path.rpartition('/')
    return parent if leaf.startswith('image') and parent else path


def _unique_names(sources: Sequence[str]) -> dict[str, str]:
    """Take as many path components from the end as it needs for all names to differ."""
    parts = {source: source.strip('/').split('/') for source in sources}
    names = {source: part[-1] for source, part in parts.items()}
    for count in range(2, max(map(len, parts.values()), default=1) + 1):
        taken = list(names.values())
        for source, name in names.items():
            if taken.count(name) > 1:
                names[source] = '_'.join(parts[source][-count:])
    return names
