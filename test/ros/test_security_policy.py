"""What every node has on the graph against what the SROS2 policy allows it: no less, no more."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from newcomer import join
import pytest
from smaknet_ros.processes import MATCHER, PLAYER

POLICY = Path(__file__).parents[2] / 'config' / 'security' / 'smaknet.policy.xml'
NODES = {'matcher': MATCHER, 'recorder': 'smaknet_recorder', 'player': PLAYER}
RECORDED = '/camera/front/image_raw/compressed'  # as it is called in the recording
PICTURES = '/camera/image_raw/compressed'
OTHER_TRANSPORT = '/camera/image_raw'  # allowed as well
WAYS = ('publish', 'subscribe', 'reply', 'request')


def allowed(enclave):
    """Read from the policy what an enclave may do: way -> names."""
    found = {way: set() for way in WAYS}
    (branch,) = ElementTree.parse(POLICY).findall(f'.//enclave[@path="/smaknet/{enclave}"]')
    for block in branch.iterfind('profiles/profile/*'):
        ((way, word),) = block.items()
        assert word == 'ALLOW'
        found[way] |= {item.text for item in block}
    return found


def had(node, name):
    """Ask the graph what a node has: way -> names."""
    asked = {
        'publish': node.get_publisher_names_and_types_by_node,
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'reply': node.get_service_names_and_types_by_node,
        'request': node.get_client_names_and_types_by_node,
    }
    return {way: {topic for topic, _ in ask(name, '/')} for way, ask in asked.items()}


def expected(enclave):
    """Say what there is when a node has all that it may have, over one of the transports."""
    names = allowed(enclave)
    assert {PICTURES, OTHER_TRANSPORT} <= names['publish'] | names['subscribe']
    return {way: names[way] - {OTHER_TRANSPORT} for way in WAYS}


@pytest.fixture(scope='module')
def there(world, make_graph, tmp_path_factory):
    """Run every node with all that it can have; give what it has on the graph."""
    out = tmp_path_factory.mktemp('policy') / 'episodes'
    followed = {'demonstration': [str(world.front)], 'use_sim_time': True}
    renamed = ['--ros-args', '-r', f'{RECORDED}:={PICTURES}']
    recorded = ['--task', 'pour', '--out', str(out), '--cameras', f'camera:={PICTURES}', '--wait']
    graph = make_graph()
    found = {}

    def whole(node):
        if set(NODES.values()) <= set(node.get_node_names()):
            found.update({enclave: had(node, name) for enclave, name in NODES.items()})
        return found == {enclave: expected(enclave) for enclave in NODES}

    try:
        graph.start(world.parameters('camera', **followed))
        graph.spawn(PLAYER, [str(world.bag), '--clock', '--loop', '--topics', RECORDED, *renamed])
        graph.spawn(NODES['recorder'], [*recorded, '--ros-args', '-p', 'use_sim_time:=true'])
        graph.wait_until_active()
        join(make_graph, graph.domain_id, whole)
        yield found
    finally:
        graph.close()


@pytest.mark.parametrize('enclave', NODES)
@pytest.mark.parametrize('way', WAYS)
def test_the_policy_allows_exactly_what_the_node_has(there, enclave, way):
    assert there[enclave][way] == expected(enclave)[way]


def test_every_node_has_an_enclave_and_nobody_else_has():
    builder = ElementTree.TreeBuilder(insert_comments=True)
    tree = ElementTree.parse(POLICY, ElementTree.XMLParser(target=builder))
    enclaves = tree.find('enclaves')
    # sros2 takes whatever stands here for an enclave: of a comment it would make a traceback.
    assert [enclave.get('path') for enclave in enclaves] == [f'/smaknet/{name}' for name in NODES]
    for enclave, node in zip(enclaves, NODES.values(), strict=True):
        assert [p.get('node') for p in enclave.iterfind('profiles/profile')] == [node]
