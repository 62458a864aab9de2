"""Things that stand around and hide people: poles, trees, bins, planters, cars, walls, a stage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.geometry import Camera, focal_px, project
from gtahead.simulation.people import Disc, Ground

KINDS = ("pole", "tree", "bin", "planter", "car", "wall")
SHARES = (0.34, 0.22, 0.14, 0.12, 0.1, 0.08)
RADIUS_M = {"pole": 0.3, "tree": 0.5, "bin": 0.6, "planter": 1.1, "car": 2.3, "wall": 2.4}
HEIGHT_M = {"pole": 5.2, "tree": 4.4, "bin": 1.0, "planter": 1.0, "car": 1.4, "wall": 1.2}
BASE_M = {
    "pole": (0.13, 0.13),
    "tree": (0.8, 0.8),
    "bin": (0.36, 0.36),
    "planter": (0.9, 0.6),
    "car": (2.3, 1.0),
    "wall": (2.3, 0.25),
    "stage": (5.0, 1.6),
}
"""Half the width and depth of what throws a shadow."""

STAGE_M = (5.0, 1.6, 1.3)  # half its width, half its depth, height

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Prop:
    """One thing: its kind, its location on the ground, turned by `turn`."""

    kind: str
    disc: Disc
    turn: float
    colour: Colour


SUBPIXEL = 4  # binary digits of OpenCV's fixed-point coordinates


def fixed_point(points_xy: Floats) -> npt.NDArray[np.int32]:
    """Return pixels in OpenCV's fixed-point coordinates, which count from the centre of a pixel."""
    scaled = np.round((points_xy - 0.5) * 2**SUBPIXEL)
    return np.asarray(np.clip(scaled, -(2**24), 2**24), np.int32)


@dataclass(frozen=True)
class Face:
    """A flat, convex piece of a thing: (k, 2) pixels, its albedo and its outward normal.

    A face that `glows` is as bright at night as its albedo says.
    """

    outline: Floats
    albedo: Colour
    normal: Floats
    glows: bool = False

    @cached_property
    def fixed_outline(self) -> npt.NDArray[np.int32]:
        """The outline in fixed point: it's painted several times."""
        return fixed_point(self.outline)


@dataclass(frozen=True)
class Shape:
    """A thing as the camera sees it: its faces in the order of painting, and how deep it stands."""

    prop: Prop
    depth_m: float
    faces: tuple[Face, ...]
    foot_m: Floats


def place_props(
    count: int, ground: Ground, random: np.random.Generator, *, stage: bool = False, lamps: int = 0
) -> list[Prop]:
    """Place things on the ground, none so near that it fills the image, none inside another.

    Args:
        count: how many are tried.
        ground: to stand on.
        random: all chance comes from it.
        stage: build one at the far end.
        lamps: so many of them are poles at least.
    """
    props: list[Prop] = []
    if stage:
        disc = Disc(ground.far_m + 0.5, 0.0, 2.0)
        props.append(Prop("stage", disc, math.radians(ground.yaw_deg), (40.0, 38.0, 36.0)))
    positions = ground.scatter(count, random)
    for number, (ahead, aside) in enumerate(positions):
        kind = str(random.choice(KINDS, p=SHARES))
        kind = "pole" if number < lamps else kind
        grey = random.uniform(50, 190)
        tint = np.clip(grey * random.uniform(0.6, 1.3, 3), 10, 235)
        turn = float(random.uniform(0, math.pi))
        disc = Disc(float(ahead), float(aside), RADIUS_M[kind])
        # Nothing is broader than a third of what the camera sees there.
        near = disc.radius_m > ground.slope * ahead / 3
        if not near and not any(_touch(disc, other.disc) for other in props):
            props.append(Prop(kind, disc, turn, (float(tint[0]), float(tint[1]), float(tint[2]))))
    return props


def _touch(one: Disc, other: Disc) -> bool:
    gap = math.hypot(one.ahead_m - other.ahead_m, one.aside_m - other.aside_m)
    return gap < one.radius_m + other.radius_m


def look_at_props(
    props: list[Prop], ground: Ground, camera: Camera, size_wh: tuple[int, int]
) -> list[Shape]:
    """Return the shapes of everything in front of the camera, far ones first."""
    shapes = []
    for prop in props:
        foot = ground.world(prop.disc.ahead_m, prop.disc.aside_m)
        # As deep as a head that would be there: people are sorted by theirs.
        depth = float(project((foot + np.array([0, 0, 1.5]))[None], camera, size_wh)[1][0])
        if depth < 1.0:
            continue
        boxes = _boxes(prop, foot)
        corners, depths = project(np.concatenate([box.corners for box in boxes]), camera, size_wh)
        if depths.min() < 0.3:
            continue
        faces = []
        for number, box in enumerate(boxes):
            faces += _seen_faces(box, corners[8 * number : 8 * number + 8], camera)
        if prop.kind in ("tree", "planter"):
            faces += _leaves(prop, foot, camera, size_wh)
        shapes.append(Shape(prop, depth, tuple(faces), foot[:2]))
    shapes.sort(key=lambda shape: -shape.depth_m)
    return shapes


@dataclass(frozen=True)
class _Box:
    corners: Floats  # (8, 3): x, then y, then z vary last to first
    albedo: Colour
    glows: bool = False


