"""One set against all timesteps: distances measured once, in blocks, for all uses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from smaknet_core.matching import measuring, Taught
from smaknet_core.matching.measuring import Measuring

CAMERAS = ('a', 'b', 'c')
SAME_VIEW = 0.8


def slow_distances(taught, vectors, same_view, limit=np.inf):
    """Camera by camera: to the view of its name, else to the nearest; of several, limited."""
    limit = limit if len(vectors) > 1 else np.inf
    found = np.zeros(len(taught))
    for camera, vector in vectors.items():
        views = np.linalg.norm(taught.embeddings.astype(float) - vector, axis=2)
        own = camera in taught.cameras
        each = views[:, taught.cameras.index(camera)] / same_view if own else views.min(axis=1)
        found += np.minimum(each, limit)
    return found / len(vectors)


@settings(max_examples=40, deadline=None)
@given(
    cameras=st.lists(st.sampled_from([('a',), ('b', 'a'), ('a', 'b')]), min_size=1, max_size=4),
    seen=st.lists(st.sampled_from(CAMERAS), min_size=1, max_size=3, unique=True),
    rows=st.sampled_from([3, 8, 8192]),
    limit=st.sampled_from([2.0, 3.5, np.inf]),
    seed=st.integers(0, 1000),
)
def test_measuring_gives_the_distances_to_each_demonstration(cameras, seen, rows, limit, seed):
    rng = np.random.default_rng(seed)
    demos = []
    for number, names in enumerate(cameras):
        steps = int(rng.integers(1, 20))
        shown = rng.standard_normal((steps, len(names), 6), np.float32)
        demos.append(Taught(str(number), shown, np.arange(steps) / 10, names))
    vectors = {camera: rng.standard_normal(6, np.float32) for camera in seen}
    before, measuring.ROWS = measuring.ROWS, rows
    try:
        limits = np.inf, np.full(sum(map(len, demos)), limit, np.float32)
        plain, scaled, limited = Measuring(demos, SAME_VIEW, limits).measure(vectors)
    finally:
        measuring.ROWS = before
    for found, asked in (
        (plain, (1.0,)),
        (scaled, (SAME_VIEW,)),
        (limited, (SAME_VIEW, limit)),
    ):
        slow = np.concatenate([slow_distances(demo, vectors, *asked) for demo in demos])
        np.testing.assert_allclose(found, slow, atol=1e-5)
