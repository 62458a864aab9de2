"""From which score on a head counts: chosen on validation, and shown over the whole range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gtahead.predictions import Predictions
from gtahead.scoring import metrics
from gtahead.scoring.truth import Truth

CURVE_STEPS = 20
"""Of the curve that result files hold."""

TRIED = 201
"""Thresholds that are tried where one is chosen."""


@dataclass(frozen=True)
class Chosen:
    """A threshold, and where it comes from.

    Attributes:
        threshold: heads of this score or more count; None where scores tell nothing.
        how: asked for, declared, chosen on validation, not declared.
        selected_on: the split that it was chosen on, as far as anybody says.
        f1_best: the threshold of the best F1 on that split, where it was chosen here.
    """

    threshold: float | None
    how: str
    selected_on: str | None
    f1_best: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON-ready values; what isn't known is left out."""
        values = {
            "value": self.threshold,
            "how": self.how,
            "selected_on": self.selected_on,
            "f1_best": self.f1_best,
        }
        return {name: value for name, value in values.items() if value is not None}


def choose(truth: Truth, predictions: Predictions) -> Chosen:
    """Choose the threshold of the least MAE; of several the middle one."""
    tried = np.linspace(0, 1, TRIED)
    errors = np.array([_mae(truth, predictions, float(least)) for least in tried])
    best = np.flatnonzero(errors == errors.min())
    curve = threshold_curve(truth, predictions)
    with_f1 = [row for row in curve if row.get("f1") is not None]
    f1_best = max(with_f1, key=lambda row: float(row["f1"]))["threshold"] if with_f1 else None
    middle = float(tried[best[len(best) // 2]])
    return Chosen(middle, "chosen on validation: least MAE", "validation", f1_best)


def _mae(truth: Truth, predictions: Predictions, least: float) -> float:
    return float(np.abs(metrics.counts_of(predictions, least) - truth.counts).mean())


def threshold_curve(truth: Truth, predictions: Predictions) -> list[dict[str, Any]]:
    """Give MAE and F1 over thresholds: at the larger radius, or 8 px where heads have none."""
    radius = "large" if "large" in metrics.radii_known(truth) else "8px"
    xy, scores, starts = predictions.heads()
    rows = []
    for step in range(CURVE_STEPS + 1):
        least = step / CURVE_STEPS
        keep = scores >= least
        before = np.concatenate([[0], np.cumsum(keep)])
        row: dict[str, Any] = {
            "threshold": least,
            "mae": _mae(truth, predictions, least),
        }
        if len(xy):
            matching = metrics.match_within(truth, xy[keep], before[starts], radius)
            hits = int(matching.hits.sum())
            false, heads = int(matching.false.sum()), int(truth.counts.sum())
            total = hits + false + heads
            row |= {"radius": radius, "f1": 2 * hits / total if total else None}
        rows.append(row)
    return rows
