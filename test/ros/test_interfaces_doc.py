"""docs/interfaces.md against what the nodes do."""

from __future__ import annotations

from pathlib import Path
import re

from smaknet_core.data import images
from smaknet_core.types import Match, State
from smaknet_ros import conversions, topics

DOC = (Path(__file__).parents[2] / 'docs/interfaces.md').read_text()


def test_every_topic_and_service_is_there():
    for name in ('MATCH', 'MATCH_STATUS', 'EMBEDDING', 'ATTENTION', 'INFO', 'RESET', 'RELOAD'):
        assert f'`{getattr(topics, name)}' in DOC
    assert f'schema version of what follows is {conversions.SCHEMA_VERSION}' in DOC


def test_every_key_of_the_status_is_there_in_order():
    match = Match(1, 'd', 0, 2, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, (0.0, 1.0), State.INIT)
    array = conversions.match_status(match, '', 'n', 'd@0', (), 0.0, 0.0, 0.0)
    keys = [pair.key for pair in array.status[0].values]
    rows = DOC.partition('| key | format')[2].partition('\n\n')[0].splitlines()[2:]
    documented = [key for row in rows for key in re.findall(r'`(\w+)`', row.split('|')[1])]
    assert documented == keys


def test_every_state_has_its_row_and_level():
    names = {b'\0': 'OK', b'\1': 'WARN', b'\2': 'ERROR', b'\3': 'STALE'}
    for state, level in conversions.LEVELS.items():
        assert f'| `{state.value}` | {names[level]} |' in DOC


def test_every_colour_encoding_is_named():
    for encoding in images.ENCODINGS - images.DEPTH_ENCODINGS:
        shown = re.sub(r'bayer_[rgb]{4}', 'bayer_*', encoding)
        assert shown in DOC, encoding
