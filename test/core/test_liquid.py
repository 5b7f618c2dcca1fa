"""The liquid: it stays while the cup is carried, flows when it is tilted, and looks it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
import pytest
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.beads import bead_radius, BEADS, EVERY_S
from smaknet_core.simulation.physical.cups import add_visual, draw_recipient, draw_source
from smaknet_core.simulation.physical.liquid import Liquid, Pour, simulate_pour
from smaknet_core.simulation.physical.pouring import Pouring
from smaknet_core.simulation.physical.tilting import foot_over, pour_tilts
from smaknet_core.simulation.pose import Pose, turn
from smaknet_core.simulation.recorder import episode_seed
from smaknet_core.types import Image

PLACE = np.array([-0.06, 0.03, 0.0])
START, END = np.array([0.16, -0.03, 0.0]), np.array([-0.26, 0.0, 0.0])
SOURCE = draw_source(np.random.default_rng(5))
RECIPIENT = draw_recipient(np.random.default_rng(5))
TILT_S, POUR_S, UNTILT_S, WHOLE_S = 1.2, 1.8, 4.0, 6.0  # of the motion below


def motion() -> Callable[[float], Pose]:
    """Lift 13 cm, bring over the recipient, pour, set down on its other side."""
    tilts = pour_tilts(SOURCE, np.linspace(0.98, 0.01, 9)) + [*[0.0] * 8, 8.0]
    times = np.array([0.1, 0.6, TILT_S, *np.linspace(POUR_S, UNTILT_S, 9), 4.6, 5.2, 5.7])
    angles = np.array([0.0, 0.0, 0.0, *tilts, 15.0, 0.0, 0.0])
    over = [foot_over(SOURCE, RECIPIENT, PLACE, float(tilt)) for tilt in [0.0, *tilts]]
    away = over[-1] + [-0.05, -0.06, 0.1]
    feet = np.array([START, START + [0, 0, 0.13], *over, away, END + [0, 0, 0.13], END])

    def pose(time_s: float) -> Pose:
        foot = np.array([np.interp(time_s, times, axis) for axis in feet.T])
        return Pose(foot, turn((0.0, -1.0, 0.0), float(np.interp(time_s, times, angles))))

    return pose


@pytest.fixture(scope='module')
def pour(physical: None) -> Pour:
    rng = np.random.default_rng(0)
    return simulate_pour(SOURCE, RECIPIENT, PLACE, motion(), WHOLE_S, rng)


def test_tracks_have_the_shapes_they_say(pour: Pour) -> None:
    moments = round(WHOLE_S / EVERY_S) + 1
    assert pour.times_s.shape == (moments,)
    assert pour.beads.shape == (moments, BEADS, 3)
    assert pour.beads.dtype == np.float32
    assert pour.cup_poses.shape == (moments, 7)
    assert np.isfinite(pour.beads).all()
    assert np.abs(pour.beads).max() < 1.0  # metres: nothing is thrown out of the scene


def test_all_is_in_the_source_until_it_is_tilted(pour: Pour) -> None:
    before = pour.times_s < TILT_S
    assert (pour.in_source[before] == BEADS).all()
    assert not pour.flowing[before].any()


def test_nearly_all_arrives(pour: Pour) -> None:
    assert pour.delivered > 0.9
    assert pour.spilled <= 3
    assert pour.in_recipient[0] == 0
    assert pour.in_source[-1] + pour.in_recipient[-1] + pour.spilled == BEADS


def test_episodes_as_they_are_drawn_fill_the_recipient_and_do_not_leak(physical: None) -> None:
    """Three of `smaknet simulate --seed 3`, whatever cups and tempo they drew."""
    for episode in range(3):
        seed = episode_seed(3, episode)
        pouring = Pouring(seed, 'normal', ['third_person'], (96, 128), 0, 'hand')
        truths = [pouring.truth(t) for t in np.arange(0, pouring.duration_s, 0.1)]
        flowing = np.array([truth.liquid_flowing for truth in truths])
        assert pouring.delivered is not None
        assert pouring.delivered > 0.8
        assert 0.1 <= flowing.mean() <= 0.3
        pours = [name in ('tilt', 'pour', 'untilt') for name in pouring.phase_names]
        while_pouring = np.array([pours[truth.phase] for truth in truths])
        assert not flowing[: np.argmax(while_pouring)].any(), 'it leaks on its way'
        assert not any(truth.has_liquid for truth in truths[: int(np.argmax(flowing))])


def test_flowing_is_when_beads_are_between_the_cups(pour: Pour) -> None:
    assert 0.2 < pour.flowing.mean() < 0.45  # of six seconds: 1.2 ... 2.7 s
    while_few = (pour.in_source + pour.in_recipient) <= BEADS - 4
    assert pour.flowing[while_few].all()
    assert pour.flowing_at((POUR_S + UNTILT_S) / 2)
    assert not pour.flowing_at(0.0)
    assert not pour.flowing_at(WHOLE_S + 1)


def test_the_recipient_fills_evenly_rather_than_at_once(pour: Pour) -> None:
    quarter, most = (np.argmax(pour.in_recipient > share * BEADS) for share in (0.25, 0.75))
    assert (most - quarter) * EVERY_S > 0.4
    assert pour.in_recipient_at(0.0) == 0
    assert pour.in_recipient_at(WHOLE_S) == pour.in_recipient[-1]


def test_positions_between_moments_are_interpolated(pour: Pour) -> None:
    middle = (pour.beads[200].astype(float) + pour.beads[201]) / 2
    assert pour.beads_at(200.5 * EVERY_S) == pytest.approx(middle, abs=1e-6)
    assert pour.beads_at(-1.0) == pytest.approx(pour.beads[0])
    assert pour.beads_at(99.0) == pytest.approx(pour.beads[-1])
    half = pour.cup_at(200.5 * EVERY_S)
    assert np.linalg.norm(half.quaternion) == pytest.approx(1)
    ends = pour.cup_poses[[200, 201], :3].mean(axis=0)
    assert half.position == pytest.approx(ends, abs=1e-6)


def test_beads_fill_the_source_as_it_says(pour: Pour) -> None:
    top = float(np.quantile(pour.beads[0, :, 2], 0.97)) + bead_radius(SOURCE)
    assert top / SOURCE.height == pytest.approx(SOURCE.fill, abs=0.13)


@pytest.mark.parametrize('seed', range(2))
def test_nothing_leaks_from_a_cup_moved_fast(seed: int, physical: None) -> None:
    rng = np.random.default_rng(seed)
    cup, other = draw_source(rng), draw_recipient(rng)

    def swing(time_s: float) -> Pose:
        back_and_forth = 0.1 * np.sin(5 * time_s)  # up to 0.5 m/s, 2.5 m/s2
        up = 0.15 * min(2 * time_s, 1.0)
        tilt = turn((0.0, -1.0, 0.0), 15 * np.sin(4 * time_s))
        return Pose(np.array([0.3 + back_and_forth, 0.0, up]), tilt)

    pour = simulate_pour(cup, other, PLACE, swing, 1.0, rng)
    assert (pour.in_source == BEADS).all()


def test_the_same_seed_flows_the_same(physical: None) -> None:
    first, second = (
        simulate_pour(SOURCE, RECIPIENT, PLACE, motion(), 0.2, np.random.default_rng(1)).beads
        for _ in range(2)
    )
    assert (first == second).all()


def _red(picture: Image) -> NDArray[np.bool_]:
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    seen: NDArray[np.bool_] = (red > 90) & (red > 2 * green) & (red > 2 * blue)
    return seen


def test_the_picture_shows_liquid_in_one_cup_in_the_air_and_in_the_other(pour: Pour) -> None:
    mj = mujoco()
    spec = mj.MjSpec()
    liquid = Liquid(pour, np.random.default_rng(0))
    liquid.colour = np.array([0.9, 0.05, 0.05])
    liquid.add_to(spec)
    add_visual(spec, RECIPIENT, 'cup/recipient')
    camera = spec.worldbody.add_camera(name='above', pos=[0.0, 0.03, 0.8])
    camera.fovy = 45
    model = spec.compile()
    data = mj.MjData(model)
    liquid.bind(model)
    pictures = []
    with mj.Renderer(model, 120, 120) as renderer:
        for time_s in (0.0, 3.0, WHOLE_S):
            liquid.place(model, data, time_s)
            mj.mj_forward(model, data)
            renderer.update_scene(data, camera='above')
            pictures.append(_red(renderer.render()))
    columns = [np.flatnonzero(picture.any(axis=0)).mean() for picture in pictures]
    assert columns[0] > 75  # the source stands right of the middle, the recipient left of it
    assert 55 > columns[2] > 40
    assert all(picture.sum() > 40 for picture in pictures)
