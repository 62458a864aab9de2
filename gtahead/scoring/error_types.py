"""Kinds of errors, and what fixing each of them would bring.

A missed head is put into the first class that fits: at the border, hidden, small, crowded, other. A
false head is a second one on a head that is found already, one of the wrong size, or background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gtahead.annotation.nearest import mean_distances_by_frame
from gtahead.arrays import Booleans, Floats, Ints, Ragged
from gtahead.geometry import box_iou
from gtahead.metrics import definitions
from gtahead.metrics.detection import average_precision
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.metrics.matching import Matching, match_points
from gtahead.predictions import Predictions

SMALL_PX = 12
"""Side of a head below which it's small."""

HIDDEN = 0.6
"""Visible share below which a head is hidden."""

CROWDED = 1.0
"""Distance to the next head, in sides of its box, below which it's crowded."""


@dataclass(frozen=True)
class ErrorType:
    """One kind of error.

    Attributes:
        name: in words.
        count: how often.
        mae: what it would be without these faults.
        f1: likewise.
    """

    name: str
    count: int
    mae: float
    f1: float


def faults(
    ground_truth: GroundTruth,
    points_xy: Floats,
    by_image: Ragged,
    found: Floats,
    matching: Matching,
    radius: str,
) -> list[ErrorType]:
    """Classify missed and false heads, and score the fix of each class alone.

    Args:
        ground_truth: the heads.
        points_xy: (P, 2) found points in pixels.
        by_image: which of them are of which image.
        found: (F,) predicted counts.
        matching: of the found points.
        radius: within which they were matched, one of `definitions.RADII`.
    """
    missed = ~ground_truth.ignored & ~matching.found(len(ground_truth.points_xy))
    of_heads = ground_truth.frame_of_heads
    of_points = by_image.index
    hits, false = int(matching.hits.sum()), matching.false
    heads = int(ground_truth.counts.sum())
    rows = []

    def fault(name: str, frames: Ints, sign: int) -> None:
        fixed = found + sign * np.bincount(frames, minlength=len(ground_truth))
        mae = float(np.abs(fixed - ground_truth.counts).mean())
        right = hits + len(frames) * (sign > 0)
        wrong = int(false.sum()) - len(frames) * (sign < 0)
        total = right + wrong + heads
        rows.append(ErrorType(name, len(frames), mae, 2 * right / total if total else float("nan")))

    rest = missed
    for name, those in _sorts_of_missed(ground_truth):
        fault(f"missed, {name}", of_heads[rest & those], +1)
        rest = rest & ~those
    fault("missed, other", of_heads[rest], +1)
    second = _on_found_heads(ground_truth, points_xy, by_image, matching, radius)
    fault("false, second on a head", of_points[false & second], -1)
    fault("false, background", of_points[false & ~second], -1)
    return rows


def _sorts_of_missed(ground_truth: GroundTruth) -> list[tuple[str, Booleans]]:
    sorts = []
    boxes = ground_truth.boxes_xyxy
    with np.errstate(invalid="ignore"):
        side = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
        sizes = ground_truth.images.sizes_wh[ground_truth.frame_of_heads].astype(np.float64)
        if (sizes > 0).all() and np.isfinite(boxes).any():
            beyond = (boxes[:, :2] < 0).any(axis=1) | (boxes[:, 2:] > sizes).any(axis=1)
            sorts.append(("at the border", beyond))
        if "visibility" in ground_truth.head_values:
            sorts.append(("hidden", ground_truth.head_values["visibility"] < HIDDEN))
        if np.isfinite(side).any():
            sorts.append((f"small (under {SMALL_PX} px)", side < SMALL_PX))
            near = _nearest(ground_truth) < CROWDED * side
            sorts.append(("crowded", near))
    return [(name, np.asarray(those, np.bool_)) for name, those in sorts]


def _nearest(ground_truth: GroundTruth) -> Floats:
    return mean_distances_by_frame(ground_truth.points_xy, ground_truth.by_image.offsets, 1)


def _on_found_heads(
    ground_truth: GroundTruth, points_xy: Floats, by_image: Ragged, matching: Matching, radius: str
) -> Booleans:
    """Return which found points lie on a head that another point has found."""
    rest = ~matching.hits
    on = np.zeros(len(points_xy), np.bool_)
    # With found heads passed as ignored ones, `on_ignored` tells which points lie on one.
    found = matching.found(len(ground_truth.points_xy))
    radii = np.nan_to_num(definitions.radii_of(ground_truth, radius), nan=1.0)
    again = match_points(
        points_xy[rest],
        by_image.where(rest).offsets,
        ground_truth.points_xy,
        radii,
        ground_truth.by_image.offsets,
        found,
    )
    on[rest] = again.on_ignored
    return on


def fixed_boxes(
    ground_truth: GroundTruth, predictions: Predictions | None
) -> tuple[int, float] | None:
    """Score detection with the boxes of found heads resized to their heads' own sizes.

    A box whose centre lies within a head's larger radius is that head's, one to one.

    Returns:
        How many shared less than half with their head's box, and AP50 once they are fixed; None
        where there are no boxes.
    """
    if predictions is None or not predictions.has_boxes.any() or not ground_truth.has_boxes:
        return None
    boxes, by_image = predictions.boxes_xyxy.copy(), predictions.boxes_by_image
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    matching = definitions.match_within(ground_truth, centres, by_image, "large")
    rows = np.flatnonzero(matching.hits)
    own = ground_truth.boxes_xyxy[matching.head_of[rows]]
    off = box_iou(boxes[rows], own) < 0.5
    boxes[rows[off]] = own[off]
    detections = definitions.match_heads(ground_truth, boxes, predictions.box_scores, by_image)
    return int(off.sum()), float(average_precision(detections)[0][0])
