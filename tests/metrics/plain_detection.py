"""Boxes of one image matched with heads the plain way: what the compiled loop has to give."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats
from gtahead.metrics.detection import HIT, IOU_THRESHOLDS, NEITHER


def match_one(boxes: Floats, heads: Floats, ignored: Booleans) -> npt.NDArray[np.int8]:
    """Match one image's boxes, by descending score: the plain reference."""
    out = np.zeros((len(IOU_THRESHOLDS), len(boxes)), np.int8)
    order = np.argsort(ignored, kind="stable")
    overlaps = _overlaps(boxes, heads[order], ignored[order])
    flags = ignored[order]
    for level, threshold in enumerate(IOU_THRESHOLDS):
        taken = np.zeros(len(heads), np.bool_)
        for row in range(len(boxes)):
            best, found = min(threshold, 1 - 1e-10), -1
            for head in range(len(heads)):
                if taken[head] and not flags[head]:
                    continue
                if found >= 0 and not flags[found] and flags[head]:
                    break
                if overlaps[row, head] >= best:
                    best, found = overlaps[row, head], head
            if found >= 0:
                taken[found] = True
                out[level, row] = NEITHER if flags[found] else HIT
    return out


def _overlaps(boxes: Floats, heads: Floats, ignored: Booleans) -> Floats:
    """Return (B, N) IoU; for ignored heads, the share of the found box that lies on them."""
    low = np.maximum(boxes[:, None, :2], heads[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], heads[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(values[:, 2:] - values[:, :2], axis=1) for values in (boxes, heads)]
    union = np.where(ignored, areas[0][:, None], areas[0][:, None] + areas[1] - inter)
    out: Floats = inter / union
    return out
