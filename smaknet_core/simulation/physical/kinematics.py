"""
Forward and inverse kinematics of an arm, on a MuJoCo model of its joints alone.

Inverse kinematics is damped least squares (Wampler 1986, Nakamura and Hanafusa 1986) with joint
limits; what freedom is left pulls towards a rest posture (Liegeois 1977), so that an elbow does
not drift. The answer depends on the target, the seed and the rest posture, on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from smaknet_core.simulation.physical.assets import mujoco
from smaknet_core.simulation.pose import Array, multiply, Pose

CLOSE_M, CLOSE_RAD = 5e-5, 2e-4  # an answer this good is good enough
SETTLED_RAD = 1e-3  # so is a posture that would move no further
STEP_RAD = 0.2  # no joint turns further in one iteration
DAMPING = 1e-3  # m and rad alike; grows with the error
TO_REST = 0.3  # share of the way to the rest posture, in what freedom is left, per iteration


class Reach(NamedTuple):
    """What inverse kinematics found, and how far from its target that is."""

    joints: Array  # J, rad
    position_error_m: float
    angle_error_deg: float


class Kinematics:
    """
    An arm from its base to a site on its gripper.

    Attributes:
        rest: posture to which redundant joints tend, J, rad.
        lower, upper: limits of the joints, J, rad.
    """

    def __init__(self, model: Any, site: str, joints: Sequence[str], rest: Array) -> None:
        """Take a compiled model in which `joints` (hinges, base first) move `site`."""
        self._mj, self._model = mujoco(), model
        self._data = self._mj.MjData(model)
        self._site = model.site(site).id
        self._addresses = np.array([model.joint(name).qposadr[0] for name in joints])
        self._columns = np.array([model.joint(name).dofadr[0] for name in joints])
        limits = np.array([model.joint(name).range for name in joints])
        self.lower, self.upper = limits[:, 0], limits[:, 1]
        self.rest = np.clip(rest, self.lower, self.upper)

    def forward(self, joints: Array) -> Pose:
        """Where the site is; `joints` is J, rad."""
        self._set(joints)
        quaternion = np.zeros(4)
        self._mj.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        return Pose(self._data.site_xpos[self._site].copy(), quaternion)

    def solve(self, target: Pose, seed: Array | None = None, iterations: int = 100) -> Reach:
        """
        Turn the joints until the site is at `target`, or as near as they can.

        Args:
            target: where the site shall be, in the frame the model's base stands in.
            seed: begin here, J, rad; the rest posture when left out. For control in a closed
                loop, the joints as they are.
            iterations: stop after so many, whatever is reached.
        """
        joints = self.rest.copy() if seed is None else np.clip(seed, self.lower, self.upper)
        error = self._error(joints, target)
        for _ in range(iterations):
            step = self._step(joints, error)
            if _is_close(error) and np.abs(step).max() < SETTLED_RAD:
                break
            joints = np.clip(joints + step, self.lower, self.upper)
            error = self._error(joints, target)
        distance, angle = np.linalg.norm(error[:3]), np.linalg.norm(error[3:])
        return Reach(joints, float(distance), float(np.rad2deg(angle)))

    def follow(self, targets: Iterable[Pose], seed: Array | None = None) -> list[Reach]:
        """Solve a path of poses, each from the answer before; the first from `seed`."""
        path: list[Reach] = []
        for target in targets:
            path.append(self.solve(target, path[-1].joints if path else seed))
        return path

    def _set(self, joints: Array) -> None:
        self._data.qpos[self._addresses] = joints
        self._mj.mj_kinematics(self._model, self._data)

    def _error(self, joints: Array, target: Pose) -> Array:
        """Return what is missing to the target, in world axes: 3 m, 3 rad."""
        here = self.forward(joints)
        missing = multiply(target.quaternion, here.inverse.quaternion)
        turned = np.zeros(3)
        self._mj.mju_quat2Vel(turned, missing, 1.0)
        return np.concatenate([target.position - here.position, turned])

    def _step(self, joints: Array, error: Array) -> Array:
        """Return the next change of the joints; those that would leave their limits rest."""
        jacobian = self._jacobian()
        free = np.ones(len(joints), dtype=bool)
        while True:
            step = self._free_step(jacobian * free, error, (self.rest - joints) * free)
            beyond = (joints + step < self.lower) & (joints <= self.lower)
            beyond |= (joints + step > self.upper) & (joints >= self.upper)
            if not (beyond & free).any():
                return step
            free &= ~beyond

    def _free_step(self, jacobian: Array, error: Array, to_rest: Array) -> Array:
        damped = jacobian @ jacobian.T + (DAMPING + 0.1 * error @ error) ** 2 * np.eye(6)
        wish = TO_REST * to_rest
        step: Array = wish + jacobian.T @ np.linalg.solve(damped, error - jacobian @ wish)
        return step * min(1.0, STEP_RAD / (float(np.abs(step).max()) + 1e-12))

    def _jacobian(self) -> Array:
        """6 x J at the joints set last."""
        self._mj.mj_comPos(self._model, self._data)
        jacobian = np.zeros((6, self._model.nv))
        self._mj.mj_jacSite(self._model, self._data, jacobian[:3], jacobian[3:], self._site)
        return jacobian[:, self._columns]


def _is_close(error: Array) -> bool:
    return bool(np.linalg.norm(error[:3]) < CLOSE_M and np.linalg.norm(error[3:]) < CLOSE_RAD)
