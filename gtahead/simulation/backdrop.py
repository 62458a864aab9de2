"""What lies behind everybody: ground, far buildings and sky, cast ray by ray once per sequence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats
from gtahead.geometry import Camera, focal_px, rays
from gtahead.simulation.light import Light
from gtahead.simulation.people import Ground

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.floating[Any]]  # float32 where it is large

SURFACES = ("slabs", "street", "cobbles", "planks", "grass", "sand")
_NOISE_SIDE = 256


def paint_backdrop(
    surface: str,
    camera: Camera,
    size_wh: tuple[int, int],
    ground: Ground,
    light: Light,
    random: np.random.Generator,
) -> Image:
    """Paint a camera's view without people and things, (H, W, 3)."""
    assert camera.position_m is not None
    width, height = size_wh
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    ways = rays(np.stack([x.ravel(), y.ravel()], axis=1), camera, size_wh)
    ways = ways.reshape(height, width, 3)
    ahead, aside = (axis[:2] for axis in ground.axes)
    along = (ways[..., :2] @ ahead).astype(np.float32)
    across = (ways[..., :2] @ aside).astype(np.float32)
    climb = ways[..., 2].astype(np.float32)
    high = np.float32(camera.position_m[2])
    depth = np.where(climb < -1e-4, high / np.maximum(-climb, 1e-4), np.float32(1e4))
    noise = _Noise(random)
    sky = _sky(climb, along, across, light, noise)
    image = sky
    walls, wall_depth, wall_hit = _buildings(along, across, climb, high, ground, light, random)
    with_wall = wall_hit & (wall_depth < depth)
    image = np.where(with_wall[..., None], walls, image)
    on_ground = (depth < 2000) & ~with_wall
    if on_ground.any():
        d, a, s = depth[on_ground], along[on_ground], across[on_ground]
        # A pixel's length on the ground, which is seen at a slant.
        slant = np.maximum(-climb[on_ground], 0.01) / np.sqrt(a * a + s * s + climb[on_ground] ** 2)
        pixel_m = d / np.float32(focal_px(camera.vfov_deg, height)) / slant
        turn = random.uniform(-0.5, 0.5)
        c, sine = np.float32(math.cos(turn)), np.float32(math.sin(turn))
        u, v = d * (a * sine + s * c), d * (a * c - s * sine)
        middle = np.float32((ground.near_m * ground.far_m) ** 0.5)
        albedo = _SURFACES[surface](u - middle * sine, v - middle * c, pixel_m, noise, random)
        positions = np.stack([d * a, d * s], axis=1)
        lamps = light.lamps - np.array(ground.origin_m)
        lamps = np.stack([lamps @ ahead, lamps @ aside], axis=1)
        near = Light(**{**light.__dict__, "lamps": lamps})
        lit = near.diffuse(positions) + (light.sun * max(light.to_sun[2], 0.25)).astype(np.float32)
        colour = albedo * lit
        gone = light.haze(d)[:, None].astype(np.float32)
        image[on_ground] = colour * (1 - gone) + light.horizon.astype(np.float32) * gone
    return np.clip(image, 0, 255).astype(np.uint8)


class _Noise:
    """Smooth noise on the ground, in -1 to 1, at any scale."""

    def __init__(self, random: np.random.Generator) -> None:
        side = _NOISE_SIDE
        whole = np.zeros((side, side), np.float32)
        for cells, weight in ((8, 0.5), (16, 0.4), (32, 0.35), (64, 0.3), (128, 0.3)):
            coarse = random.normal(0, weight, (cells, cells)).astype(np.float32)
            # Repeats without a seam: three tiles are made smooth, the middle one is kept.
            tiled = np.tile(coarse, (3, 3))
            smooth = cv2.resize(tiled, (3 * side, 3 * side), interpolation=cv2.INTER_CUBIC)
            whole += smooth[side : 2 * side, side : 2 * side]
        self._tile = np.clip(whole / 1.6, -1, 1)
        self._cells = random.uniform(-1, 1, _NOISE_SIDE**2).astype(np.float32)

    def at(self, u: Plane, v: Plane, tile_m: float, pixel_m: Plane | None = None) -> Plane:
        """Sample the noise, in tiles `tile_m` metres wide; it fades where a pixel covers a lot."""
        scale = np.float32(_NOISE_SIDE / tile_m)
        i = (u * scale).astype(np.int32) % _NOISE_SIDE
        j = (v * scale).astype(np.int32) % _NOISE_SIDE
        found: Plane = self._tile[j, i]
        if pixel_m is None:
            return found
        return np.asarray(found / (1 + (pixel_m * scale / 6) ** 2), np.float32)

    def cells(self, i: Plane, j: Plane) -> Plane:
        """Return a random value for each cell of a grid."""
        key = i.astype(np.int64) * 7919 + j.astype(np.int64) * 104729
        found: Plane = self._cells[key % len(self._cells)]
        return found


