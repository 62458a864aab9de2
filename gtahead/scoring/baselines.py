"""What to compare metrics with: what guessing reaches, and what a perfect method could.

- Guessing: every image has the mean count of the training images, or of its own sequence.
- Decoding: the true heads as peaks of a heatmap, and back. Of heads whose cells touch, one is
  found, and a head is no better placed than its cell.
- Pseudo boxes: the true boxes, each off by as much as its rule is known to be. An AP above that is
  not better, but luckier.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ragged
from gtahead.density import separable
from gtahead.metrics import definitions
from gtahead.metrics.detection import ap_metrics
from gtahead.metrics.ground_truth import GroundTruth

STRIDES = (2, 4, 8)
"""Of heatmaps: pixels per cell."""

NORMAL_P90 = 1.2815515655446004
"""Standard deviations from the mean of a normal distribution to its 90 % quantile."""

SEED = 340


def trivial(ground_truth: GroundTruth) -> dict[str, dict[str, float]]:
    """Score counts that anybody can guess."""
    _, of_frames = ground_truth.clusters
    real = ground_truth.counts
    found = {}
    if ground_truth.train_mean is not None:
        found["train_mean"] = np.full(len(real), ground_truth.train_mean)
    if ground_truth.in_sequences:
        images = np.bincount(of_frames)
        found["sequence_mean"] = (np.bincount(of_frames, weights=real) / images)[of_frames]
    else:
        found["own_mean"] = np.full(len(real), real.mean() if len(real) else 0.0)
    out = {}
    for name, counts in found.items():
        sums = definitions.totals(definitions.counting_states(ground_truth.counts, counts))
        values = definitions.values_of(sums)
        out[name] = {key: float(values[key]) for key in ("mae", "rmse")}
    return out


def ceilings(ground_truth: GroundTruth) -> dict[str, Any]:
    """Score the best that a method can reach."""
    found: dict[str, Any] = {}
    if (ground_truth.images.sizes_wh > 0).all():
        found["decode"] = [_decoded(ground_truth, stride) for stride in STRIDES]
    boxes = _jittered(ground_truth)
    if boxes is not None:
        found["pseudo_boxes"] = _pseudo_boxes(ground_truth, boxes)
    return found


def _decoded(ground_truth: GroundTruth, stride: int) -> dict[str, float]:
    """Score the most heads that can be peaks of a heatmap, at the centres of their cells."""
    counted = ~ground_truth.ignored
    of = ground_truth.frame_of_heads[counted]
    points = ground_truth.points_xy[counted]
    sizes = ground_truth.images.sizes_wh.astype(np.float64)
    shown = (points >= 0).all(axis=1) & (points < sizes[of]).all(axis=1)
    of, points = of[shown], points[shown]
    by_image = Ragged.from_index(of, len(ground_truth))
    keep = np.zeros(len(points), np.bool_)
    for rows in map(by_image.rows, range(len(by_image))):
        keep[rows] = separable(points[rows], stride)
    found = np.asarray((np.floor(points[keep] / stride) + 0.5) * stride, np.float64)
    sums: dict[str, Floats] = {}
    by_image = by_image.where(keep)
    sums |= definitions.counting_states(ground_truth.counts, by_image.counts.astype(np.float64))
    name = "large" if "large" in definitions.radii_known(ground_truth) else "8px"
    matching = definitions.match_within(ground_truth, found, by_image, name)
    sums |= definitions.matching_states(ground_truth, by_image, matching, name)
    values = definitions.values_of(definitions.totals(sums))
    return {
        "stride": stride,
        "mae": float(values["mae"]),
        f"f1_{name}": float(np.nan_to_num(values[f"f1_{name}"], nan=1.0)),
    }


def _jittered(ground_truth: GroundTruth) -> Floats | None:
    """Return the boxes, each resized by a random error of its rule; None if no error is known."""
    errors = ground_truth.head_values.get("box_error_px")
    if errors is None or not ground_truth.has_boxes:
        return None
    counted = ~ground_truth.ignored
    if not np.isfinite(errors[counted]).any():
        return None
    boxes = ground_truth.boxes_xyxy
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    side = np.sqrt(np.prod(sides, axis=1))
    off = np.random.default_rng(SEED).normal(size=len(boxes)) * np.nan_to_num(errors) / NORMAL_P90
    half = sides / 2 * np.maximum((side + off) / side, 0.05)[:, None]
    return np.concatenate([centres - half, centres + half], axis=1)


def _pseudo_boxes(ground_truth: GroundTruth, boxes: Floats) -> dict[str, float]:
    keep = ~ground_truth.ignored
    scores = np.random.default_rng(SEED + 1).random(int(keep.sum()))
    by_image = ground_truth.by_image.where(keep)
    found = ap_metrics(definitions.match_heads(ground_truth, boxes[keep], scores, by_image))
    return {
        **{name: found[name] for name in ("ap", "ap50", "ap75")},
        "known": float(np.isfinite(ground_truth.head_values["box_error_px"][keep]).mean()),
    }
