"""How heads look, wherever they are drawn: a colour, a line and a shape for each kind.

Any one of the three tells the kinds apart, so that nothing depends on colours: images, films,
sheets, pages and notebooks draw heads by this module alone. The colours stay apart for the
colour-blind as well, which a test simulates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats

Canvas = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
HALO: Colour = (24, 20, 18)
"""Almost black: a rim that keeps marks visible on bright ground."""

HALO_FROM = 24
"""Boxes of smaller sides, in pixels, have no rim: it would hide the head."""

_SUBPIXEL = 4


@dataclass(frozen=True)
class Mark:
    """How heads of one kind are drawn.

    Attributes:
        colour: as in CSS.
        line: of a box; what isn't counted is crossed out as well.
        point: the shape of a point.
        words: what heads of the kind are called in legends.
    """

    colour: str
    line: Literal["solid", "dashed", "dotted"]
    point: Literal["disc", "ring", "cross", "square"]
    words: str

    @property
    def bgr(self) -> Colour:
        """The colour in OpenCV's order of channels."""
        red, green, blue = (int(self.colour[at : at + 2], 16) for at in (1, 3, 5))
        return blue, green, red


_BLUE, _AMBER, _MAGENTA = "#3ea6ff", "#ffb000", "#e8368f"

MARKS = {
    "counted": Mark(_BLUE, "solid", "disc", "counted"),
    "ignored": Mark(_AMBER, "dashed", "ring", "ignored"),
    "absent": Mark(_MAGENTA, "dotted", "cross", "out of frame or hidden"),
    "hit": Mark(_BLUE, "solid", "ring", "hits"),
    "miss": Mark(_MAGENTA, "dotted", "cross", "missed"),
    "false": Mark(_AMBER, "dashed", "square", "false"),
}
"""By a head's status (`gtahead.tables.canonical.STATUS_NAMES`), and by what a method made of it."""


def rectangle(canvas: Canvas, box_xyxy: Floats, colour: Colour, thickness: int) -> None:
    """Draw a box, in pixels of the canvas counted from its corner."""
    first, last = _fixed(box_xyxy.reshape(2, 2))
    cv2.rectangle(canvas, first, last, colour, thickness, cv2.LINE_AA, _SUBPIXEL)


def draw_boxes(
    canvas: Canvas, boxes_xyxy: Floats, kinds: Sequence[str], thickness: int | None = None
) -> None:
    """Draw boxes by their kind, those that count on top.

    Args:
        canvas: (H, W, 3), blue first; drawn upon.
        boxes_xyxy: (N, 4) in the canvas's pixels; those with NaN aren't drawn.
        kinds: (N,) keys of `MARKS`.
        thickness: of the lines; by default thinner for small boxes.
    """
    known = np.isfinite(boxes_xyxy).all(axis=1)
    sides = np.minimum(boxes_xyxy[:, 2] - boxes_xyxy[:, 0], boxes_xyxy[:, 3] - boxes_xyxy[:, 1])
    thick = thickness or (2 if known.any() and np.median(sides[known]) >= 24 else 1)
    names = np.array(kinds, object)
    for name in ("absent", "ignored", "counted"):
        mark = MARKS[name]
        for row in np.flatnonzero(known & (names == name)):
            box, side = boxes_xyxy[row], float(sides[row])
            if side >= HALO_FROM and mark.line == "solid":
                rectangle(canvas, box, HALO, thick + 1)
            _outline(canvas, box, mark, thick, side)


def _outline(canvas: Canvas, box: Floats, mark: Mark, thickness: int, side: float) -> None:
    if mark.line == "solid":
        rectangle(canvas, box, mark.bgr, thickness)
        return
    x0, y0, x1, y1 = box.tolist()
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    period = min(12.0, side / 2) if mark.line == "dashed" else min(5.0, max(3.0, side / 5))
    share = 0.55 if mark.line == "dashed" else 0.3
    for start, end in pairwise(corners):
        _dashes(canvas, np.array(start), np.array(end), mark.bgr, thickness, (period, share))
    if mark.line == "dotted":
        middle, arm = (box[:2] + box[2:]) / 2, min(side / 4, 6.0)
        _cross(canvas, middle, arm, mark.bgr, thickness)