def _line(at: Plane, period: float, width: float, pixel_m: Plane) -> Plane:
    """Return how much of a pixel a family of lines covers: they melt into the ground far away."""
    gap = np.abs((at / period + 0.5) % 1 - 0.5) * np.float32(period)
    sharp = np.clip((width / 2 - gap) / np.maximum(pixel_m, 1e-3) + 0.5, 0, 1)
    sharp *= np.minimum(width / np.maximum(pixel_m, 1e-3), 1)
    share = np.float32(width / period)
    far = np.clip(pixel_m / np.float32(0.4 * period) - 0.5, 0, 1)
    return np.asarray(sharp * (1 - far) + share * far, np.float32)


def _fade(pixel_m: Plane, size: float) -> Plane:
    """Return how much is left of a pattern of this size."""
    return np.asarray(np.clip(1.5 - pixel_m / np.float32(0.5 * size), 0, 1), np.float32)


def _mixed(base: Plane, over: Floats, share: Plane) -> Plane:
    mixed: Plane = base + (over.astype(np.float32) - base) * share[:, None]
    return mixed


def _tinted(tone: Plane, colour: Floats) -> Plane:
    return np.asarray(tone[:, None] * colour.astype(np.float32), np.float32)


def _warm_grey(random: np.random.Generator, low: float, high: float) -> Floats:
    tint: Floats = np.asarray(random.uniform([0.82, 0.93, 0.97], [1.0, 1.0, 1.08]), np.float64)
    grey: Floats = random.uniform(low, high) * tint
    return grey


def _stain(u: Plane, v: Plane, pixel_m: Plane, noise: _Noise) -> Plane:
    grain = noise.at(u, v, 1.7, pixel_m) * 0.10
    stain: Plane = 1 + noise.at(u, v, 41.0) * 0.10 + noise.at(v, u, 9.0, pixel_m) * 0.08 + grain
    return stain


def _slabs(u: Plane, v: Plane, pixel_m: Plane, noise: _Noise, random: np.random.Generator) -> Plane:
    side = float(random.choice([0.6, 1.0, 1.5]))
    tone = _stain(u, v, pixel_m, noise)
    tone += noise.cells(np.floor(u / side), np.floor(v / side)) * 0.07 * _fade(pixel_m, side)
    colour = _tinted(tone, _warm_grey(random, 95, 150))
    every = side * int(random.integers(4, 8))
    band = np.maximum(_line(u, every, side, pixel_m), _line(v, every, side, pixel_m))
    if random.random() < 0.7:
        other = _warm_grey(random, 60, 110) * random.uniform([0.7, 0.7, 1.0], [1.0, 1.0, 1.25])
        colour = _mixed(colour, other, band * tone * 0.85)
    joints = np.maximum(_line(u, side, 0.02, pixel_m), _line(v, side, 0.02, pixel_m))
    return colour * (1 - 0.45 * joints)[:, None]


