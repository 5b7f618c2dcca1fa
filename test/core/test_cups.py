"""Cups: drawn within what hands and grippers hold, their meshes and collision shapes alike."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.cups import (
    add_collision,
    add_visual,
    Cup,
    draw_recipient,
    draw_source,
)
from smaknet_core.simulation.physical.liquid_body import Body, faces
from smaknet_core.simulation.physical.revolution import Mesh, revolve, revolve_loop, sweep
from smaknet_core.simulation.physical.tilting import foot_over, kept, pour_angles, pour_tilts
from smaknet_core.simulation.pose import Array, Pose, turn

UPRIGHT = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
SEEDS = st.integers(0, 10_000)


def source(seed: int) -> Cup:
    return draw_source(np.random.default_rng(seed))


def recipient(seed: int) -> Cup:
    return draw_recipient(np.random.default_rng(seed))


def straight(radius: float = 0.03, height: float = 0.1, wall: float = 0.002) -> Cup:
    return Cup('mug', (0.0, height), (radius, radius), wall, height / 2, 'ceramic', (1, 1, 1))


def enclosed(mesh: Mesh) -> float:
    """Volume within a closed mesh; negative when its triangles look inwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return float(np.einsum('ij,ij->i', a, np.cross(b, c)).sum() / 6)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_drawn_source_fits_a_hand_and_its_liquid_the_recipient(seed: int) -> None:
    cup, other = source(seed), recipient(seed + 1)
    assert 0.045 <= cup.diameter_at(cup.grip_height) <= 0.075
    assert cup.wall < cup.grip_height < cup.height
    assert 0.5 < cup.fill < 0.8
    assert other.fill == 0
    assert cup.fill * cup.volume < 0.9 * other.volume
    assert other.radius > cup.radius


def test_the_same_seed_draws_the_same_cup_and_others_other_kinds() -> None:
    assert source(3) == source(3)
    assert {source(seed).kind for seed in range(40)} == {
        *('tumbler', 'mug', 'beaker', 'carafe', 'barrel')
    }
    assert {recipient(seed).kind for seed in range(40)} == {'bowl', 'mug', 'glass', 'pot'}


def test_a_straight_cup_holds_what_a_cylinder_does() -> None:
    cup = straight()
    assert cup.volume == pytest.approx(np.pi * 0.028**2 * 0.098, rel=0.01)
    points = np.array([[0, 0, 0.05], [0.027, 0, 0.05], [0.029, 0, 0.05], [0, 0, 0.001], [0, 0, 1]])
    assert cup.holds(points).tolist() == [True, True, False, False, False]
    assert cup.holds(points, margin=0.002).tolist() == [True, True, True, True, False]


def test_turned_and_swept_meshes_are_closed_and_look_outwards() -> None:
    cylinder = revolve(np.array([[0, 0], [1, 0], [1, 2], [0, 2.0]]), around=200)
    assert enclosed(cylinder) == pytest.approx(2 * np.pi, rel=0.001)
    loop = revolve_loop(np.array([[1, 0], [2, 0], [2, 1], [1, 1.0]]), around=200)
    assert enclosed(loop) == pytest.approx(3 * np.pi, rel=0.001)
    bend = np.linspace(-1, 1, 50)
    rod = sweep(np.column_stack([2 + 0 * bend, 0 * bend, bend]), 0.1, around=50)
    assert enclosed(rod) == pytest.approx(np.pi * 0.01 * 2, rel=0.01)


@pytest.mark.parametrize('draw', [draw_source, draw_recipient])
def test_a_cup_is_one_mocap_body_of_meshes(
    draw: Callable[[np.random.Generator], Cup], physical: None
) -> None:
    mj = mujoco()

    spec = mj.MjSpec()
    cups = [draw(np.random.default_rng(seed)) for seed in range(8)]
    for number, cup in enumerate(cups):
        assert add_visual(spec, cup, f'cup/{number}').mocap
    model = spec.compile()
    assert model.nmocap == 8
    parts = sum(1 + (cup.handle_deg is not None) + (cup.band is not None) for cup in cups)
    assert model.ngeom == parts
    assert not model.geom_contype.any()


