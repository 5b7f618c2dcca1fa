"""
Where in which demonstration a scene is, and how sure that is: `Embedding -> Match`.

It is fed embeddings and knows no model, so that it can be tested with points on a circle.
"""

from collections.abc import Sequence

from smaknet_core.config import MatchConfig
from smaknet_core.matching.calibration import calibrate, measure_views
from smaknet_core.matching.correspondence import CalibrationRecording
from smaknet_core.matching.filter import ForwardFilter
from smaknet_core.matching.nearest import NearestNeighbour
from smaknet_core.matching.taught import (
    ADJACENT_S,
    Calibration,
    Taught,
    Tracker,
    WINDOW_S,
)
from smaknet_core.matching.warping import SubsequenceWarping

__all__ = [
    'ADJACENT_S',
    'WINDOW_S',
    'Calibration',
    'CalibrationRecording',
    'ForwardFilter',
    'NearestNeighbour',
    'SubsequenceWarping',
    'Taught',
    'Tracker',
    'calibrate',
    'make_tracker',
    'measure_views',
]


def make_tracker(
    taught: Sequence[Taught], calibration: Calibration, config: MatchConfig
) -> Tracker:
    """Make the tracker that `config.method` names."""
    if config.method == 'nearest':
        return NearestNeighbour(taught, calibration, config)
    if config.method == 'dtw':
        return SubsequenceWarping(taught, calibration, config)
    return ForwardFilter(taught, calibration, config)