def _street(
    u: Plane, v: Plane, pixel_m: Plane, noise: _Noise, random: np.random.Generator
) -> Plane:
    half = float(random.choice([3.6, 6.5]))
    walk = _slabs(u, v, pixel_m, noise, random)
    tone = 1 + noise.at(u, v, 0.9, pixel_m) * 0.2 + noise.at(u, v, 23.0) * 0.12
    road = _tinted(tone, _warm_grey(random, 58, 84))
    white = np.array([205.0, 210.0, 212.0]) * 0.85
    dashes = (np.sin(v * np.float32(2 * math.pi / 6)) > -0.2).astype(np.float32)
    solid = _line(np.abs(u) - np.float32(half - 0.3), 1e3, 0.12, pixel_m)
    road = _mixed(road, white, _line(u, 1e3, 0.12, pixel_m) * dashes * 0.8)
    road = _mixed(road, white * np.array([0.45, 0.9, 1.0]), solid * 0.8)
    # Stripes of a zebra crossing.
    position = float(random.uniform(-6, 6))
    zebra = (np.abs(v - position) < 1.6) & (np.sin(u * np.float32(2 * math.pi / 1.0)) > 0)
    road = _mixed(road, white, zebra * _fade(pixel_m, 1.0) * 0.75)
    colour = np.where((np.abs(u) < half)[:, None], road, walk)
    kerb = _line(np.abs(u) - np.float32(half), 1e3, 0.22, pixel_m)
    colour = _mixed(colour, np.array([150.0, 156.0, 158.0]), kerb)
    edge = _line(np.abs(u) - np.float32(half - 0.13), 1e3, 0.05, pixel_m)
    return _mixed(colour, np.array([40.0, 40.0, 42.0]), edge * 0.8)


def _cobbles(
    u: Plane, v: Plane, pixel_m: Plane, noise: _Noise, random: np.random.Generator
) -> Plane:
    side = float(random.uniform(0.14, 0.3))
    row = np.floor(v / side)
    shifted = u + (row % 2) * np.float32(side * 0.8)
    tone = _stain(u, v, pixel_m, noise)
    tone += noise.cells(np.floor(shifted / (1.6 * side)), row) * 0.16 * _fade(pixel_m, side)
    joints = np.maximum(_line(shifted, 1.6 * side, 0.025, pixel_m), _line(v, side, 0.025, pixel_m))
    return _tinted(tone, _warm_grey(random, 80, 130)) * (1 - 0.4 * joints)[:, None]


def _planks(
    u: Plane, v: Plane, pixel_m: Plane, noise: _Noise, random: np.random.Generator
) -> Plane:
    side = float(random.uniform(0.14, 0.22))
    plank = np.floor(u / side)
    end = v + noise.cells(plank, plank) * 3
    tone = 1 + noise.cells(plank, np.floor(end / 4)) * 0.22 * _fade(pixel_m, side)
    tone += noise.at(u * 9, v, 7.0, pixel_m) * 0.15 + noise.at(u, v, 37.0) * 0.12
    gaps = np.maximum(_line(u, side, 0.018, pixel_m), _line(end, 4.0, 0.03, pixel_m))
    colour = np.array([78.0, 96.0, 118.0]) * random.uniform(0.7, 1.15)
    return _tinted(tone, colour) * (1 - 0.65 * gaps)[:, None]


def _grass(u: Plane, v: Plane, pixel_m: Plane, noise: _Noise, random: np.random.Generator) -> Plane:
    tone = 1 + noise.at(u, v, 0.7, pixel_m) * 0.35 + noise.at(u, v, 13.0) * 0.25
    tone += noise.at(v, u, 60.0) * 0.2
    colour = _tinted(tone, np.array([38.0, 88.0, 70.0]) * random.uniform(0.8, 1.15))
    worn = np.clip(noise.at(v, u, 19.0) * 2 - 0.4, 0, 1)
    colour = _mixed(colour, np.array([82.0, 112.0, 130.0]), worn * 0.6)
    bend = u + noise.at(v, v, 50.0) * 1.5
    path = np.clip((1.6 - np.abs(bend)) / 0.15, 0, 1)
    return _mixed(colour, np.array([112.0, 132.0, 145.0]), path * (0.9 + 0.1 * tone))


def _sand(u: Plane, v: Plane, pixel_m: Plane, noise: _Noise, random: np.random.Generator) -> Plane:
    tone = 1 + noise.at(u, v, 4.0, pixel_m) * 0.22 + noise.at(u, v, 1.1, pixel_m) * 0.18
    tone += noise.at(u, v, 33.0) * 0.1
    return _tinted(tone, np.array([112.0, 150.0, 176.0]) * random.uniform(0.85, 1.1))


