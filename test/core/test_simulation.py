"""The small world: what it shows is what it claims, and a frame of it tells the time."""

from __future__ import annotations

import cv2
from episode_reader import SIZE
import numpy as np
import pytest
from smaknet_core.simulation.small import meshes
from smaknet_core.simulation.small.lab import build_lab
from smaknet_core.simulation.small.painter import Light, look_at, paint_mesh, Pinhole
from smaknet_core.simulation.small.scenarios import make_world
from smaknet_core.simulation.world import ambiguity_floor, Truth

WHITE = np.ones(3)


@pytest.mark.parametrize('scenario', ['normal', 'pause', 'other-task'])
def test_a_single_frame_tells_the_time(scenario):
    floors = []
    for seed in range(12):
        world = make_world(seed, scenario, ('front',), SIZE, 0)
        assert 8 < world.duration_s < (16 if scenario == 'pause' else 12)
        truths = [world.truth(time) for time in np.arange(0, world.duration_s, 0.1)]
        floors.append(ambiguity_floor(truths))
    # A long pause is ambiguous by its nature: nobody can tell its beginning from its end.
    assert np.mean(floors) < (0.06 if scenario == 'pause' else 0.015)
    assert max(floors) < (0.12 if scenario == 'pause' else 0.03)


def test_ambiguity_floor_knows_a_way_back_like_the_way_out():
    def at(x):
        return Truth(0, 0, False, False, 90, False, False, (x, 0, 0), 0, 0, 0)

    out = [at(0.1 * step) for step in range(10)]
    assert ambiguity_floor(out) == 0
    # There and back: step t is taken for its mirror half the time; |t - s| = 19, 17, ... 1.
    assert ambiguity_floor(out + out[::-1]) == pytest.approx(np.mean(range(1, 20, 2)) / 2 / 20)


def test_pause_really_stops():
    plain = make_world(3, 'normal', ('front',), SIZE, 0)
    paused = make_world(3, 'pause', ('front',), SIZE, 0)
    assert paused.duration_s > plain.duration_s + 1.9
    times = np.arange(0, paused.duration_s, 0.1)
    progress = np.array([paused.progress_at(time) for time in times])
    still = np.diff(progress) == 0
    longest = max(len(run) for run in ''.join('x' if s else ' ' for s in still).split())
    assert longest >= 18


def test_progress_means_the_same_state_in_every_episode():
    worlds = [make_world(seed, 'normal', ('front',), SIZE, 0) for seed in range(4)]
    for progress in np.linspace(0, 1, 30):
        truths = [world._truth(progress) for world in worlds]
        assert len({(t.phase, t.contact, t.liquid_flowing, t.has_liquid) for t in truths}) == 1
        assert np.ptp([t.angle_deg for t in truths]) < 1e-9
        assert np.ptp([t.position_m for t in truths], axis=0).max() < 0.09


@pytest.mark.parametrize('scenario', ['normal', 'other-task'])
def test_the_pose_is_where_the_object_is_painted(scenario):
    """The pose and the truth, which the painting goes by, speak of one object."""
    world = make_world(4, scenario, ('side',), (120, 160), 0)
    truths = [world.truth(time) for time in np.arange(0, world.duration_s, 0.1)]
    for time, truth_then in zip(np.arange(0, world.duration_s, 0.1), truths, strict=True):
        foot = world.object_pose(time)
        grip = np.array(truth_then.position_m) - foot.position
        # What is held is on the object's axis, between its foot and its top.
        along = foot.matrix.T @ grip
        assert np.abs(along[:2]).max() < 1e-9
        assert 0.02 < along[2] < 0.1
        assert foot.position[2] > -0.01


def test_cameras_see_different_backdrops_and_labs_differ():
    views = list(build_lab(0).views.values())
    for index, view in enumerate(views):
        for other in views[:index]:
            gap = np.abs(view.backdrop.astype(float) - other.backdrop).mean()
            assert gap > 15, (view.name, other.name)
    frames = [
        make_world(0, 'normal', ('front',), SIZE, lab).render('front', 1.0).astype(float)
        for lab in (0, 1)
    ]
    assert np.abs(frames[0] - frames[1]).mean() > 10


