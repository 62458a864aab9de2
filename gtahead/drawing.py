"""Overlays: what a data set says of a frame, drawn on its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.annotation.evaluation import measure_rules
from gtahead.building.annotating import standing_scene
from gtahead.building.evaluating import true_boxes
from gtahead.dataset import COUNTED, STATUS_NAMES, CountPolicy, Dataset, Frame
from gtahead.dataset.captured import SequenceSource
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import inside
from gtahead.intake import READERS

COLOURS_BGR = {"counted": (90, 220, 60), "ignored": (40, 190, 250), "absent": (60, 60, 230)}
"""Green counts, amber is ignored, red is absent."""

_SUBPIXEL = 4
_WHITE = (255, 255, 255)
_TILE_WH = (640, 480)
_HEAD_PX = 40
_COLUMNS = 3


def draw_boxes(frame: Frame) -> npt.NDArray[np.uint8]:
    """Draw a frame's boxes, coloured by status, on its picture.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the data set has no pictures, or the picture doesn't decode.
    """
    canvas = _picture(frame)
    thickness = 1 if frame.size_wh[1] < 1500 else 2
    for box, status in zip(frame.boxes_xyxy, frame.status, strict=True):
        if np.isfinite(box).all():
            rectangle(canvas, box, COLOURS_BGR[status], thickness)
    return canvas


def draw_rules(dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Draw what every box rule makes of one frame, a tile a rule, over the true boxes in white.

    The frame is the one with the median number of heads of those that have any, and tiles show it
    where most heads are seen at once, magnified.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the data set has no pictures, or no true boxes in that frame.
    """
    counts = np.array(dataset.frames(["num_heads"])["num_heads"])
    filled = np.flatnonzero(counts)
    if len(filled) == 0:
        raise InputError("no frame has heads that count", where=Where(str(dataset.folder)))
    middle = filled[np.argsort(counts[filled], kind="stable")[len(filled) // 2]]
    frame = dataset[dataset.frame_ids[middle]]
    picture = _picture(frame)
    scene = standing_scene(dataset, frame.sequence)
    ids = dataset.select(sequences=[frame.sequence]).frame_ids
    truth, known = true_boxes(scene)
    shown = (scene.heads["frame_index"] == ids.index(frame.frame_id)) & known
    shown &= scene.heads["status"] == COUNTED
    found = measure_rules(scene, truth, shown)
    if not found:
        raise InputError(
            "the frame has no true boxes to draw", where=Where(None, frame=frame.frame_id)
        )
    side = float(np.median(truth[shown, 3] - truth[shown, 1]))
    crop_wh = np.minimum(np.array(_TILE_WH) * max(side, 8.0) / _HEAD_PX, frame.size_wh)
    points = scene.points_xy[shown]
    candidates = points[:: 1 + len(points) // 500]
    near = (np.abs(candidates[:, None] - points) < 0.4 * crop_wh).all(axis=2)
    centre = candidates[near.sum(axis=1).argmax()]
    corner = np.clip(centre - crop_wh / 2, 0, np.array(frame.size_wh) - crop_wh)
    zoom = float(min(_TILE_WH / crop_wh))
    warp = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]]])
    # OpenCV's places are those of centres of pixels.
    centred = warp.copy()
    centred[:, 2] += 0.5 * zoom - 0.5
    base = cv2.warpAffine(picture, centred, _TILE_WH, flags=cv2.INTER_LINEAR)
    tiles = []
    for rule, deviations in found.items():
        tile = np.array(base, np.uint8)
        for row, box in zip(deviations.rows, deviations.boxes_xyxy, strict=True):
            for whole, colour in ((truth[row], _WHITE), (box, COLOURS_BGR["counted"])):
                corners = (whole.reshape(2, 2) - corner) * zoom
                rectangle(tile, corners.ravel(), colour, 2)
        words = f"{rule}: mean IoU {deviations.iou.mean():.2f} on {len(deviations.rows)} heads"
        tiles.append(_titled(tile, words))
    columns = min(_COLUMNS, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)]
    return np.ascontiguousarray(np.vstack(rows), np.uint8)


_SHEET_FRAMES = 12
_SHEET_COLUMNS = 2
_SHEET_WIDTH = 480


