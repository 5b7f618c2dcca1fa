"""Reading back what a listener heard; playing itself is in test_line.py."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_ros.rehearsal import recorded_stamps


@given(
    seed=st.integers(0, 2**31),
    rate=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]),
    begun=st.integers(0, 2 * 10**18),
)
def test_stamps_that_were_moved_by_the_player_are_found_again(
    seed: int, rate: float, begun: int
) -> None:
    rng = np.random.default_rng(seed)
    recorded = 1_700_000_000 * 10**9 + np.cumsum(rng.integers(20_000_000, 120_000_000, 60))
    start = int(recorded[0]) - int(rng.integers(0, 10**8))
    kept = np.sort(rng.choice(60, 40, replace=False))  # the node never sees every frame
    published = np.array([begun + round((int(r) - start) / rate) for r in recorded[kept]])
    assert np.array_equal(recorded_stamps(published, recorded, rate), recorded[kept])


def test_stamps_of_another_recording_are_refused() -> None:
    recorded = np.arange(50) * 100_000_000
    with pytest.raises(ValueError, match='off the recorded ones'):
        recorded_stamps(np.array([0, 37_000_000, 220_000_000]), recorded, 1.0)