def test_what_happens_is_seen_by_every_camera():
    names = ('front', 'side', 'high', 'corner')
    world = make_world(1, 'normal', names, SIZE, 0)
    for name in names:
        first, last = (
            world.render(name, share * world.duration_s).astype(int) for share in (0.0, 0.99)
        )
        moved = np.abs(first - last).max(axis=2) > 40
        assert moved.mean() > 0.02, name
        juice = (last[..., 0] > 170) & (last[..., 1] > 120) & (last[..., 2] < 110)
        assert juice.sum() > 12, name  # the bowl is full, and it shows


def camera(size=(60, 80)) -> Pinhole:
    return look_at(np.array([0.0, -1.0, 0.0]), np.zeros(3), 0.0, 1.0, size)


def test_pinhole_geometry():
    pixels, depth = camera().project(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, 0.1], [0, 1.0, 0]]))
    # Right is right, up is up, 0.1 m at 1 m is a tenth of the focal length (80 px).
    np.testing.assert_allclose(pixels, [[40, 30], [48, 30], [40, 22], [40, 30]], atol=1e-9)
    np.testing.assert_allclose(depth, [1, 1, 1, 2])


def test_intrinsics_say_where_things_are_painted():
    """A lit cube in front of the camera is where the camera matrix says, to half a pixel."""
    world = make_world(0, 'normal', ('front',), (240, 320), 0)
    focal, _, cx, cy = world.intrinsics('front')[2:]
    eye = Pinhole(np.zeros(3), np.eye(3), focal / 320, (240, 320))
    cube = meshes.box((0.2, 0.2, 0.2), WHITE)
    for point in ([0.0, 0.0, 1.0], [0.31, -0.2, 1.2], [-0.2, 0.25, 1.5]):
        canvas = np.zeros((480, 640, 3), np.uint8)
        light = Light(np.array([0.0, 0.0, -1.0]), 1.0)
        paint_mesh(canvas, eye.finer(2), cube.moved(np.eye(3), np.array(point)), light)
        seen = cv2.resize(canvas, (320, 240), interpolation=cv2.INTER_AREA).astype(float)
        front = np.array(point) - [0, 0, 0.1]  # of the face that looks at the camera
        expected = focal * front[:2] / front[2] + [cx, cy]
        face = seen[..., 0] > 0.9 * seen.max()
        rows, columns = np.nonzero(face)
        middle = [(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2]
        np.testing.assert_allclose(middle, expected, atol=0.6)


def test_nearer_hides_farther_whatever_the_order():
    light = Light(np.array([0.0, 0.0, 1.0]), 1.0)
    red, green = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    near = meshes.box((0.1, 0.1, 0.1), red)
    far = meshes.box((0.4, 0.1, 0.4), green).moved(np.eye(3), np.array([0, 0.4, 0]))
    for order in ([near, far], [far, near]):
        canvas = np.zeros((60, 80, 3), np.uint8)
        paint_mesh(canvas, camera(), meshes.merge(order), light)
        assert canvas[30, 40, 0] > 60 > canvas[30, 40, 1]
        assert canvas[30, 50, 1] > 60 > canvas[30, 50, 0]
        assert canvas[5, 5].sum() == 0


@pytest.mark.parametrize(
    'solid',
    [
        meshes.box((0.2, 0.3, 0.4), WHITE),
        meshes.ball(0.2, WHITE),
        meshes.rod(np.array([0.1, 0, 0]), np.array([0.2, 0.3, 0.1]), (0.05, 0.04), WHITE),
    ],
)
def test_faces_look_outwards_and_close_the_solid(solid):
    quads = solid.quads
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]) / 2
    centre = quads.reshape(-1, 3).mean(axis=0)
    outward = np.einsum('fk,fk->f', normals, quads.mean(axis=1) - centre)
    assert (outward > -1e-12).all()
    np.testing.assert_allclose(normals.sum(axis=0), 0, atol=1e-12)  # closed: areas cancel
