"""Kinds of errors: each missed head has one."""

from __future__ import annotations

import numpy as np
import pytest

from gtahead.arrays import Ragged
from gtahead.metrics.definitions import match_within
from gtahead.metrics.ground_truth import GroundTruth, hit_radii
from gtahead.predictions import Images
from gtahead.scoring import error_types


@pytest.mark.parametrize(
    ("box", "border"),
    [
        ((40, -1, 60, 19), True),
        ((-1, 40, 19, 60), True),
        ((85, 40, 101, 60), True),
        ((40, 85, 60, 101), True),
        ((0, 0, 100, 100), False),
        ((40, 40, 60, 60), False),
    ],
)
def test_a_missed_head_at_any_border(box: tuple[float, ...], border: bool) -> None:
    boxes = np.array([box], np.float64)
    ground_truth = GroundTruth(
        *("made", None, Images(["a"], np.array([[100, 100]]), None, np.arange(1))),
        *(Ragged.from_counts([1]), (boxes[:, :2] + boxes[:, 2:]) / 2, boxes, hit_radii(boxes)),
        np.zeros(1, np.bool_),
    )
    nothing, by_image = np.empty((0, 2)), Ragged.from_counts([0])
    matching = match_within(ground_truth, nothing, by_image, "large")
    rows = error_types.faults(ground_truth, nothing, by_image, np.zeros(1), matching, "large")
    counts = {row.name: row.count for row in rows}
    assert counts["missed, at the border"] == border
    assert sum(counts.values()) == 1
