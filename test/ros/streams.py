"""
Camera streams for tests over DDS, and what must hold for each of them.

In none is a match published whose stamp was not sent in a valid frame, nor any while no valid set
arrived for `stale_s`.
"""

from __future__ import annotations

from collections import Counter
import itertools
import time

from diagnostic_msgs.msg import DiagnosticArray

STALE_S = 0.4
LOST_S = 1.0
PERIOD_NS = 100_000_000  # of stamps; frames are sent three times as fast
SEND_S = 0.033
SLACK_S = 0.3  # for this machine to be slow

bases = (1_700_000_000 * 10**9 + minute * 60 * 10**9 for minute in itertools.count(0, 10))


class Stream:
    """Frames sent in a steady rhythm, and a note of which were valid."""

    def __init__(self, graph):
        self.graph = graph
        self.run = graph.run
        graph.trigger('reset')
        graph.spin(0.05)
        self.run.matches.clear()
        self.run.statuses.clear()
        self.base = next(bases)
        self.valid = []  # (stamp, when it was sent)
        self._due_s = time.monotonic()

    def stamp(self, number):
        return self.base + number * PERIOD_NS

    def send(self, camera, stamp_ns, jpeg, valid=True):
        self._due_s = max(self._due_s + SEND_S, time.monotonic())
        self.graph.spin(max(0.0, self._due_s - time.monotonic()))
        if valid:
            self.valid.append((stamp_ns, time.monotonic()))
        camera.jpeg(stamp_ns, jpeg)

    def finish(self, matches=10, turns=1):
        """Wait until the node says that nothing comes any more; check the two promises."""
        self.wait_for_state('STALE', 'LOST')
        self.graph.spin(SLACK_S)  # what is still under way
        assert len(self.run.matches) >= matches, Counter(s.state for s in self.run.statuses)
        valid_ns = {stamp_ns for stamp_ns, _ in self.valid}
        for match in self.run.matches:
            assert match.stamp_ns in valid_ns
            latest_s = max(sent_s for _, sent_s in self.valid if sent_s <= match.received_s)
            assert match.received_s - latest_s < STALE_S + SLACK_S
        times = Counter(match.stamp_ns for match in self.run.matches)
        assert max(times.values(), default=0) <= turns
        return self.run

    def wait_for_state(self, *states):
        statuses = self.run.statuses
        self.graph.wait(
            lambda: statuses and statuses[-1].state in states, f'state {" or ".join(states)}'
        )


def listen_to_diagnostics(graph):
    """Keep the newest status of each camera in `graph.health`, by its name."""
    graph.health = {}

    def keep(msg):
        for status in msg.status:
            values = {pair.key: pair.value for pair in status.values}
            graph.health[status.name] = {'message': status.message, **values}

    graph.node.create_subscription(DiagnosticArray, '/diagnostics', keep, 10)


def count(graph, kind, camera='front'):
    """Read a camera's counter from /diagnostics once it has been published again."""
    graph.health.clear()
    name = f'smaknet_matcher: camera {camera}'
    return int(graph.wait(lambda: graph.health.get(name), 'diagnostics')[kind])


def close_cleanly(graph):
    """End the only node; it must have lived without a word too much."""
    (process,) = graph.processes
    code, log = process.stop(), process.log()
    graph.close()
    assert code == 0, log
    assert 'Traceback' not in log
    assert 'terminate called' not in log
