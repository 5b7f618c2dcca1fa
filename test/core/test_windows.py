"""Where most belief is, and within which limits: by blocks as in full."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from smaknet_core.matching.around import Around
from smaknet_core.matching.taught import Taught
from smaknet_core.matching.windows import quantiles, running_sums, Windows


def chances(seed, peaks, length):
    """N chances, as good as nothing but for some peaks."""
    rng = np.random.default_rng(seed)
    places = rng.random(length).astype(np.float32) * 1e-4
    for _ in range(peaks):
        places[rng.integers(length)] += rng.random()
    return places


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 5), st.integers(1, 900), st.integers(0, 90))
def test_the_heaviest_window_by_blocks_is_the_heaviest(seed, peaks, length, reach):
    places = chances(seed, peaks, length)
    steps = np.arange(length)
    windows = Windows(np.maximum(steps - reach, 0), np.minimum(steps + reach + 1, length))
    slow = [places[max(0, n - reach) : n + reach + 1].sum(dtype=np.float64) for n in steps]
    for mass in (None, running_sums(places)):
        assert slow[windows.heaviest(places, mass)] >= max(slow) * (1 - 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 5), st.integers(1, 900), st.floats(0, 1))
def test_quantiles_by_blocks_are_those_of_the_sums(seed, peaks, length, share):
    places = chances(seed, peaks, length)
    part = slice(length // 3, length)
    slow = np.cumsum(places[part], dtype=np.float64)
    for mass in (None, running_sums(places)):
        for wanted, found in zip(
            (share, 1 - share),
            quantiles(places, mass, part, (share, 1 - share)),
            strict=True,
        ):
            assert slow[found] >= slow[-1] * wanted - 1e-5
            assert found == 0 or slow[found - 1] <= slow[-1] * wanted + 1e-5


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    seconds=st.floats(0, 2),
    seed=st.integers(0, 1000),
)
def test_what_is_around_never_lies_in_another_demonstration(lengths, seconds, seed):
    rng = np.random.default_rng(seed)
    rates = rng.choice([5, 10, 10], len(lengths))
    taught = [
        Taught('demo', np.zeros((n, 1, 1), np.float32), np.arange(n) / hz, ('a',))
        for n, hz in zip(lengths, rates, strict=True)
    ]
    values = rng.standard_normal(sum(lengths)).astype(np.float32)
    largest, smallest, first = [], [], 0
    for length, demo in zip(lengths, taught, strict=True):
        steps = length - 1  # at the mean rate, as it is: a half is rounded one way or the other
        reach = min(steps, round(seconds * steps / demo.duration_s)) if steps else 0
        part = values[first : first + length]
        near = [part[max(0, n - reach) : n + reach + 1] for n in range(length)]
        largest += [n.max() for n in near]
        smallest += [n.min() for n in near]
        first += length
    for choose, slow in ((np.maximum, largest), (np.minimum, smallest)):
        around = Around(taught, seconds, choose)
        around.around(rng.standard_normal(len(values)).astype(np.float32))  # leaves nothing behind
        np.testing.assert_array_equal(around.around(values), slow)
