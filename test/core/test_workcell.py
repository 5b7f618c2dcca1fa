"""The workcell: an arm that obeys and lags, a gripper that may miss, a pour stepped as it goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from smaknet_core.errors import DataError
from smaknet_core.simulation.physical.beads import EVERY_S
from smaknet_core.simulation.physical.flow import Flow
from smaknet_core.simulation.physical.gripper import Gripper, runs_into
from smaknet_core.simulation.physical.liquid import simulate_pour
from smaknet_core.simulation.physical.retarget import CupTrack, grasps_for, grip_of
from smaknet_core.simulation.physical.robot import RobotArm
from smaknet_core.simulation.physical.servo import Limits, Servo
from smaknet_core.simulation.physical.table_setting import draw_setting
from smaknet_core.simulation.physical.workcell import plan_for, Workcell
from smaknet_core.simulation.pose import Array, Pose, turn

SEED = 12
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])
SETTING = draw_setting(SEED)


@pytest.fixture(scope='module')
def track(physical: None) -> CupTrack:
    """Where the cup was while somebody poured."""
    from smaknet_core.simulation.physical.pouring import Pouring

    episode = Pouring(SEED, 'normal', ['third_person'], (96, 128), 0, 'hand')
    times = np.arange(0, episode.duration_s, 1 / 30)
    return CupTrack(times, [episode.object_pose(float(time)) for time in times])


@pytest.fixture(scope='module')
def plan(track: CupTrack) -> Any:
    return plan_for(track, SETTING.source)


def play(
    plan: Any, speed: float = 1.0, hold: tuple[float, float] = (0, 0), **more: Any
) -> Workcell:
    """Command all of a plan by the clock, and let time pass until it is over."""
    _, times, points = plan
    cell = Workcell(SEED, 0, points[0], **more)
    cell.command(times, points)
    while cell.time_s < times[-1] + 0.5:
        cell.servo.speed = 0.0 if hold[0] <= cell.time_s < sum(hold) else speed
        cell.advance()
    return cell


def test_a_cup_is_poured_as_it_was_in_a_hand(plan: Any) -> None:
    cell = play(plan)
    assert cell.delivered > 0.9
    assert cell.spilled < 0.05
    assert not cell.gripper.holds
    assert cell.gripper.cup.position == pytest.approx(SETTING.places.end, abs=0.01)


@pytest.mark.slow
def test_an_arm_at_half_speed_leaves_the_cup_elsewhere_when_a_clock_commands(plan: Any) -> None:
    cell = play(plan, speed=0.5)
    assert np.linalg.norm(cell.gripper.cup.position - SETTING.places.end) > 0.05


@pytest.mark.slow
def test_an_arm_that_was_held_spills_when_a_clock_commands(plan: Any) -> None:
    assert play(plan, hold=(3.0, 2.0)).spilled > 0.1


def test_the_arm_follows_with_a_lag_and_keeps_its_limits(physical: None) -> None:
    kinematics = RobotArm(np.random.default_rng(0)).kinematics
    limits = Limits(np.full(7, 2.0), 0.25, 45.0, lag_s=0.1)
    servo = Servo(kinematics, limits, kinematics.rest)
    goal = kinematics.rest + 0.3
    servo.command(0.0, np.array([0.5]), goal[None])
    before, fastest, place = servo.joints, 0.0, kinematics.forward(servo.joints).position
    for step in range(1, 200):
        servo.advance(step * EVERY_S, EVERY_S)
        now = kinematics.forward(servo.joints).position
        fastest, place = max(fastest, float(np.linalg.norm(now - place)) / EVERY_S), now
        if step == 50:
            assert np.abs(servo.joints - goal).max() > 0.01  # it is due, and not yet there
    assert fastest < 0.25 * 1.02
    assert servo.joints == pytest.approx(goal, abs=1e-3)
    assert not np.array_equal(before, servo.joints)


def test_a_trajectory_replaces_the_one_before_from_where_that_one_is(physical: None) -> None:
    kinematics = RobotArm(np.random.default_rng(0)).kinematics
    servo = Servo(kinematics, Limits(np.full(7, 2.0), 0.25, 45.0), kinematics.rest)
    servo.command(0.0, np.array([1.0]), kinematics.rest[None] + 0.2)
    half = servo.wanted(0.5)
    assert half == pytest.approx(kinematics.rest + 0.1)
    late = np.array([0.2, 0.9])  # the first is past
    servo.command(0.5, late, np.stack([kinematics.rest - 1, kinematics.rest]))
    assert servo.wanted(0.5) == pytest.approx(half)
    assert servo.wanted(0.7) == pytest.approx(kinematics.rest + 0.05)
    assert servo.wanted(5.0) == pytest.approx(kinematics.rest)


def test_a_held_arm_stands_still(physical: None) -> None:
    kinematics = RobotArm(np.random.default_rng(0)).kinematics
    servo = Servo(kinematics, Limits(np.full(7, 2.0), 0.25, 45.0), kinematics.rest)
    servo.command(0.0, np.array([0.1]), kinematics.rest[None] + 0.2)
    servo.speed = 0.0
    servo.advance(0.1, EVERY_S)
    assert (servo.joints == kinematics.rest).all()


def close(gripper: Gripper, site: Pose, wanted: float) -> None:
    for _ in range(100):
        gripper.advance(site, wanted, EVERY_S)


def test_fingers_take_what_is_between_them_and_nothing_else(physical: None) -> None:
    stands = Pose(np.array([0.1, 0.0, 0.0]), UPRIGHT)
    site, up = grip_of(stands, SETTING.source), np.array([0.0, 0.0, 0.1])
    near = Gripper(SETTING.source, stands, 0.08)
    close(near, site, 0.0)
    assert near.holds
    near.advance(Pose(site.position + up, site.quaternion), 0.0, EVERY_S)
    assert near.cup.position == pytest.approx([0.1, 0.0, 0.1])
    beside = Gripper(SETTING.source, stands, 0.08)
    close(beside, Pose(site.position + [0.0, -0.03, 0.0], site.quaternion), 0.0)
    assert not beside.holds
    assert beside.cup.position == pytest.approx([0.1, 0.0, 0.0])


def test_a_cup_let_go_in_the_air_falls_to_the_table(physical: None) -> None:
    stands = Pose(np.array([0.1, 0.0, 0.0]), UPRIGHT)
    site = grip_of(stands, SETTING.source)
    gripper = Gripper(SETTING.source, stands, 0.08)
    close(gripper, site, 0.0)
    high = Pose(site.position + [0.0, 0.0, 0.2], site.quaternion)
    close(gripper, high, 0.0)
    assert gripper.cup.position[2] == pytest.approx(0.2)
    close(gripper, high, 0.08)
    assert not gripper.holds
    assert gripper.cup.position[2] == pytest.approx(0.0, abs=1e-3)


def test_a_cup_runs_into_another_only_below_its_rim(physical: None) -> None:
    source, recipient, places = SETTING
    above = places.recipient + [0.0, 0.0, recipient.height + 0.01]
    assert not runs_into(source, Pose(above, UPRIGHT), recipient, places.recipient)
    into = places.recipient + [0.0, 0.0, recipient.height - 0.02]
    assert runs_into(source, Pose(into, UPRIGHT), recipient, places.recipient)
    aside = Pose(into + [0.3, 0.0, 0.0], UPRIGHT)
    assert not runs_into(source, aside, recipient, places.recipient)


def test_the_gripper_goes_where_the_cup_went_and_comes_and_leaves_open(track: CupTrack) -> None:
    lifted_s, stood_s = track.held()
    assert 1.0 < lifted_s < 2.5
    assert track.times_s[-1] - 2.5 < stood_s < track.times_s[-1]
    middle = (lifted_s + stood_s) / 2
    times = np.array([0.0, lifted_s - 0.01, middle, track.times_s[-1]])
    first, taken, held, last = grasps_for(track, SETTING.source, times)
    assert held.frame.position == pytest.approx(grip_of(track.at(middle), SETTING.source).position)
    assert [round(g.opening) for g in (first, taken, held, last)] == [1, 0, 0, 1]
    for grasp, end in ((first, 0), (last, -1)):
        assert np.linalg.norm(grasp.frame.position - track.poses[end].position) > 0.2


def test_a_cup_that_stands_all_the_time_cannot_be_followed() -> None:
    still = Pose(np.zeros(3), UPRIGHT)
    with pytest.raises(DataError, match='does not move'):
        CupTrack(np.arange(3.0), [still] * 3).held()


def test_a_stepped_pour_is_the_pour_that_is_simulated_at_once(physical: None) -> None:
    start = SETTING.places.start

    def pose(time_s: float) -> Pose:
        return Pose(start + [0.0, 0.0, 0.2 * time_s], turn((0.0, -1.0, 0.0), 300 * time_s))

    def rng() -> np.random.Generator:
        return np.random.default_rng(3)

    cups = (SETTING.source, SETTING.recipient, SETTING.places.recipient)
    whole = simulate_pour(*cups, pose, 0.6, rng())
    flow = Flow(*cups, pose(0.0), rng())
    for moment in range(1, 61):
        flow.advance(pose(moment * EVERY_S))
    recent = flow.recent()
    assert (recent.beads[-1] == whole.beads[-1]).all()
    assert (recent.held[-20:] == whole.held[-20:]).all()
    assert flow.delivered == whole.delivered
    assert flow.left == whole.held[-1].mean()


def test_pictures_show_the_arm_where_it_is(plan: Any) -> None:
    _, times, points = plan

    def seen(after: int) -> Array:
        cell = Workcell(SEED, 0, points[after])
        cell.advance()
        picture = cell.render('third_person')
        cell.close()
        return picture.astype(float)

    start, later = seen(0), seen(len(times) // 2)
    assert start.shape == (96, 128, 3)
    assert np.abs(start - later).max() > 60
