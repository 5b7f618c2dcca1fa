"""The physical world's studio: pictures of a laboratory that agree with its geometry."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.errors import ConfigError
from smaknet_core.simulation.physical import studio as studio_module
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.physical.cameras import (
    aim,
    Cameras,
    draw_viewpoints,
    MOVING,
    NAMES,
    turned,
)
from smaknet_core.simulation.physical.clutter import Clutter, is_out_of_the_way, KINDS
from smaknet_core.simulation.physical.room import Room
from smaknet_core.simulation.physical.studio import Studio

SIZE = (96, 128)


class Ball:
    """A glowing ball, 2 cm across, that goes where it is told."""

    def add_to(self, spec: Any) -> None:
        mj = mujoco()
        self.body = spec.worldbody.add_body(name='ball', mocap=True)
        spec.add_material(name='ball', rgba=[1, 0, 1, 1], emission=1.0, specular=0)
        self.body.add_geom(type=mj.mjtGeom.mjGEOM_SPHERE, size=[0.01, 0, 0], material='ball')

    def bind(self, model: Any) -> None:
        self.mocap = model.body('ball').mocapid[0]

    def at(self, position: Any) -> Any:
        def place(model: Any, data: Any) -> None:
            data.mocap_pos[self.mocap] = position

        return place


def magenta(picture: Any) -> Any:
    """How much redder and bluer than green every pixel is."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return np.minimum(red, blue) - green


def cameras(lab: int, episode: int = 0) -> Cameras:
    return Cameras(Room(lab).viewpoints, np.random.default_rng(episode))


def open_studio(lab: int = 0, parts: Any = (), size: tuple[int, int] = SIZE) -> Studio:
    return Studio(parts, Room(lab), cameras(lab), size)


@pytest.fixture(scope='module')
def lab_studio(physical: None):
    """Laboratory 0 with nothing on the table."""
    with open_studio() as studio:
        yield studio


@pytest.mark.parametrize('size', [(128, 128), (240, 320)])
def test_a_point_is_where_the_intrinsics_say(physical: None, size: tuple[int, int]) -> None:
    ball, views, time_s = Ball(), cameras(3), 1.7
    with Studio([ball], Room(3), views, size) as studio:
        for name in NAMES:
            fx, fy, cx, cy = views.intrinsics(name, size)
            pose = views.camera_pose(name, time_s)
            for point in np.array([[0.16, -0.02, 0.15], [-0.25, 0.05, 0.1]]):
                x, y, z = (point - pose.position) @ pose.matrix
                excess = magenta(studio.render(name, time_s, ball.at(point)))
                excess -= magenta(studio.render(name, time_s, ball.at([0, 0, -3])))
                weight = np.where(excess > 100, excess, 0)  # not its shadow
                rows, columns = np.indices(size)
                found = [np.average(axis, weights=weight) for axis in (columns, rows)]
                assert found == pytest.approx([cx - fx * x / z, cy + fy * y / z], abs=0.35)


def test_the_same_moment_gives_the_same_pixels(lab_studio: Studio) -> None:
    first = lab_studio.render('first_person', 2.0)
    lab_studio.render('side', 0.3)
    assert (lab_studio.render('first_person', 2.0) == first).all()
    with open_studio() as again:
        assert (again.render('first_person', 2.0) == first).all()


def test_studios_open_at_once_do_not_disturb_each_other(lab_studio: Studio) -> None:
    alone = lab_studio.render('side', 1.0)
    with open_studio(lab=5, size=(64, 64)) as other:
        assert (lab_studio.render('side', 1.0) == alone).all()
        first = other.render('side', 1.0)
        lab_studio.render('side', 1.0)
        assert (other.render('side', 1.0) == first).all()
    assert (lab_studio.render('side', 1.0) == alone).all()


def test_pictures_are_not_plain(lab_studio: Studio) -> None:
    for name in NAMES:
        picture = lab_studio.render(name, 0.0)
        assert picture.shape == (*SIZE, 3)
        assert picture.dtype == np.uint8
        assert picture.std(axis=(0, 1)).min() > 10  # furniture, floor, shadows
        assert 50 < picture.mean() < 200  # neither dark nor washed out
        assert (picture == 255).mean() < 0.02


def test_laboratories_differ(physical: None, lab_studio: Studio) -> None:
    with open_studio(lab=1) as other:
        for name in NAMES:
            here, there = (cv2.blur(s.render(name, 0.0), (9, 9)) for s in (lab_studio, other))
            assert np.abs(here.astype(int) - there).mean() > 15


