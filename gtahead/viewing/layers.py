"""Layers over an image: points, boxes, maps, ids, how much can be seen, what was found."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from gtahead import density
from gtahead.arrays import Floats
from gtahead.drawing import COLOURS_BGR, rectangle
from gtahead.errors import InputError, Where
from gtahead.tables.canonical import STATUS_NAMES
from gtahead.viewing.shots import Shot

Canvas = npt.NDArray[np.uint8]

LAYERS = ("points", "boxes", "density", "heatmap", "ids", "occlusion")

FOUND_BGR = {"hit": (90, 220, 60), "miss": (70, 70, 240), "false": (40, 190, 250)}
"""Green was found, red was missed, amber is no head: as in the page of a score."""

REGION_BGR = (255, 200, 60)
"""The border of a region of interest."""

MIN_WIDTH = 960
MAX_WIDTH = 3840
"""Small images are magnified by a whole number, so that lines don't cover heads."""

STRIP = 30
_DARK = (28, 26, 24)
_SUBPIXEL = 4
_MAP_STRIDE = 2
_MAX_IDS = 400


def draw(shot: Shot, layers: Sequence[str], *, width: int | None = None) -> Canvas:
    """Draw a frame with layers, and a strip above that says what it is.

    Args:
        shot: the frame.
        layers: names in `LAYERS`; where the shot has findings, these are drawn beside them.
        width: of the image; by default that of the frame, magnified where it is small.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the image doesn't decode.
    """
    canvas, scale = _canvas(shot, width)
    for name in ("density", "heatmap"):
        if name in layers:
            canvas = _with_map(canvas, shot, name)
    for polygon in shot.regions:
        corners = np.rint(polygon * scale).astype(np.int32)
        cv2.polylines(canvas, [corners], isClosed=True, color=REGION_BGR, thickness=2)
    if "boxes" in layers:
        _draw_boxes(canvas, shot, scale, by_visibility="occlusion" in layers)
    if "points" in layers or ("occlusion" in layers and "boxes" not in layers):
        _draw_points(canvas, shot, scale, by_visibility="occlusion" in layers)
    if shot.found is not None:
        _draw_found(canvas, shot, scale)
    if "ids" in layers:
        canvas = _with_ids(canvas, shot, scale)
    return np.vstack([_strip(shot, canvas.shape[1], layers), canvas])


def _canvas(shot: Shot, width: int | None) -> tuple[Canvas, float]:
    """Return the image to draw on, and its scale: its pixels per pixel of the frame."""
    wide, high = shot.size_wh
    if shot.read is None:
        image = np.full((high, wide, 3), 60, np.uint8)
    else:
        data = np.frombuffer(shot.read(), np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if decoded is None:
            raise InputError(
                "the image doesn't decode",
                where=Where(frame=shot.frame_id),
                remedy="`gtahead validate --images full` says what is wrong with it",
            )
        image = np.asarray(decoded, np.uint8)
    if width is None:
        width = wide * max(1, -(-MIN_WIDTH // wide)) if wide < MIN_WIDTH else wide
        width = min(width, MAX_WIDTH)
    scale = width / wide
    if image.shape[1] == width:
        return np.ascontiguousarray(image), scale
    way = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    size = (width, max(1, round(high * scale)))
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=way), np.uint8), scale


def _typical_side(shot: Shot) -> float:
    """Return the side of a typical head in pixels: of its boxes, else of the gaps between heads."""
    sides = shot.boxes_xyxy[:, 2:] - shot.boxes_xyxy[:, :2]
    sides = sides[np.isfinite(sides).all(axis=1)]
    if len(sides):
        return float(np.median(sides))
    return float(np.clip(np.sqrt(np.prod(shot.size_wh) / (1 + len(shot.points_xy))) / 3, 4, 40))


def _colours(shot: Shot, *, by_visibility: bool) -> list[tuple[int, int, int]]:
    if not by_visibility:
        return [COLOURS_BGR[STATUS_NAMES[code]] for code in shot.status]
    # From green, all seen, over yellow to red, nothing seen; grey where it isn't known.
    out = []
    for share in shot.visibility.tolist():
        if np.isnan(share):
            out.append((150, 150, 150))
        else:
            out.append((60, int(220 * min(1.0, 2 * share)), int(240 * min(1.0, 2 * (1 - share)))))
    return out


def _draw_boxes(canvas: Canvas, shot: Shot, scale: float, *, by_visibility: bool) -> None:
    thickness = 1 if _typical_side(shot) * scale < 24 else 2
    colours = _colours(shot, by_visibility=by_visibility)
    for box, colour in zip(shot.boxes_xyxy, colours, strict=True):
        if np.isfinite(box).all():
            rectangle(canvas, box * scale, colour, thickness)


def _dots(
    canvas: Canvas,
    points_xy: Floats,
    colours: Sequence[tuple[int, int, int]],
    radius: float,
    scale: float,
    *,
    thickness: int = -1,
) -> None:
    positions = np.round((points_xy * scale - 0.5) * 2**_SUBPIXEL).astype(int).tolist()
    size = round(radius * 2**_SUBPIXEL)
    for (x, y), colour in zip(positions, colours, strict=True):
        cv2.circle(canvas, (x, y), size, colour, thickness, cv2.LINE_AA, _SUBPIXEL)


def _draw_points(canvas: Canvas, shot: Shot, scale: float, *, by_visibility: bool) -> None:
    radius = float(np.clip(0.16 * _typical_side(shot) * scale, 1.2, 5))
    colours = _colours(shot, by_visibility=by_visibility)
    if radius > 2:  # a dark rim, so that a dot is seen on any ground
        _dots(canvas, shot.points_xy, [(0, 0, 0)] * len(colours), radius + 1, scale)
    _dots(canvas, shot.points_xy, colours, radius, scale)


def _draw_found(canvas: Canvas, shot: Shot, scale: float) -> None:
    found = shot.found
    assert found is not None
    radius = float(np.clip(0.5 * _typical_side(shot) * scale, 2.5, 14))
    thick = 1 if radius < 6 else 2
    for name, points in (
        ("hit", found.hits_xy),
        ("miss", found.missed_xy),
        ("false", found.false_xy),
    ):
        colours = [FOUND_BGR[name]] * len(points)
        if name == "false":  # a square: distinguished without colours
            for x, y in points * scale:
                corner, end = (
                    (round(x - radius), round(y - radius)),
                    (round(x + radius), round(y + radius)),
                )
                cv2.rectangle(canvas, corner, end, FOUND_BGR[name], thick, cv2.LINE_AA)
            continue
        _dots(canvas, points, colours, radius, scale, thickness=thick)
        if name == "miss":  # a cross in the ring
            arm = radius * 0.6
            for x, y in points * scale:
                cv2.line(
                    canvas,
                    (round(x - arm), round(y - arm)),
                    (round(x + arm), round(y + arm)),
                    FOUND_BGR[name],
                    thick,
                    cv2.LINE_AA,
                )
                cv2.line(
                    canvas,
                    (round(x - arm), round(y + arm)),
                    (round(x + arm), round(y - arm)),
                    FOUND_BGR[name],
                    thick,
                    cv2.LINE_AA,
                )


def _with_map(canvas: Canvas, shot: Shot, name: str) -> Canvas:
    """Lay a density map or a heatmap over the image, the more opaque the more there is."""
    known = np.isfinite(shot.sigmas_xy).all(axis=1) & shot.of_status("counted")
    if not known.any():
        return canvas
    stride = _MAP_STRIDE if min(shot.size_wh) >= 200 else 1
    args = (shot.points_xy[known], shot.sigmas_xy[known], shot.size_wh)
    if name == "density":
        values = density.render_density(*args, stride=stride)
        # Peaks of lone sharp heads would leave the crowd dark.
        top = float(np.quantile(values[values > 0], 0.98)) if (values > 0).any() else 1.0
        values = np.clip(values / top, 0, 1)
    else:
        values = density.render_heatmap(*args, stride=stride)
    size = (canvas.shape[1], canvas.shape[0])
    values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR))
    kind = cv2.COLORMAP_INFERNO if name == "density" else cv2.COLORMAP_VIRIDIS
    colours = cv2.applyColorMap((values * 255).astype(np.uint8), kind).astype(np.float32)
    grey = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    weight = np.sqrt(values)[:, :, None] * 0.9
    ground = grey.astype(np.float32) * 0.55
    return np.ascontiguousarray(ground * (1 - weight) + colours * weight).astype(np.uint8)


