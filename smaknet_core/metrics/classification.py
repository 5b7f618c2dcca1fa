"""
Labels found by the nearest frame of another recording: TCN's classification error.

For each frame the nearest neighbour among the frames of all other recordings, any camera; per
attribute the share of each class that is found, averaged over classes; the error is one minus
that, averaged over attributes. TCN's code (labeled_eval.py) leaves classes without a single hit
out of the average, which flatters rare ones; both values are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from smaknet_core.distances import pairwise
from smaknet_core.metrics.bootstrap import interval, resample
from smaknet_core.metrics.embedded import Embedded

# Of Multi-view Pouring: hand touches container, container within pouring distance, its angle,
# liquid flows, recipient contains liquid.
ATTRIBUTES = ('contact', 'distance', 'container_angle', 'liquid_flowing', 'has_liquid')
CELLS = 2**22  # of the distance matrix held at a time
MOST_FRAMES = 20_000  # that are compared, some ten seconds; of more, some spread evenly

Floats = NDArray[np.float64]


class AttributeScore(NamedTuple):
    """How badly one attribute is found."""

    error: float  # classes without a hit count as missed
    error_tcn: float  # ... are left out
    classes: int


@dataclass(frozen=True)
class Classification:
    """How badly attributes are found, as fractions."""

    error: float
    error_tcn: float
    interval: tuple[float, float] | None  # of `error`
    chance: float  # expected error of a random frame
    per_attribute: Mapping[str, AttributeScore]


class _Hits(NamedTuple):
    """Per recording and class: frames, and frames whose neighbour is of their class; R x K."""

    found: Floats
    there: Floats


def classify(recordings: Sequence[Embedded]) -> Classification | None:
    """
    Measure how well the attributes that all labelled recordings have are found.

    None with fewer than two labelled recordings, or without a common attribute.
    """
    labelled = [r for r in recordings if set(ATTRIBUTES) & set(r.labels) and len(r.labelled)]
    names = [a for a in ATTRIBUTES if all(a in r.labels for r in labelled)]
    if len(labelled) < 2 or not names:
        return None
    known = _thin(labelled)
    pool = np.concatenate([_flat(r.embeddings[r.labelled]) for r in known])
    own = np.repeat(np.arange(len(known)), [len(r.labelled) * len(r.cameras) for r in known])
    neighbours = nearest_in_other_recordings(pool, own)
    hits = {}
    for name in names:
        labels = np.concatenate([np.repeat(r.labels[name], len(r.cameras)) for r in known])
        hits[name] = _count(labels, labels[neighbours], own)
    return _judge(hits, len(known))


def nearest_in_other_recordings(
    embeddings: NDArray[np.float32], recordings: NDArray[np.int64]
) -> NDArray[np.int64]:
    """
    Find for each frame the nearest one of another recording.

    Args:
        embeddings: N x D.
        recordings: N, whose frame each is; of two or more recordings.

    Returns:
        N indices.
    """
    rows = max(1, CELLS // len(embeddings))
    found = []
    for first in range(0, len(embeddings), rows):
        part = slice(first, first + rows)
        distances = pairwise(embeddings[part], embeddings)
        distances[recordings[part, None] == recordings] = np.inf
        found.append(distances.argmin(axis=1))
    return np.concatenate(found)


def _thin(recordings: Sequence[Embedded]) -> Sequence[Embedded]:
    """Leave labels out evenly where there are too many frames to compare."""
    every = -(-sum(len(r.labelled) * len(r.cameras) for r in recordings) // MOST_FRAMES)
    return [
        replace(
            r,
            labels={name: values[::every] for name, values in r.labels.items()},
            labelled=r.labelled[::every],
        )
        for r in recordings
    ]


def _flat(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn T x V x D into TV x D."""
    return embeddings.reshape(-1, embeddings.shape[-1])


def _count(labels: NDArray[Any], found: NDArray[Any], recordings: NDArray[np.int64]) -> _Hits:
    classes, label = np.unique(labels, return_inverse=True)
    shape = (int(recordings.max()) + 1, len(classes))
    there, hit = np.zeros(shape), np.zeros(shape)
    np.add.at(there, (recordings, label), 1)
    np.add.at(hit, (recordings, label), labels == found)
    return _Hits(hit, there)


def _judge(hits: Mapping[str, _Hits], recordings: int) -> Classification:
    once = np.ones((1, recordings))
    strict = {name: _error(h, once)[0] for name, h in hits.items()}
    tcn = {name: _error(h, once, drop_missed=True)[0] for name, h in hits.items()}
    classes = {name: h.there.shape[1] for name, h in hits.items()}
    drawn = resample(recordings)
    scores = np.mean([_error(h, drawn) for h in hits.values()], axis=0)
    return Classification(
        error=float(np.mean(list(strict.values()))),
        error_tcn=float(np.mean(list(tcn.values()))),
        interval=interval(scores, recordings),
        # a random frame is of each class in proportion, so recall averages to 1 / classes
        chance=float(np.mean([1 - 1 / count for count in classes.values()])),
        per_attribute={
            name: AttributeScore(float(strict[name]), float(tcn[name]), classes[name])
            for name in hits
        },
    )


def _error(hits: _Hits, counts: Floats, drop_missed: bool = False) -> Floats:
    """Error for each draw of recordings; `counts` is draws x R."""
    found, there = counts @ hits.found, counts @ hits.there  # draws x K
    counted = (found if drop_missed else there) > 0
    recall = np.where(counted, found / np.maximum(there, 1), 0)
    errors: Floats = 1 - recall.sum(1) / np.maximum(counted.sum(1), 1)
    return errors
