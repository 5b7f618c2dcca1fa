"""Clocks of the scenarios: going back, leaving out, beginning late, and never jumping."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.simulation.physical.scenarios import SCENARIOS
from smaknet_core.simulation.physical.timeline import draw_timeline, Timeline
from smaknet_core.simulation.script import borders, Phase

PHASES = [
    Phase(name, 1.0)
    for name in ('reach', 'lift', 'carry', 'tilt', 'pour', 'untilt', 'across', 'leave')
]
START = dict(zip((phase.name for phase in PHASES), borders(PHASES), strict=False))


def _draw(scenario: str, seed: int = 0) -> Timeline:
    return draw_timeline(PHASES, scenario, np.random.default_rng(seed))


def _progress(timeline: Timeline, step_s: float = 0.01) -> np.ndarray:
    times = np.arange(0, timeline.duration_s + step_s, step_s)
    return np.array([timeline.at(time).before for time in times])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(SCENARIOS)), st.integers(0, 10_000))
@example('mid-start', 1580)  # whose length and start add up to a rounding less than the end
def test_time_runs_on_and_the_script_is_played_to_its_end(scenario: str, seed: int) -> None:
    timeline = _draw(scenario, seed)
    assert (np.diff(timeline.times_s) > 0).all()
    assert timeline.at(timeline.duration_s).after == 1.0
    assert timeline.duration_s <= timeline.whole_s
    progress = _progress(timeline)
    assert progress.min() >= 0
    assert progress.max() <= 1


@pytest.mark.parametrize('scenario', ['normal', 'pause', 'skip', 'mid-start', 'occlusion'])
def test_progress_never_goes_back_where_nothing_is_repeated(scenario: str) -> None:
    assert (np.diff(_progress(_draw(scenario))) >= 0).all()


def test_a_pause_stops_the_script_for_seconds() -> None:
    normal, paused = _draw('normal'), _draw('pause')
    still = (np.diff(_progress(paused)) == 0).sum() * 0.01
    assert still > 1.9
    assert 1.9 < paused.duration_s - normal.duration_s < 4.2


def test_a_repeat_goes_back_the_way_it_came() -> None:
    timeline = _draw('repeat')
    progress = _progress(timeline)
    turn = int(np.argmax(np.diff(progress) < -1e-9))
    assert progress[turn] == pytest.approx(START['tilt'], abs=0.01)
    assert progress[turn : turn + 600].min() == pytest.approx(START['lift'], abs=0.01)
    for back in range(1, 100):  # mirrored in time about the turn
        assert progress[turn + back] == pytest.approx(progress[turn - back], abs=0.01)


def test_a_skip_leaves_the_script_and_joins_it_later() -> None:
    timeline = _draw('skip')
    progress = _progress(timeline)
    assert not ((progress > START['tilt'] + 1e-6) & (progress < START['across'] - 1e-6)).any()
    cut = [timeline.at(time) for time in np.arange(0, timeline.duration_s, 0.05)]
    between = [moment for moment in cut if moment.before != moment.after]
    assert len(between) >= 10
    shares = [moment.through for moment in between]
    assert shares == sorted(shares)
    assert between[0].before == pytest.approx(START['tilt'])
    assert between[0].after == pytest.approx(START['across'])


def test_a_recording_that_begins_late_shows_the_rest() -> None:
    timeline = _draw('mid-start')
    assert 0.2 < timeline.at(0.0).before < 0.65
    assert timeline.whole_s == pytest.approx(timeline.duration_s + timeline.start_s)
