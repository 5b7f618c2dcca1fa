"""The script of the physical world: steady movements, a way back that is not the way there."""

from collections.abc import Sequence

import numpy as np
import pytest
from smaknet_core.simulation.physical.choreography import (
    Choreography,
    draw_places,
    HELD_FROM,
    Pour,
    Shake,
)
from smaknet_core.simulation.physical.cups import draw_recipient, draw_source
from smaknet_core.simulation.physical.performance import Performance
from smaknet_core.simulation.physical.scenarios import SCENARIOS
from smaknet_core.simulation.physical.timeline import draw_timeline
from smaknet_core.simulation.pose import Pose

FLOW = ('tilt', 'pour', 'untilt')


def _script(kind: str, seed: int = 0) -> Choreography:
    rng = np.random.default_rng(seed)
    source, recipient, places = draw_source(rng), draw_recipient(rng), draw_places(rng)
    return Pour(source, recipient, places, rng) if kind == 'pour' else Shake(source, places, rng)


def _speeds(poses: Sequence[Pose], step_s: float) -> np.ndarray:
    places = np.array([pose.position for pose in poses])
    return np.linalg.norm(np.diff(places, axis=0), axis=1) / step_s


@pytest.mark.parametrize('kind', ['pour', 'shake'])
@pytest.mark.parametrize('seed', range(4))
def test_nothing_jumps(kind: str, seed: int) -> None:
    script = _script(kind, seed)
    timeline = draw_timeline(script.phases, 'normal', np.random.default_rng(seed))
    moments = [script.at(timeline.at(t).before) for t in np.arange(0, timeline.duration_s, 0.01)]
    assert _speeds([moment.cup for moment in moments], 0.01).max() < 1.0  # m/s
    assert _speeds([moment.grasp.frame for moment in moments], 0.01).max() < 1.6
    assert np.abs(np.diff([moment.tilt_deg for moment in moments])).max() < 4  # in 10 ms


@pytest.mark.parametrize('scenario', sorted(SCENARIOS))
def test_no_scenario_jumps(scenario: str) -> None:
    script = _script('shake' if scenario == 'other-task' else 'pour')
    timeline = draw_timeline(script.phases, scenario, np.random.default_rng(2))
    played = Performance(script, timeline)
    moments = [played.at(time) for time in np.arange(0, timeline.duration_s, 0.01)]
    assert _speeds([moment.cup for moment in moments], 0.01).max() < 1.2


@pytest.mark.parametrize('kind', ['pour', 'shake'])
def test_the_cup_moves_only_while_it_is_held(kind: str) -> None:
    script = _script(kind)
    moments = [script.at(progress) for progress in np.linspace(0, 1, 500)]
    last = len(script.phases) - 4
    for before, after in zip(moments, moments[1:], strict=False):
        if not HELD_FROM <= before.phase <= last:
            np.testing.assert_allclose(after.cup.position, before.cup.position, atol=2e-3)
        else:
            assert before.closed == 1 or before.phase == last
            held = before.cup.inverse @ before.grasp.frame
            same = after.cup.inverse @ after.grasp.frame
            if after.phase <= last:
                np.testing.assert_allclose(held.position, same.position, atol=1e-9)


@pytest.mark.parametrize('seed', range(6))
def test_the_cups_never_run_into_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, recipient, places = draw_source(rng), draw_recipient(rng), draw_places(rng)
    script = Pour(source, recipient, places, rng)
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rings = np.stack(
        [
            np.array([radius * np.cos(around), radius * np.sin(around), 0 * around + height]).T
            for radius, height in zip(source.radii, source.heights, strict=True)
        ]
    )
    for progress in np.linspace(0, 1, 300):
        cup = script.at(progress).cup
        points = (rings.reshape(-1, 3) @ cup.matrix.T + cup.position) - places.recipient
        low = points[points[:, 2] < recipient.height]
        reach = np.hypot(low[:, 0], low[:, 1])
        outer = np.interp(low[:, 2], recipient.heights, recipient.radii)
        assert (reach > outer).all(), f'at progress {progress:.2f}'
        assert points[:, 2].min() > -2e-3, 'nothing sinks into the table'


def test_the_cup_ends_on_the_other_side_and_the_hand_elsewhere() -> None:
    script = _script('pour')
    first, last = script.at(0.0), script.at(1.0)
    assert last.cup.position[0] < first.cup.position[0] - 0.3
    assert np.linalg.norm(last.grasp.frame.position - first.grasp.frame.position) > 0.15
    assert first.grasp.opening == last.grasp.opening == 1


def test_a_task_that_is_not_the_pour_never_tips_the_cup() -> None:
    script = _script('shake')
    tilts = [abs(script.at(progress).tilt_deg) for progress in np.linspace(0, 1, 200)]
    assert max(tilts) < 30
