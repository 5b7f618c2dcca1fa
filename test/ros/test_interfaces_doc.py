"""docs/interfaces.md against what the nodes do."""

from __future__ import annotations

import inspect
from pathlib import Path
import re

from diagnostic_msgs.msg import DiagnosticArray
from newcomer import join
import pytest
from smaknet_core.data import images
from smaknet_core.types import Match, State
from smaknet_ros import conversions, keyboard, topics
from smaknet_ros.recorder_node import RecorderNode
from smaknet_ros.recording_session import Phase

DOCS = Path(__file__).parents[2] / 'docs'
DOC = DOCS.joinpath('interfaces.md').read_text()


def test_every_topic_and_service_is_there():
    matchers = ('MATCH', 'MATCH_STATUS', 'EMBEDDING', 'ATTENTION', 'DEBUG_IMAGE', 'INFO')
    for name in (*matchers, 'RESET', 'RELOAD'):
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
        for name in ('interfaces', 'data'):
            text = DOCS.joinpath(f'{name}.md').read_text()
            assert re.search(rf'(?<!\w){re.escape(shown)}(?!\w)', text), (encoding, name)


@pytest.fixture(scope='module')
def published(world, make_graph):
    """What a real node has on the graph, and one message of what it tells in JSON and values."""
    graph = make_graph()
    try:
        graph.start(world.parameters('front'))
        info = graph.wait_until_active()
        health = []
        graph.node.create_subscription(DiagnosticArray, '/diagnostics', health.append, 10)
        graph.wait(lambda: health, 'diagnostics')
        seer = join(make_graph, graph.domain_id, whole)
        assert seer, 'nobody is told whose endpoint is whose'
        yield seer.node, info, health[-1].status
    finally:
        graph.close()


def whole(node):
    """Tell whether the graph names the owner of each endpoint of the matcher by now."""
    matcher = ('smaknet_matcher', '/')
    if matcher not in node.get_node_names_and_namespaces():
        return False
    services = dict(node.get_service_names_and_types_by_node(*matcher))
    topics_out = dict(node.get_publisher_names_and_types_by_node(*matcher))
    return '/smaknet_matcher/change_state' in services and '/diagnostics' in topics_out


def rows(heading):
    """Read the table after a heading: its rows' cells."""
    table = DOC.partition(heading)[2].partition('|---')[2].partition('\n\n')[0].splitlines()[1:]
    return [[cell.strip(' `') for cell in row.strip('|').split('|')] for row in table]


def test_topics_have_the_types_and_qos_of_the_page(published):
    node, *_ = published
    names = set()
    for name, kind, qos, _ in rows('### Out'):
        topic = name.replace('~', '/smaknet_matcher').replace('<camera>', 'front')
        (publisher,) = node.get_publishers_info_by_topic(topic)
        assert publisher.topic_type.replace('/msg/', '/') == kind.partition(',')[0]
        reliability = publisher.qos_profile.reliability.name.lower().replace('_', ' ')
        durability = publisher.qos_profile.durability.name.lower().replace('_', ' ')
        assert qos.startswith(reliability)
        assert ('transient local' in qos) == (durability == 'transient local')
        names.add(topic)
    own = {name for name, _ in node.get_publisher_names_and_types_by_node('smaknet_matcher', '/')}
    rclpys = {'/rosout', '/parameter_events', '/smaknet_matcher/transition_event'}
    assert own - rclpys == names


def test_pictures_come_in_best_effort(published):
    node, *_ = published
    (subscriber,) = node.get_subscriptions_info_by_topic('/front/image_raw/compressed')
    assert subscriber.qos_profile.reliability.name == 'BEST_EFFORT'


def test_services_have_the_types_of_the_page(published):
    node, *_ = published
    there = dict(node.get_service_names_and_types_by_node('smaknet_matcher', '/'))
    for name, kind, _ in rows('### Services'):
        assert there[name.replace('~', '/smaknet_matcher')] == [kind.replace('/', '/srv/')]
    assert '/smaknet_matcher/change_state' in there


def test_info_and_diagnostics_hold_what_the_page_says(published):
    _, info, (matching, camera) = published
    text = ' '.join(DOC.partition('**`~/info`**')[2].partition('###')[0].split())
    parts = re.findall(r'`(?:model|demonstrations|cameras)`: (?:for each )?([^;.]*)', text)
    model, demonstrations, cameras = (part.split(', ') for part in parts)
    assert model == list(info['model'])
    assert demonstrations == list(info['demonstrations'][0])
    assert cameras == list(info['cameras'][0])
    assert {pair.key for pair in camera.values} <= set(re.findall(r'\w+', text))
    assert {pair.key for pair in matching.values} <= set(re.findall(r'\w+', text))
    assert (matching.name, camera.name) == (
        'smaknet_matcher: matching',
        'smaknet_matcher: camera front',
    )


def test_the_recorders_states_services_and_keys_are_there():
    part = DOC.partition('## `smaknet_recorder`')[2].partition('\n## ')[0]
    states = re.findall(r'^\| `([A-Z]+)` \|', part, re.MULTILINE)
    assert states == [phase.value for phase in Phase]
    for name in (topics.STATE, topics.START, topics.STOP, topics.DISCARD, topics.REDO):
        assert f'`{name}`' in part
    assert set(keyboard.KEYS) == {' ', 'd', 'r', 'q'}
    assert re.findall(r'\| (SPACE|[a-z]) \|', part) == ['SPACE', 'SPACE', 'd', 'r']
    source = inspect.getsource(RecorderNode._publish_state)
    keys = re.findall(r"^ +'(\w+)': ", source, re.MULTILINE)
    assert keys[0] == 'schema_version'
    text = ' '.join(part.partition('**`~/state`**')[2].partition('\n\n')[0].split())
    assert [key for key in re.findall(r'`(\w+)`', text) if key in keys] == keys