def _dashes(
    canvas: Canvas,
    start: Floats,
    end: Floats,
    colour: Colour,
    thickness: int,
    period_share: tuple[float, float],
) -> None:
    """Draw a broken line: dashes a period apart, each as long as a share of the period."""
    period, share = period_share
    length = float(np.hypot(*(end - start)))
    count = max(1, round(length / period))
    for number in range(count):
        ends = start + (end - start) * np.array([[number], [number + share]]) / count
        first, last = np.round(ends - 0.5).astype(int).tolist()
        cv2.line(canvas, first, last, colour, thickness)  # smoothed, short dashes would be pale


def draw_points(
    canvas: Canvas, points_xy: Floats, name: str, radius: float, colours: Iterable[Colour] = ()
) -> None:
    """Draw points of one kind.

    Args:
        canvas: (H, W, 3), blue first; drawn upon.
        points_xy: (N, 2) in the canvas's pixels.
        name: of the kind, a key of `MARKS`.
        radius: of the shape.
        colours: of each point, in place of the kind's.
    """
    mark, thick = MARKS[name], 1 if radius < 6 else 2
    given = list(colours) or [mark.bgr] * len(points_xy)
    if mark.point == "disc" and radius > 2:  # one rim under all of them
        for point in points_xy:
            _circle(canvas, point, radius + 1, HALO, -1)
    for point, colour in zip(points_xy, given, strict=True):
        if mark.point == "disc":
            _circle(canvas, point, radius, colour, -1)
        elif mark.point == "cross":
            if radius >= HALO_FROM / 4:
                _cross(canvas, point, radius, HALO, thick + 2)
            _cross(canvas, point, radius, colour, thick)
        elif mark.point == "square":
            corners = np.concatenate([point - radius, point + radius])
            if radius >= HALO_FROM / 4:
                rectangle(canvas, corners, HALO, thick + 1)
            rectangle(canvas, corners, colour, thick)
        else:
            if radius >= HALO_FROM / 4:
                _circle(canvas, point, radius, HALO, thick + 1)
            _circle(canvas, point, radius, colour, thick)


def draw_sample(canvas: Canvas, centre_xy: tuple[float, float], name: str, *, box: bool) -> None:
    """Draw a kind's mark, about 14 pixels wide, for a legend."""
    centre = np.array(centre_xy)
    if box:
        thickness = 1 if MARKS[name].line == "dotted" else 2
        corners = np.concatenate([centre - 6.5, centre + 6.5])
        draw_boxes(canvas, corners[None], [name], thickness)
    else:
        draw_points(canvas, centre[None], name, 6)


def _circle(canvas: Canvas, centre: Floats, radius: float, colour: Colour, thickness: int) -> None:
    (x, y), size = _fixed(centre[None])[0], round(radius * 2**_SUBPIXEL)
    cv2.circle(canvas, (x, y), size, colour, thickness, cv2.LINE_AA, _SUBPIXEL)


def _cross(canvas: Canvas, centre: Floats, arm: float, colour: Colour, thickness: int) -> None:
    for down in (-1.0, 1.0):
        way = np.array([arm, down * arm])
        first, last = _fixed(np.stack([centre - way, centre + way]))
        cv2.line(canvas, first, last, colour, thickness, cv2.LINE_AA, _SUBPIXEL)


def _fixed(points_xy: Floats) -> list[tuple[int, int]]:
    """Return points for OpenCV, which counts from a pixel's centre; we count from its corner."""
    whole = np.round((points_xy - 0.5) * 2**_SUBPIXEL).astype(int).tolist()
    return [(x, y) for x, y in whole]
