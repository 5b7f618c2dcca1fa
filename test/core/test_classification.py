"""Classification error: TCN's code in slow words, cases by hand, and its known flattery."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.metrics import classification, classify, Embedded
from smaknet_core.metrics.classification import ATTRIBUTES, nearest_in_other_recordings


def recording(embeddings, cameras=('a',), **labels):
    """T x V x D embeddings, all timesteps labelled."""
    embeddings = np.asarray(embeddings, np.float32)
    columns = {name: np.asarray(values, np.float64) for name, values in labels.items()}
    return Embedded('', cameras, embeddings, columns, np.arange(len(embeddings)))


def line(*places):
    """Embeddings of one camera on a line."""
    return np.array(places, np.float32)[:, None, None]


def random_recordings(seed, recordings=3, steps=8, cameras=('a', 'b'), classes=3):
    rng = np.random.default_rng(seed)
    return [
        recording(
            rng.standard_normal((steps, len(cameras), 3)),
            cameras,
            **{name: rng.integers(0, classes, steps) for name in ATTRIBUTES},
        )
        for _ in range(recordings)
    ]


def slow_errors(recordings, name):
    """labeled_eval.py in words: strict, and with classes that are never hit left out."""
    frames = [
        (number, r.embeddings[step, view].astype(float), r.labels[name][row])
        for number, r in enumerate(recordings)
        for row, step in enumerate(r.labelled)
        for view in range(len(r.cameras))
    ]
    matches, counts = defaultdict(float), defaultdict(float)
    for own, embedding, label in frames:
        away = [
            (np.square(embedding - other).sum(), n)
            for n, (task, other, _) in enumerate(frames)
            if task != own
        ]
        if frames[min(away)[1]][2] == label:
            matches[label] += 1
        counts[label] += 1
    strict = 1 - np.mean([matches.get(c, 0) / counts[c] for c in counts])
    tcn = 1 - np.mean([matches[c] / counts[c] for c in matches]) if matches else 1
    return strict, tcn


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 9), st.integers(1, 5))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_agrees_with_the_definition(seed, recordings, steps, classes):
    given_ones = random_recordings(seed, recordings, steps, classes=classes)
    found = classify(given_ones)
    slow = {name: slow_errors(given_ones, name) for name in ATTRIBUTES}
    for name, (strict, tcn) in slow.items():
        assert found.per_attribute[name].error == pytest.approx(strict)
        assert found.per_attribute[name].error_tcn == pytest.approx(tcn)
    assert found.error == pytest.approx(np.mean([strict for strict, _ in slow.values()]))
    assert found.error_tcn == pytest.approx(np.mean([tcn for _, tcn in slow.values()]))
    assert found.error_tcn <= found.error + 1e-9
    assert found.interval[0] - 1e-9 <= found.interval[1] <= 1


def test_the_neighbour_is_never_of_the_same_recording():
    """The frame itself and its twin in the other camera would be trivial answers."""
    one = recording([[[0.0], [0.0]], [[9.0], [9.0]]], ('a', 'b'), contact=[1, 0])
    other = recording([[[1.0], [1.0]], [[8.0], [8.0]]], ('a', 'b'), contact=[0, 1])
    assert classify([one, other]).error == 1, 'alike frames carry opposite labels'
    other = recording([[[1.0], [1.0]], [[8.0], [8.0]]], ('a', 'b'), contact=[1, 0])
    assert classify([one, other]).error == 0


def test_rare_classes_weigh_as_much_as_frequent_ones():
    one = recording(line(0, 1, 2, 3), contact=[0, 0, 0, 1])
    other = recording(line(0, 1, 2, 2.1), contact=[0, 0, 0, 0])
    found = classify([one, other])
    # class 0: all 7 frames but the two of `other` that are nearest to 2 find it; class 1: missed
    assert found.per_attribute['contact'].error == pytest.approx(1 - (1 + 0) / 2)
    assert found.per_attribute['contact'].error_tcn == 0, 'a class without a hit is left out'
    assert found.chance == 0.5


def test_no_hit_at_all_is_an_error_of_one():
    one = recording(line(0, 1), contact=[0, 0])
    other = recording(line(0, 1), contact=[1, 1])
    found = classify([one, other])
    assert (found.error, found.error_tcn) == (1, 1)


def test_only_attributes_that_all_have_are_judged():
    one = recording(line(0, 1), contact=[0, 1], progress=[0, 1])
    other = recording(line(0, 1), contact=[0, 1], distance=[0, 1])
    assert list(classify([one, other]).per_attribute) == ['contact']


@pytest.mark.parametrize(
    'recordings',
    [
        [],
        [recording(line(0, 1), contact=[0, 1])],
        [recording(line(0, 1), contact=[0, 1]), recording(line(0, 1))],
        [recording(line(0, 1), contact=[0, 1]), recording(line(0, 1), distance=[0, 1])],
        [recording(line(0, 1), phase=[0, 1]), recording(line(0, 1), phase=[0, 1])],
    ],
)
def test_nothing_to_judge(recordings):
    assert classify(recordings) is None


def test_unlabelled_timesteps_are_neither_asked_nor_found():
    labels = {'contact': np.array([0.0, 1.0])}
    one = Embedded('', ('a',), line(0, 99, 10), labels, np.array([0, 2]))
    other = Embedded('', ('a',), line(0, 10, 9.9), labels, np.array([0, 1]))
    assert classify([one, other]).error == 0


def test_a_random_embedding_is_at_chance():
    rng = np.random.default_rng(0)
    given_ones = [
        recording(
            rng.standard_normal((300, 1, 8)),
            contact=rng.random(300) < 0.2,
            container_angle=rng.choice([90, 45, 0, -45], 300),
        )
        for _ in range(4)
    ]
    found = classify(given_ones)
    assert found.chance == pytest.approx((0.5 + 0.75) / 2)
    assert found.error == pytest.approx(found.chance, abs=0.05)
    assert found.interval[0] < found.error < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.15


def test_of_too_many_frames_some_are_compared(monkeypatch):
    recordings = random_recordings(3, recordings=2, steps=30)
    monkeypatch.setattr(classification, 'MOST_FRAMES', 60)  # of 120
    thinned = [
        Embedded('', r.cameras, r.embeddings, {n: v[::2] for n, v in r.labels.items()},
                 r.labelled[::2]) for r in recordings
    ]  # fmt: skip
    found = classify(recordings)
    monkeypatch.undo()
    assert found == classify(thinned)
    assert found != classify(recordings)


def test_many_frames_are_compared_in_parts(monkeypatch):
    rng = np.random.default_rng(1)
    embeddings = rng.standard_normal((50, 3)).astype(np.float32)
    own = rng.integers(0, 4, 50)
    whole = nearest_in_other_recordings(embeddings, own)
    monkeypatch.setattr(classification, 'CELLS', 170)
    assert nearest_in_other_recordings(embeddings, own).tolist() == whole.tolist()
    assert (own[whole] != own).all()
