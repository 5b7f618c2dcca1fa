"""
Endpoints that the middleware refuses, as SROS2 makes it do.

Here it refuses a topic that the same participant has with another type, which needs no keys.
"""

from __future__ import annotations

import pytest
from sensor_msgs.msg import TimeReference
from smaknet_core.errors import SmaknetError
from smaknet_ros import topics
from smaknet_ros.recorded_topics import RecordedTopics
from std_msgs.msg import String

TOPIC = '/front/image_raw/compressed'


@pytest.fixture
def taken(graph, make_graph):
    """A participant that has the topic already, with another type."""
    other = make_graph(graph.domain_id)
    other.node.create_subscription(String, TOPIC, print, 1)
    yield other
    other.close()


def test_what_is_refused_is_named(taken):
    refused = pytest.raises(SmaknetError, match=f'^{TOPIC}: .*incompatible type')
    with refused as caught, topics.on(TOPIC):
        taken.node.create_publisher(TimeReference, TOPIC, 1)
    assert '/src/' not in str(caught.value)
    assert 'SROS2' not in str(caught.value)


def test_under_sros2_the_policy_is_the_usual_reason(monkeypatch):
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    told = topics.refusal(RuntimeError('could not create data writer, at /x/src/publisher.cpp:1'))
    assert told == (
        'could not create data writer (does the SROS2 policy allow it to this enclave?)'
    )


def test_the_recorder_says_so_and_goes_on(taken, graph):
    graph.camera(TOPIC)
    graph.camera('/side')
    recorded = RecordedTopics(taken.node, {TOPIC: 'front', '/side': 'side'})
    taken.wait(lambda: recorded.look() or 1 in recorded.known, 'both publishers')
    taken.wait(lambda: recorded.look() or 'incompatible' in recorded.problems[TOPIC], 'a refusal')
    assert list(recorded.known) == [1]
    assert list(recorded.problems) == [TOPIC]
