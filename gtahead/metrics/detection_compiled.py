"""COCO's matching of boxes as a compiled loop: only heads that a box overlaps are looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.compiling import compiled


@compiled
def match_all(
    boxes: Floats,
    starts: Ints,
    heads: Floats,
    head_starts: Ints,
    ignored: Booleans,
    thresholds: Floats,
    added: float,
    strict: bool,
    outcomes: npt.NDArray[np.int8],
) -> None:
    """Match boxes, sorted by score in each image; see `gtahead.metrics.detection`."""
    for frame in range(len(starts) - 1):
        a, b = starts[frame], starts[frame + 1]
        c, d = head_starts[frame], head_starts[frame + 1]
        if a < b and c < d:
            mine, theirs, found = boxes[a:b], heads[c:d], outcomes[:, a:b]
            _match_image(mine, theirs, ignored[c:d], thresholds, added, strict, found)


@compiled
def _match_image(
    boxes: Floats,
    heads: Floats,
    ignored: Booleans,
    thresholds: Floats,
    added: float,
    strict: bool,
    outcomes: npt.NDArray[np.int8],
) -> None:
    count = len(heads)
    # COCO's order, and CrowdHuman's: ignored heads behind the others.
    rank = np.empty(count, np.int64)
    position = 0
    for flag in range(2):
        for head in range(count):
            if ignored[head] == (flag == 1):
                rank[head] = position
                position += 1
    by_left = np.argsort(heads[:, 0], kind="mergesort")
    lefts = heads[by_left, 0]
    widest = (heads[:, 2] - heads[:, 0]).max()
    levels = len(thresholds)
    least = thresholds.min()
    taken = np.zeros((levels, count), np.bool_)
    near = np.empty(count, np.int64)
    shares = np.empty(count, np.float64)
    for row in range(len(boxes)):
        x0, y0, x1, y1 = boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3]
        area = (x1 - x0) * (y1 - y0)
        found = 0
        at = np.searchsorted(lefts, x0 - widest)
        while at < count and lefts[at] <= x1:
            head = by_left[at]
            at += 1
            width = min(x1, heads[head, 2]) - max(x0, heads[head, 0])
            height = min(y1, heads[head, 3]) - max(y0, heads[head, 1])
            if width <= 0 or height <= 0:
                continue
            inter = width * height
            union = area
            if not ignored[head]:
                sides = (heads[head, 2] - heads[head, 0]) * (heads[head, 3] - heads[head, 1])
                union = area + sides - inter
            share = inter / (union + added)
            if share < least:
                continue
            slot = found  # sorted by COCO's order
            while slot > 0 and rank[near[slot - 1]] > rank[head]:
                near[slot], shares[slot] = near[slot - 1], shares[slot - 1]
                slot -= 1
            near[slot], shares[slot] = head, share
            found += 1
        for level in range(levels):
            best, chosen = thresholds[level], -1
            for slot in range(found):
                head = near[slot]
                if taken[level, head] and not ignored[head]:
                    continue
                if chosen >= 0 and not ignored[chosen] and ignored[head]:
                    break
                if shares[slot] > best or (not strict and shares[slot] == best):
                    best, chosen = shares[slot], head
            if chosen >= 0:
                taken[level, chosen] = True
                outcomes[level, row] = -1 if ignored[chosen] else 1
