"""Join a graph anew until it is whole: who watched it grow is now and then not told an owner."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

PATIENCE_S = 5.0
TRIES = 10


def join(make_graph: Callable[..., Any], domain_id: int, whole: Callable[[Any], bool]) -> Any:
    """
    Give a participant to whose node the graph looks whole, or None.

    Args:
        make_graph: the fixture.
        domain_id: of the graph.
        whole: tells whether a node sees all that the test is about.
    """
    for _ in range(TRIES):
        late = make_graph(domain_id)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if whole(late.node):
                return late
            late.spin(0.05)
        late.close()
    return None
