"""
What the demonstrator does: phases and keyframes of the pour, and of the task that is not one.

A choreography maps progress (0 ... 1, place in the script) to where the cup is and what the hand
does. The way back is not the way there and the hand leaves elsewhere than it came from, so that
a single frame tells the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from smaknet_core.simulation.physical.cups import Cup
from smaknet_core.simulation.physical.grasp import Grasp
from smaknet_core.simulation.physical.tilting import foot_over, pour_tilts
from smaknet_core.simulation.pose import Array, blend, multiply, Pose, turn
from smaknet_core.simulation.script import Phase, place_in

POUR = (
    Phase('reach', 0.9),
    Phase('approach', 0.5),
    Phase('grasp', 0.4),
    Phase('lift', 0.7),
    Phase('carry', 0.8),
    Phase('tilt', 0.8),
    Phase('pour', 3.0),
    Phase('untilt', 0.8),
    Phase('across', 0.8),
    Phase('lower', 0.7),
    Phase('release', 0.4),
    Phase('withdraw', 0.5),
    Phase('leave', 0.7),
)
SHAKE = (
    Phase('reach', 0.9),
    Phase('approach', 0.5),
    Phase('grasp', 0.4),
    Phase('lift', 0.7),
    Phase('swing left', 0.8),
    Phase('swing right', 0.8),
    Phase('swing back', 0.8),
    Phase('swing forth', 0.8),
    Phase('bring', 0.9),
    Phase('lower', 0.7),
    Phase('release', 0.4),
    Phase('withdraw', 0.5),
    Phase('leave', 0.7),
)
FOOT_OFF_TABLE_M = 0.03  # at least, while it pours
HELD_FROM = 3  # both scripts: index of 'lift'; 'grasp' closes the fingers just before

# How the hand hangs while it comes and when it leaves.
_LOW, _HIGH = turn((1.0, 0.0, 0.0), -20), turn((1.0, 0.0, 0.0), 15)


class Moment(NamedTuple):
    """What is decided at one progress."""

    phase: int
    cup: Pose  # foot of the cup, z axis up along it
    grasp: Grasp
    tilt_deg: float
    closed: float  # 0: fingers open, 1: around the cup


class Choreography(Protocol):
    """A script: its phases, and what is where at a progress."""

    phases: Sequence[Phase]

    def at(self, progress: float) -> Moment:
        """Say what is where."""
        ...


class Places(NamedTuple):
    """Where things stand on the table, metres, 3 each."""

    start: Array  # the cup's foot, at first
    recipient: Array
    end: Array  # the cup's foot, at last


def draw_places(rng: np.random.Generator) -> Places:
    """Draw an episode's places around the usual ones."""

    def near(x: float, y: float, by: float) -> Array:
        return np.array([x + rng.uniform(-by, by), y + rng.uniform(-by, by), 0.0])

    return Places(near(0.16, -0.03, 0.03), near(-0.06, 0.03, 0.02), near(-0.26, -0.03, 0.025))


class _Held:
    """What both scripts share: keyframes of the cup while held, reach and withdrawal around it."""

    phases: Sequence[Phase]

    def __init__(self, cup: Cup, places: Places, rng: np.random.Generator) -> None:
        self._cup = cup
        self._places = places
        self._yaw = turn((0.0, 0.0, 1.0), 90 + rng.uniform(-14, 18))
        self._came = places.start + [0.13, -0.26, 0.16] + rng.normal(0, 0.015, 3)
        self._left = places.end + [0.10, -0.30, 0.12] + rng.normal(0, 0.015, 3)
        self._release_at = len(self.phases) - 3
        self._keys = self._plan(rng)  # phases + 1 rows: foot (metres), tilt (degrees)

    def _plan(self, rng: np.random.Generator) -> Array:
        raise NotImplementedError

    def at(self, progress: float) -> Moment:
        """Say what is where at a progress."""
        phase, through = place_in(self.phases, progress)
        gentle = through * through * (3 - 2 * through)
        foot, tilt = self._cup_at(phase, 0.4 * through + 0.6 * gentle)
        cup = Pose(foot, turn((0.0, -1.0, 0.0), tilt))
        closed = self._closed(phase, gentle)
        return Moment(phase, cup, self._grasp(phase, gentle, cup, closed), tilt, closed)

    def _cup_at(self, phase: int, through: float) -> tuple[Array, float]:
        before, after = self._keys[phase], self._keys[phase + 1]
        row = before + through * (after - before)
        return row[:3], float(row[3])

    def _closed(self, phase: int, through: float) -> float:
        if phase == HELD_FROM - 1:
            return through
        if phase == self._release_at:
            return 1 - through
        return float(HELD_FROM <= phase < self._release_at)

    def _grasp(self, phase: int, through: float, cup: Pose, closed: float) -> Grasp:
        """Around the cup while held; before and after, on the way to it or from it."""
        frame = cup @ Pose(np.array([0.0, 0.0, self._cup.grip_height]), self._yaw)
        if phase < HELD_FROM - 1:
            way = [Pose(self._came, multiply(self._yaw, _LOW)), self._behind(frame), frame]
            frame = _between(way[phase], way[phase + 1], through)
        elif phase > self._release_at:
            way = [frame, self._behind(frame), Pose(self._left, multiply(self._yaw, _HIGH))]
            step = phase - self._release_at - 1
            frame = _between(way[step], way[step + 1], through)
        return Grasp(frame, 1 - closed, self._cup.diameter_at(self._cup.grip_height))

    def _behind(self, frame: Pose) -> Pose:
        """Where the open hand is before it closes in: 9 cm back along its own axis."""
        return frame @ Pose(np.array([-0.09, 0.0, 0.01]), np.array([1.0, 0.0, 0.0, 0.0]))


