"""Truth: which moments of two recordings correspond, and which have no counterpart."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.errors import DataError
from smaknet_core.simulation import truth
from smaknet_core.simulation.recorder import record_many

plateaus = st.lists(st.integers(0, 3), min_size=2, max_size=30).map(
    lambda steps: np.cumsum(steps).astype(float) / max(sum(steps), 1)
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(reference=plateaus, index=st.integers(0, 29))
def test_correspondence_finds_itself_and_spans_pauses(reference, index):
    index %= len(reference)
    found = truth.correspond(reference[index : index + 1], reference)
    alike = np.flatnonzero(np.abs(reference - reference[index]) < 1e-9)  # the slow way
    assert found.first[0] == pytest.approx(alike[0], abs=1e-3)
    assert found.last[0] == pytest.approx(alike[-1], abs=1e-3)
    assert found.error(np.array([index]))[0] < 1e-3
    assert found.error(np.array([alike[-1] + 2]))[0] == pytest.approx(2, abs=1e-3)


def test_true_timesteps_agree_with_the_nearest_progress(tmp_path):
    episodes = record_many(tmp_path, episodes=2, seed=5, cameras=1, size=(32, 32))
    query, reference = (truth.load_progress(folder) for folder in episodes[:2])
    found = truth.true_timesteps(episodes[0], episodes[1])
    for index, now in enumerate(query.progress):
        gaps = np.abs(reference.progress - now)
        nearest = np.flatnonzero(gaps <= gaps.min() + 1e-9)  # several where the reference pauses
        errors = np.maximum(found.first[index] - nearest, nearest - found.last[index])
        assert errors.min() <= 0.51
    middle = (query.stamps_ns[:-1] + query.stamps_ns[1:]) // 2
    np.testing.assert_allclose(
        query.at(middle), (query.progress[:-1] + query.progress[1:]) / 2, atol=1e-6
    )


def write_labels(folder: Path, progress, step_ns=10**8) -> Path:
    folder.mkdir()
    rows = [f'{10**18 + step_ns * index},{value}' for index, value in enumerate(progress)]
    (folder / 'labels.csv').write_text('\n'.join(['stamp_ns,progress', *rows]) + '\n')
    return folder


def test_what_is_done_twice_can_be_followed_but_is_no_reference(tmp_path):
    plain = write_labels(tmp_path / 'plain', np.linspace(0, 1, 11))
    twice = write_labels(tmp_path / 'twice', [0, 0.2, 0.4, 0.2, 0.4, 0.6, 1])
    found = truth.true_timesteps(twice, plain)
    np.testing.assert_allclose(found.timestep, [0, 2, 4, 2, 4, 6, 10], atol=1e-3)
    with pytest.raises(DataError, match=r'twice: .* goes back at timestep 3 \(0.400 to 0.200\)'):
        truth.true_timesteps(plain, twice)


def test_what_the_reference_does_not_show_has_no_timestep(tmp_path):
    whole = write_labels(tmp_path / 'whole', np.linspace(0, 1, 101))
    late = write_labels(tmp_path / 'late', np.linspace(0.5, 0.99, 50))
    found = truth.true_timesteps(whole, late)
    assert np.isnan(found.timestep[:45]).all()
    assert np.isnan(found.error(np.zeros(101)))[:45].all()
    assert found.timestep[50] == pytest.approx(0, abs=1e-3)
    assert found.timestep[100] == pytest.approx(49, abs=1e-3)  # just after its last frame
    assert truth.true_timesteps(late, whole).timestep[0] == pytest.approx(50, abs=1e-3)
    skips = write_labels(tmp_path / 'skips', [0, 0.1, 0.2, 0.8, 0.9, 1])
    np.testing.assert_allclose(
        truth.true_timesteps(skips, whole).timestep, [0, 10, 20, 80, 90, 100], atol=0.01
    )


def test_labels_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r'labels\.csv'):
        truth.load_progress(tmp_path)
    (tmp_path / 'labels.csv').write_text('stamp_ns,phase\n1,2\n')
    with pytest.raises(DataError, match='progress'):
        truth.load_progress(tmp_path)
    for rows in ('2,0.1\n1,0.2', '1,nan'):
        (tmp_path / 'labels.csv').write_text(f'stamp_ns,progress\n{rows}\n')
        with pytest.raises(DataError, match='increase'):
            truth.load_progress(tmp_path)


def labelled(folder, progress, description='{}'):
    """A recording's truth alone, at 10 Hz."""
    folder.mkdir(exist_ok=True)
    (folder / 'episode.json').write_text(description)
    rows = [f'{i * 100_000_000},{value}' for i, value in enumerate(progress)]
    (folder / 'labels.csv').write_text('\n'.join(['stamp_ns,progress', *rows]) + '\n')
    return folder


@pytest.mark.parametrize(
    ('progress', 'calm_at'),
    [
        (np.linspace(0, 1, 50), None),
        ([*np.linspace(0, 0.5, 20), *[0.5] * 5, *np.linspace(0.5, 1, 20)], None),
        ([*np.linspace(0, 0.5, 20), *[0.5] * 15, *np.linspace(0.55, 1, 20)], 34),
        ([*np.linspace(0, 0.5, 20), *np.linspace(0.48, 0.2, 10), *np.linspace(0.2, 1, 30)], 29),
        ([*np.linspace(0, 0.3, 20), *np.linspace(0.6, 1, 20)], 20),
    ],
    ids=['normal', 'short pause', 'long pause', 'repeat', 'skip'],
)
def test_what_is_odd_is_over_when_the_script_goes_on(tmp_path, progress, calm_at):
    found = truth.calm_from_ns(labelled(tmp_path / 'episode', progress))
    assert found == (None if calm_at is None else calm_at * 100_000_000)


def test_a_hidden_camera_is_over_when_the_description_says(tmp_path):
    description = '{"hidden_stamps_ns": [700000000, 900000000]}'
    folder = labelled(tmp_path / 'episode', np.linspace(0, 1, 30), description)
    assert truth.calm_from_ns(folder) == 900_000_000