def test_a_static_camera_sees_only_noise_move(lab_studio: Studio) -> None:
    for name in NAMES:
        first, later = (lab_studio.render(name, t).astype(int) for t in (1.0, 1.1))
        moved = np.abs(first - later).mean()
        assert moved > 0.5  # every frame has its own noise
        assert (moved > 2.5) == (name == 'first_person')


@settings(max_examples=30, deadline=None)
@given(lab=st.integers(0, 10**6), episode=st.integers(0, 10**6), time_s=st.floats(0, 30))
def test_the_head_sways_by_centimetres_and_degrees(lab, episode, time_s) -> None:
    views = cameras(lab, episode)
    at_rest = views.viewpoints['first_person']
    now, soon = (views.camera_pose('first_person', t) for t in (time_s, time_s + 0.1))
    assert np.linalg.norm(now.position - at_rest.position) < 0.12
    assert np.linalg.norm(now.position - soon.position) < 0.03
    ahead = [-pose.matrix[:, 2] for pose in (now, soon)]
    to_task = at_rest.target - at_rest.position
    assert ahead[0] @ to_task / np.linalg.norm(to_task) > np.cos(np.deg2rad(15))
    assert ahead[0] @ ahead[1] > np.cos(np.deg2rad(4))


@given(seed=st.integers(0, 10**6), demonstrator=st.sampled_from(['hand', 'robot']))
@settings(max_examples=30, deadline=None)
def test_every_camera_sees_the_whole_task(seed: int, demonstrator: str) -> None:
    places = draw_viewpoints(np.random.default_rng(seed), demonstrator)
    views = Cameras(places, np.random.default_rng(seed))
    # Where cups stand, as the choreography draws their places, and where one pours.
    corners = [[x, y, 0] for x in (-0.32, 0.22) for y in (-0.08, 0.07)] + [[-0.05, 0, 0.35]]
    for name in NAMES:
        _, focal, *_ = views.intrinsics(name, (100, 100))
        pose = views.camera_pose(name, seed % 20)
        seen = (np.array(corners) - pose.position) @ pose.matrix
        beyond = 2 if name in MOVING else 0  # what a sway may cut off
        assert (np.abs(focal * seen[:, :2] / seen[:, 2:]) < 50 + beyond).all()


@given(seed=st.integers(0, 10**6), degrees=st.floats(-45, 45))
@settings(max_examples=30, deadline=None)
def test_a_turned_camera_goes_around_what_it_looks_at(seed: int, degrees: float) -> None:
    usual = draw_viewpoints(np.random.default_rng(seed), 'hand')
    moved = turned(usual, degrees)
    assert all(moved[name] is usual[name] for name in NAMES if name != 'third_person')
    before, after = (views['third_person'] for views in (usual, moved))
    assert (after.target == before.target).all()
    assert (after.roll_deg, after.fovy_deg) == (before.roll_deg, before.fovy_deg)
    reach, swung = (view.position - before.target for view in (before, after))
    assert np.linalg.norm(swung) == pytest.approx(np.linalg.norm(reach))
    assert swung[2] == pytest.approx(reach[2])
    # 0: where it faces the demonstrator; both sides count upwards from there
    side = np.sign(reach[0])
    azimuth, onwards = (np.rad2deg(np.arctan2(side * x, y)) for x, y, _ in (reach, swung))
    assert onwards - azimuth == pytest.approx(degrees, abs=1e-6)


def test_a_camera_that_is_not_turned_is_the_same_to_the_bit() -> None:
    usual = Room(4).viewpoints
    assert turned(usual, 0.0) is usual


def test_who_demonstrates_moves_the_head_alone() -> None:
    person, robot = (Room(4, who).viewpoints for who in ('hand', 'robot'))
    for name in NAMES:
        shift = np.linalg.norm(person[name].position - robot[name].position)
        assert (shift > 0.2) == (name == 'first_person')


def test_a_camera_aims_upright() -> None:
    pose = aim(np.array([0.0, 1.0, 1.0]), np.zeros(3), 0.0)
    assert -pose.matrix[:, 2] == pytest.approx([0, -np.sqrt(0.5), -np.sqrt(0.5)])
    assert pose.matrix[:, 0] == pytest.approx([-1, 0, 0])  # the table's right is at the left
    assert pose.matrix[2, 1] > 0


