"""Boxes of a frame by each rule, side by side."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.annotation.evaluation import measure_rules
from gtahead.annotation.rule_errors import true_boxes
from gtahead.annotation.scene import standing_scene
from gtahead.dataset import Dataset, Frame
from gtahead.drawing import decoded_image, titled
from gtahead.errors import InputError, Where
from gtahead.marks import MARKS, WHITE, rectangle
from gtahead.tables.canonical import COUNTED

_TILE_WH = (640, 480)

_HEAD_PX = 40

_COLUMNS = 3

_CLEAR = ("CLEAR", "EXTRASUNNY", "CLOUDS", "OVERCAST")


def draw_rules(dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Draw the boxes of every rule for one frame, one tile each, over the true boxes in white.

    The frame is the one with the median number of heads of those that have any, by day and in
    clear weather where there are such, and tiles show it where most heads are seen at once,
    magnified.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the dataset has no images, or no true boxes in that frame.
    """
    frame = _clear_frame(dataset)
    image = frame_image(frame)
    scene = standing_scene(dataset, frame.sequence)
    ids = dataset.select(sequences=[frame.sequence]).frame_ids
    ground_truth, known = true_boxes(scene)
    shown = (scene.heads["frame_index"] == ids.index(frame.frame_id)) & known
    shown &= scene.heads["status"] == COUNTED
    found = measure_rules(scene, ground_truth, shown)
    if not found:
        raise InputError(
            "the frame has no true boxes to draw", where=Where(None, frame=frame.frame_id)
        )
    side = float(np.median(ground_truth[shown, 3] - ground_truth[shown, 1]))
    crop_wh = np.minimum(np.array(_TILE_WH) * max(side, 8.0) / _HEAD_PX, frame.size_wh)
    points = scene.points_xy[shown]
    candidates = points[:: 1 + len(points) // 500]
    near = (np.abs(candidates[:, None] - points) < 0.4 * crop_wh).all(axis=2)
    centre = candidates[near.sum(axis=1).argmax()]
    corner = np.clip(centre - crop_wh / 2, 0, np.array(frame.size_wh) - crop_wh)
    zoom = float(min(_TILE_WH / crop_wh))
    warp = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]]])
    # OpenCV's coordinates are those of centres of pixels.
    centred = warp.copy()
    centred[:, 2] += 0.5 * zoom - 0.5
    base = cv2.warpAffine(image, centred, _TILE_WH, flags=cv2.INTER_LINEAR)
    tiles = []
    for rule, deviations in found.items():
        tile = np.array(base, np.uint8)
        for row, box in zip(deviations.rows, deviations.boxes_xyxy, strict=True):
            for whole, colour in ((ground_truth[row], WHITE), (box, MARKS["counted"].bgr)):
                corners = (whole.reshape(2, 2) - corner) * zoom
                rectangle(tile, corners.ravel(), colour, 2)
        words = f"{rule}: mean IoU {deviations.iou.mean():.2f} on {len(deviations.rows)} heads"
        tiles.append(titled(tile, words))
    columns = min(_COLUMNS, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)]
    sheet = np.ascontiguousarray(np.vstack(rows), np.uint8)
    return titled(sheet, f"{frame.frame_id}   white: the true box   blue: the box by the rule")


def _clear_frame(dataset: Dataset) -> Frame:
    """Choose the frame to draw."""
    columns = dataset.frames(["num_heads", "weather", "hour"])
    counts = np.array(columns["num_heads"])
    clear = [
        weather in _CLEAR and hour is not None and 8 <= hour <= 18
        for weather, hour in zip(columns["weather"], columns["hour"], strict=True)
    ]
    filled = np.flatnonzero(counts)
    if len(filled) == 0:
        raise InputError("no frame has heads that count", where=Where(str(dataset.folder)))
    filled = filled[np.array(clear)[filled]] if np.array(clear)[filled].any() else filled
    middle = filled[np.argsort(counts[filled], kind="stable")[len(filled) // 2]]
    frame: Frame = dataset[dataset.frame_ids[middle]]
    return frame


def frame_image(frame: Frame) -> npt.NDArray[np.uint8]:
    """Read a frame's image, (H, W, 3)."""
    where = Where(None if frame.image_path is None else str(frame.image_path), frame=frame.frame_id)
    if frame.image_path is None:
        raise InputError(
            "the dataset holds labels alone",
            where=where,
            remedy="build it with --images link to draw on images",
        )
    return decoded_image(frame.image_path.read_bytes(), where)
