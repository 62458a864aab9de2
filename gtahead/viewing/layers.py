"""Layers over an image: points, boxes, maps, ids, how much can be seen, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gtahead import density
from gtahead.errors import InputError, Where
from gtahead.geometry import inside
from gtahead.marks import MARKS, Canvas, Colour, draw_boxes, draw_points, draw_sample
from gtahead.viewing.shots import MatchedHeads, Shot

LAYERS = ("points", "boxes", "density", "heatmap", "ids", "occlusion")

REGION_BGR = (255, 200, 60)
"""The border of a region of interest."""

MIN_WIDTH = 960
MAX_WIDTH = 3840
"""Small images are magnified by a whole number, so that lines don't cover heads."""

STRIP = 30
BAR = 70
"""Height of the strip above an image, and length of a colour bar in it."""

DARK_BGR = (28, 26, 24)
UNKNOWN_BGR: Colour = (150, 150, 150)
_MAP_STRIDE = 2

DENSE = 400
"""A tile of a sheet with more heads shows points: boxes would be a carpet."""

SIGMA_SHARE = 0.004
"""Of the image's width: kernels of density maps are drawn no narrower, or they would be specks."""

TOP_SHARE = 0.99
"""Of a density map's cells that aren't empty: what is brighter looks alike."""

_IDS_PX = 11


def draw(
    shot: Shot, layers: Sequence[str], *, width: int | None = None, small: bool = False
) -> Canvas:
    """Draw a frame with layers, and a strip above that says what it is.

    Args:
        shot: the frame.
        layers: names in `LAYERS`; where the shot has findings, these are drawn beside them.
        width: of the image; by default that of the frame, magnified where it is small.
        small: it's one of many in a sheet; a crowd's boxes are points there.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: the image doesn't decode.
    """
    canvas, scale = _canvas(shot, width)
    wanted = set(layers)
    if small and "boxes" in wanted and len(shot.points_xy) > DENSE:
        wanted = wanted - {"boxes"} | {"points"}
    legend = [_Entry(shot.frame_id)]
    for name in ("density", "heatmap"):
        if name in wanted:
            canvas, entries = _with_map(canvas, shot, name)
            legend += entries
    for polygon in shot.regions:
        corners = np.rint(polygon * scale).astype(np.int32)
        cv2.polylines(canvas, [corners], isClosed=True, color=REGION_BGR, thickness=2)
    if "boxes" in wanted:
        draw_boxes(canvas, shot.boxes_xyxy * scale, shot.status_names)
    if "occlusion" in wanted:
        _draw_visibility(canvas, shot, scale)
        legend += _visibility_entries(shot)
    elif "points" in wanted:
        radius = float(np.clip(0.16 * _typical_side(shot) * scale, 1.5, 6))
        for name in ("absent", "ignored", "counted"):
            mine = shot.of_status(name)
            draw_points(canvas, shot.points_xy[mine] * scale, name, radius)
    if shot.found is not None:
        legend += _draw_found(canvas, shot, shot.found, scale)
    elif "occlusion" not in wanted:
        legend += _status_entries(shot, box="boxes" in wanted)
    if "ids" in wanted:
        canvas, entry = _with_ids(canvas, shot, scale)
        legend.append(entry)
    return np.vstack([_strip(legend, canvas.shape[1]), canvas])


@dataclass(frozen=True)
class _Entry:
    """One thing in the strip.

    Attributes:
        words: to be read.
        kind: whose mark stands before them, a key of `MARKS`.
        box: that mark is a box.
        colours: of a bar before the words, a colour map of OpenCV.
    """

    words: str
    kind: str | None = None
    box: bool = False
    colours: int | None = None


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


def _draw_visibility(canvas: Canvas, shot: Shot, scale: float) -> None:
    """Draw a dot on each head: the brighter, the more of it is seen; grey where it isn't known."""
    shares = (np.nan_to_num(shot.visibility) * 255).astype(np.uint8)[:, None]
    ramp = cv2.applyColorMap(shares, cv2.COLORMAP_CIVIDIS)[:, 0].tolist() if len(shares) else []
    known = np.isfinite(shot.visibility).tolist()
    colours: list[Colour] = [
        (one[0], one[1], one[2]) if sure else UNKNOWN_BGR
        for one, sure in zip(ramp, known, strict=True)
    ]
    radius = float(np.clip(0.2 * _typical_side(shot) * scale, 3, 7))
    draw_points(canvas, shot.points_xy * scale, "counted", radius, colours)


def _visibility_entries(shot: Shot) -> list[_Entry]:
    counted = int(shot.of_status("counted").sum())
    unknown = int(np.isnan(shot.visibility).sum())
    entries = [
        _Entry(f"{counted:,} heads counted"),
        _Entry("visible: 0 to 100 %", colours=cv2.COLORMAP_CIVIDIS),
    ]
    return entries + ([_Entry(f"grey: unknown for {unknown:,}")] if unknown else [])


def _draw_found(canvas: Canvas, shot: Shot, found: MatchedHeads, scale: float) -> list[_Entry]:
    """Draw hits, missed and false heads; return what the strip says of them."""
    radius = float(np.clip(0.5 * _typical_side(shot) * scale, 2.5, 14))
    counted = int(shot.of_status("counted").sum())
    entries = [_Entry(f"{counted:,} heads, {found.count:,.0f} counted")]
    for name, points in (
        ("hit", found.hits_xy),
        ("miss", found.missed_xy),
        ("false", found.false_xy),
    ):
        draw_points(canvas, points * scale, name, radius)
        entries.append(_Entry(f"{len(points):,} {MARKS[name].words}", name))
    return entries