_FACES = ((4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))


def _seen_faces(box: _Box, pixels: Floats, camera: Camera) -> list[Face]:
    """Return those faces of a box that are turned to the camera."""
    assert camera.position_m is not None
    middle = box.corners.mean(axis=0)
    faces = []
    for face in _FACES:
        corners = box.corners[list(face)]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ (corners.mean(axis=0) - middle) < 0:
            normal = -normal
        if normal @ (np.array(camera.position_m) - corners[0]) > 0:
            faces.append(Face(pixels[list(face)], box.albedo, normal, box.glows))
    return faces


def _leaves(prop: Prop, foot: Floats, camera: Camera, size_wh: tuple[int, int]) -> list[Face]:
    """Return the foliage as ragged patches, dark and low ones first."""
    random = np.random.default_rng(int(prop.turn * 1e6))
    if prop.kind == "tree":
        count, centre, spread, radius = 160, 3.2, np.array([1.2, 1.2, 0.85]), (0.12, 0.3)
    else:
        count, centre, spread, radius = 40, 0.75, np.array([0.6, 0.4, 0.22]), (0.08, 0.2)
    points = random.normal(0, 0.5, (count, 3))
    points /= np.maximum(np.linalg.norm(points, axis=1), 1.0)[:, None]
    order = np.argsort(points[:, 2])
    normals = points[order] / np.maximum(np.linalg.norm(points[order], axis=1), 1e-6)[:, None]
    positions = foot + np.array([0, 0, centre]) + points[order] * spread
    pixels, depths = project(positions, camera, size_wh)
    focal = focal_px(camera.vfov_deg, size_wh[1])
    angles = np.linspace(0, 2 * math.pi, 7, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    hue = random.uniform(0.8, 1.2, 3) * np.array([40.0, 88.0, 62.0])
    faces = []
    for number in range(count):
        size = random.uniform(*radius) * focal / max(depths[number], 0.3)
        rag = random.uniform(0.75, 1.1, (7, 1))
        tone = (0.55 + 0.45 * number / count) * random.uniform(0.75, 1.15)
        albedo = (float(hue[0] * tone), float(hue[1] * tone), float(hue[2] * tone))
        faces.append(Face(pixels[number] + size * rag * ring, albedo, normals[number]))
    return faces


def _boxes(prop: Prop, foot: Floats) -> list[_Box]:
    """Return the solids that make up a thing, in the order of painting."""
    dark, rubber = (48.0, 50.0, 52.0), (28.0, 28.0, 30.0)
    colour = prop.colour
    shade = (colour[0] * 0.6, colour[1] * 0.6, colour[2] * 0.6)
    c, s = math.cos(prop.turn), math.sin(prop.turn)

    def box(x: float, y: float, z0: float, z1: float, at: float = 0.0, top: float = 1.0) -> Floats:
        corners = []
        for z, k in ((z0, 1.0), (z1, top)):
            corners += [(at + sx * x * k, sy * y * k, z) for sx in (-1, 1) for sy in (-1, 1)]
        found = np.array(corners)
        turned = found[:, :2] @ np.array([[c, s], [-s, c]])
        return np.concatenate([turned + foot[:2], found[:, 2:]], axis=1)

    if prop.kind == "pole":
        high = HEIGHT_M["pole"]
        lamp = _Box(box(0.34, 0.13, high - 0.16, high), (205.0, 232.0, 245.0), glows=True)
        return [_Box(box(0.07, 0.07, 0, high), dark), _Box(box(0.12, 0.12, 0, 0.7), dark), lamp]
    if prop.kind == "tree":
        return [_Box(box(0.13, 0.13, 0, 2.7, top=0.7), (45.0, 62.0, 82.0))]
    if prop.kind == "bin":
        return [_Box(box(0.3, 0.3, 0, 0.95), colour), _Box(box(0.34, 0.34, 0.95, 1.05), dark)]
    if prop.kind == "planter":
        return [_Box(box(0.8, 0.5, 0, 0.55), (120.0, 128.0, 132.0))]
    if prop.kind == "wall":
        return [
            _Box(box(2.2, 0.15, 0, 1.1), (135.0, 142.0, 150.0)),
            _Box(box(2.25, 0.2, 1.1, 1.2), dark),
        ]
    if prop.kind == "stage":
        wide, deep, high = STAGE_M
        return [
            _Box(box(wide, deep, 0, high), colour),
            _Box(box(wide, 0.1, high, high + 3.2), (70.0, 60.0, 58.0)),
            _Box(box(0.15, 0.15, 0, high + 3.8, wide), dark),
            _Box(box(0.15, 0.15, 0, high + 3.8, -wide), dark),
            _Box(box(wide, 0.15, high + 3.5, high + 3.8), dark),
        ]
    glass = (92.0, 84.0, 74.0)
    return [
        *(_Box(box(0.33, 0.9, 0, 0.62, at), rubber) for at in (-1.35, 1.35)),
        _Box(box(2.15, 0.88, 0.28, 0.62), shade),
        _Box(box(2.15, 0.88, 0.6, 0.95, top=0.97), colour),
        _Box(box(1.3, 0.8, 0.93, 1.35, -0.15, 0.75), glass),
        _Box(box(0.95, 0.6, 1.35, 1.45, -0.15, 0.9), colour),
    ]
