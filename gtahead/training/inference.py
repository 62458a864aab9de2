"""From images of any size to heads in their own pixels: scaled, tiled, each head once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad
from torchvision.ops import box_iou

from gtahead.arrays import Booleans, Floats, Ints, Ragged
from gtahead.errors import UsageError
from gtahead.predictions import Predictions
from gtahead.training.crops import Image, normalised, scaled
from gtahead.training.detectors import Detector, Found
from gtahead.training.detectors.detector import MULTIPLE

OVERLAP = 128
"""Pixels that neighbouring tiles share, after scaling."""

SEAM = 16
"""A tile keeps heads up to so many pixels beyond the middle of the overlap."""

SEAM_IOU = 0.3
"""Heads of two tiles that overlap by more are one."""


TILES_AT_ONCE = {"cuda": 4}
"""Through the network, by kind of device; a processor takes them one by one."""


@dataclass
class InImage:
    """What was found in an image, in its own pixels.

    Attributes:
        boxes_xyxy: (N, 4), the surest first.
        scores: (N,).
        count: of a detector that only counts.
        capped: whether a tile had more heads than the detector gives.
    """

    boxes_xyxy: Floats
    scores: Floats
    count: float | None = None
    capped: bool = False


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


def find_heads(detector: Detector, image: Image) -> InImage:
    """Find the heads of one image, (H, W, 3) RGB, of any size.

    Returns:
        Boxes in the image's own pixels.
    """
    config = detector.config
    smaller = scaled(image, config.scale)
    size_wh = (smaller.shape[1], smaller.shape[0])
    back = np.array([image.shape[1] / size_wh[0], image.shape[0] / size_wh[1]])
    boxes, scores = np.zeros((0, 4)), np.zeros(0)
    count: float | None = None
    capped = False
    tiles = tiles_of(size_wh, config.tile)
    for tile, found in zip(tiles, _find_in(detector, smaller, tiles), strict=True):
        if found.density is not None:
            count = (count or 0.0) + _own_count(found.density, tile, detector.stride)
            continue
        capped |= len(found.scores) >= config.max_heads
        more = found.boxes.double().cpu().numpy() + np.tile([tile.left, tile.top], 2)
        boxes, scores = _joined(
            boxes, scores, more, found.scores.double().cpu().numpy(), tile, size_wh
        )
    order = np.argsort(-scores, kind="stable")
    return InImage(boxes[order] * np.tile(back, 2), scores[order], count, capped)


@torch.no_grad()
def _find_in(detector: Detector, image: Image, tiles: list[Tile]) -> list[Found]:
    """Find the heads of each tile; tiles of an image have one size."""
    device = next(detector.parameters()).device
    step = TILES_AT_ONCE.get(device.type, 1)
    found: list[Found] = []
    for first in range(0, len(tiles), step):
        some = tiles[first : first + step]
        parts = [image[one.top : one.bottom, one.left : one.right] for one in some]
        values = normalised(torch.from_numpy(np.stack(parts)).to(device))
        right, bottom = -parts[0].shape[1] % MULTIPLE, -parts[0].shape[0] % MULTIPLE
        # Whole precision: in 16 bits neighbouring cells tie, and of a tie one is a peak.
        with torch.autocast(device.type, enabled=False):
            given = detector.find(pad(values, (0, right, 0, bottom)))
        found += _checked(given, len(some), detector)
    return found


def _checked(given: object, images: int, detector: Detector) -> list[Found]:
    """Return what a detector found, if it is what it must be: anybody may have written it."""
    name = f"{type(detector).__name__}.find"
    if not isinstance(given, list) or not all(isinstance(one, Found) for one in given):
        raise UsageError(f"{name} must give a list of Found", value=type(given).__name__)
    if len(given) != images:
        raise UsageError(f"{name} must give a Found for each image", value=len(given))
    for one in given:
        if detector.counts_only != (one.density is not None):
            raise UsageError(
                f"{name} gives {'boxes' if one.density is None else 'a density map'}",
                value=f"counts_only = {detector.counts_only}",
                remedy="a detector that only counts has counts_only = True and density maps, "
                "any other has boxes",
            )
        if one.density is not None:
            wrong = None if one.density.dim() == 2 else f"a map of shape {tuple(one.density.shape)}"
            values = [one.density]
        else:
            wrong = _wrong_boxes(one)
            values = [one.boxes, one.scores]
        if wrong is None and not all(bool(torch.isfinite(value).all()) for value in values):
            wrong = "numbers that aren't finite"
        if wrong is not None:
            raise UsageError(
                f"{name} gives {wrong}",
                remedy="(N, 4) corners with x0 <= x1 and y0 <= y1, (N,) scores from 0 to 1; or a "
                "density map (H, W)",
            )
    return given


def _wrong_boxes(one: Found) -> str | None:
    shapes = tuple(one.boxes.shape), tuple(one.scores.shape)
    if one.boxes.dim() != 2 or shapes != ((len(one.boxes), 4), (len(one.boxes),)):
        return f"boxes of shape {shapes[0]} and scores of shape {shapes[1]}"
    if bool((one.boxes[:, :2] > one.boxes[:, 2:]).any()):
        return "boxes whose corners are swapped"
    if bool(((one.scores < 0) | (one.scores > 1)).any()):
        return f"scores up to {float(one.scores.max()):g}"
    return None


def _own_count(density: torch.Tensor, tile: Tile, stride: int) -> float:
    """Add up the cells whose centre is the tile's own and in the image."""
    x = (torch.arange(density.shape[1]) + 0.5) * stride + tile.left
    y = (torch.arange(density.shape[0]) + 0.5) * stride + tile.top
    left, top, right, bottom = tile.own
    keep_x = ((x >= left) & (x < min(right, tile.right))).to(density)
    keep_y = ((y >= top) & (y < min(bottom, tile.bottom))).to(density)
    return float((density * keep_y[:, None] * keep_x[None, :]).sum())


def _joined(
    boxes: Floats,
    scores: Floats,
    more: Floats,
    more_scores: Floats,
    tile: Tile,
    size_wh: tuple[int, int],
) -> tuple[Floats, Floats]:
    """Add a tile's heads to those found before; of a head that both have, the surer one stays."""
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
        same = box_iou(torch.from_numpy(boxes[near_old]), torch.from_numpy(more[near_new])).numpy()
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


def as_predictions(
    names: Iterable[str], found: list[InImage], header: dict[str, Any]
) -> Predictions:
    """Collect what was found, as a prediction file has it.

    Args:
        names: of the images.
        found: in each.
        header: `dataset` and `method` of the file.
    """
    count = len(found)
    boxes = [np.zeros((0, 4)), *(one.boxes_xyxy for one in found)]
    scores = [np.zeros(0), *(one.scores for one in found)]
    detects = any(one.count is None for one in found)
    return Predictions(
        kind="gtahead",
        images=list(names),
        counts=np.array([np.nan if one.count is None else one.count for one in found], np.float64),
        has_points=np.zeros(count, np.bool_),
        has_boxes=np.full(count, detects),
        points_xy=np.empty((0, 2)),
        point_scores=np.empty(0),
        points_by_image=Ragged.from_counts([0] * count),
        boxes_xyxy=np.concatenate(boxes),
        box_scores=np.concatenate(scores),
        boxes_by_image=Ragged.from_counts([len(one.scores) for one in found]),
        header=header,
    )
