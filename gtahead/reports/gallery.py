"""Frames for a page: small images, with heads as vectors that can be switched on and off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from gtahead import density
from gtahead.arrays import Floats
from gtahead.dataset import DENSITY_LEVELS, Dataset, Frame, density_level
from gtahead.reports.pages import as_data_url, embedded_jpeg

FRAMES = 24
A_SEQUENCE = 2
DOZEN = 12

IMAGE_PX = 720
MAP_CELLS = 180
IMAGE_BYTES = 220_000
"""Most bytes of one image: a page stays far below 10 MB."""

POINTS_SHOWN = 6_000


@dataclass(frozen=True)
class Figure:
    """One frame of the gallery, ready for the page.

    Attributes:
        frame_id: its name.
        sequence: that it is of.
        split: that it is in.
        level: its density level.
        weather: or an empty text.
        size_wh: of the frame in pixels.
        heads: that count.
        image: as a data URL, or None.
        unreadable: there is an image, and it can't be read.
        density: the density map as a data URL, or None.
        paths: kind (`points` or `boxes`), status, and path of SVG.
        dot: diameter of a point, in pixels of the frame.
    """

    frame_id: str
    sequence: str
    split: str
    level: str
    weather: str
    size_wh: tuple[int, int]
    heads: int
    image: str | None
    unreadable: bool
    density: str | None
    paths: list[tuple[str, str, str]]
    dot: float


def figures(dataset: Dataset, count: int = FRAMES) -> Iterator[Figure]:
    """Yield frames of as many sequences, weathers and density levels as possible."""
    for frame_id in chosen(dataset, count):
        yield _figure(dataset[frame_id])


def chosen(dataset: Dataset, count: int) -> list[str]:
    """Choose frames from each sequence in turn, each of a level and weather shown least so far.

    Frames of a sequence are alike: of each at most `A_SEQUENCE`, or as many as give a dozen.
    """
    columns = dataset.frames(["frame_id", "sequence", "num_heads", "weather"])
    left: dict[str, list[tuple[str, str]]] = {}
    for frame_id, sequence, heads, weather in zip(*columns.values(), strict=True):
        kind = f"{density_level(heads)} {weather}"
        left.setdefault(sequence, []).append((frame_id, kind))
    each = max(A_SEQUENCE, -(-DOZEN // max(1, len(left))))
    seen: dict[str, int] = {}
    found: list[str] = []
    for turn in range(each):
        for mine in left.values():
            if len(found) == count or turn >= len(mine):
                continue
            # The first in the middle, then further out: 1/2, 1/4, 3/4, 1/8 ...
            wanted = len(mine) * _spread(turn)
            free = [position for position in range(len(mine)) if mine[position][0] not in found]
            best = min(free, key=lambda p, m=mine, w=wanted: (seen.get(m[p][1], 0), abs(p - w)))  # type: ignore[misc]
            frame_id, kind = mine[best]
            seen[kind] = seen.get(kind, 0) + 1
            found.append(frame_id)
    order = {frame_id: position for position, frame_id in enumerate(columns["frame_id"])}
    return sorted(found, key=order.__getitem__)


def _spread(turn: int) -> float:
    """Return a number between 0 and 1, far from the earlier ones (van der Corput's sequence)."""
    position, step, number = 0.0, 0.5, turn + 1
    while number:
        position += step * (number % 2)
        number, step = number // 2, step / 2
    return position


def _figure(frame: Frame) -> Figure:
    sides = frame.boxes_xyxy[:, 2:] - frame.boxes_xyxy[:, :2]
    side = float(np.nanmedian(sides)) if np.isfinite(sides).any() else 12.0
    level = density_level(frame.count)
    image = None
    if frame.image_path is not None:
        image = embedded_jpeg(frame.image_path, IMAGE_PX, (78, 60, 40), IMAGE_BYTES)
    assert level in DENSITY_LEVELS
    return Figure(
        frame.frame_id,
        frame.sequence,
        str(frame.split),
        level,
        frame.weather or "",
        frame.size_wh,
        frame.count,
        image,
        image is None and frame.image_path is not None,
        _density(frame),
        list(_paths(frame)),
        round(float(np.clip(0.3 * side, 2, 12)), 1),
    )


def _density(frame: Frame) -> str | None:
    known = np.isfinite(frame.sigmas_xy).all(axis=1) & frame.counted
    if not known.any():
        return None
    stride = max(1, -(-max(frame.size_wh) // MAP_CELLS))
    # Kernels below a cell would be single dots: what an image shows is where the crowd is.
    sigmas = np.maximum(frame.sigmas_xy[known], stride)
    values = density.render_density(frame.points_xy[known], sigmas, frame.size_wh, stride=stride)
    top = float(np.quantile(values[values > 0], 0.98)) if (values > 0).any() else 1.0
    shades = (np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO)
    alpha = (np.sqrt(shades / 255) * 220).astype(np.uint8)
    ok, data = cv2.imencode(".png", np.dstack([colours, alpha]))
    return as_data_url("image/png", data.tobytes()) if ok else None


def _paths(frame: Frame) -> Iterator[tuple[str, str, str]]:
    """Yield one path per layer and status; points are lines of no length with round ends."""
    for status in ("absent", "ignored", "counted"):
        mine = np.flatnonzero(np.asarray(frame.status == status))[:POINTS_SHOWN]
        if len(mine) == 0:
            continue
        boxes = frame.boxes_xyxy[mine]
        yield "boxes", status, "".join(_box(box) for box in boxes if np.isfinite(box).all())
        yield "points", status, "".join(f"M{x:.0f} {y:.0f}h0" for x, y in frame.points_xy[mine])


def _box(box: Floats) -> str:
    x0, y0, x1, y1 = (float(value) for value in box)
    return f"M{x0:.1f} {y0:.1f}h{x1 - x0:.1f}v{y1 - y0:.1f}h{x0 - x1:.1f}z"
