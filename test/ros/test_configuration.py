"""What is shipped for a robot against the tables: example parameters, layouts, security policy."""

from __future__ import annotations

import json
from pathlib import Path
import re
from xml.etree import ElementTree

import pytest
from smaknet_core.errors import ConfigError
from smaknet_ros import parameters, recorder_options, topics
from smaknet_ros.settings import settings_of
import yaml

CONFIG = Path(__file__).parents[2] / 'config'
EXAMPLES = ('two_cameras.yaml', 'cpu.yaml', 'cuda.yaml')
MATCHER, RECORDER = '/smaknet_matcher', '/smaknet_recorder'
OUTPUTS = {name.replace('~', MATCHER) for name in topics.outputs(['camera'])}
PICTURES = {topics.EMBEDDING, topics.DEBUG_IMAGE, f'{topics.ATTENTION}/camera'}


def read(path):
    """Give a parameter file's values by full name."""
    tree = yaml.safe_load(path.read_text())
    assert list(tree) == ['/**'], 'holds in every namespace'
    values = {}

    def flatten(branch, prefix):
        for key, value in branch.items():
            if isinstance(value, dict):
                flatten(value, f'{prefix}{key}.')
            else:
                values[prefix + key] = value

    flatten(tree['/**']['ros__parameters'], '')
    return values


def test_every_parameter_file_is_known_to_a_test():
    named = {p.name for p in CONFIG.glob('*.yaml') if 'ros__parameters' in p.read_text()}
    assert named == {*EXAMPLES, 'matcher.yaml', 'recorder.yaml'}


@pytest.mark.parametrize('name', EXAMPLES)
def test_examples_hold_parameters_that_there_are_and_change_something(name):
    values = read(CONFIG / name)
    full = parameters.resolve(values)
    assert settings_of(full) != settings_of(parameters.resolve({}))
    for key, value in values.items():
        assert type(full[key]) is type(value), f'{key}: a value of another type'


def test_examples_are_what_they_are_called():
    given = {name: settings_of(parameters.resolve(read(CONFIG / name))) for name in EXAMPLES}
    assert given['two_cameras.yaml'].camera_names == ('wrist', 'top')
    assert (given['cpu.yaml'].device, given['cuda.yaml'].device) == ('cpu', 'cuda')


def test_a_typing_error_in_an_example_would_be_noticed():
    values = read(CONFIG / 'two_cameras.yaml')
    values['camera.wrist.topc'] = values.pop('camera.wrist.topic')
    with pytest.raises(ConfigError, match=r"did you mean 'camera\.wrist\.topic'"):
        parameters.resolve(values)


def test_rviz_shows_pictures_of_the_table_with_their_qos():
    tree = yaml.safe_load((CONFIG / 'smaknet.rviz').read_text())
    displays = tree['Visualization Manager']['Displays']
    shown = {display['Topic']['Value'] for display in displays}
    assert shown == {name.replace('~', MATCHER) for name in PICTURES}
    qos = topics.newest_only()
    for display in displays:
        assert display['Class'] == 'rviz_default_plugins/Image'
        words = [display['Topic'][f'{p} Policy'] for p in ('Reliability', 'Durability', 'History')]
        names = [qos.reliability.name, qos.durability.name, qos.history.name]
        assert words == [name.replace('_', ' ').title() for name in names]
        assert display['Topic']['Depth'] == qos.depth


# What panels read of a layout: Foxglove's layouts in Python (SDK 0.26), and Lichtblick 1.28.
PANELS = {
    'Image': {'imageMode'},
    'StateTransitions': {'isSynced', 'paths'},
    'Plot': {'isSynced', 'maxYValue', 'minYValue', 'paths', 'showLegend', 'xAxisVal'},
    'DiagnosticSummary': {'hardwareIdFilter', 'minLevel', 'pinnedIds', 'sortByLevel'}
    | {'topicToRender'},
    'RawMessages': {'diffEnabled', 'topicPath'},
}
PATH = {'enabled', 'label', 'timestampMethod', 'value'}


def test_foxglove_panels_have_only_fields_that_are_read():
    tree = json.loads((CONFIG / 'foxglove.json').read_text())
    for name, config in tree['configById'].items():
        assert set(config) <= PANELS[name.partition('!')[0]] | {'foxglovePanelTitle'}
        assert set(config.get('imageMode', {})) <= {'imageTopic'}
        assert all(set(path) <= PATH for path in config.get('paths', []))


def test_foxglove_names_topics_of_the_table_keys_of_the_status_and_its_own_panels():
    text = (CONFIG / 'foxglove.json').read_text()
    tree = json.loads(text)
    named = set(re.findall(r'"(/[a-z_/]+)', text))
    assert named
    assert named <= OUTPUTS
    assert {f'{MATCHER}/debug_image', f'{MATCHER}/match_status', topics.DIAGNOSTICS} <= named
    keys = set(re.findall(r'key==\\"(\w+)\\"', text))
    assert {'progress', 'confidence', 'latency'} <= keys
    doc = (CONFIG.parent / 'docs' / 'interfaces.md').read_text()
    table = doc.partition('| key | format')[2].partition('\n\n')[0]
    assert all(f'`{key}`' in table for key in keys)

    def panels(branch):
        if isinstance(branch, str):
            return [branch]
        return panels(branch['first']) + panels(branch['second'])

    assert sorted(panels(tree['layout'])) == sorted(tree['configById'])


def policy(node, block, attribute):
    """Give the names that a node's profile allows in one way."""
    tree = ElementTree.parse(CONFIG / 'security' / 'smaknet.policy.xml')
    (profile,) = tree.findall(f'.//profile[@node="{node.strip("/")}"]')
    found = profile.findall(f'{block}[@{attribute}="ALLOW"]/*')
    names = [str(item.text) for item in found]
    assert len(set(names)) == len(names)
    return set(names)


COMMON = {'/rosout', '/parameter_events'}


def test_policy_of_the_matcher_is_the_table():
    """Held to the running nodes' graph by test_security_policy.py."""
    allowed = policy(MATCHER, 'topics', 'publish')
    assert allowed == OUTPUTS | COMMON | {f'{MATCHER}/transition_event'}
    services = policy(MATCHER, 'services', 'reply')
    assert {name.replace('~', MATCHER) for name in (topics.RESET, topics.RELOAD)} <= services
    camera = settings_of(parameters.resolve({})).cameras[0].topic
    heard = {f'/{camera}', f'/{camera}/compressed', '/clock'}
    assert policy(MATCHER, 'topics', 'subscribe') == heard


def test_policy_of_the_recorder_is_the_table():
    names = (topics.START, topics.STOP, topics.DISCARD, topics.REDO)
    own = {name.replace('~', RECORDER) for name in names}
    services = policy(RECORDER, 'services', 'reply')
    assert own <= services
    assert all(
        re.search(r'_parameters|_types|_atomically|_description', s) for s in services - own
    )
    state = topics.STATE.replace('~', RECORDER)
    assert policy(RECORDER, 'topics', 'publish') == COMMON | {state}
    assert 'use_sim_time' not in {row.name for row in recorder_options.TABLE}


def test_policy_has_no_wildcards_and_asks_for_nothing_of_others():
    text = (CONFIG / 'security' / 'smaknet.policy.xml').read_text()
    assert '*' not in text
    assert 'request=' not in text
