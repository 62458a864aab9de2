"""Metrics of crowd counting and head detection, on arrays: functions, and a metric for loops.

`gtahead benchmark` gives the same digits: it is built on what is here.
"""

from gtahead.metrics.crowd import CrowdMetric
from gtahead.metrics.function_intervals import interval
from gtahead.metrics.functions import (
    Localisation,
    average_precision,
    bias,
    game,
    jaccard_index,
    localisation,
    mae,
    miss_rate,
    nae,
    r2,
    rmse,
)
from gtahead.metrics.ground_truth import hit_radii
from gtahead.metrics.intervals import Interval

__all__ = [
    "CrowdMetric",
    "Interval",
    "Localisation",
    "average_precision",
    "bias",
    "game",
    "hit_radii",
    "interval",
    "jaccard_index",
    "localisation",
    "mae",
    "miss_rate",
    "nae",
    "r2",
    "rmse",
]
