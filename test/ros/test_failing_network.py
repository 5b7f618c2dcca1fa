"""A network that fails on some frames, over DDS: told set by set, over with the next good one."""

from __future__ import annotations

import dataclasses
import signal

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from smaknet_core.checkpoint import load_model, save_model
from smaknet_core.embedder import Embedder
from smaknet_core.follow import teach
import torch

PERIOD_NS = 100_000_000
BASE_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope='module')
def dazzled(world, tmp_path_factory):
    """Copy the model with a neuron that overflows on magenta, and on nothing else; teach it."""
    folder = tmp_path_factory.mktemp('dazzled')
    model = load_model(world.model)
    trunk = model.encoder.network.trunk
    convolution, norm, _ = trunk.stem[0]
    with torch.no_grad():
        convolution.weight[0] = torch.tensor([1, -1, 1])[:, None, None] / 27  # 1 on magenta
        norm.running_mean[0], norm.running_var[0] = 0.998, 1
        norm.weight[0], norm.bias[0] = 3e38, 0
        trunk.level1[0][0].weight[:, 0] = 1e6
    path = folder / 'model.safetensors'
    save_model(model, path)
    demonstration = folder / 'front.safetensors'
    teach(Embedder.load(path, 'cpu'), world.bag, ['front'], demonstration, name='front')
    return dataclasses.replace(world, model=path, front=demonstration)


def test_sets_that_cannot_be_matched_are_lost_with_the_reason(graph, dazzled):
    process = graph.start(dazzled.parameters('front', stale_s=1.0))
    graph.wait_until_active()
    health = []
    graph.node.create_subscription(DiagnosticArray, '/diagnostics', health.append, 10)
    front = graph.camera('/front/image_raw/compressed').connect()
    magenta = np.full((48, 64, 3), (255, 0, 255), np.uint8)
    odd = cv2.imencode('.png', magenta)[1].tobytes()
    bad_ns = [BASE_NS + i * PERIOD_NS for i in range(20, 26)]
    run = graph.run

    def send(numbers):
        for i in numbers:
            stamp_ns = BASE_NS + i * PERIOD_NS
            front.jpeg(stamp_ns, odd if stamp_ns in bad_ns else dazzled.jpegs['front'][i])
            graph.wait(lambda s=stamp_ns: any(x.stamp_ns >= s for x in run.statuses), 'a status')

    send(range(20))
    assert run.matches
    before = len(run.matches)
    send(range(20, 26))
    lost = [status for status in run.statuses if status.stamp_ns in bad_ns]
    assert [status.stamp_ns for status in lost] == bad_ns, 'one status a set, with its own stamp'
    reason = 'cannot match frames of front: the network gave NaN or infinite embeddings'
    for status in lost:
        assert (status.state, status.values['cameras']) == ('LOST', 'front')
        assert (status.values['confidence'], status.values['distance']) == ('0.000', 'inf')
        assert status.values['waiting_for'].startswith(reason)
    assert len(run.matches) == before

    # Nothing more comes: the reason stays with the stale ticks.
    graph.wait(lambda: run.statuses[-1].state == 'STALE', 'a stale tick')
    assert run.statuses[-1].stamp_ns == bad_ns[-1]
    assert reason in run.statuses[-1].values['waiting_for']

    send(range(26, 46))
    assert len(run.matches) > before
    assert not {match.stamp_ns for match in run.matches} & set(bad_ns)
    told = [line for line in process.log().splitlines() if f': {reason}' in line]
    assert 1 <= len(told) <= 2, 'not once per set'
    assert 'Traceback' not in process.log()
    levels = {s.level: s.message for m in health for s in m.status if 'matching' in s.name}
    assert 'could not be matched' in levels.get(DiagnosticStatus.ERROR, ''), levels
    assert process.stop(signal.SIGINT) == 0
