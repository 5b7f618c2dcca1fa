"""Placements compose like the matrices they stand for."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.simulation.pose import blend, multiply, Pose, turn

ANGLES = st.floats(-180, 180)
NUMBERS = st.floats(-2, 2)
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    quaternion = multiply(
        turn((0.0, 0.0, 1.0), draw(ANGLES)),
        multiply(turn((0.0, 1.0, 0.0), draw(ANGLES)), turn((1.0, 0.0, 0.0), draw(ANGLES))),
    )
    return Pose(np.array([draw(NUMBERS), draw(NUMBERS), draw(NUMBERS)]), quaternion)


def _homogeneous(pose: Pose) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.matrix, pose.position
    return matrix


@settings(deadline=None)
@given(poses(), poses())
def test_composition_is_the_product_of_the_matrices(outer: Pose, inner: Pose) -> None:
    expected = _homogeneous(outer) @ _homogeneous(inner)
    np.testing.assert_allclose(_homogeneous(outer @ inner), expected, atol=1e-12)


@settings(deadline=None)
@given(poses())
def test_the_inverse_undoes(pose: Pose) -> None:
    np.testing.assert_allclose(_homogeneous(pose @ pose.inverse), np.eye(4), atol=1e-12)


def test_a_turn_is_counter_clockwise() -> None:
    quarter = Pose(np.zeros(3), turn((0.0, 0.0, 1.0), 90))
    np.testing.assert_allclose(quarter.matrix @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@settings(deadline=None)
@given(poses(), poses(), st.floats(0, 1))
def test_blending_goes_the_short_way_at_a_steady_pace(a: Pose, b: Pose, share: float) -> None:
    mixed = blend(a.quaternion, b.quaternion, share)
    assert np.linalg.norm(mixed) == pytest.approx(1)

    def angle(first: np.ndarray, second: np.ndarray) -> float:
        return 2 * np.arccos(min(1.0, abs(float(first @ second))))

    whole = angle(a.quaternion, b.quaternion)
    assert whole <= np.pi + 1e-9
    assert angle(a.quaternion, mixed) == pytest.approx(share * whole, abs=1e-4)


def test_blending_ends_where_it_should() -> None:
    second = turn((0.0, 1.0, 0.0), 100)
    np.testing.assert_allclose(blend(IDENTITY, second, 0.0), IDENTITY, atol=1e-12)
    np.testing.assert_allclose(blend(IDENTITY, second, 1.0), second, atol=1e-12)
