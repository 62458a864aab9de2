"""Detection: average precision as COCO defines it, without a cap; MR-2; Jaccard index.

COCO's evaluation looks at the 100 best boxes of an image, so perfect boxes of 340 heads score an
AP of 0.297. Here every box counts, unless a cap is asked for.

Sources: pycocotools' cocoeval (matching, 101 points of recall, order of ties); CrowdHuman's
evaluation (MR-2, Jaccard index).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""As COCO's: what a box has to share with a head's."""

RECALL_POINTS = np.linspace(0, 1, 101)

MISS_RATE_POINTS = np.logspace(-2, 0, 9)
"""False heads per image at which MR-2 takes the miss rate."""

FALSE, HIT, NEITHER = 0, 1, -1


@dataclass(frozen=True, eq=False)
class Detections:
    """What became of each box, by descending score: the state from which metrics are computed.

    Attributes:
        scores: (B,) descending; ties in the order of images.
        frames: (B,) row of each box's image.
        outcomes: (T, B) at each IoU threshold: `HIT`, `FALSE`, or `NEITHER` where the box lies on
            an ignored head.
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
) -> Detections:
    """Match boxes with heads at every IoU threshold, as COCO does: best score first, best IoU.

    Args:
        boxes_xyxy: (B, 4) found boxes in pixels, image after image.
        scores: (B,) their scores.
        starts: (F + 1,) where each image's found boxes begin.
        heads_xyxy: (N, 4) boxes of the heads in pixels.
        head_starts: (F + 1,) where each image's heads begin.
        ignored: (N,) heads that are neither hit nor missed; any number of boxes may lie on one.
        cap: how many boxes of an image are looked at; None for all.
    """
    order, kept_starts = _by_score(scores, starts, cap)
    boxes = np.ascontiguousarray(boxes_xyxy[order], np.float64)
    outcomes = np.zeros((len(IOU_THRESHOLDS), len(boxes)), np.int8)
    heads = np.ascontiguousarray(heads_xyxy, np.float64)
    flags = np.ascontiguousarray(ignored, np.bool_)
    from gtahead.metrics.detection_compiled import match_all

    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
    match_all(boxes, kept_starts, heads, np.asarray(head_starts), flags, thresholds, outcomes)
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


def _overlaps(boxes: Floats, heads: Floats, ignored: Booleans) -> Floats:
    """Return (B, N) IoU; for ignored heads, the share of the found box that lies on them."""
    low = np.maximum(boxes[:, None, :2], heads[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], heads[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(values[:, 2:] - values[:, :2], axis=1) for values in (boxes, heads)]
    union = np.where(ignored, areas[0][:, None], areas[0][:, None] + areas[1] - inter)
    out: Floats = inter / union
    return out


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


def log_average_miss_rate(detections: Detections) -> float:
    """Return MR-2 at IoU 0.5: the geometric mean miss rate at 10^-2 … 1 false heads per image.

    NaN where there is no head to be found. Above about 50 heads per image it saturates: one false
    head per image is hardly any.
    """
    total = int(detections.positives.sum())
    if not total:
        return float("nan")
    outcome = detections.outcomes[0]
    seen = outcome[outcome != NEITHER]
    false = np.cumsum(seen == FALSE) / len(detections.positives)
    miss = 1 - np.cumsum(seen == HIT) / total
    rates = []
    for point in MISS_RATE_POINTS:
        position = int(np.searchsorted(false, point, side="left"))
        last = miss[-1] if len(miss) else 1.0
        rates.append(miss[position] if position < len(miss) else last)
    return float(np.exp(np.log(np.maximum(rates, 1e-10)).mean()))


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The pairs of boxes and heads that overlap by more than half, for Jaccard indices.

    Attributes:
        rows: (E,) boxes of pairs whose IoU is over 0.5.
        columns: (E,) their heads, of those that count.
        shares: (E,) their IoU.
        on_ignored: (B,) whether more than half of a box lies on an ignored head.
        frames: (B,) row of each box's image.
        positives: (F,) heads to be found in each image.
    """

    rows: Ints
    columns: Ints
    shares: Floats
    on_ignored: Booleans
    frames: Ints
    positives: Ints