def test_what_beads_feel_is_where_the_cup_is(physical: None) -> None:
    mj = mujoco()

    for seed in range(6):
        cup = source(seed)
        spec = mj.MjSpec()
        add_collision(spec, spec.worldbody.add_body(), cup)
        model = spec.compile()
        data = mj.MjData(model)
        mj.mj_forward(model, data)
        for z in np.linspace(0.1, 0.95, 6) * cup.height:
            start, hit = np.array([0.0, 0.0, z]), np.zeros(1, np.int32)
            away = mj.mj_ray(model, data, start, np.array([1.0, 0, 0]), None, 1, -1, hit)
            assert away == pytest.approx(cup.inner_radius(np.array([z]))[0], abs=0.0012)


def test_a_level_cup_keeps_all_and_an_upturned_one_nothing() -> None:
    cup = straight()
    assert kept(cup, 0.0) > 0.97
    assert kept(cup, 140.0) < 0.02
    # Half full when the level runs from the lip to the foot's far edge.
    assert kept(cup, float(np.rad2deg(np.arctan2(0.098, 0.056)))) == pytest.approx(0.5, abs=0.02)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_less_is_left_the_further_a_cup_is_tilted(seed: int) -> None:
    cup = source(seed)
    tilts = pour_tilts(cup, np.linspace(1, 0.01, 12))
    assert (np.diff(tilts) > 0).all()
    first, last = pour_angles(cup)
    assert 50 < first < last < 125


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_pouring_cup_keeps_clear_of_the_recipient_and_ends_over_it(seed: int) -> None:
    cup, other = source(seed), recipient(seed)
    place = np.array([-0.06, 0.03, 0.0])
    for tilt in np.linspace(0, pour_angles(cup)[1], 12):
        foot = foot_over(cup, other, place, float(tilt))
        pose = Pose(foot, turn((0.0, -1.0, 0.0), float(tilt)))
        assert not _wall(other)[_inside(cup, pose, place + _wall(other))].size
    lip = pose.position + pose.matrix @ [-cup.radius, 0.0, cup.height]
    assert abs(lip[0] - place[0]) < 0.6 * other.radius
    assert lip[1] == pytest.approx(place[1])
    assert 0.01 < lip[2] - other.height < 0.06


def _wall(cup: Cup) -> Array:
    """Points of the outside, P x 3."""
    heights = np.linspace(0, cup.height, 15)
    angles = np.linspace(0, 2 * np.pi, 40)
    z, angle = map(np.ravel, np.meshgrid(heights, angles))
    out = np.interp(z, cup.heights, cup.radii)
    return np.column_stack([out * np.cos(angle), out * np.sin(angle), z])


def _inside(cup: Cup, pose: Pose, points: Array) -> NDArray[np.bool_]:
    """Which points are in the whole cup, its wall counted in."""
    seen = (points - pose.position) @ pose.matrix
    return cup.holds(seen, margin=cup.wall)


@given(SEEDS, st.floats(0.1, 0.75), st.floats(0, 100))
@settings(max_examples=30, deadline=None)
def test_a_body_of_liquid_has_its_volume_and_stays_in_the_cup(
    seed: int, share: float, tilt: float
) -> None:
    cup = source(seed)
    shape = Body(cup).shape(share, Pose(np.zeros(3), turn((0.0, -1.0, 0.0), tilt)))
    volume = enclosed(Mesh(shape.vertices, faces()))
    assert volume == pytest.approx(share * cup.volume, rel=0.2)  # corners cut
    matrix = Pose(np.zeros(3), turn((0.0, -1.0, 0.0), tilt)).matrix
    assert cup.holds(shape.vertices @ matrix, margin=1e-4).all()


def test_liquid_is_level_in_an_upright_cup_and_bows_to_the_lip_in_a_tilted_one() -> None:
    cup = straight()
    shape = Body(cup).shape(0.5, UPRIGHT)
    assert shape.normal.tolist() == [0, 0, 1]
    assert shape.place == pytest.approx(0.051, abs=0.001)
    assert shape.covers(np.array([[0, 0, 0.04], [0, 0, 0.06]])).tolist() == [True, False]
    tilted = Pose(np.zeros(3), turn((0.0, -1.0, 0.0), 75.0))
    lip = tilted.matrix @ [-0.028, 0.0, 0.1]
    heaped = Body(cup).shape(0.5, tilted)
    assert float(heaped.normal @ lip) == pytest.approx(heaped.place, abs=0.001)
    assert heaped.normal[0] < 0  # it rises away from the lip, which is at -x
