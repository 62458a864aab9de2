"""Detection by sequence: hits and false heads at cuts of the score, which add up.

A metric such as AP isn't a formula of a few sums, but of a curve. So that sequences can be drawn
again or exchanged, each keeps its hits and false heads at `CUTS` cuts of the score, the same for
all, which hold equally many boxes between them. From these AP is the area under the curve, without
COCO's 101 steps of recall: in steps it wouldn't vary evenly with what is drawn. It differs by less
than 0.01 from COCO's metric, and serves intervals and tests alone, which are centred on COCO's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints
from gtahead.metrics.crowdhuman import ANCHORS
from gtahead.metrics.detection import FALSE, HIT, IOU_THRESHOLDS, Detections
from gtahead.metrics.intervals import Statistic

CUTS = 128

LEVELS = len(IOU_THRESHOLDS) + 1

DETECTION = ("ap", "ap50", "ap75", "ar", "mr2")
"""Metrics that are computed from curves."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Hits and false heads of each cluster at or above each cut of the score.

    Attributes:
        hits: (K, T + 1, C) at each IoU threshold of COCO's, and last by CrowdHuman's rule; cuts
            descending.
        false: (K, T + 1, C).
        positives: (K,) heads to be found.
        images: (K,) images.
    """

    hits: npt.NDArray[np.int32]
    false: npt.NDArray[np.int32]
    positives: Ints
    images: Ints

    def __len__(self) -> int:
        return len(self.positives)

    def with_cuts(self, cuts: int) -> Curves:
        """Return the curves at more cuts, each of the old ones repeated as needed."""
        there = self.hits.shape[2]
        if not there:
            empty = np.zeros((*self.hits.shape[:2], cuts), np.int32)
            return Curves(empty, empty, self.positives, self.images)
        of = np.ceil(np.arange(1, cuts + 1) * there / cuts).astype(np.int64) - 1
        return Curves(self.hits[:, :, of], self.false[:, :, of], self.positives, self.images)

    def as_dict(self) -> dict[str, Any]:
        """Return the curves as JSON-ready values: what each cut adds."""
        return {
            "hits": np.diff(self.hits, axis=2, prepend=0).tolist(),
            "false": np.diff(self.false, axis=2, prepend=0).tolist(),
            "positives": self.positives.tolist(),
            "images": self.images.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Curves:
        """Undo `as_dict`."""
        positives = np.array(values["positives"], np.int64)
        tables = [np.array(values[key], np.int32) for key in ("hits", "false")]
        if any(table.ndim != 3 or table.shape[1] != LEVELS for table in tables):
            raise ValueError("curves of other thresholds")
        hits, false = (np.cumsum(table, axis=2) for table in tables)
        images = np.array(values["images"], np.int64)
        if hits.shape != false.shape or images.shape != positives.shape or positives.ndim != 1:
            raise ValueError("curves of different shapes")
        return cls(hits, false, positives, images)


def curves_of(
    detections: Detections, misses: Detections, clusters: Ints, count: int, cuts: int = CUTS
) -> Curves:
    """Gather detections by cluster.

    Args:
        detections: by descending score, matched by COCO's rule.
        misses: the same ones, matched by CrowdHuman's.
        clusters: (F,) which cluster each image is of.
        count: how many clusters there are.
        cuts: most cuts of the score.
    """
    scores = detections.scores
    # A cut never parts equal scores: it lies behind the last of them.
    ends = (
        np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.empty(0)
    )
    if len(ends) > cuts:
        wanted = np.linspace(0, len(scores), cuts + 1)[1:] - 1
        ends = ends[np.unique(np.searchsorted(ends, wanted).clip(0, len(ends) - 1))]
    of = clusters[detections.frames] if len(scores) else np.empty(0, np.int64)
    part = np.searchsorted(ends, np.arange(len(scores)))
    size = count * len(ends)
    flat = of * len(ends) + part

    def gathered(outcome: int) -> npt.NDArray[np.int32]:
        tables = [
            np.bincount(flat[row == outcome], minlength=size).reshape(count, -1).cumsum(axis=1)
            for row in (*detections.outcomes, *misses.outcomes)
        ]
        return np.stack(tables, axis=1).astype(np.int32)

    return Curves(
        gathered(HIT),
        gathered(FALSE),
        np.bincount(clusters, weights=detections.positives, minlength=count).astype(np.int64),
        np.bincount(clusters, minlength=count).astype(np.int64),
    )


ROWS_AT_ONCE = 500


def statistic(curves: Curves) -> Statistic:
    """Return the metrics of detection as a function of how often each cluster is drawn."""
    clusters, levels, cuts = curves.hits.shape
    tables = [
        values.reshape(clusters, -1).astype(np.float64) for values in (curves.hits, curves.false)
    ]

    def of(weights: Floats) -> dict[str, Floats]:
        parts = []
        for first in range(0, len(weights), ROWS_AT_ONCE):
            some = weights[first : first + ROWS_AT_ONCE]
            shape = (len(some), levels, cuts)
            hits, false = ((some @ table).reshape(shape) for table in tables)
            parts.append(
                detection_metrics(hits, false, some @ curves.positives, some @ curves.images)
            )
        return {name: np.concatenate([part[name] for part in parts]) for name in DETECTION}

    return of


def detection_metrics(
    hits: Floats, false: Floats, positives: Floats, images: Floats
) -> dict[str, Floats]:
    """Compute the metrics of detection from curves.

    Args:
        hits: (R, T + 1, C).
        false: (R, T + 1, C).
        positives: (R,) heads to be found.
        images: (R,) images.

    Returns:
        (R,) by name; NaN where there is no head to be found.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hits / positives[:, None, None]
        precision = hits / (hits + false + np.spacing(1))
        precisions = _mean_precision(precision[:, :-1], recall[:, :-1])
        found = {
            "ap": precisions.mean(axis=1),
            "ap50": precisions[:, 0],
            "ap75": precisions[:, 5],
            "ar": (recall[:, :-1, -1] if recall.shape[2] else recall[:, :-1].sum(axis=2)).mean(1),
            "mr2": _miss_rate(recall[:, -1], false[:, -1] / images[:, None]),
        }
    return {name: np.where(positives > 0, values, np.nan) for name, values in found.items()}


def _mean_precision(precision: Floats, recall: Floats) -> Floats:
    """Return (R, T) areas under the best precision at or beyond each recall."""
    if not precision.shape[2]:
        return np.zeros(precision.shape[:2])
    envelope = np.maximum.accumulate(precision[:, :, ::-1], axis=2)[:, :, ::-1]
    steps = np.diff(np.nan_to_num(recall), axis=2, prepend=0)
    means: Floats = (envelope * steps).sum(axis=2)
    return means


def _miss_rate(recall: Floats, false: Floats) -> Floats:
    """Return (R,) log-average miss rates."""
    if not recall.shape[1]:
        return np.ones(len(recall))
    logs = np.zeros(len(recall))
    for point in ANCHORS:
        reaches = false >= point
        position = np.where(reaches.any(axis=1), reaches.argmax(axis=1), recall.shape[1] - 1)
        miss = 1 - recall[np.arange(len(recall)), position]
        logs += np.log(miss)
    return np.asarray(np.exp(logs / len(ANCHORS)))