def draw_contact_sheet(captures: str | Path, names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draw 12 frames of native captures, each without boxes and, to its right, with them.

    The frames are spread over the sequences. Boxes of heads that count are green, of those that
    are ignored amber, of those nobody sees red.

    Args:
        captures: their folder.
        names: sequences to take frames from.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: a sequence can't be read, or has no pictures.
    """
    policy = CountPolicy()
    tiles = []
    for place in range(_SHEET_FRAMES):
        name = names[place * len(names) // _SHEET_FRAMES]
        source = SequenceSource("native", Path(captures), name, name)
        sequence = READERS["native"].read(source, Findings(), Ledger())
        earlier = sum(names[i * len(names) // _SHEET_FRAMES] == name for i in range(place))
        # Past the first frames, which may be empty, and a new one each time.
        number = (len(sequence.frames) // 2 + earlier) % len(sequence.frames)
        frame = sequence.frames[number]
        where = Where(f"{name}/{frame.frame}")
        if frame.file is None:
            raise InputError("the capture holds labels alone", where=where)
        plain = _decoded((Path(captures) / frame.file).read_bytes(), where)
        boxed = plain.copy()
        heads = sequence.heads
        rows = np.flatnonzero(heads["frame_index"] == number)
        boxes = np.stack([heads[f"captured_{c}"][rows] for c in ("x0", "y0", "x1", "y1")], axis=1)
        points = np.stack([heads["x"][rows], heads["y"][rows]], axis=1)
        status = policy.status(inside(points, sequence.size_wh), heads["visibility"][rows], None)
        for box, code in zip(boxes, status, strict=True):
            rectangle(boxed, box, COLOURS_BGR[STATUS_NAMES[code]], 1)
        pair = np.hstack([plain, boxed])
        counted = int((status == COUNTED).sum())
        words = f"{name}/{frame.frame}: {counted} heads counted, {sequence.weather}"
        tiles.append(_titled(_narrowed(pair, 2 * _SHEET_WIDTH), words))
    rows_of = [tiles[at : at + _SHEET_COLUMNS] for at in range(0, len(tiles), _SHEET_COLUMNS)]
    return np.ascontiguousarray(np.vstack([np.hstack(row) for row in rows_of]), np.uint8)


def _narrowed(picture: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    height = round(picture.shape[0] * width / picture.shape[1])
    way = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=way), np.uint8)


def check_png(path: str | Path) -> None:
    """See before the work whether a picture can be written there.

    Raises:
        InputError: there is no such folder.
        UsageError: the name has another ending.
    """
    if Path(path).suffix.lower() != ".png":
        raise UsageError(
            "pictures are written as PNG", value=Path(path).name, remedy="end the name with .png"
        )
    storage.require_folder_of(Path(path), "the picture")


def write_png(path: str | Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write a picture, whole or not at all, as PNG.

    Raises:
        InputError: there is no such folder.
        UsageError: the name has another ending.
        ResourceError: it can't be written.
    """
    check_png(path)
    _, data = cv2.imencode(".png", picture)
    with storage.naming_os_errors(Path(path)):
        storage.write_bytes(Path(path), data.tobytes())


def _titled(tile: npt.NDArray[np.uint8], words: str) -> npt.NDArray[np.uint8]:
    strip = np.full((34, tile.shape[1], 3), 30, np.uint8)
    cv2.putText(strip, words, (10, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _WHITE, 1, cv2.LINE_AA)
    return np.vstack([strip, tile])


def rectangle(
    canvas: npt.NDArray[np.uint8],
    box_xyxy: npt.NDArray[np.float64],
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    """Draw a box, in pixels of the canvas counted from its corner."""
    # OpenCV counts from the centre of a pixel, we from its corner.
    corners = np.round((box_xyxy - 0.5) * 2**_SUBPIXEL).astype(int).tolist()
    cv2.rectangle(
        canvas,
        (corners[0], corners[1]),
        (corners[2], corners[3]),
        colour,
        thickness,
        cv2.LINE_AA,
        _SUBPIXEL,
    )


def _picture(frame: Frame) -> npt.NDArray[np.uint8]:
    """Read a frame's picture, (H, W, 3)."""
    where = Where(None if frame.picture is None else str(frame.picture), frame=frame.frame_id)
    if frame.picture is None:
        raise InputError(
            "the data set holds labels alone",
            where=where,
            remedy="build it with --images link to draw on pictures",
        )
    return _decoded(frame.picture.read_bytes(), where)


def _decoded(encoded: bytes, where: Where) -> npt.NDArray[np.uint8]:
    data = np.frombuffer(encoded, np.uint8)
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:  # too large, by its header
        decoded = None
    if decoded is None:
        raise InputError("the picture doesn't decode", where=where, remedy="build again")
    return np.ascontiguousarray(decoded, np.uint8)