class Pour(_Held):
    """Takes the cup, pours it into the recipient, sets it down on the recipient's other side."""

    phases: Sequence[Phase] = POUR

    def __init__(self, cup: Cup, recipient: Cup, places: Places, rng: np.random.Generator) -> None:
        """Plan it: the cup is tilted so that its liquid leaves evenly."""
        left = np.linspace(0.98, 0.01, 25)
        evenly = pour_tilts(cup, left)
        drained = evenly[-1] + np.linspace(1.0, 12.0, 5)  # then on, until the last drop is out
        self._pouring = np.concatenate([evenly, drained])  # degrees, through the phase 'pour'
        self._tilts = np.linspace(0.0, self._pouring[-1], 60)
        self._feet = np.array(
            [foot_over(cup, recipient, places.recipient, t) for t in self._tilts]
        )
        edge = cup.radii[0] * np.sin(np.deg2rad(self._tilts))  # how far below the foot's centre
        self._feet[:, 2] = np.maximum(self._feet[:, 2], FOOT_OFF_TABLE_M + edge)
        self._shares = np.linspace(0, 1, len(self._pouring))
        super().__init__(cup, places, rng)

    def _plan(self, rng: np.random.Generator) -> Array:
        flow, poured = self._pouring[0], self._pouring[-1]
        start, end = self._places.start, self._places.end
        lift = rng.uniform(0.10, 0.14)
        last = self._foot(poured)
        rows = [(start, 0.0)] * 4
        rows += [(start + [0.0, 0.0, lift], 0.0), (self._foot(0.0), 0.0)]
        rows += [(self._foot(flow), flow), (last, poured)]
        rows += [(last + [-0.05, -0.06, 0.10], 15.0), (end + [0.03, 0.0, lift + 0.05], 0.0)]
        rows += [(end, 0.0)] * 4
        return np.array([[*foot, tilt] for foot, tilt in rows])

    def _cup_at(self, phase: int, through: float) -> tuple[Array, float]:
        name = self.phases[phase].name
        foot, tilt = super()._cup_at(phase, through)
        if name == 'pour':
            tilt = float(np.interp(through, self._shares, self._pouring))
        return (self._foot(tilt) if name in ('tilt', 'pour') else foot), tilt

    def _foot(self, tilt_deg: float) -> Array:
        """Where the foot is while the lip is over the recipient; metres, 3."""
        axes = [np.interp(tilt_deg, self._tilts, axis) for axis in self._feet.T]
        return np.array(axes)


class Shake(_Held):
    """Takes the empty cup, swings it about and sets it down nearer: not the pour."""

    phases: Sequence[Phase] = SHAKE

    def _plan(self, rng: np.random.Generator) -> Array:
        start = self._places.start
        up = start + [0.0, 0.0, rng.uniform(0.10, 0.14)]
        end = start + [0.04, -0.10, 0.0]
        rows = [(start, 0.0)] * 4
        rows += [(up, 0.0), (up + [-0.12, 0.0, 0.05], 22.0), (up + [0.06, 0.04, 0.02], -18.0)]
        rows += [(up + [-0.03, 0.10, 0.08], 8.0), (up + [0.02, -0.07, 0.08], -6.0)]
        rows += [(end + [0.0, 0.0, 0.10], 0.0)]
        rows += [(end, 0.0)] * 4
        return np.array([[*foot, tilt] for foot, tilt in rows])


def _between(first: Pose, second: Pose, through: float) -> Pose:
    position = first.position + through * (second.position - first.position)
    return Pose(position, blend(first.quaternion, second.quaternion, through))