_Surface = Callable[[Plane, Plane, Plane, _Noise, np.random.Generator], Plane]
_SURFACES: dict[str, _Surface] = {
    "slabs": _slabs,
    "street": _street,
    "cobbles": _cobbles,
    "planks": _planks,
    "grass": _grass,
    "sand": _sand,
}


def _sky(climb: Plane, along: Plane, across: Plane, light: Light, noise: _Noise) -> Plane:
    """Paint the sky, also where the ground ends: haze below, clouds above."""
    steep = np.clip(climb / np.hypot(along, across), 0, 1)
    share = np.sqrt(steep)[..., None]
    low, high = light.horizon.astype(np.float32), light.zenith.astype(np.float32)
    sky = low * (1 - share) + high * share
    # Clouds are a ceiling: near the horizon they are flat and lie close together.
    flat = np.maximum(steep, 0.02)
    puffs = noise.at(across / flat, along / flat, 14.0) + 0.4 * noise.at(
        along / flat, across / flat, 5.0
    )
    cover = np.clip(puffs * 2.2, 0, 1) * np.clip(steep * 12, 0, 1) * 0.55
    bright = np.float32(1.08) * np.maximum(low, high)
    return np.asarray(sky + (bright - sky) * cover[..., None], np.float32)


def _buildings(
    along: Plane,
    across: Plane,
    climb: Plane,
    high: np.float32,
    ground: Ground,
    light: Light,
    random: np.random.Generator,
) -> tuple[Plane, Plane, Booleans]:
    """Place houses around the ground; return colour, depth and where they are."""
    level = np.hypot(along, across)
    azimuth = np.arctan2(across, along)
    edges, houses = [-math.pi], []
    while edges[-1] < math.pi:
        edges.append(edges[-1] + random.uniform(0.16, 0.5))
        houses.append(
            (
                ground.far_m * random.uniform(1.05, 1.3) + random.uniform(4, 22),
                0.0 if random.random() < 0.22 else random.uniform(5, 16) * random.choice([1, 1, 3]),
                random.uniform(2.2, 4.2),
                random.uniform(2.9, 3.8),
                random.uniform(0.3, 0.62),
                random.uniform(0, 1),
                *_warm_grey(random, 70, 175),
            )
        )
    which = np.searchsorted(np.array(edges), azimuth, side="right") - 1
    which = np.clip(which, 0, len(houses) - 1)
    centres = (np.array(edges[:-1]) + np.array(edges[1:])) / 2
    table = np.array(houses, np.float32)[which]
    turn = azimuth - centres.astype(np.float32)[which]
    distance = table[..., 0] / np.cos(turn)
    depth = distance / np.maximum(level, 1e-6)
    z = high + depth * climb
    hit = (z < table[..., 1]) & (z > 0)
    side = distance * np.sin(turn)
    # Windows, in a grid; a few are lit at night.
    column, row = side / table[..., 2], z / table[..., 3]
    glazed = (np.abs(column % 1 - 0.5) < table[..., 4] / 2) & (np.abs(row % 1 - 0.55) < 0.27)
    shop = (z < 3.2) & (np.abs(column % 1 - 0.5) < 0.42) & (z > 0.4)
    noise = _Noise(random)
    chance = noise.cells(np.floor(column) + which * 37, np.floor(row))
    wall = table[..., 6:9]
    facing = 0.55 + 0.45 * table[..., 5:6]
    lit = light.sky.astype(np.float32) * 0.95 + light.sun.astype(np.float32) * 0.8 * facing
    colour = wall * lit * (1 - 0.12 * (np.abs(row % 1 - 0.03) < 0.05))[..., None]
    glass = light.horizon.astype(np.float32) * 0.35 + np.float32(14)
    glass = glass * (1 + 0.35 * chance)[..., None]
    dark = float(light.sky.max()) < 0.4
    if dark:
        warm = np.array([95.0, 165.0, 205.0], np.float32)
        glass = np.where((chance > 0.45)[..., None], warm, glass)
    colour = np.where((glazed | shop)[..., None], glass, colour)
    gone = light.haze(distance)[..., None].astype(np.float32)
    colour = colour * (1 - gone) + light.horizon.astype(np.float32) * gone
    return np.asarray(colour, np.float32), np.asarray(depth, np.float32), hit
