"""The hand of the physical world: fingers touch what they hold, an open hand is clear of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.grasp import Grasp
from smaknet_core.simulation.physical.hand import (
    FOREARM_LENGTH,
    HumanHand,
    SHOULDER,
    UPPER_LENGTH,
)
from smaknet_core.simulation.physical.hand_bones import BONES, facing, FINGERS, quaternion
from smaknet_core.simulation.physical.hand_skin import hand_skin, NAMES
from smaknet_core.simulation.physical.surface_nets import surface_of
from smaknet_core.simulation.pose import Array, multiply, Pose, turn

DIAMETERS = (0.04, 0.055, 0.07, 0.09)
TIPS = [f'{finger}_distal' for finger in (*FINGERS, 'thumb')]


class Scene:
    """A hand, compiled, and where its skin is after placing."""

    def __init__(self, seed: int = 0) -> None:
        self.mj: Any = mujoco()
        spec = self.mj.MjSpec()
        self.hand = HumanHand(np.random.default_rng(seed))
        self.hand.add_to(spec)
        self.model = spec.compile()
        self.data = self.mj.MjData(self.model)
        self.hand.bind(self.model)

    def place(self, frame: Pose, opening: float, diameter: float) -> None:
        self.hand.place(self.model, self.data, Grasp(frame, opening, diameter))
        self.mj.mj_kinematics(self.model, self.data)

    def pose(self, bone: str) -> Pose:
        body = self.data.body('hand/' + bone)
        return Pose(body.xpos.copy(), body.xquat.copy())

    def skin(self) -> Array:
        """Points of the skin (N x 3, metres) as MuJoCo draws them: linear blend skinning."""
        skin = hand_skin()
        points = np.zeros_like(skin.points)
        for name, weight in zip(NAMES, skin.weights.T, strict=True):
            moved = self.pose(name) @ skin.bones[name].inverse
            points += weight[:, None] * (skin.points @ moved.matrix.T + moved.position)
        return points


@pytest.fixture(scope='module')
def scene(physical: None) -> Scene:
    return Scene()


def standing(x: float, y: float, z: float, tilt: float = 0.0, yaw: float = 0.0) -> Pose:
    """Grasp frame of a cup that is tilted to the left of who pours."""
    return Pose(
        np.array([x, y, z]),
        multiply(turn((0.0, -1.0, 0.0), tilt), turn((0.0, 0.0, 1.0), 90 + yaw)),
    )


POUR = [
    standing(0.16, -0.02, 0.06),
    standing(0.10, 0.0, 0.18, yaw=-20),
    *(standing(0.02, 0.0, 0.22, tilt) for tilt in (30.0, 60.0, 90.0, 115.0)),
    standing(-0.26, 0.0, 0.06, yaw=15),
]


def gaps(frame: Pose, points: Array, diameter: float) -> Array:
    """Distance (metres) of points from the surface of an endless cylinder; negative inside."""
    inside = (points - frame.position) @ frame.matrix
    gap: Array = np.hypot(inside[:, 0], inside[:, 1]) - diameter / 2
    return gap


def along(pose: Pose, length: float) -> Array:
    share: Array = np.linspace(0.0, length, 9)
    return pose.position + share[:, None] * pose.matrix[:, 2]


@pytest.mark.parametrize('diameter', DIAMETERS)
def test_closed_fingertips_touch(scene: Scene, diameter: float) -> None:
    scene.place(POUR[0], 0.0, diameter)
    for tip in TIPS:
        bone = BONES[tip]
        flesh = np.linspace(*bone.thickness, 9)
        nearest = (gaps(POUR[0], along(scene.pose(tip), bone.length), diameter) - flesh).min()
        assert abs(nearest) < 0.008, f'{tip}: {1000 * nearest:.1f} mm'


@pytest.mark.parametrize('diameter', DIAMETERS)
def test_closed_skin_barely_goes_in(scene: Scene, diameter: float) -> None:
    scene.place(POUR[0], 0.0, diameter)
    assert gaps(POUR[0], scene.skin(), diameter).min() > -0.008


@pytest.mark.parametrize('diameter', DIAMETERS)
def test_open_hand_is_clear_of_the_cup(scene: Scene, diameter: float) -> None:
    scene.place(POUR[0], 1.0, diameter)
    assert gaps(POUR[0], scene.skin(), diameter).min() > 0.02


@pytest.mark.parametrize('diameter', DIAMETERS)
def test_closing_does_not_go_through_the_cup(scene: Scene, diameter: float) -> None:
    for opening in np.linspace(0.1, 0.9, 9):
        scene.place(POUR[0], float(opening), diameter)
        assert gaps(POUR[0], scene.skin(), diameter).min() > -0.008, opening


def test_closing_is_steady(scene: Scene) -> None:
    skins = []
    for opening in np.linspace(0, 1, 51):
        scene.place(POUR[0], float(opening), 0.07)
        skins.append(scene.skin())
    assert np.linalg.norm(np.diff(skins, axis=0), axis=2).max() < 0.006


def test_hand_stays_above_the_table(scene: Scene) -> None:
    for opening in (0.0, 0.5, 1.0):
        scene.place(standing(0.16, -0.02, 0.042), opening, 0.06)
        assert scene.skin()[:, 2].min() > 0


def test_hand_goes_with_the_cup(scene: Scene) -> None:
    """Seen from the cup, the holding hand is the same all through the pour."""
    held = []
    for frame in POUR:
        scene.place(frame, 0.0, 0.065)
        tip = scene.pose('index_distal')
        held.append((tip.position - frame.position) @ frame.matrix)
    np.testing.assert_allclose(held, [held[0]] * len(POUR), atol=1e-9)


def test_wrist_bends_as_a_wrist_can(scene: Scene) -> None:
    for frame in POUR:
        scene.place(frame, 0.0, 0.065)
        forearm, palm = scene.pose('forearm'), scene.pose('palm')
        bend = np.rad2deg(np.arccos(forearm.matrix[:, 2] @ palm.matrix[:, 2]))
        assert bend < 70
        assert forearm.matrix[:, 0] @ palm.matrix[:, 0] > 0.8, 'the forearm rolls with the hand'
        assert forearm.matrix[1, 2] > 0.4, 'the arm comes from the demonstrator'
        np.testing.assert_allclose(forearm.position, palm.position, atol=1e-9)


def test_arm_hangs_together(scene: Scene) -> None:
    for frame in POUR:
        scene.place(frame, 0.0, 0.065)
        forearm, upper, torso = (scene.pose(name) for name in ('forearm', 'upper_arm', 'torso'))
        elbow = forearm.position - FOREARM_LENGTH * forearm.matrix[:, 2]
        np.testing.assert_allclose(elbow, upper.position, atol=1e-9)
        assert elbow[2] > 0.05
        shoulder = torso.position + torso.matrix @ SHOULDER
        away = np.linalg.norm(shoulder - elbow)
        assert UPPER_LENGTH - 0.10 < away < UPPER_LENGTH + 1e-9
        np.testing.assert_allclose(upper.matrix[:, 2], (shoulder - elbow) / away, atol=1e-9)


def test_nothing_of_it_moves_by_itself_or_collides(scene: Scene) -> None:
    assert scene.model.nv == 0
    assert not scene.model.geom_contype.any()
    assert not scene.model.geom_conaffinity.any()
    assert scene.model.ngeom <= 16


def test_seed_decides_the_look(physical: None) -> None:
    looks = [HumanHand(np.random.default_rng(seed)).look for seed in (3, 3, *range(20))]
    np.testing.assert_array_equal(looks[0].shirt, looks[1].shirt)
    assert len({round(float(look.skin.mean()), 3) for look in looks[2:]}) > 10
    assert {look.watch is None for look in looks} == {True, False}


def test_every_look_compiles(physical: None) -> None:
    for seed in range(4):
        assert Scene(seed).model.nskin == 1


def test_skin_is_closed_and_hangs_on_bones() -> None:
    skin = hand_skin()
    np.testing.assert_allclose(skin.weights.sum(axis=1), 1.0)
    edges = np.concatenate([skin.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    assert {*map(tuple, edges.tolist())} == {*map(tuple, edges[:, ::-1].tolist())}
    assert (skin.shade >= 0).all()
    assert (skin.shade <= 1).all()


def test_sleeve_hides_what_is_behind_it() -> None:
    bare = hand_skin().outside(0.05)
    assert bare.points[:, 2].min() > -0.05
    assert len(bare.points) == len(bare.weights) == len(bare.shade) == bare.faces.max() + 1


def test_surface_of_a_ball() -> None:
    """Volume by the divergence theorem: right, and positive as the faces look outwards."""
    axis = np.arange(-0.06, 0.06, 0.004)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing='ij'), axis=-1)
    ball = surface_of(np.linalg.norm(grid, axis=-1) - 0.05, np.full(3, -0.06), 0.004)
    np.testing.assert_allclose(np.linalg.norm(ball.points, axis=1), 0.05, atol=4e-4)
    corners = ball.points[ball.faces]
    volume = np.linalg.det(corners).sum() / 6
    assert volume == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=0.02)


def test_bone_points_and_faces_as_asked() -> None:
    along_, palmar = np.array([0.6, 0.0, 0.8]), np.array([0.0, -1.0, 0.0])
    matrix = Pose(np.zeros(3), facing(along_, palmar)).matrix
    np.testing.assert_allclose(matrix[:, 2], along_, atol=1e-12)
    np.testing.assert_allclose(matrix[:, 1], -palmar, atol=1e-12)
    np.testing.assert_allclose(np.abs(quaternion(np.eye(3))), [1, 0, 0, 0], atol=1e-12)