def _with_ids(canvas: Canvas, shot: Shot, scale: float) -> Canvas:
    """Write ids beside heads; in a dense frame only of the largest, for the rest can't be read."""
    counted = np.flatnonzero(~shot.of_status("absent"))
    sides = shot.boxes_xyxy[counted, 3] - shot.boxes_xyxy[counted, 1]
    order = counted[np.argsort(-np.nan_to_num(sides), kind="stable")][:_MAX_IDS]
    image = Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB))
    brush = ImageDraw.Draw(image)
    font = ImageFont.load_default(11)
    for row in order:
        x, y = shot.points_xy[row] * scale
        position = (x + 4, y - 6)
        brush.text(
            position,
            str(shot.ids[row]),
            (255, 255, 255),
            font,
            stroke_width=1,
            stroke_fill=(0, 0, 0),
        )
    return np.ascontiguousarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR), np.uint8)


def _strip(shot: Shot, width: int, layers: Sequence[str]) -> Canvas:
    """Write above the image what it is, with the colours' meaning."""
    image = Image.new("RGB", (width, STRIP), _DARK[::-1])
    brush = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    x = 10.0
    for words, colour in _words(shot, layers):
        if colour is not None:
            brush.ellipse((x, STRIP / 2 - 5, x + 10, STRIP / 2 + 5), fill=colour[::-1])
            x += 15
        length = brush.textlength(words, font)
        if x + length > width - 6 and x > 10:
            break
        brush.text((x, STRIP / 2), words, (235, 235, 235), font, anchor="lm")
        x += length + 16
    return np.ascontiguousarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR), np.uint8)


def _words(shot: Shot, layers: Sequence[str]) -> list[tuple[str, tuple[int, int, int] | None]]:
    words: list[tuple[str, tuple[int, int, int] | None]] = [(shot.frame_id, None)]
    counted = int(shot.of_status("counted").sum())
    if shot.found is not None:
        found = shot.found
        words.append((f"{counted:,} heads, {found.count:,.0f} counted", None))
        words.append((f"{len(found.hits_xy):,} hits", FOUND_BGR["hit"]))
        words.append((f"{len(found.missed_xy):,} missed", FOUND_BGR["miss"]))
        words.append((f"{len(found.false_xy):,} false", FOUND_BGR["false"]))
        return words
    if "occlusion" in layers:
        words.append((f"{counted:,} heads", None))
        words += [("all seen", (60, 220, 0)), ("half", (60, 220, 240)), ("hidden", (60, 0, 240))]
        words.append(("unknown", (150, 150, 150)))
        return words
    for name in ("counted", "ignored", "absent"):
        number = int(shot.of_status(name).sum())
        if number or name == "counted":
            words.append((f"{number:,} {name}", COLOURS_BGR[name]))
    return words