def _status_entries(shot: Shot, *, box: bool) -> list[_Entry]:
    """Return how many heads are counted and ignored, and why others are absent."""
    entries = [_Entry(f"{int(shot.of_status('counted').sum()):,} counted", "counted", box)]
    if ignored := int(shot.of_status("ignored").sum()):
        entries.append(_Entry(f"{ignored:,} ignored", "ignored", box))
    absent = shot.of_status("absent")
    outside = int((~inside(shot.points_xy[absent], shot.size_wh)).sum())
    reasons = [(int(absent.sum()) - outside, "hidden"), (outside, "out of frame")]
    words = " · ".join(f"{number:,} {name}" for number, name in reasons if number)
    return entries + ([_Entry(words, "absent", box)] if words else [])


def _with_map(canvas: Canvas, shot: Shot, name: str) -> tuple[Canvas, list[_Entry]]:
    """Lay a density map or a heatmap over the image, the more opaque the more there is."""
    known = np.isfinite(shot.sigmas_xy).all(axis=1) & shot.of_status("counted")
    if not known.any():
        return canvas, []
    stride = _MAP_STRIDE if min(shot.size_wh) >= 200 else 1
    points, sigmas = shot.points_xy[known], shot.sigmas_xy[known]
    if name == "density":
        kind = cv2.COLORMAP_INFERNO
        wide = np.maximum(sigmas, SIGMA_SHARE * shot.size_wh[0])
        values = density.render_density(points, wide, shot.size_wh, stride=stride)
        total = density.count_of(values)
        # Peaks of lone sharp heads would leave the crowd dark.
        top = float(np.quantile(values[values > 0], TOP_SHARE)) if (values > 0).any() else 1.0
        values = np.clip(values / top, 0, 1)
        most = top * (100 / stride) ** 2
        entries = [
            _Entry(f"sum {total:,.1f}"),
            _Entry(f"0 to {most:.3g} heads per 100 x 100 px", colours=kind),
        ]
    else:
        kind = cv2.COLORMAP_VIRIDIS
        values = density.render_heatmap(points, sigmas, shot.size_wh, stride=stride)
        entries = [_Entry("heatmap: 0 to 1", colours=kind)]
    size = (canvas.shape[1], canvas.shape[0])
    values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR))
    colours = cv2.applyColorMap((values * 255).astype(np.uint8), kind).astype(np.float32)
    grey = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    weight = np.sqrt(values)[:, :, None] * 0.9
    ground = grey.astype(np.float32) * 0.55
    drawn = np.ascontiguousarray(ground * (1 - weight) + colours * weight).astype(np.uint8)
    return drawn, entries


def _with_ids(canvas: Canvas, shot: Shot, scale: float) -> tuple[Canvas, _Entry]:
    """Write ids beside heads, the largest first, and none over another one."""
    mine = np.flatnonzero(~shot.of_status("absent"))
    sides = shot.boxes_xyxy[mine, 3] - shot.boxes_xyxy[mine, 1]
    order = mine[np.argsort(-np.nan_to_num(sides), kind="stable")]
    image = Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB))
    brush = ImageDraw.Draw(image)
    font = ImageFont.load_default(_IDS_PX)
    taken = np.zeros(canvas.shape[:2], np.bool_)
    written = 0
    for row in order:
        x, y = shot.points_xy[row] * scale + (4, -6)
        words = str(shot.ids[row])
        left, top, right, bottom = (round(side) for side in brush.textbbox((x, y), words, font))
        room = taken[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1]
        if room.any() or room.size == 0:
            continue
        room[:] = True
        brush.text((x, y), words, "white", font, stroke_width=1, stroke_fill="black")
        written += 1
    drawn = np.ascontiguousarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR), np.uint8)
    return drawn, _Entry(f"ids of {written:,} of {len(order):,}")


def _strip(legend: Sequence[_Entry], width: int) -> Canvas:
    """Write above the image what it is, and what its marks mean."""
    image = Image.new("RGB", (width, STRIP), DARK_BGR[::-1])
    brush = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    x, samples, bars = 10.0, [], []
    for entry in legend:
        before = 20 if entry.kind is not None else BAR + 7 if entry.colours is not None else 0
        length = brush.textlength(entry.words, font)
        if x + before + length > width - 6 and x > 10:
            break
        if entry.kind is not None:
            samples.append((x, entry))
        if entry.colours is not None:
            bars.append((round(x), entry.colours))
        brush.text((x + before, STRIP / 2), entry.words, (235, 235, 235), font, anchor="lm")
        x += before + length + 18
    strip = np.ascontiguousarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR), np.uint8)
    for x, entry in samples:
        draw_sample(strip, (x + 7, STRIP / 2), str(entry.kind), box=entry.box)
    ramp = np.linspace(0, 255, BAR).astype(np.uint8)[None]
    for left, colours in bars:
        strip[STRIP // 2 - 5 : STRIP // 2 + 5, left : left + BAR] = cv2.applyColorMap(ramp, colours)
    return strip