@given(seed=st.integers(0, 10**6), lab=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_clutter_stands_on_the_table_apart_and_out_of_the_way(seed: int, lab: int) -> None:
    room = Room(lab)
    things = Clutter(np.random.default_rng(seed), room).things
    assert 1 <= len(things) <= 5
    left, right, front, back = room.table
    for index, thing in enumerate(things):
        (x, y), radius = thing.position, thing.kind.radius
        assert left + radius < x < right - radius
        assert front + radius < y < back - radius
        assert not (-0.36 < x < 0.26 and y < 0.14)
        for other in things[:index]:
            gap = np.linalg.norm(thing.position - other.position)
            assert gap > radius + other.kind.radius


def test_clutter_does_not_hide_the_task_from_a_camera() -> None:
    milk = next(kind for kind in KINDS if kind.mesh == 'milk')
    lemon = next(kind for kind in KINDS if kind.mesh == 'lemon')
    eye = np.array([0.5, 0.9, 0.6])
    on_the_way, behind = np.array([0.25, 0.3]), np.array([-0.5, -0.2])
    assert not is_out_of_the_way(on_the_way, milk, [eye])
    assert is_out_of_the_way(on_the_way, milk, [])
    assert is_out_of_the_way(on_the_way, lemon, [eye])  # too low to hide anything
    assert is_out_of_the_way(behind, milk, [eye])
    assert not is_out_of_the_way(np.array([0.1, -0.3]), lemon, [])  # where the arm comes from


@pytest.mark.parametrize('size', [(31, 64), (64, 31), (1081, 1280), (720, 1921)])
def test_odd_sizes_are_refused(physical: None, size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match='size: expected 32x32'):
        open_studio(size=size)


@pytest.mark.parametrize('size', [(64, 64), (720, 1280)])
def test_sizes_from_thumbnails_to_720p(physical: None, size: tuple[int, int]) -> None:
    with open_studio(parts=[Clutter(np.random.default_rng(0), Room(0))], size=size) as studio:
        assert studio.render('overhead', 0.0).shape == (*size, 3)


@pytest.mark.parametrize(
    ('size', 'drawn'),
    [
        ((64, 64), (128, 128)),
        ((63, 97), (126, 194)),
        ((240, 320), (360, 480)),
        ((201, 300), (201, 300)),
        ((720, 1280), (720, 1280)),
    ],
)
def test_small_pictures_are_drawn_larger(size, drawn) -> None:
    assert studio_module._drawn_size(size) == drawn


def test_what_is_not_seen_is_left_out_and_not_missed(lab_studio: Studio) -> None:
    model, data = lab_studio.model, lab_studio.data
    for name in NAMES:
        lab_studio.render(name, 0.7)
        left_out = model.geom_group != 0
        picture = lab_studio.renderer.draw(data, model.camera(name).id)
        model.geom_group[:] = 0
        assert (lab_studio.renderer.draw(data, model.camera(name).id) == picture).all()
        assert left_out.sum() > 30


def test_a_closed_studio_may_be_closed_again(physical: None) -> None:
    studio = open_studio(size=(32, 32))
    studio.close()
    studio.close()


BROKEN = """
import sys
from smaknet_core.errors import ConfigError
import numpy as np
from smaknet_core.simulation.physical.cameras import Cameras
from smaknet_core.simulation.physical.room import Room
from smaknet_core.simulation.physical.studio import Studio
try:
    room = Room(0)
    Studio([], room, Cameras(room.viewpoints, np.random.default_rng(0)), (64, 64))
except ConfigError as err:
    sys.exit(f'ConfigError: {err}')
"""


# As on a machine without libEGL: whoever opens it finds nothing.
NO_EGL = """
import ctypes
load = ctypes.CDLL.__init__
def refuse(self, name=None, *args, **kwargs):
    if 'EGL' in str(name):
        raise OSError(f'{name}: cannot open shared object file')
    load(self, name, *args, **kwargs)
ctypes.CDLL.__init__ = refuse
"""


@pytest.mark.parametrize('platform', ['egl', 'osmesa', 'glfw'])
def test_missing_gl_names_the_package(physical: None, platform: str) -> None:
    env = {**os.environ, 'MUJOCO_GL': platform, 'DISPLAY': ''}
    env.pop('PYOPENGL_PLATFORM', None)
    code = (NO_EGL if platform == 'egl' else '') + BROKEN
    run = subprocess.run(
        [sys.executable, '-c', code], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert 'Traceback' not in run.stderr
    assert 'ConfigError: no OpenGL without a screen' in run.stderr
    assert 'apt install --no-install-recommends libegl1' in run.stderr


def test_a_process_that_forgets_to_close_ends_quietly(physical: None) -> None:
    forgetful = BROKEN.replace('    Studio(', '    kept = Studio(')
    run = subprocess.run(
        [sys.executable, '-c', forgetful], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, '')
