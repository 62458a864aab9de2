"""From images of any size to heads in their own pixels: scaled, tiled, each head once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from gtahead.arrays import Floats, Ragged
from gtahead.errors import UsageError
from gtahead.predictions import Predictions
from gtahead.tiling import Tile, joined, tiles_of
from gtahead.training.crops import Image, normalised, scaled
from gtahead.training.detectors import Detector, Found
from gtahead.training.detectors.detector import MULTIPLE

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
        boxes, scores = joined(
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
