"""Through its lifecycle again and again: no more threads and files; memory is measured."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import re

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import pytest

PERIOD_NS = 100_000_000
BASE_NS = 1_700_000_000 * 10**9
WARM_UP = 15  # turns until PyTorch, the allocator and DDS have what they keep
ROUND = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


@dataclass(frozen=True)
class Held:
    """What a process holds of the system."""

    threads: int
    files: int
    memory_mb: float  # its own, not what it shares with files

    @classmethod
    def by(cls, pid):
        text = Path(f'/proc/{pid}/status').read_text()
        threads, memory = (
            int(re.search(rf'^{key}:\s+(\d+)', text, re.MULTILINE)[1])
            for key in ('Threads', 'RssAnon')
        )
        return cls(threads, len(os.listdir(f'/proc/{pid}/fd')), memory / 1024)


def turn(graph, client, front, world):
    """Configure, activate, match some frames, deactivate, clean up."""
    for transition in ROUND:
        request = ChangeState.Request()
        request.transition.id = transition
        future = client.call_async(request)
        graph.wait(future.done, f'transition {transition}')
        assert future.result().success
        if transition == Transition.TRANSITION_ACTIVATE:
            front.connect()
            graph.run.statuses.clear()
            for i in range(4):
                front.jpeg(BASE_NS + i * PERIOD_NS, world.jpegs['front'][i])
                graph.spin(0.02)
            graph.wait(lambda: graph.run.statuses, 'a status')


@pytest.mark.parametrize(
    ('turns', 'growth_mb'), [(10, 8.0), pytest.param(100, 12.0, marks=pytest.mark.slow)]
)
def test_transitions_leave_nothing_behind(graph, world, turns, growth_mb, record_property):
    process = graph.start(world.parameters('front') | {'autostart': False})
    assert graph.state() == 'unconfigured'
    front = graph.camera('/front/image_raw/compressed')
    client = graph.node.create_client(ChangeState, '/smaknet_matcher/change_state')
    graph.wait(client.service_is_ready, 'the service')
    graph.trigger('reset')  # answered: the node knows all clients made before
    for _ in range(WARM_UP):
        turn(graph, client, front, world)
    before = Held.by(process.pid)
    for _ in range(turns):
        turn(graph, client, front, world)
    after = Held.by(process.pid)
    record_property('held', f'{before} {after}')
    print(f'{turns} turns: {before} -> {after}')
    assert after.threads <= before.threads
    assert after.files <= before.files
    assert process.stop() == 0
    assert 'Traceback' not in process.log()
    assert after.memory_mb - before.memory_mb < growth_mb
