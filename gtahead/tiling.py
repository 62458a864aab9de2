"""Large images in overlapping tiles, and the heads of all tiles, each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.geometry import box_iou

OVERLAP = 128
"""Pixels that neighbouring tiles share, after scaling."""

SEAM = 16
"""A tile keeps heads up to so many pixels beyond the middle of the overlap."""

SEAM_IOU = 0.3
"""Heads of two tiles that overlap by more are one."""


@dataclass(frozen=True)
class Tile:
    """A window of an image, and the part of it that is this tile's own; pixels, half-open."""

    left: int
    top: int
    right: int
    bottom: int
    own: tuple[float, float, float, float]


def tiles_of(size_wh: tuple[int, int], side: int) -> list[Tile]:
    """Cover an image with overlapping tiles whose own parts are disjoint and leave nothing out.

    Args:
        size_wh: of the image.
        side: of the tiles; those of a small image are as large as it.
    """
    spans = [_spans(length, side) for length in size_wh]
    return [
        Tile(x.start, y.start, x.stop, y.stop, (x_own[0], y_own[0], x_own[1], y_own[1]))
        for y, y_own in spans[1]
        for x, x_own in spans[0]
    ]


def _spans(length: int, side: int) -> list[tuple[range, tuple[float, float]]]:
    """Cut a length into windows, each with the part that is its own."""
    if length <= side:
        return [(range(length), (-np.inf, np.inf))]
    overlap = min(OVERLAP, side // 2)
    count = -(-(length - overlap) // (side - overlap))
    firsts = np.linspace(0, length - side, count).astype(int).tolist()
    middles = [(a + side + b) / 2 for a, b in pairwise(firsts)]
    edges = [-np.inf, *middles, np.inf]
    return [
        (range(first, first + side), (edges[number], edges[number + 1]))
        for number, first in enumerate(firsts)
    ]


def joined(
    boxes: Floats,
    scores: Floats,
    more: Floats,
    more_scores: Floats,
    tile: Tile,
    size_wh: tuple[int, int],
) -> tuple[Floats, Floats]:
    """Add a tile's heads to those found before; of a head that both have, the surer one stays.

    Args:
        boxes: (N, 4) of earlier tiles, in pixels of the whole image.
        scores: (N,) of them.
        more: (M, 4) of the tile, likewise.
        more_scores: (M,) of them.
        tile: where it lies.
        size_wh: of the whole image.
    """
    centres = (more[:, :2] + more[:, 2:]) / 2
    left, top, right, bottom = tile.own
    keep = ((centres >= [left - SEAM, top - SEAM]) & (centres < [right + SEAM, bottom + SEAM])).all(
        axis=1
    )
    keep &= ((centres >= 0) & (centres < size_wh)).all(axis=1)
    more, more_scores, centres = more[keep], more_scores[keep], centres[keep]
    if len(boxes) and len(more):
        near_old = _near(boxes, tile)
        near_new = np.flatnonzero(_on_seam(centres, tile))
        first, second = np.meshgrid(near_old, near_new, indexing="ij")
        same = box_iou(boxes[first.ravel()], more[second.ravel()]).reshape(first.shape)
        old, new = np.nonzero(same > SEAM_IOU)
        lost = scores[near_old[old]] < more_scores[near_new[new]]
        keep_old = np.ones(len(boxes), np.bool_)
        keep_new = np.ones(len(more), np.bool_)
        keep_old[near_old[old[lost]]] = False
        keep_new[near_new[new[~lost]]] = False
        boxes, scores = boxes[keep_old], scores[keep_old]
        more, more_scores = more[keep_new], more_scores[keep_new]
    return np.concatenate([boxes, more]), np.concatenate([scores, more_scores])


def _on_seam(centres: Floats, tile: Tile) -> Booleans:
    """Find centres near the border of a tile's own part."""
    low, high = np.array(tile.own[:2]), np.array(tile.own[2:])
    wide = 2 * SEAM
    return np.asarray(((centres < low + wide) | (centres >= high - wide)).any(axis=1), np.bool_)


def _near(boxes: Floats, tile: Tile) -> Ints:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    low, high = np.array(tile.own[:2]) - 2 * SEAM, np.array(tile.own[2:]) + 2 * SEAM
    return np.flatnonzero(((centres >= low) & (centres < high)).all(axis=1))
