"""Painting a frame, far people first: always into an id-buffer, on request into a picture too.

The id-buffer says for every pixel whose head is seen there. The visible share of a head is counted
in it, so labels are the same with and without pictures.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.geometry import Camera, Floats
from gtahead.simulation.people import People, Seen

Picture = npt.NDArray[np.uint8]

_SUBPIXEL = 4  # binary digits of OpenCV's fixed-point coordinates
_NIGHT_BGR = np.array([0.44, 0.36, 0.30], np.float32)  # light that is left, bluish
_SKY = {"RAIN": 120, "THUNDER": 95, "OVERCAST": 165, "FOGGY": 185, "CLOUDS": 195}


def paint_people(picture: Picture, seen: Seen, people: People) -> None:
    """Paint people onto a picture, in the order given: far ones first."""
    for number, outline in enumerate(_outlines(seen)):
        _paint_person(picture, seen, number, people, outline)


def visible_shares(seen: Seen, size_wh: tuple[int, int]) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Paint everybody into an id-buffer and count what is seen of each head.

    Args:
        seen: who is there, far ones first.
        size_wh: of the picture.

    Returns:
        (n,) visible share of each head's pixels, those outside the picture counted as unseen; and
        (n,) 1 where something else covers the head's centre, -1 where that lies outside.
    """
    width, height = size_wh
    ids = np.zeros((height, width), np.int32)
    outlines = _outlines(seen)
    whole = np.zeros(len(seen.who))
    for number in range(len(seen.who)):
        cv2.fillConvexPoly(ids, outlines[number], 0, cv2.LINE_8, _SUBPIXEL)
        whole[number] = _paint_head(ids, seen.heads_xy[number], seen.semi_axes[number], number + 1)
    counts = np.bincount(ids.ravel(), minlength=len(seen.who) + 1)[1:]
    shares = np.minimum(counts / np.maximum(whole, 1), 1.0)
    return shares, _covered(ids, seen.heads_xy)


def people_stencil(seen: Seen, size_wh: tuple[int, int], value: int) -> npt.NDArray[np.uint8]:
    """Paint where people are seen, heads and bodies, as the game's stencil buffer has them."""
    ids = np.zeros((size_wh[1], size_wh[0]), np.int32)
    for number, outline in enumerate(_outlines(seen)):
        cv2.fillConvexPoly(ids, outline, value, cv2.LINE_8, _SUBPIXEL)
        _paint_head(ids, seen.heads_xy[number], seen.semi_axes[number], value)
    return ids.astype(np.uint8)


def _outlines(seen: Seen) -> npt.NDArray[np.int32]:
    """Give the bodies' outlines in OpenCV's fixed-point coordinates."""
    clipped = np.clip(np.round(seen.bodies * 2**_SUBPIXEL), -(2**24), 2**24)
    return np.asarray(clipped, np.int32)


def _paint_head(ids: npt.NDArray[np.int32], centre: Floats, semi: Floats, value: int) -> int:
    """Write a head's id on the pixels whose centres lie in its ellipse; give their number.

    Pixels outside the picture count. A head too small to hold a pixel's centre gets one pixel.
    """
    x, y, a, b = float(centre[0]), float(centre[1]), float(semi[0]), float(semi[1])
    left, right = math.ceil(x - a - 0.5), math.floor(x + a - 0.5)
    top, bottom = math.ceil(y - b - 0.5), math.floor(y + b - 0.5)
    if right < left or bottom < top:
        left = right = math.floor(x)
        top = bottom = math.floor(y)
        inside = np.ones((1, 1), np.bool_)
    else:
        across = ((np.arange(left, right + 1) + 0.5 - x) / a) ** 2
        along = ((np.arange(top, bottom + 1) + 0.5 - y) / b) ** 2
        inside = across[None, :] + along[:, None] <= 1.0
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(right + 1, ids.shape[1]), min(bottom + 1, ids.shape[0])
    if x0 < x1 and y0 < y1:
        ids[y0:y1, x0:x1][inside[y0 - top : y1 - top, x0 - left : x1 - left]] = value
    return max(int(np.count_nonzero(inside)), 1)


