"""An image with the heads that were found in it."""

from __future__ import annotations

import cv2
import numpy as np

from gtahead.counting.counting import Counted
from gtahead.counting.models import Image
from gtahead.drawing import titled
from gtahead.errors import printable
from gtahead.marks import Canvas, draw_boxes

LEAST, MOST = 960, 2560
"""The least width of what is drawn, and its longest side."""


def drawn(name: str, image: Image, counted: Counted) -> Canvas:
    """Draw boxes, and above them the count.

    Returns:
        (H, W, 3) uint8, blue first.
    """
    height, width = image.shape[:2]
    # Small images are magnified, but no side becomes longer than the longest.
    scale = min(max(1.0, LEAST / width), MOST / max(height, width))
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    canvas = cv2.resize(canvas, (wide, high), interpolation=how)
    made = np.ascontiguousarray(canvas, np.uint8)
    draw_boxes(made, counted.boxes_xyxy * scale, ["counted"] * counted.count)
    return titled(made, f"{printable(name)}: {counted.in_words}")