def overlaps_of(
    boxes_xyxy: Floats, starts: Ints, heads_xyxy: Floats, head_starts: Ints, ignored: Booleans
) -> Overlaps:
    """Find the pairs of boxes and heads that overlap enough to be matched."""
    on = np.zeros(len(boxes_xyxy), np.bool_)
    parts: list[tuple[Ints, Ints, Floats]] = [
        (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    ]
    for (a, b), (c, d) in zip(pairwise(starts), pairwise(head_starts), strict=True):
        rows, columns, shares = _near(boxes_xyxy[a:b], heads_xyxy[c:d])
        keep = ~ignored[c:d][columns]
        parts.append((rows[keep] + a, columns[keep] + c, shares[keep]))
        unsure = heads_xyxy[c:d][ignored[c:d]]
        if len(unsure) and a < b:
            parted = _overlaps(boxes_xyxy[a:b], unsure, np.ones(len(unsure), np.bool_))
            on[a:b] = (parted > 0.5).any(axis=1)
    counted = np.concatenate([[0], np.cumsum(~ignored)])
    return Overlaps(
        rows=np.concatenate([part[0] for part in parts]),
        columns=np.concatenate([part[1] for part in parts]),
        shares=np.concatenate([part[2] for part in parts]),
        on_ignored=on,
        frames=np.repeat(np.arange(len(starts) - 1), np.diff(starts)),
        positives=np.diff(counted[np.asarray(head_starts)]),
    )


def jaccard_index(overlaps: Overlaps, kept: Booleans) -> Floats:
    """Return (F,) Jaccard indices k / (m + n - k) of boxes and heads; NaN where there is neither.

    k pairs of IoU over 0.5 are chosen so that their IoU sums up to the most. Boxes that are paired
    with nothing and lie on ignored heads don't count.

    Args:
        overlaps: of all boxes.
        kept: (B,) boxes that are looked at, such as those above a threshold.
    """
    edges = np.flatnonzero(kept[overlaps.rows])
    rows, columns = overlaps.rows[edges], overlaps.columns[edges]
    paired = np.zeros(len(kept), np.bool_)
    paired[rows[_heaviest(rows, columns, overlaps.shares[edges])]] = True
    frames = len(overlaps.positives)

    def of_frames(boxes: Booleans) -> Ints:
        return np.bincount(overlaps.frames[boxes], minlength=frames)

    pairs = of_frames(paired)
    union = of_frames(kept & (paired | ~overlaps.on_ignored)) + overlaps.positives - pairs
    return np.where(union > 0, pairs / np.maximum(union, 1), np.nan)


def _heaviest(rows: Ints, columns: Ints, weights: Floats) -> Ints:
    """Return the edges of a bipartite graph's maximum-weight matching."""
    if not len(rows):
        return np.empty(0, np.int64)
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    lefts, rights = int(rows.max()) + 1, int(columns.max()) + 1
    ends = (rows, lefts + columns)
    graph = coo_array((np.ones(len(rows), np.bool_), ends), shape=(lefts + rights,) * 2)
    group = connected_components(graph, directed=False)[1][rows]
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(first, append=len(order))
    chosen = [order[first[sizes == 1]]]  # a pair that nobody else wants
    for begin, size in zip(first[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        some = order[begin : begin + size]
        left, at_left = np.unique(rows[some], return_inverse=True)
        right, at_right = np.unique(columns[some], return_inverse=True)
        table = np.zeros((len(left), len(right)))
        edge = np.full((len(left), len(right)), -1, np.int64)
        table[at_left, at_right] = weights[some]
        edge[at_left, at_right] = some
        found = edge[linear_sum_assignment(table, maximize=True)]
        chosen.append(found[found >= 0])
    return np.concatenate(chosen)


def _near(boxes: Floats, heads: Floats) -> tuple[Ints, Ints, Floats]:
    """Return pairs of IoU over 0.5: rows, columns and IoU."""
    if not len(boxes) or not len(heads):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    # A box of IoU over 0.5 covers the other's centre by more than half; its left sides are near.
    order = np.argsort(heads[:, 0], kind="stable")
    lefts = heads[order, 0]
    widest = float((heads[:, 2] - heads[:, 0]).max())
    first = np.searchsorted(lefts, boxes[:, 0] - widest)
    last = np.searchsorted(lefts, boxes[:, 2], side="right")
    sizes = np.maximum(last - first, 0)
    rows = np.repeat(np.arange(len(boxes)), sizes)
    into = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    columns = order[first[rows] + into]
    one, other = boxes[rows], heads[columns]
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    inter = np.prod(np.maximum(sides, 0), axis=1)
    areas = [np.prod(values[:, 2:] - values[:, :2], axis=1) for values in (one, other)]
    share = inter / (areas[0] + areas[1] - inter)
    keep = share > 0.5
    return rows[keep], columns[keep], share[keep]