def _covered(ids: npt.NDArray[np.int32], heads_xy: Floats) -> npt.NDArray[np.int8]:
    column, row = np.floor(heads_xy).astype(np.int64).T
    here = (column >= 0) & (row >= 0) & (column < ids.shape[1]) & (row < ids.shape[0])
    covered = np.full(len(heads_xy), -1, np.int8)
    own = np.flatnonzero(here) + 1
    covered[here] = ids[row[here], column[here]] != own
    return covered


def _paint_person(
    picture: Picture, seen: Seen, number: int, people: People, outline: npt.NDArray[np.int32]
) -> None:
    skin, hair, top, trousers = (
        tuple(map(int, colour)) for colour in people.colours[seen.who[number]]
    )
    hips = (0.45 * outline[[1, 4]] + 0.55 * outline[[2, 3]]).astype(np.int32)
    legs = np.stack([hips[0], outline[2], outline[3], hips[1]])
    trunk = np.stack([outline[0], outline[1], hips[0], hips[1], outline[4], outline[5]])
    cv2.fillConvexPoly(picture, legs, trousers, cv2.LINE_AA, _SUBPIXEL)
    cv2.fillConvexPoly(picture, trunk, top, cv2.LINE_AA, _SUBPIXEL)
    x, y = seen.heads_xy[number]
    a, b = seen.semi_axes[number]
    dark = tuple(int(0.75 * value) for value in skin)
    _ellipse(picture, x, y, a, b, hair if seen.away[number] else dark)
    if not seen.away[number]:
        _ellipse(picture, x, y - 0.25 * b, 0.95 * a, 0.75 * b, hair)
        _ellipse(picture, x, y + 0.18 * b, 0.8 * a, 0.78 * b, skin)


def _ellipse(
    picture: Picture, x: float, y: float, a: float, b: float, colour: tuple[int, ...]
) -> None:
    scale = 2**_SUBPIXEL
    # OpenCV counts from the centre of a pixel, we from its corner.
    centre = (round((x - 0.5) * scale), round((y - 0.5) * scale))
    axes = (max(round((a - 0.5) * scale), 1), max(round((b - 0.5) * scale), 1))
    cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)


def background(
    camera: Camera, size_wh: tuple[int, int], weather: str, random: np.random.Generator
) -> Picture:
    """Paint the ground, with patches in perspective, and the sky above the horizon."""
    assert camera.rotation_deg is not None
    width, height = size_wh
    focal = height / 2 / math.tan(math.radians(camera.vfov_deg) / 2)
    horizon = height / 2 - focal * math.tan(math.radians(-camera.rotation_deg[0]))
    base = np.array(random.integers(95, 150, 3), np.float64)
    patches = cv2.resize(random.normal(0, 14, (24, 32)), size_wh, interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(
        random.normal(0, 7, (height // 3, width // 3)), size_wh, interpolation=cv2.INTER_LINEAR
    )
    canvas = base[None, None, :] + (patches + grain)[:, :, None]
    if horizon > 0:
        rows = min(int(horizon), height)
        level = _SKY.get(weather, 215)
        fade = np.linspace(0.85, 1.0, max(rows, 1))[:rows, None, None]
        canvas[:rows] = (
            fade * np.array([level, level * 0.97, level * 0.92]) + patches[:rows, :, None] / 4
        )
    return np.clip(canvas, 0, 255).astype(np.uint8)


def develop(picture: Picture, weather: str, hour: float, random: np.random.Generator) -> Picture:
    """Give a painted frame its light, its weather and the sensor's noise."""
    light = picture.astype(np.float32)
    if hour < 6 or hour >= 20:
        light = light * _NIGHT_BGR
    elif weather in ("RAIN", "THUNDER", "OVERCAST"):
        light = light * np.float32(0.8)
    if weather == "FOGGY":
        light = light * np.float32(0.6) + np.float32(75)
    noise = random.integers(-4, 5, picture.shape, dtype=np.int8)
    developed: Picture = np.clip(light + noise, 0, 255).astype(np.uint8)
    return developed
