"""Overlays: what a data set says of a frame, drawn on its picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.dataset import Frame
from gtahead.errors import InputError, Where

COLOURS_BGR = {"counted": (90, 220, 60), "ignored": (40, 190, 250), "absent": (60, 60, 230)}
"""Green counts, amber is ignored, red is absent."""

_SUBPIXEL = 4


def draw_boxes(frame: Frame) -> npt.NDArray[np.uint8]:
    """Draw a frame's boxes, coloured by status, on its picture.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the data set has no pictures, or the picture doesn't decode.
    """
    where = Where(None if frame.picture is None else str(frame.picture), frame=frame.frame_id)
    if frame.picture is None:
        raise InputError(
            "the data set holds labels alone",
            where=where,
            remedy="build it with --images link to draw on pictures",
        )
    data = np.frombuffer(frame.picture.read_bytes(), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if decoded is None:
        raise InputError("the picture doesn't decode", where=where, remedy="build again")
    canvas = np.ascontiguousarray(decoded, np.uint8)
    thickness = 1 if frame.size_wh[1] < 1500 else 2
    for box, status in zip(frame.boxes_xyxy, frame.status, strict=True):
        if np.isfinite(box).all():
            # OpenCV counts from the centre of a pixel, we from its corner.
            corners = np.round((box - 0.5) * 2**_SUBPIXEL).astype(int).tolist()
            cv2.rectangle(
                canvas,
                (corners[0], corners[1]),
                (corners[2], corners[3]),
                COLOURS_BGR[status],
                thickness,
                cv2.LINE_AA,
                _SUBPIXEL,
            )
    return canvas
