"""Painting a frame, far things first: always into an id-buffer, on request into an image too.

The id-buffer says for every pixel whose head is seen there. The visible share of a head is counted
in it, so labels are the same with and without images. Both are painted from the same outlines.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints
from gtahead.geometry import Camera, camera_axes, project
from gtahead.simulation import faces
from gtahead.simulation.bodies import ACROSS, PARTS, Seen
from gtahead.simulation.light import Light
from gtahead.simulation.people import BAG, HAIR, HAT, SHOES, SKIN, TOP, TROUSERS, People
from gtahead.simulation.props import BASE_M, HEIGHT_M, SUBPIXEL, Shape, fixed_point

Image = npt.NDArray[np.uint8]

_FEATURES_BGR = (38.0, 42.0, 60.0)  # eyes, brows, mouth

_TONES = 9
_WIDTHS_PX = (3.0, 6.0, 14.0, 40.0)
_TONES_FOR = ((4,), (2, 6), (0, 4, 8), (0, 2, 4, 6, 8), tuple(range(_TONES)))
"""Which tones limbs have up to these widths, and beyond: thin ones the middle one alone."""

# What a part is covered with, and how much of the sky reaches it: crowds are dark below.
_CLOTH = {"pack": BAG, "hair": HAIR, "thigh": TROUSERS, "shin": TROUSERS, "shoe": SHOES}
_CLOTH |= {"pelvis": TROUSERS, "arm": TOP, "forearm": TOP, "chest": TOP, "neck": SKIN}
_OPEN = {"thigh": 0.82, "shin": 0.74, "shoe": 0.68, "pelvis": 0.86, "forearm": 0.92, "neck": 0.72}
_KIND = [part.partition("_")[0] for part in PARTS]


def visible_shares(
    seen: Seen, shapes: Sequence[Shape], size_wh: tuple[int, int]
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Paint everything into an id-buffer and count what is seen of each head.

    Args:
        seen: who is there, far ones first.
        shapes: what else is there, far ones first.
        size_wh: of the image.

    Returns:
        (n,) visible share of each head's pixels, those outside the image counted as unseen; and
        (n,) 1 where something else covers the head's centre, -1 where that lies outside.
    """
    ids, whole = head_ids(seen, shapes, size_wh)
    counts = np.bincount(ids.ravel(), minlength=len(seen.who) + 1)[1:]
    shares = np.minimum(counts / np.maximum(whole, 1), 1.0)
    return shares, _covered(ids, seen.heads_xy)


