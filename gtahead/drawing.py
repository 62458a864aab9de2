"""Overlays: what a data set says of a frame, drawn on its picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.dataset import Frame
from gtahead.errors import InputError, UsageError, Where

COLOURS_BGR = {"counted": (90, 220, 60), "ignored": (40, 190, 250), "absent": (60, 60, 230)}
"""Green counts, amber is ignored, red is absent."""

_SUBPIXEL = 4
WHITE = (255, 255, 255)


def draw_boxes(frame: Frame) -> npt.NDArray[np.uint8]:
    """Draw a frame's boxes, coloured by status, on its picture.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the data set has no pictures, or the picture doesn't decode.
    """
    canvas = frame_image(frame)
    thickness = 1 if frame.size_wh[1] < 1500 else 2
    for box, status in zip(frame.boxes_xyxy, frame.status, strict=True):
        if np.isfinite(box).all():
            rectangle(canvas, box, COLOURS_BGR[status], thickness)
    return canvas


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


def titled(tile: npt.NDArray[np.uint8], words: str) -> npt.NDArray[np.uint8]:
    """Put a strip with a title above an image."""
    strip = np.full((34, tile.shape[1], 3), 30, np.uint8)
    cv2.putText(strip, words, (10, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, WHITE, 1, cv2.LINE_AA)
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


def frame_image(frame: Frame) -> npt.NDArray[np.uint8]:
    """Read a frame's picture, (H, W, 3)."""
    where = Where(None if frame.picture is None else str(frame.picture), frame=frame.frame_id)
    if frame.picture is None:
        raise InputError(
            "the data set holds labels alone",
            where=where,
            remedy="build it with --images link to draw on pictures",
        )
    return decoded_image(frame.picture.read_bytes(), where)


def decoded_image(encoded: bytes, where: Where) -> npt.NDArray[np.uint8]:
    """Decode an image, (H, W, 3) with blue first.

    Raises:
        InputError: it doesn't decode.
    """
    data = np.frombuffer(encoded, np.uint8)
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:  # too large, by its header
        decoded = None
    if decoded is None:
        raise InputError("the picture doesn't decode", where=where, remedy="build again")
    return np.ascontiguousarray(decoded, np.uint8)
