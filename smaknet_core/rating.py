"""How good a demonstration is: found across its own views, and unlike itself from part to part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math
from typing import Any

from smaknet_core.errors import DemonstrationError
from smaknet_core.matching import Taught
from smaknet_core.matching.likeness import Likeness, look_alikes
from smaknet_core.metrics import alignment_per_pair, CHANCE

# Likenesses kept; a demonstration with more of them is in a class of its own.
MAX_KEPT = 100


@dataclass(frozen=True)
class Rating:
    """What `smaknet teach` found out about a demonstration."""

    score: float  # 0 (useless) ... 1: what is unique, times how well views find each other
    unique: float  # 0 ... 1, share of the timesteps that look like no other part
    view_error: float | None  # alignment error over the pairs of views; None with one camera
    likenesses: tuple[Likeness, ...]  # parts that look alike, in demonstration seconds


def rate(taught: Taught, sigma: float) -> Rating:
    """
    Rate a demonstration.

    Args:
        taught: the demonstration.
        sigma: distance of a true match; its own scale, where it has one, wins.
    """
    unique, likenesses = look_alikes(taught, taught.sigma or sigma)
    errors = alignment_per_pair(taught.embeddings)
    error = sum(errors.values()) / len(errors) if errors else None
    # At chance level the views do not find each other at all.
    found = 1.0 if error is None else max(0.0, 1 - error / CHANCE)
    return Rating(unique * found, unique, error, tuple(likenesses[:MAX_KEPT]))


def to_json(rating: Rating) -> str:
    """Write it for a file's metadata."""
    spans = [[*one.first_s, *one.second_s] for one in rating.likenesses]
    values = {'score': rating.score, 'unique': rating.unique, 'view_error': rating.view_error}
    return json.dumps({**values, 'likenesses': spans})


def from_json(text: str) -> Rating:
    """
    Read what `to_json` wrote.

    Raises:
        DemonstrationError: it is something else.
    """
    try:
        values: Mapping[str, Any] = json.loads(text)
        error = values['view_error']
        return Rating(
            _share(values['score']),
            _share(values['unique']),
            None if error is None else _share(error),
            tuple(map(_likeness, values['likenesses'])),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
        raise DemonstrationError('its quality is damaged') from err


def _likeness(seconds: Sequence[Any]) -> Likeness:
    a, b, c, d = map(float, seconds)
    if not all(map(math.isfinite, (a, b, c, d))):
        raise ValueError(seconds)
    return Likeness((a, b), (c, d))


def _share(value: Any) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(value)
    return number
