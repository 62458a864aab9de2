"""MR⁻² and the Jaccard index as CrowdHuman's evaluation computes them, to the digit.

What differs from COCO's rules: boxes are clipped to the image first; a pair's IoU has 10⁻⁶ added to
its union and has to be above 0.5, not at it; of heads that a box overlaps equally the first is
taken; and a head that nobody found doesn't count in the Jaccard index where it lies on an ignored
region.

Source: Shao et al., CrowdHuman, arXiv 1805.00123; the published evaluation of CrowdDet (Chu et al.,
CVPR 2020), whose rounded anchors and small constants are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints, Ragged
from gtahead.metrics.detection import FALSE, HIT, NEITHER, Detections, Rule

OVERLAP = 0.5
"""IoU, or share of a box that lies on an ignored region, that has to be exceeded."""

EPSILON = 1e-6
"""Added to what is divided by: px² of a union, or images' sums of heads."""

RULE = Rule((OVERLAP,), added=EPSILON, strict=True)

ANCHORS = (0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0)
"""False boxes per image at which the miss rate is taken."""

JI_THRESHOLDS = tuple(0.1 * step for step in range(10))
"""Of scores, of which the Jaccard index is the best one's."""


def clipped(boxes_xyxy: Floats, by_image: Ragged, sizes_wh: Ints | Floats) -> Floats:
    """Clip boxes to their images; a box beyond the right or lower edge keeps the last pixel.

    Args:
        boxes_xyxy: (B, 4) pixels.
        by_image: which are of which image.
        sizes_wh: (F, 2) pixels; 0 where a size isn't known, whose boxes stay as they are.
    """
    sides = sizes_wh.astype(np.float64)[by_image.index]
    low = np.minimum(np.maximum(boxes_xyxy[:, :2], 0), sides - 1)
    high = np.maximum(np.minimum(boxes_xyxy[:, 2:], sides), 0)
    known = np.asarray((sides > 0).all(axis=1), np.bool_)
    return np.where(known[:, None], np.concatenate([low, high], axis=1), boxes_xyxy)


def miss_rate(detections: Detections) -> float:
    """Return MR⁻², the geometric mean of the miss rates at `ANCHORS` false boxes per image.

    Each is that of the first box with so many false ones, or of the last box. 0 where one of them
    is 0; NaN where there is no head to be found; 1 where no box is there. Above about 50 heads per
    image it saturates: one false head per image is hardly any.

    Args:
        detections: of clipped boxes, matched by `RULE`.
    """
    total = int(detections.positives.sum())
    if not total:
        return float("nan")
    (outcome,) = detections.outcomes
    seen = outcome[outcome != NEITHER]
    false = np.cumsum(seen == FALSE) / len(detections.positives)
    miss = np.append(1 - np.cumsum(seen == HIT) / total, 1.0)
    at = np.searchsorted(false, ANCHORS, side="left")
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(miss[np.minimum(at, max(0, len(seen) - 1))]).mean()))


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The pairs of boxes and heads that overlap by more than half, for Jaccard indices.

    Attributes:
        rows: (E,) boxes of pairs whose IoU is over 0.5.
        columns: (E,) their heads, of those that count.
        shares: (E,) their IoU.
        on_ignored: (B,) whether more than half of a box lies on an ignored head.
        heads_on_ignored: (N,) likewise of heads that count; true of the ignored ones.
        frames: (B,) row of each box's image.
        frames_of_heads: (N,) row of each head's image.
        images: how many there are.
    """

    rows: Ints
    columns: Ints
    shares: Floats
    on_ignored: Booleans
    heads_on_ignored: Booleans
    frames: Ints
    frames_of_heads: Ints
    images: int


def overlaps_of(
    boxes_xyxy: Floats, starts: Ints, heads_xyxy: Floats, head_starts: Ints, ignored: Booleans
) -> Overlaps:
    """Find the pairs of clipped boxes and heads that overlap enough to be matched."""
    boxes_on, heads_on = np.zeros(len(boxes_xyxy), np.bool_), np.asarray(ignored, np.bool_).copy()
    parts: list[tuple[Ints, Ints, Floats]] = [
        (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    ]
    for (a, b), (c, d) in zip(pairwise(starts), pairwise(head_starts), strict=True):
        rows, columns, shares = _near(boxes_xyxy[a:b], heads_xyxy[c:d])
        keep = ~ignored[c:d][columns]
        parts.append((rows[keep] + a, columns[keep] + c, shares[keep]))
        unsure = heads_xyxy[c:d][ignored[c:d]]
        if len(unsure):
            boxes_on[a:b] = _lies_on(boxes_xyxy[a:b], unsure)
            heads_on[c:d] |= _lies_on(heads_xyxy[c:d], unsure)
    return Overlaps(
        rows=np.concatenate([part[0] for part in parts]),
        columns=np.concatenate([part[1] for part in parts]),
        shares=np.concatenate([part[2] for part in parts]),
        on_ignored=boxes_on,
        heads_on_ignored=heads_on,
        frames=np.repeat(np.arange(len(starts) - 1), np.diff(starts)),
        frames_of_heads=np.repeat(np.arange(len(head_starts) - 1), np.diff(head_starts)),
        images=len(starts) - 1,
    )


def jaccard_index(overlaps: Overlaps, kept: Booleans) -> Floats:
    """Return (F,) Jaccard indices k / (m + n - k) of boxes and heads; NaN where there is neither.

    k pairs of IoU over 0.5 are chosen so that their IoU sums up to the most. Of the m heads and n
    boxes those don't count that are paired with nothing and lie on ignored heads. Where several
    choices have the same sum, any may be taken.

    Args:
        overlaps: of all boxes.
        kept: (B,) boxes that are looked at, such as those above a threshold.
    """
    edges = np.flatnonzero(kept[overlaps.rows])
    rows, columns = overlaps.rows[edges], overlaps.columns[edges]
    chosen = _heaviest(rows, columns, overlaps.shares[edges])
    paired, met = np.zeros(len(kept), np.bool_), np.zeros(len(overlaps.heads_on_ignored), np.bool_)
    paired[rows[chosen]] = True
    met[columns[chosen]] = True

    def of_images(frames: Ints, flags: Booleans) -> Ints:
        return np.bincount(frames[flags], minlength=overlaps.images)

    pairs = of_images(overlaps.frames, paired)
    boxes = of_images(overlaps.frames, kept & (paired | ~overlaps.on_ignored))
    heads = of_images(overlaps.frames_of_heads, met | ~overlaps.heads_on_ignored)
    there = boxes + heads > 0
    return np.where(there, pairs / (heads + boxes - pairs + EPSILON), np.nan)


def _lies_on(boxes: Floats, regions: Floats) -> Booleans:
    """Return (B,) whether more than half of a box lies on one of the regions."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray((inter / (areas[:, None] + EPSILON) > OVERLAP).any(axis=1), np.bool_)


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
    one, other = order[first[sizes == 2]], order[first[sizes == 2] + 1]
    chosen.append(np.where(weights[other] > weights[one], other, one))  # two that share an end
    for begin, size in zip(first[sizes > 2].tolist(), sizes[sizes > 2].tolist(), strict=True):
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
    share = inter / (areas[0] + areas[1] - inter + EPSILON)
    keep = share > OVERLAP
    return rows[keep], columns[keep], share[keep]
