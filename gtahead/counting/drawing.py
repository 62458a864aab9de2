"""An image with the heads that were found in it."""

from __future__ import annotations

import cv2
import numpy as np

from gtahead.counting.counting import Counted
from gtahead.counting.models import Image
from gtahead.drawing import titled
from gtahead.marks import Canvas, draw_boxes

LEAST, MOST = 960, 2560
"""Widths of what is drawn: small images are magnified, large ones made smaller."""


def drawn(name: str, image: Image, counted: Counted) -> Canvas:
    """Draw boxes, and above them the count.

    Returns:
        (H, W, 3) uint8, blue first.
    """
    height, width = image.shape[:2]
    wide = min(max(width, LEAST), MOST)
    scale = wide / width
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    canvas = cv2.resize(canvas, (wide, max(1, round(height * scale))), interpolation=how)
    made = np.ascontiguousarray(canvas, np.uint8)
    draw_boxes(made, counted.boxes_xyxy * scale, ["counted"] * counted.count)
    span = "" if counted.low is None else f" ({counted.low:.0f} to {counted.high:.0f})"
    return titled(made, f"{name}: {counted.count:,} heads{span}")
