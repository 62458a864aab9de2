"""Detection: average precision as COCO defines it, without a cap.

COCO's evaluation looks at the 100 best boxes of an image, so perfect boxes of 340 heads score an
AP of 0.297. Here every box counts, unless a cap is asked for.

Source: pycocotools' cocoeval (matching, 101 points of recall, order of ties).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""As COCO's: what a box has to share with a head's."""

RECALL_POINTS = np.linspace(0, 1, 101)

FALSE, HIT, NEITHER = 0, 1, -1


@dataclass(frozen=True)
class Rule:
    """When a box may be a head's.

    Attributes:
        thresholds: T of the IoU, or of the share of a box that lies on an ignored head.
        added: to what is divided by, in px².
        strict: whether a threshold has to be exceeded, and the first of equal heads is taken; if
            not, reaching it is enough, and the last is taken.
    """

    thresholds: tuple[float, ...]
    added: float = 0.0
    strict: bool = False


COCO = Rule(tuple(np.minimum(IOU_THRESHOLDS, 1 - 1e-10).tolist()))


@dataclass(frozen=True, eq=False)
class Detections:
    """What became of each box, by descending score: the state from which metrics are computed.

    Attributes:
        scores: (B,) descending; ties in the order of images.
        frames: (B,) row of each box's image.
        outcomes: (T, B) at each threshold of the rule: `HIT`, `FALSE`, or `NEITHER` where the box
            lies on an ignored head.
        positives: (F,) heads to be found in each image.
    """

    scores: Floats
    frames: Ints
    outcomes: npt.NDArray[np.int8]
    positives: Ints


def match_boxes(
    boxes_xyxy: Floats,
    scores: Floats,
    starts: Ints,
    heads_xyxy: Floats,
    head_starts: Ints,
    ignored: Booleans,
    *,
    cap: int | None = None,
    rule: Rule = COCO,
) -> Detections:
    """Match boxes with heads at every threshold, as COCO does: best score first, best IoU.

    Args:
        boxes_xyxy: (B, 4) found boxes in pixels, image after image.
        scores: (B,) their scores.
        starts: (F + 1,) where each image's found boxes begin.
        heads_xyxy: (N, 4) boxes of the heads in pixels.
        head_starts: (F + 1,) where each image's heads begin.
        ignored: (N,) heads that are neither hit nor missed; any number of boxes may lie on one.
        cap: how many boxes of an image are looked at; None for all.
        rule: when a box may be a head's.
    """
    order, kept_starts = _by_score(scores, starts, cap)
    boxes = np.ascontiguousarray(boxes_xyxy[order], np.float64)
    outcomes = np.zeros((len(rule.thresholds), len(boxes)), np.int8)
    heads = np.ascontiguousarray(heads_xyxy, np.float64)
    flags = np.ascontiguousarray(ignored, np.bool_)
    from gtahead.metrics.detection_compiled import match_all

    match_all(
        *(boxes, kept_starts, heads, np.asarray(head_starts), flags),
        *(np.array(rule.thresholds), rule.added, rule.strict, outcomes),
    )
    frames = np.repeat(np.arange(len(kept_starts) - 1), np.diff(kept_starts))
    by_score = np.argsort(-scores[order], kind="stable")
    counted = np.concatenate([[0], np.cumsum(~flags)])
    return Detections(
        scores[order][by_score],
        frames[by_score],
        outcomes[:, by_score],
        np.diff(counted[np.asarray(head_starts)]),
    )


def _by_score(scores: Floats, starts: Ints, cap: int | None) -> tuple[Ints, Ints]:
    """Order each image's boxes by descending score, and cut them at the cap."""
    frames = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((np.arange(len(scores)), -scores, frames))
    if cap is None:
        return order, np.asarray(starts, np.int64)
    rank = np.arange(len(order)) - np.asarray(starts)[frames]
    sizes = np.minimum(np.diff(starts), cap)
    return order[rank < cap], np.concatenate([[0], np.cumsum(sizes)])


def average_precision(detections: Detections) -> tuple[Floats, Floats]:
    """Return average precision and final recall at every IoU threshold.

    Returns:
        (T,) and (T,); NaN where there is no head to be found.
    """
    total = int(detections.positives.sum())
    levels = len(detections.outcomes)
    precisions, recalls = np.full(levels, np.nan), np.full(levels, np.nan)
    if not total:
        return precisions, recalls
    for level, outcome in enumerate(detections.outcomes):
        hits = np.cumsum(outcome == HIT)
        false = np.cumsum(outcome == FALSE)
        recall = hits / total
        precision = hits / (hits + false + np.spacing(1))
        precisions[level] = interpolated(precision, recall).mean()
        recalls[level] = recall[-1] if len(recall) else 0.0
    return precisions, recalls


def ap_at(detections: Detections, level: int) -> float:
    """Return average precision at one threshold; NaN where there is no head to be found."""
    return float(average_precision(detections)[0][level])


def interpolated(precision: Floats, recall: Floats) -> Floats:
    """Return (101,) best precisions at the recall points or beyond; 0 where recall ends before."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    positions = np.searchsorted(recall, RECALL_POINTS, side="left")
    out: Floats = np.append(envelope, 0.0)[np.minimum(positions, len(envelope))]
    return out


def ap_metrics(detections: Detections) -> dict[str, float]:
    """Return AP and AR over all IoU thresholds, and AP at 0.5 and 0.75."""
    precisions, recalls = average_precision(detections)
    return {
        "ap": float(precisions.mean()),
        "ap50": float(precisions[0]),
        "ap75": float(precisions[5]),
        "ar": float(recalls.mean()),
    }
