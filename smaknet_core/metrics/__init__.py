"""
Embeddings → scores.

Errors are fractions; times 100 they are the percentages of the slides. Alignment needs one
recording and no label, order two; classification and progression need labels as well.
"""

from smaknet_core.metrics.across_views import (
    alignment,
    alignment_error,
    alignment_per_pair,
    CHANCE,
    CONSTANT_MIDDLE,
)
from smaknet_core.metrics.bootstrap import interval, interval_of_mean, resample
from smaknet_core.metrics.classification import ATTRIBUTES, Classification, classify
from smaknet_core.metrics.comparisons import Comparisons
from smaknet_core.metrics.embedded import Embedded
from smaknet_core.metrics.order import compare_order
from smaknet_core.metrics.progression import measure_progression

__all__ = [
    'ATTRIBUTES',
    'CHANCE',
    'CONSTANT_MIDDLE',
    'Classification',
    'Comparisons',
    'Embedded',
    'alignment',
    'alignment_error',
    'alignment_per_pair',
    'classify',
    'compare_order',
    'interval',
    'interval_of_mean',
    'measure_progression',
    'resample',
]
