"""One set against all timesteps: distances measured once, in blocks, for all uses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from smaknet_core.matching import Calibration, distances_to, measuring, Taught
from smaknet_core.matching.measuring import Measuring
from smaknet_core.matching.taught import scaled_distances_to

CAMERAS = ('a', 'b', 'c')


@settings(max_examples=40, deadline=None)
@given(
    cameras=st.lists(st.sampled_from([('a',), ('b', 'a'), ('a', 'b')]), min_size=1, max_size=4),
    seen=st.lists(st.sampled_from(CAMERAS), min_size=1, max_size=3, unique=True),
    rows=st.sampled_from([3, 8, 8192]),
    seed=st.integers(0, 1000),
)
def test_measuring_gives_the_distances_to_each_demonstration(cameras, seen, rows, seed):
    rng = np.random.default_rng(seed)
    demos = []
    for number, names in enumerate(cameras):
        steps = int(rng.integers(1, 20))
        shown = rng.standard_normal((steps, len(names), 6), np.float32)
        demos.append(Taught(str(number), shown, np.arange(steps) / 10, names))
    vectors = {camera: rng.standard_normal(6, np.float32) for camera in seen}
    scale = Calibration(0.3, 0.5, same_view=0.8)
    before, measuring.ROWS = measuring.ROWS, rows
    try:
        plain, scaled = Measuring(demos, scale.same_view).measure(vectors)
    finally:
        measuring.ROWS = before
    slow = np.concatenate([distances_to(demo, vectors) for demo in demos])
    slow_scaled = np.concatenate([scaled_distances_to(demo, vectors, scale) for demo in demos])
    np.testing.assert_allclose(plain, slow, atol=1e-5)
    np.testing.assert_allclose(scaled, slow_scaled, atol=1e-5)