def head_ids(
    seen: Seen, shapes: Sequence[Shape], size_wh: tuple[int, int]
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Paint the id-buffer: (H, W), at each pixel 1 + the number in `seen` of the head there, or 0.

    Also gives each head's number of pixels, (n,), were nothing before it.
    """
    names = np.arange(1, len(seen.who) + 1)
    return _stencil(seen, shapes, size_wh, heads=names, bodies=0)


def people_stencil(
    seen: Seen, shapes: Sequence[Shape], size_wh: tuple[int, int], value: int
) -> npt.NDArray[np.uint8]:
    """Paint where people are seen, heads and bodies, as the game's stencil buffer has them."""
    heads = np.full(len(seen.who), value)
    return _stencil(seen, shapes, size_wh, heads=heads, bodies=value)[0].astype(np.uint8)


def _stencil(
    seen: Seen, shapes: Sequence[Shape], size_wh: tuple[int, int], *, heads: Ints, bodies: int
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Paint each person's head and body with a value, things with 0; return heads' areas too."""
    ids = np.zeros((size_wh[1], size_wh[0]), np.int32)
    whole = np.zeros(len(seen.who))
    outlines, reach = _outlines(seen, size_wh)
    for person, shape in _far_first(seen, shapes):
        if shape is not None:
            for face in shape.faces:
                cv2.fillConvexPoly(ids, face.fixed_outline, 0, cv2.LINE_8, SUBPIXEL)
            continue
        for part in reach[person]:
            cv2.fillConvexPoly(ids, outlines[person, part], bodies, cv2.LINE_8, SUBPIXEL)
        centre, semi = seen.heads_xy[person], seen.semi_axes[person]
        whole[person] = _paint_head_id(ids, centre, semi, int(heads[person]))
    return ids, whole


def _far_first(seen: Seen, shapes: Sequence[Shape]) -> Iterator[tuple[int, Shape | None]]:
    """Return people, by number, and things in the order of painting; both come sorted."""
    waiting = list(shapes)
    for person, depth in enumerate(seen.depth_m.tolist()):
        while waiting and waiting[0].depth_m > depth:
            yield -1, waiting.pop(0)
        yield person, None
    for shape in waiting:
        yield -1, shape


def _outlines(seen: Seen, size_wh: tuple[int, int]) -> tuple[npt.NDArray[np.int32], list[Ints]]:
    """Return the bodies' outlines in fixed point, and those parts that can be in the image."""
    low, high = seen.bodies.min(axis=2), seen.bodies.max(axis=2)
    inside = (high > 0).all(axis=2) & (low < np.array(size_wh)).all(axis=2)
    # What isn't there, such as a bag, has no width.
    ends = np.abs(seen.bodies[:, :, (0, 7)] - seen.bodies[:, :, (3, 4)]).sum(axis=3)
    inside &= ends.max(axis=2) > 0.05
    return fixed_point(seen.bodies), [np.flatnonzero(row) for row in inside]


def _paint_head_id(ids: npt.NDArray[np.int32], centre: Floats, semi: Floats, value: int) -> int:
    """Paint a head's ellipse where a pixel's centre lies in it; return its number of pixels.

    A head smaller than a pixel has the one it lies in.
    """
    (x, y), (a, b) = centre, semi
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


def paint(
    image: Image, seen: Seen, shapes: Sequence[Shape], people: People, light: Light, camera: Camera
) -> None:
    """Paint shadows, people and things onto an image of the empty location.

    Args:
        image: (H, W, 3), painted on.
        seen: who is there, far ones first.
        shapes: what else is there, far ones first.
        people: everybody.
        light: of the scene.
        camera: that sees all this.
    """
    _paint_shadows(image, seen, shapes, people, light, camera)
    painter = _PeoplePainter(image, seen, people, light, camera)
    for person, shape in _far_first(seen, shapes):
        if shape is None:
            painter.paint(person)
        else:
            _paint_shape(image, shape, light)


class _PeoplePainter:
    """Paints people one by one, from outlines and colours that are made for all at once."""

    def __init__(
        self, image: Image, seen: Seen, people: People, light: Light, camera: Camera
    ) -> None:
        self._image = image
        self._seen = seen
        size_wh = (image.shape[1], image.shape[0])
        self._reach = _outlines(seen, size_wh)[1]
        right, forward, up = camera_axes(camera)
        # The sun as the camera has it: from the right, from above, from behind the camera.
        self._sun = np.array([light.to_sun @ right, light.to_sun @ up, -(light.to_sun @ forward)])
        sunny = float(light.sun.max()) > 0
        bodies = _shaded(seen.bodies, float(self._sun[0]) if sunny else 0.0)
        self._outlines = fixed_point(bodies)
        first, last = bodies[:, :, 0, 0] - bodies[:, :, 0, 3], bodies[:, :, 0, 4]
        width = np.maximum(
            np.hypot(first[..., 0], first[..., 1]),
            np.hypot(*np.moveaxis(last - bodies[:, :, 0, 7], 2, 0)),
        )
        self._tones = np.searchsorted(_WIDTHS_PX, width).tolist()
        who = seen.who
        self._haze = light.haze(seen.depth_m)
        self._horizon = light.horizon
        self._diffuse = light.diffuse(seen.feet_m)
        cloth = people.colours[who].astype(np.float64)
        self._limbs = self._limb_colours(people, cloth, light).tolist()
        # Colours of a head: skin, hair, hat and dark features.
        features = np.broadcast_to(np.array(_FEATURES_BGR), (len(who), 3))
        rows = [cloth[:, SKIN], cloth[:, HAIR], cloth[:, HAT], features]
        self._heads = np.stack(rows, axis=1).astype(np.float32)
        self._style = people.style[who].tolist()
        self._light = light

    def _limb_colours(self, people: People, cloth: Floats, light: Light) -> Floats:
        """Return (n, parts, tones, 3) colours, the darkest side first."""
        who = self._seen.who
        rows = np.tile(np.array([_CLOTH[kind] for kind in _KIND]), (len(who), 1))
        kinds = np.array(_KIND)
        rows[people.short_sleeves[who][:, None] & (kinds == "forearm")] = SKIN
        rows[people.bare_legs[who][:, None] & (kinds == "shin")] = SKIN
        albedo = cloth[np.arange(len(who))[:, None], rows]
        front = max(float(self._sun[2]), 0.0)
        aside = abs(float(self._sun[0]))
        sky = np.array([_OPEN.get(kind, 1.0) for kind in _KIND])[:, None]
        tones = []
        for bright in np.linspace(0, 1, _TONES):
            diffuse = 0.62 + 0.38 * bright
            direct = 0.75 * aside * bright**2 + front * (0.25 + 0.45 * bright) + 0.1 * bright
            lit = self._diffuse[:, None, :] * sky * diffuse + light.sun * direct * sky
            tones.append(albedo * lit)
        haze = self._haze[:, None, None, None]
        colours: Floats = np.stack(tones, axis=2) * (1 - haze) + self._horizon * haze
        return np.clip(colours, 0, 255)

    def paint(self, person: int) -> None:
        """Paint one person, the body first."""
        tones, colours = self._tones[person], self._limbs[person]
        for part in self._reach[person].tolist():
            for number, tone in enumerate(_TONES_FOR[tones[part]]):
                outline = self._outlines[person, part, tone if number else 0]
                colour = colours[part][tone]
                cv2.fillConvexPoly(self._image, outline, colour, cv2.LINE_AA, SUBPIXEL)
        self._paint_head(person)

    def _paint_head(self, person: int) -> None:
        (x, y), (a, b) = self._seen.heads_xy[person].tolist(), self._seen.semi_axes[person].tolist()
        height, width = self._image.shape[:2]
        x0, x1 = max(math.floor(x - a - 1), 0), min(math.ceil(x + a + 1), width)
        y0, y1 = max(math.floor(y - b - 1), 0), min(math.ceil(y + b + 1), height)
        if x0 >= x1 or y0 >= y1:
            return
        side = faces.side_for(2 * max(a, b))
        facing, tilt = float(self._seen.facing[person]), float(self._seen.tilt[person])
        shares = faces.materials(self._style[person], facing, tilt, side)
        skyward, sunward = _head_light(side, tuple(np.round(self._sun, 3).tolist()))
        lit = skyward * self._diffuse[person].astype(np.float32)
        lit += sunward * self._light.sun.astype(np.float32)
        texture = ((shares @ self._heads[person]) * lit).reshape(side, side, 3)
        texture = np.minimum(texture, np.float32(250))
        haze = float(self._haze[person])
        texture = texture * np.float32(1 - haze) + (self._horizon * haze).astype(np.float32)
        u, v = side / (2 * a), side / (2 * b)
        warp = np.array(
            [[u, 0, (x0 + 0.5 - x + a) * u - 0.5], [0, v, (y0 + 0.5 - y + b) * v - 0.5]]
        )
        sprite = cv2.warpAffine(
            texture,
            warp,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        across = ((np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - x)) / np.float32(a)) ** 2
        along = ((np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - y)) / np.float32(b)) ** 2
        out = np.sqrt(across[None, :] + along[:, None])
        cover = np.clip((1 - out) * np.float32(math.sqrt(a * b)) + np.float32(0.5), 0, 1)
        under = self._image[y0:y1, x0:x1]
        under[:] = under + (sprite - under) * cover[..., None] + np.float32(0.5)


@functools.lru_cache(maxsize=64)
def _head_light(
    side: int, sun: tuple[float, float, float]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return how much of sky and sun falls on each point of a head's map, (side * side, 1) each."""
    normals = faces.normals(side).reshape(-1, 3)
    skyward = 0.78 + 0.22 * normals[:, 1:2]
    # Edges are seen at a slant, and less of the sky reaches them in a crowd.
    skyward = skyward * (0.72 + 0.28 * normals[:, 2:3])
    sunward = np.maximum(normals @ np.array(sun, np.float32), 0)[:, None]
    return skyward.astype(np.float32), sunward.astype(np.float32)


def _shaded(bodies: Floats, sun: float) -> Floats:
    """Return outlines, (n, parts, tones, 8, 2): the whole limb, then ever less of its light side.

    Args:
        bodies: (n, parts, 8, 2) outlines.
        sun: from -1, all from the left, to 1, all from the right.
    """
    other = bodies[:, :, list(ACROSS)]
    # Corners 0, 1, 6 and 7 are to the right of a limb that hangs.
    right = np.isin(np.arange(8), (0, 1, 6, 7))[:, None]
    tones = [bodies]
    for dark, bright in zip(
        np.linspace(0, 0.30, _TONES)[1:], np.linspace(0, 0.26, _TONES)[1:], strict=True
    ):
        from_right = dark * (1 - sun) if sun < 0 else bright * (1 - sun)
        from_left = bright * (1 + sun) if sun < 0 else dark * (1 + sun)
        share = np.where(right, from_right, from_left)
        tones.append(bodies + (other - bodies) * share)
    return np.stack(tones, axis=2)


def _paint_shape(image: Image, shape: Shape, light: Light) -> None:
    diffuse = light.diffuse(shape.foot_m)
    haze = float(light.haze(np.array(shape.depth_m)))
    for face in shape.faces:
        sky = 0.7 + 0.3 * float(face.normal[2])
        sun = max(float(face.normal @ light.to_sun), 0.0)
        lit = diffuse * sky + light.sun * sun
        if face.glows and len(light.lamps):
            lit = np.ones(3)
        colour = np.array(face.albedo) * lit * (1 - haze) + light.horizon * haze
        bgr = np.clip(colour, 0, 255).tolist()
        cv2.fillConvexPoly(image, face.fixed_outline, bgr, cv2.LINE_AA, SUBPIXEL)


_CONTACT = 0.45  # darkness under feet
_CIRCLE = np.stack(
    [f(np.linspace(0, 2 * math.pi, 16, endpoint=False)) for f in (np.cos, np.sin)], 1
)
_SHADOW_SCALE = 2  # the mask of shadows is so much coarser than the image


def _paint_shadows(
    image: Image, seen: Seen, shapes: Sequence[Shape], people: People, light: Light, camera: Camera
) -> None:
    """Darken the ground where people and things keep the light away."""
    feet = [seen.feet_m, *(shape.foot_m[None] for shape in shapes)]
    props = [shape.prop for shape in shapes]
    positions = np.concatenate(feet)
    if len(positions) == 0:
        return
    tall = np.array([HEIGHT_M.get(prop.kind, 1.3) for prop in props])
    heights = np.concatenate([people.stature_m[seen.who], tall])
    shoulders = 0.5 * people.shoulder_m[seen.who]
    ring = np.concatenate(
        [shoulders[:, None, None] * _CIRCLE, *(_base(shape)[None] for shape in shapes)]
    )
    clear = 1 - light.haze(np.concatenate([seen.depth_m, [shape.depth_m for shape in shapes]]))
    size_wh = (image.shape[1], image.shape[0])
    mask = np.zeros((-(-size_wh[1] // _SHADOW_SCALE), -(-size_wh[0] // _SHADOW_SCALE)), np.uint8)
    if light.shadow > 0.02:
        level = light.to_sun[:2] / np.hypot(*light.to_sun[:2])
        length = heights * float(np.hypot(*light.to_sun[:2]) / light.to_sun[2])
        # The half of the base that is turned away from the sun goes to the shadow's end.
        away = (ring @ level < 0)[..., None]
        at = positions[:, None] + ring - np.where(away, length[:, None, None] * level, 0.0)
        _fill_ground(mask, at, light.shadow * clear, camera, size_wh)
    darkness = (1 - (1 - _CONTACT) * (1 - 0.6 * light.shadow)) * clear
    _fill_ground(mask, positions[:, None] + 1.15 * ring, darkness, camera, size_wh)
    _, y, _, h = cv2.boundingRect(mask)
    if h == 0:
        return
    soft = cv2.GaussianBlur(mask, (0, 0), 0.8 if size_wh[1] < 500 else 1.2)
    fine = cv2.resize(soft, size_wh, interpolation=cv2.INTER_LINEAR)
    rows = slice(max(_SHADOW_SCALE * y - 4, 0), _SHADOW_SCALE * (y + h) + 4)
    kept = cv2.cvtColor(255 - fine[rows], cv2.COLOR_GRAY2BGR)
    image[rows] = cv2.multiply(image[rows], kept, scale=1 / 255)


def _base(shape: Shape) -> Floats:
    """Return the outline of a thing's base, (16, 2), relative to its foot."""
    wide, deep = BASE_M[shape.prop.kind]
    c, s = math.cos(shape.prop.turn), math.sin(shape.prop.turn)
    return np.asarray(_CIRCLE * np.array([wide, deep]) @ np.array([[c, s], [-s, c]]))


def _fill_ground(
    mask: npt.NDArray[np.uint8],
    outlines_m: Floats,
    darkness: npt.NDArray[np.floating[Any]],
    camera: Camera,
    size_wh: tuple[int, int],
) -> None:
    """Fill outlines, (n, k, 2) on the ground; those that reach behind the camera aren't seen."""
    count, corners = outlines_m.shape[:2]
    flat = np.concatenate([outlines_m, np.zeros((count, corners, 1))], axis=2).reshape(-1, 3)
    pixels, depths = project(flat, camera, size_wh)
    pixels = pixels.reshape(count, corners, 2) / _SHADOW_SCALE
    before = (depths.reshape(count, corners) > 0.3).all(axis=1)
    before &= (np.nanmax(pixels, axis=1, initial=-1) > 0).all(axis=1)
    limits = np.array([mask.shape[1], mask.shape[0]])
    before &= (np.nanmin(pixels, axis=1, initial=1e9) < limits).all(axis=1)
    values = np.round(255 * darkness[before]).astype(int).tolist()
    for outline, value in zip(fixed_point(pixels[before]), values, strict=True):
        cv2.fillConvexPoly(mask, outline, value, cv2.LINE_AA, SUBPIXEL)
