"""Which heads a detector can tell apart, however well it is trained."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torchvision.ops import nms

from gtahead.arrays import Array, Booleans
from gtahead.dataset import Frame
from gtahead.density import separable
from gtahead.errors import DataWarning
from gtahead.geometry import box_iou
from gtahead.training.config import TrainConfig
from gtahead.training.detectors.centernet import NEIGHBOURS_IOU, NMS_IOU

MAX_LOST = 0.02
"""Share of the heads from which on a warning is due."""

LOOKED_AT = 200
"""Frames at most: of more, some that are evenly spread."""


def decodable(points_xy: Array, boxes_xyxy: Array, config: TrainConfig) -> Booleans:
    """Return which heads can all be returned at once.

    Args:
        points_xy: (N, 2) their centres, pixels of the scaled image.
        boxes_xyxy: (N, 4) their boxes.
        config: by whose detector, stride and decoder.

    Returns:
        (N,) of a heatmap, peaks are in cells that don't touch; by NMS a cell has one head, and
        boxes overlap by an IoU of a half at most, in touching cells by less.
    """
    if config.detector == "centernet" and config.decode == "peaks":
        return separable(points_xy, config.stride)
    boxes = torch.from_numpy(np.asarray(boxes_xyxy, np.float64))
    found = np.zeros(len(boxes), np.bool_)
    found[nms(boxes, torch.ones(len(boxes), dtype=torch.float64), NMS_IOU).numpy()] = True
    if config.detector != "centernet" or len(boxes) == 0:
        return found
    cells = np.floor(np.asarray(points_xy) / config.stride)
    near = cKDTree(cells).query_pairs(1.0, p=np.inf, output_type="ndarray")
    first, second = near.T
    same = (cells[first] == cells[second]).all(axis=1)
    corners = boxes.numpy()
    same |= box_iou(corners[first], corners[second]) > NEIGHBOURS_IOU
    for one, other in near[same]:
        found[other] &= not found[one]
    return found


def lost_share(frames: Sequence[Frame], config: TrainConfig) -> float:
    """Return the share of the heads that count which can't be returned, from 0 to 1."""
    step = max(len(frames) // LOOKED_AT, 1)
    lost = heads = 0
    for frame in frames[::step]:
        scale, counted = config.scale, frame.counted
        points, boxes = frame.points_xy[counted] * scale, frame.boxes_xyxy[counted] * scale
        heads += len(points)
        lost += len(points) - int(decodable(points, boxes, config).sum())
    return lost / heads if heads else 0.0


def warn_of_lost_heads(frames: Sequence[Frame], config: TrainConfig, lost: float) -> None:
    """Warn where more than `MAX_LOST` of the heads can't be returned, and name what can."""
    if lost <= MAX_LOST:
        return
    ways = {}
    if config.detector == "centernet":
        if config.stride > 2:
            ways["stride=2"] = replace(config, stride=2)
        if config.decode == "peaks":
            ways["decode=nms"] = replace(config, decode="nms")
    for factor in (2, 4):
        scale = round(config.scale * factor, 3)
        ways[f"scale={scale:g}"] = replace(config, scale=scale)
    left = {name: lost_share(frames, other) for name, other in ways.items()}
    enough = [name for name in left if left[name] <= MAX_LOST]
    best = enough[0] if enough else min(left, key=lambda name: left[name])
    how = f" by {config.decode}" if config.detector == "centernet" else ""
    message = (
        f"{100 * lost:.1f} % of the heads to learn from are too close to others to be found beside "
        f"them at stride {config.stride}{how} and scale {config.scale:g}; "
        f"with --set {best} it is {100 * left[best]:.1f} %"
    )
    warnings.warn(message, DataWarning, stacklevel=4)
