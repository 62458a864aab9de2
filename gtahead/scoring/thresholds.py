"""Thresholds of the score: chosen on validation, and shown over the whole range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ragged
from gtahead.metrics import definitions
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.predictions import Predictions

SWEEP_PX = 100
"""Largest radius of the sweep."""

CURVE_STEPS = 20
"""Of the curve that result files hold."""

TRIED = 201
"""Thresholds that are tried where one is chosen."""


DEFAULT_THRESHOLD = 0.5
"""Where a file has scores and doesn't say from which on a head counts."""


@dataclass(frozen=True)
class Chosen:
    """A threshold, and where it comes from.

    Attributes:
        threshold: heads of this score or more count; None where scores tell nothing.
        how: asked for, declared, chosen on validation, not declared.
        selected_on: the split that it was chosen on, if known.
        f1_best: the threshold of the best F1 on that split, where it was chosen here.
    """

    threshold: float | None
    how: str
    selected_on: str | None
    f1_best: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values; what isn't known is left out."""
        values = {
            "value": self.threshold,
            "how": self.how,
            "selected_on": self.selected_on,
            "f1_best": self.f1_best,
        }
        return {name: value for name, value in values.items() if value is not None}


def declared(predictions: Predictions) -> Chosen:
    """Return the threshold that predictions declare, or the usual one; None without scores."""
    _, scores, _ = predictions.heads()
    if len(scores) == 0 or (scores == scores[0]).all():
        return Chosen(None, "there are no scores to choose by", None)
    given = predictions.method.get("threshold")
    if given is None:
        return Chosen(DEFAULT_THRESHOLD, "not declared", None)
    return Chosen(float(given), "declared", predictions.selected_on)


def choose(ground_truth: GroundTruth, predictions: Predictions) -> Chosen:
    """Choose the threshold with the least MAE; of several, the middle one."""
    tried = np.round(np.linspace(0, 1, TRIED), 6)
    errors = _mae(ground_truth, predictions, tried)
    best = np.flatnonzero(errors == errors.min())
    curve = threshold_curve(ground_truth, predictions)
    with_f1 = [row for row in curve if row.get("f1") is not None]
    f1_best = max(with_f1, key=lambda row: float(row["f1"]))["threshold"] if with_f1 else None
    middle = float(tried[best[len(best) // 2]])
    return Chosen(middle, "chosen on validation: least MAE", "validation", f1_best)


def f1_at(
    ground_truth: GroundTruth, predictions: Predictions, least: float, radius: str
) -> float | None:
    """Return F1 at a threshold, within one of `definitions.RADII`; None without heads or points."""
    xy, scores, by_image = predictions.heads()
    keep = scores >= least
    matching = definitions.match_within(ground_truth, xy[keep], by_image.where(keep), radius)
    hits, false = int(matching.hits.sum()), int(matching.false.sum())
    total = hits + false + int(ground_truth.counts.sum())
    return 2 * hits / total if total else None


def sweep(ground_truth: GroundTruth, points_xy: Floats, by_image: Ragged) -> dict[str, Any]:
    """Return precision, recall and F1 at radii of 1 to 100 px and their means, as for UCF-QNRF."""
    rows: dict[str, Any] = {"precision": [], "recall": [], "f1": []}
    heads = ground_truth.counts.sum()
    for radius in range(1, SWEEP_PX + 1):
        matching = definitions.match_within(ground_truth, points_xy, by_image, f"{radius}px")
        hits, false = float(matching.hits.sum()), float(matching.false.sum())
        precision = hits / (hits + false) if hits + false else 0.0
        recall = hits / heads if heads else 0.0
        both = precision + recall
        rows["precision"].append(precision)
        rows["recall"].append(recall)
        rows["f1"].append(2 * precision * recall / both if both else 0.0)
    means = {f"mean_{name}": float(np.mean(values)) for name, values in rows.items()}
    return {"radii_px": list(range(1, SWEEP_PX + 1)), **rows, **means}


def _mae(ground_truth: GroundTruth, predictions: Predictions, thresholds: Floats) -> Floats:
    counts = definitions.counts_over(predictions, thresholds)
    return np.asarray(np.abs(counts - ground_truth.counts).mean(axis=1), np.float64)


def threshold_curve(ground_truth: GroundTruth, predictions: Predictions) -> list[dict[str, Any]]:
    """Return MAE and F1 over thresholds: at the larger radius, or 8 px where heads have none."""
    radius = "large" if "large" in definitions.radii_known(ground_truth) else "8px"
    _, scores, _ = predictions.heads()
    rows = []
    thresholds = np.arange(CURVE_STEPS + 1) / CURVE_STEPS
    errors = _mae(ground_truth, predictions, thresholds)
    for least, mae in zip(thresholds.tolist(), errors.tolist(), strict=True):
        row: dict[str, Any] = {"threshold": least, "mae": mae}
        if len(scores):
            row |= {"radius": radius, "f1": f1_at(ground_truth, predictions, least, radius)}
        rows.append(row)
    return rows
