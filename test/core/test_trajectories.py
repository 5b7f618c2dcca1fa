"""Trajectories: what varies most is kept, colours mean progress, odd input is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from smaknet_core.errors import DataError
from smaknet_core.report.trajectories import draw_trajectories, flatten, Trajectory


def way(steps=20, views=2, size=32, seed=0):
    """A circle in two of many dimensions, each view a little beside it."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 1.6 * np.pi, steps)
    embeddings = rng.normal(0, 0.01, (steps, views, size))
    embeddings[..., 3] += 2 * np.cos(angle)[:, None] + 5
    embeddings[..., 7] += np.sin(angle)[:, None]
    return Trajectory(embeddings.astype(np.float32), angle / angle[-1])


def test_the_plane_is_the_one_in_which_they_vary():
    recordings = [way(seed=1), way(steps=9, views=3, seed=2)]
    flat = flatten(recordings)
    assert [part.shape for part in flat] == [(20, 2, 2), (9, 3, 2)]
    middle = np.concatenate([r.embeddings.reshape(-1, 32) for r in recordings]).mean(axis=0)
    for part, recording in zip(flat, recordings, strict=True):
        kept = np.linalg.norm(part, axis=-1)
        whole = np.linalg.norm(recording.embeddings - middle, axis=-1)
        np.testing.assert_allclose(kept, whole, atol=0.1)


@pytest.mark.parametrize('count', [1, 5])
def test_a_panel_per_system(count):
    png = draw_trajectories({f'$ {n} \x1b': [way(seed=n), way(seed=n + 9)] for n in range(count)})
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (330 * (2 if count > 4 else 1), 330 * min(count, 4) + 88)
    # yellow, the end of viridis, and dark violet, its beginning, are both there
    for colour in ((36, 231, 253), (84, 1, 68)):
        assert (np.abs(picture.astype(int) - colour).max(axis=-1) < 12).any()


def test_nothing_is_refused():
    for nothing in ({}, {'a': [way()], 'b': []}):
        with pytest.raises(DataError, match='no embeddings'):
            draw_trajectories(nothing)


def test_all_at_one_place_is_drawn_all_the_same():
    still = Trajectory(np.zeros((4, 1, 32), np.float32), np.linspace(0, 1, 4))
    assert draw_trajectories({'still': [still]}).startswith(b'\x89PNG')
