"""Frames for a page: small images, with heads as vectors that can be switched on and off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

import cv2
import numpy as np

from gtahead import density
from gtahead.arrays import Floats
from gtahead.dataset import DENSITY_LEVELS, Dataset, Frame, density_level
from gtahead.reports.pages import as_data_url, embedded_image

FRAMES = 24
A_SEQUENCE = 2
DOZEN = 12

IMAGE_PX = 800
SIGMA_SHARE = 0.012
"""Of the width of an image: the smallest sigma that a gallery shows."""

MAP_CELLS = 160
IMAGES_BYTES = 620_000
"""Most bytes of all images: a page stays below 1.5 MB."""

LISTED = 600
"""Heads of a frame of which all is listed; of denser ones the page shows points alone."""

POINTS_SHOWN = 2_000


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
        known: by status, of each head: id, x, y, side in px, distance in m, visible share in %.
        total: of the density map.
        densest: heads per 100 x 100 px where the map has its last colour.
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
    known: dict[str, list[list[float | None]]]
    total: float
    densest: float


def figures(dataset: Dataset, count: int = FRAMES) -> Iterator[Figure]:
    """Yield frames of as many sequences, weathers and density levels as possible.

    One of each sequence comes first, then the others.
    """
    names = chosen(dataset, count)
    for frame_id in names:
        frame = dataset[frame_id]
        yield _figure(frame, _distances(dataset, frame), IMAGES_BYTES // len(names))


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
    return found


def _spread(turn: int) -> float:
    """Return a number between 0 and 1, far from the earlier ones (van der Corput's sequence)."""
    position, step, number = 0.0, 0.5, turn + 1
    while number:
        position += step * (number % 2)
        number, step = number // 2, step / 2
    return position


def _distances(dataset: Dataset, frame: Frame) -> Floats:
    """Return how far each head of a frame is, in metres; NaN where it isn't known."""
    heads = dataset.head_codes(frame.sequence, ["frame_id", "head_id", "depth_m"])
    code = {str(name): code for code, name in enumerate(heads["frame_id_names"])}
    rows = np.flatnonzero(heads["frame_id"] == code.get(frame.frame_id, -1))
    of = dict(zip(heads["head_id"][rows].tolist(), heads["depth_m"][rows].tolist(), strict=True))
    return np.array([of.get(one, np.nan) for one in frame.head_ids.tolist()], np.float64)


def _figure(frame: Frame, distances: Floats, most_bytes: int) -> Figure:
    sides = frame.boxes_xyxy[:, 2:] - frame.boxes_xyxy[:, :2]
    side = float(np.nanmedian(sides)) if np.isfinite(sides).any() else 12.0
    level = density_level(frame.count)
    image = None
    if frame.image_path is not None:
        image = embedded_image(frame.image_path, IMAGE_PX, most_bytes)
    assert level in DENSITY_LEVELS
    dot = round(float(np.clip(0.3 * side, 2, 12)), 1)
    layer, total, densest = _density(frame)
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
        layer,
        list(_paths(frame, dot)),
        dot,
        _known(frame, distances) if len(frame.points_xy) <= LISTED else {},
        total,
        densest,
    )


def _density(frame: Frame) -> tuple[str | None, float, float]:
    """Return the density map as a data URL, its sum, and heads per 100 x 100 px at its top."""
    known = np.isfinite(frame.sigmas_xy).all(axis=1) & frame.counted
    if not known.any():
        return None, 0.0, 0.0
    stride = max(1, -(-max(frame.size_wh) // MAP_CELLS))
    # Narrower kernels would be single dots: what a small image shows is where the crowd is.
    sigmas = np.maximum(frame.sigmas_xy[known], SIGMA_SHARE * frame.size_wh[0])
    values = density.render_density(frame.points_xy[known], sigmas, frame.size_wh, stride=stride)
    top = float(np.quantile(values[values > 0], 0.99)) if (values > 0).any() else 1.0
    shades = (np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO)
    alpha = (np.sqrt(shades / 255) * 220).astype(np.uint8)
    ok, data = cv2.imencode(".webp", np.dstack([colours, alpha]), [cv2.IMWRITE_WEBP_QUALITY, 60])
    url = as_data_url("image/webp", data.tobytes()) if ok else None
    return url, density.count_of(values), top * (100 / stride) ** 2


def _paths(frame: Frame, dot: float) -> Iterator[tuple[str, str, str]]:
    """Yield one path per layer and status; discs are lines of no length with round ends."""
    for status in ("absent", "ignored", "counted"):
        mine = np.flatnonzero(np.asarray(frame.status == status))
        if len(mine) == 0:
            continue
        if len(frame.points_xy) <= LISTED:
            boxes = frame.boxes_xyxy[mine]
            crossed = status == "absent"
            yield (
                "boxes",
                status,
                "".join(_box(box, crossed=crossed) for box in boxes if np.isfinite(box).all()),
            )
        step = -(-len(mine) // POINTS_SHOWN)
        r = dot / 2
        half = f"a{r:.1f} {r:.1f} 0 1 0"
        shape = {
            "counted": "h0",
            "ignored": f"m{-r:.1f} 0{half} {dot:.1f} 0{half} {-dot:.1f} 0",
            "absent": f"m{-r:.1f} {-r:.1f}l{dot:.1f} {dot:.1f}m0 {-dot:.1f}l{-dot:.1f} {dot:.1f}",
        }[status]
        points = frame.points_xy[mine[::step]].tolist()
        yield "points", status, "".join(f"M{x:.0f} {y:.0f}{shape}" for x, y in points)


def _box(box: Floats, *, crossed: bool) -> str:
    x0, y0, x1, y1 = (float(value) for value in box)
    path = f"M{x0:.1f} {y0:.1f}h{x1 - x0:.1f}v{y1 - y0:.1f}h{x0 - x1:.1f}z"
    if crossed:
        arm = min(x1 - x0, y1 - y0) / 4
        x, y = (x0 + x1) / 2 - arm, (y0 + y1) / 2 - arm
        path += f"M{x:.1f} {y:.1f}l{2 * arm:.1f} {2 * arm:.1f}m0 {-2 * arm:.1f}"
        path += f"l{-2 * arm:.1f} {2 * arm:.1f}"
    return path


def _known(frame: Frame, distances: Floats) -> dict[str, list[list[float | None]]]:
    """Return what the page says of a head that is pointed at."""
    sides = np.sqrt(np.prod(frame.boxes_xyxy[:, 2:] - frame.boxes_xyxy[:, :2], axis=1))
    table = np.stack(
        [
            frame.head_ids,
            frame.points_xy[:, 0].round(),
            frame.points_xy[:, 1].round(),
            sides.round(),
            distances.round(1),
            (100 * frame.visibility).round(),
        ],
        axis=1,
    )
    rows = [[_short(value) for value in row] for row in table.tolist()]
    found: dict[str, list[list[float | None]]] = {}
    for status, row in zip(frame.status.tolist(), rows, strict=True):
        found.setdefault(status, []).append(row)
    return found


def _short(value: float) -> float | None:
    return None if isnan(value) else int(value) if value.is_integer() else value
