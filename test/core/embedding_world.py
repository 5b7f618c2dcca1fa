"""
Embeddings of a task that never was: a smooth walk on the sphere, seen by noisy, biased cameras.

What a camera sees depends on the moment and on the camera, as with a network that is not quite
invariant; the last `revisit_s` of the walk can look like its beginning.
"""

from __future__ import annotations

import functools

import numpy as np
from smaknet_core.config import MatchConfig
from smaknet_core.matching import calibrate, CalibrationRecording, ForwardFilter, Taught

EPOCH_NS = 1_700_000_000_000_000_000
SIZE = 32
FINE_HZ = 100
MS = 1_000_000


def walk(seed, duration_s, knot_s=1.5):
    """A smooth walk of unit vectors at FINE_HZ: cubic B-spline through random knots."""
    rng = np.random.default_rng(seed)
    steps = round(duration_s * FINE_HZ) + 1
    knots = rng.standard_normal((int(duration_s / knot_s) + 5, SIZE))
    x = np.arange(steps) / FINE_HZ / knot_s
    i, u = x.astype(int), (x % 1)[:, None]
    basis = (
        (1 - u) ** 3,
        3 * u**3 - 6 * u**2 + 4,
        -3 * u**3 + 3 * u**2 + 3 * u + 1,
        u**3,
    )
    path = sum(weight * knots[i + k] for k, weight in enumerate(basis))
    return path / np.linalg.norm(path, axis=1, keepdims=True)


class World:
    """One task; cameras `a`, `b` and `c` see it."""

    def __init__(self, seed, duration_s=20.0, noise=0.15, bias=0.15, revisit_s=0.0):
        self.duration_s = duration_s
        self._path = walk(seed, duration_s)
        self._noise, self._bias = noise, bias
        self._rng = np.random.default_rng(seed + 1000)
        rng = np.random.default_rng(99)
        self._cameras = {c: rng.standard_normal((SIZE, SIZE)) / SIZE**0.5 for c in 'abc'}
        if revisit_s:
            again = round(revisit_s * FINE_HZ)
            fade = np.linspace(0, 1, again // 2)[:, None]
            joint = slice(-again - len(fade), -again)
            self._path[joint] = (1 - fade) * self._path[joint] + fade * self._path[0]
            self._path[-again:] = self._path[:again]
            self._path /= np.linalg.norm(self._path, axis=1, keepdims=True)

    def see(self, time_s, camera='b'):
        """What a camera makes of one moment, a float32 unit vector."""
        moment = self._path[round(np.clip(time_s, 0, self.duration_s) * FINE_HZ)]
        vector = moment + self._bias * (self._cameras[camera] @ moment)
        vector = vector + self._noise * self._rng.standard_normal(SIZE) / SIZE**0.5
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def taught(self, cameras=('a',), name='demo', hz=10.0, sigma=None):
        """The whole task as a demonstration, its stamps jittered as real ones are."""
        times_s = np.arange(0, self.duration_s, 1 / hz)
        times_s[1:] += self._rng.uniform(0, 0.1 / hz, len(times_s) - 1)
        seen = [[self.see(t, camera) for camera in cameras] for t in times_s]
        return Taught(name, np.array(seen, np.float32), times_s, tuple(cameras), sigma)

    def recording(self, cameras=('a', 'b'), task='task', hz=10.0):
        """The whole task as a validation recording."""
        taught = self.taught(cameras, hz=hz)
        return CalibrationRecording(task, taught.times_s, tuple(cameras), taught.embeddings)

    def stream(self, moments, hz=10.0, camera='b', start_ns=EPOCH_NS):
        """Yield (stamp, embeddings, true moment) for a list of moments seen at `hz`."""
        for i, moment in enumerate(moments):
            yield start_ns + round(i / hz * 1e9), {camera: self.see(moment, camera)}, moment


@functools.cache
def calibration(**world):
    """The calibration of such worlds, from two that are used for nothing else."""
    return calibrate([World(seed, **world).recording(task=f'task {seed}') for seed in (901, 902)])


def ramp(start_s, stop_s, pace=1.0, hz=10.0):
    """Moments from start to stop at a pace, as a stream of `hz` sees them."""
    return list(np.arange(start_s, stop_s, pace / hz))


def follow(tracker, stream):
    """Run a stream through; give [(match, true moment)]."""
    return [(tracker.update(stamp, seen), moment) for stamp, seen, moment in stream]


def tracker(world, config=None, **taught):
    """The filter on one demonstration of a world."""
    return ForwardFilter([world.taught(**taught)], calibration(), config or MatchConfig())


@functools.cache
def small_demo():
    """A demonstration of two cameras for tests that any would do for."""
    return World(5, duration_s=3).taught(('a', 'b'))


def actionable(followed):
    """Which of the matches a consumer would act on."""
    return np.array([match.state.actionable for match, _ in followed])


def errors(followed):
    """Seconds off the truth."""
    return np.array([abs(match.time_s - moment) for match, moment in followed])
