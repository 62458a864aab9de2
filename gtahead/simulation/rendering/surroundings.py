"""What scenery, ground and sky look like."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.rendering import fragments as f
from gtahead.simulation.rendering.noise import BLURS, hashed_share, line_share, noise_at, smooth
from gtahead.simulation.rendering.shadows import crowded_at

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

# What scenery is made of: the first column of its materials.
FACADE, ROUGH, PAINT, GLASS, LEAVES, LAMP, SHINING, WOOD, SEATS = range(9)
# Columns of a material: kind, colour (3), normal (3), and two numbers whose meaning depends:
# of a facade a window's width and a storey's height, of leaves how open they are.
MATERIALS = 9

# What the ground is.
SLABS, BRICKS, ASPHALT, GRASS, CONCRETE, PLANKS, TILES, SAND, CROSSING = range(9)

# Columns of the air: horizon (3), zenith (3), clouds (3), how cloudy it is, haze (3), haze a metre,
# how wet the ground is, how dark the night, how much snow lies, room: whether there is a ceiling.
HORIZON, ZENITH, CLOUDS, CLOUDY, HAZE = 0, 3, 6, 9, 10
HAZE_A_METRE, WET, NIGHT, SNOW = 13, 14, 15, 16
AIR = 17

FARTHEST_M = np.float32(400)
"""Of the ground; behind it is the sky."""

Colour = tuple[np.float32, np.float32, np.float32]
_0, _1, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@compiled
def _blur_for(cells: np.float32) -> int:
    """Return the level of noise for a pixel that is so many cells wide."""
    level = 0
    while cells > _1 and level < BLURS - 1:
        cells *= _HALF
        level += 1
    return level


@compiled
def _window(
    along: np.float32,
    z: np.float32,
    number: int,
    width: np.float32,
    storey: np.float32,
    pixel: np.float32,
    wall: Colour,
    air: F32,
    noise: F32,
) -> tuple[Colour, np.float32, np.float32]:
    """Return colour, gloss and glow of a wall with windows."""
    u, v = along / width, z / storey
    column, floor = np.floor(u), np.floor(v)
    u, v = u - column, v - floor
    left, right, low, high = np.float32(0.22), np.float32(0.78), np.float32(0.26), np.float32(0.82)
    if floor == _0:
        left, right, low, high = (
            np.float32(0.07),
            np.float32(0.93),
            np.float32(0.08),
            np.float32(0.8),
        )
    soft = pixel / width * np.float32(1.2) + np.float32(0.002)
    pane = smooth(left - soft, left + soft, u) * smooth(right + soft, right - soft, u)
    pane *= smooth(low - soft, low + soft, v) * smooth(high + soft, high - soft, v)
    sill = smooth(left - np.float32(0.06), left - np.float32(0.05), u)
    sill *= smooth(right + np.float32(0.06), right + np.float32(0.05), u)
    above = smooth(high + np.float32(0.05), high + np.float32(0.04), v) * smooth(
        high, high + np.float32(0.01), v
    )
    below = smooth(low - np.float32(0.07), low - np.float32(0.06), v) * smooth(
        low, low - np.float32(0.01), v
    )
    tone = _1 + np.float32(0.22) * sill * (above + below)
    edge = smooth(np.float32(0.965), np.float32(0.985), v) + smooth(np.float32(0.02), _0, v)
    tone *= _1 - np.float32(0.18) * edge
    r, g, b = wall[0] * tone, wall[1] * tone, wall[2] * tone
    if pane <= _0:
        return (r, g, b), np.float32(0.02), _0
    chance = hashed_share(int(column), int(floor), number)
    mirror = smooth(_0, _1, v) * np.float32(0.11)
    dim = np.float32(0.035) + np.float32(0.10) * chance * chance
    gr, gg, gb = (
        dim + air[ZENITH] * mirror,
        dim + air[ZENITH + 1] * mirror,
        dim + air[ZENITH + 2] * mirror,
    )
    blind = chance > np.float32(0.55) and v > low + (high - low) * (np.float32(1.4) - chance)
    if blind:
        slat = v * np.float32(34)
        tone = np.float32(0.85) + np.float32(0.15) * (slat - np.floor(slat))
        gr, gg, gb = (
            np.float32(0.36) * chance * tone,
            np.float32(0.35) * chance * tone,
            np.float32(0.32) * chance * tone,
        )
    reveal = _1 - np.float32(0.6) * smooth(high - np.float32(0.07), high - np.float32(0.02), v)
    bar = abs(u - _HALF) < np.float32(0.015) + soft * _HALF or abs(
        v - low - np.float32(0.38)
    ) < np.float32(0.012)
    if bar:
        gr, gg, gb = np.float32(0.16), np.float32(0.155), np.float32(0.15)
    else:
        gr, gg, gb = gr * reveal, gg * reveal, gb * reveal
    glow = _0
    lit = hashed_share(int(column), int(floor), number + 7) < np.float32(0.38)
    if air[NIGHT] > _0 and (lit or (floor == _0 and chance < np.float32(0.6))):
        inside = noise_at(noise, 3, along * np.float32(22), z * np.float32(14))
        glow = pane * air[NIGHT] * (np.float32(0.3) + chance)
        glow *= np.float32(0.25) + np.float32(0.75) * smooth(low, high, v)
        glow *= np.float32(0.35) + np.float32(1.1) * inside
        if bar:
            glow *= np.float32(0.3)
    share = pane
    return (
        (r + (gr - r) * share, g + (gg - g) * share, b + (gb - b) * share),
        np.float32(0.5) * pane,
        glow,
    )


@compiled
def shade_scenery(
    count: int, fragments: F32, owners: I32, view: F32, materials: F32, air: F32, noise: F32
) -> None:
    """Fill in the fragments that show scenery; arguments as for `shade_people`.

    Args:
        count: how many fragments there are.
        fragments: (N, COLUMNS).
        owners: (N,) codes.
        view: of `View.array`.
        materials: (T, MATERIALS) of each triangle.
        air: (AIR,).
        noise: levels of the noise.
    """
    for index in range(count):
        if owners[index] > -2:
            continue
        number = -2 - owners[index]
        material = materials[number]
        depth = _1 / fragments[index, f.NEAR]
        across = (fragments[index, f.X] - view[13]) / view[12]
        above = -(fragments[index, f.Y] - view[14]) / view[12]
        dx = view[9] + across * view[3] + above * view[6]
        dy = view[10] + across * view[4] + above * view[7]
        dz = view[11] + across * view[5] + above * view[8]
        x, y, z = view[0] + dx * depth, view[1] + dy * depth, view[2] + dz * depth
        nx, ny, nz = material[4], material[5], material[6]
        kind = int(material[0])
        if nx * dx + ny * dy + nz * dz > _0 and kind != LEAVES:
            nx, ny, nz = -nx, -ny, -nz
        pixel = depth / view[12]
        r, g, b = material[1], material[2], material[3]
        gloss, sharp, glow, wrap, slack = np.float32(0.02), _0, _0, _0, np.float32(0.06)
        open_ = np.float32(0.55) + np.float32(0.45) * min(_1, z * np.float32(1 / 3))
        if kind == FACADE:
            along = nx * y - ny * x
            level = _blur_for(pixel * np.float32(10))
            grain = noise_at(noise, level, along * np.float32(16), z * np.float32(16))
            stain = noise_at(
                noise, 0, along * np.float32(0.7), z * np.float32(2.1) + np.float32(30)
            )
            tone = np.float32(0.78) + np.float32(0.22) * grain + np.float32(0.3) * (stain - _HALF)
            tone -= np.float32(0.12) * smooth(np.float32(1.5), _0, z)
            r, g, b = r * tone, g * tone, b * tone
            if abs(nz) < _HALF:
                colour, gloss, glow = _window(
                    along,
                    z,
                    (number & 1023) // 2,
                    material[7],
                    material[8],
                    pixel,
                    (r, g, b),
                    air,
                    noise,
                )
                r, g, b = colour
                sharp = _1 if gloss > np.float32(0.1) else _0
        elif kind == ROUGH:
            level = _blur_for(pixel * np.float32(9))
            tone = np.float32(0.8) + np.float32(0.4) * noise_at(
                noise, level if level > 1 else 1, (x + z) * np.float32(9), (y + z) * np.float32(9)
            )
            r, g, b = r * tone, g * tone, b * tone
        elif kind == WOOD:
            ring = noise_at(noise, 1, (x + y) * np.float32(3), (z + x) * np.float32(46))
            tone = np.float32(0.75) + np.float32(0.5) * ring
            r, g, b, gloss = r * tone, g * tone, b * tone, np.float32(0.06)
        elif kind == SEATS:
            tone = np.float32(0.85) + np.float32(0.3) * hashed_share(number // 12, 3, 1)
            r, g, b, gloss = r * tone, g * tone, b * tone, np.float32(0.1)
        elif kind == PAINT:
            gloss, sharp = np.float32(0.7), _1
        elif kind == GLASS:
            up = nz * nz * np.float32(0.12)
            r, g, b = r + air[ZENITH] * up, g + air[ZENITH + 1] * up, b + air[ZENITH + 2] * up
            gloss, sharp = np.float32(0.9), _1
        elif kind == LEAVES:
            tone = np.float32(0.6) + np.float32(0.8) * hashed_share(number, 11, 3)
            r, g, b = (
                r * tone,
                g * tone * (np.float32(0.9) + np.float32(0.2) * hashed_share(number, 5, 9)),
                b * tone,
            )
            open_, wrap, slack = material[7], np.float32(0.35), np.float32(0.25)
        elif kind == LAMP:
            glow = air[NIGHT] * np.float32(6) + np.float32(0.02)
        elif kind == SHINING:
            glow = material[7]
        if air[SNOW] > _0 and nz > np.float32(0.3):
            white = air[SNOW] * smooth(np.float32(0.3), np.float32(0.7), nz)
            r, g, b = (
                r + (np.float32(0.72) - r) * white,
                g + (np.float32(0.74) - g) * white,
                b + (np.float32(0.78) - b) * white,
            )
        _put(fragments, index, (r, g, b), nx, ny, nz, x, y, z)
        fragments[index, f.OPEN] = open_
        fragments[index, f.GLOSS], fragments[index, f.SHARP] = gloss, sharp
        fragments[index, f.WRAP], fragments[index, f.SLACK] = wrap, slack
        fragments[index, f.GLOW] = glow


@compiled
def _put(
    fragments: F32,
    index: int,
    colour: Colour,
    nx: np.float32,
    ny: np.float32,
    nz: np.float32,
    x: np.float32,
    y: np.float32,
    z: np.float32,
) -> None:
    fragments[index, f.RED], fragments[index, f.GREEN], fragments[index, f.BLUE] = colour
    fragments[index, f.NORMAL], fragments[index, f.NORMAL + 1], fragments[index, f.NORMAL + 2] = (
        nx,
        ny,
        nz,
    )
    fragments[index, f.PLACE], fragments[index, f.PLACE + 1], fragments[index, f.PLACE + 2] = (
        x,
        y,
        z,
    )


@compiled
def _slab(
    x: np.float32, y: np.float32, side: np.float32, gap: np.float32, pixel: np.float32, seed: int
) -> tuple[np.float32, np.float32]:
    """Return how much of a pixel is a joint between square slabs, and the slab's own share."""
    joint = max(line_share(x, side, gap, pixel), line_share(y, side, gap, pixel))
    return joint, hashed_share(int(np.floor(x / side)), int(np.floor(y / side)), seed)


@compiled
def ground_colour(kind: int, x: np.float32, y: np.float32, pixel: np.float32, noise: F32) -> Colour:
    """Return the ground's colour at a place; `pixel` is how far a pixel reaches there, metres."""
    level = _blur_for(pixel * np.float32(12))
    grain = noise_at(noise, level, x * np.float32(24), y * np.float32(24))
    patch = noise_at(noise, max(level - 3, 0), x * np.float32(3.1), y * np.float32(3.1))
    wide = noise_at(noise, max(level - 6, 0), x * np.float32(0.37), y * np.float32(0.37))
    tone = np.float32(0.72) + np.float32(0.28) * grain + np.float32(0.34) * (patch - _HALF)
    tone += np.float32(0.42) * (wide - _HALF)
    if kind == SLABS:
        joint, own = _slab(x, y, np.float32(1.5), np.float32(0.025), pixel, 3)
        if pixel > np.float32(0.6):
            own = _HALF
        tone *= (np.float32(0.86) + np.float32(0.28) * own) * (_1 - _HALF * joint)
        band = line_share(
            x, np.float32(12), np.float32(1.5), pixel * np.float32(0.2) + np.float32(0.01)
        )
        r, g, b = (
            np.float32(0.205) - np.float32(0.07) * band,
            np.float32(0.195) - np.float32(0.072) * band,
            np.float32(0.18) - np.float32(0.072) * band,
        )
    elif kind == BRICKS:
        row = np.floor(y / np.float32(0.2))
        moved = x + np.float32(0.2) * (row - np.float32(2) * np.floor(row * _HALF))
        joint = max(
            line_share(moved, np.float32(0.4), np.float32(0.018), pixel),
            line_share(y, np.float32(0.2), np.float32(0.018), pixel),
        )
        own = hashed_share(int(np.floor(moved / np.float32(0.4))), int(row), 5)
        if pixel > np.float32(0.12):
            own = _HALF
        tone *= (np.float32(0.8) + np.float32(0.4) * own) * (_1 - np.float32(0.45) * joint)
        r, g, b = np.float32(0.185), np.float32(0.145), np.float32(0.12)
    elif kind == ASPHALT:
        crack = noise_at(noise, max(level, 1), x * np.float32(11), y * np.float32(11))
        tone *= _1 - np.float32(0.25) * smooth(np.float32(0.04), _0, abs(crack - np.float32(0.45)))
        r, g, b = np.float32(0.085), np.float32(0.087), np.float32(0.092)
    elif kind == CROSSING:
        stripe = line_share(x, np.float32(1.0), np.float32(0.5), pixel)
        worn = np.float32(0.6) + np.float32(0.4) * patch
        white = stripe * worn
        r = np.float32(0.085) + np.float32(0.43) * white
        g, b = (
            np.float32(0.087) + np.float32(0.43) * white,
            np.float32(0.092) + np.float32(0.41) * white,
        )
    elif kind == GRASS:
        tone = (
            np.float32(0.55)
            + np.float32(0.6) * grain
            + _HALF * (patch - _HALF)
            + _HALF * (wide - _HALF)
        )
        dry = smooth(np.float32(0.45), np.float32(0.8), wide)
        r = np.float32(0.055) + np.float32(0.05) * dry
        g, b = (
            np.float32(0.085) + np.float32(0.02) * dry,
            np.float32(0.025) + np.float32(0.01) * dry,
        )
    elif kind == PLANKS:
        joint = line_share(y, np.float32(0.16), np.float32(0.012), pixel)
        own = hashed_share(int(np.floor(y / np.float32(0.16))), 7, 1)
        if pixel > np.float32(0.1):
            own = _HALF
        vein = noise_at(noise, max(level, 1), x * np.float32(4), y * np.float32(60))
        tone = (np.float32(0.65) + np.float32(0.3) * own + np.float32(0.3) * vein) * (
            _1 - np.float32(0.6) * joint
        )
        r, g, b = np.float32(0.20), np.float32(0.13), np.float32(0.075)
    elif kind == TILES:
        joint, own = _slab(x, y, np.float32(0.6), np.float32(0.01), pixel, 9)
        if pixel > np.float32(0.3):
            own = _HALF
        tone = np.float32(0.88) + np.float32(0.08) * own + np.float32(0.12) * (patch - _HALF)
        tone *= _1 - np.float32(0.4) * joint
        r, g, b = np.float32(0.33), np.float32(0.31), np.float32(0.28)
    elif kind == SAND:
        r, g, b = np.float32(0.36), np.float32(0.29), np.float32(0.2)
    else:
        r, g, b = np.float32(0.21), np.float32(0.205), np.float32(0.195)
    return r * tone, g * tone, b * tone


@compiled
def _lanes(
    colour: Colour, zone: F32, x: np.float32, y: np.float32, pixel: np.float32, noise: F32
) -> Colour:
    """Paint a road's lines: two yellow ones in the middle, broken white ones beside them."""
    along, across = (x, y) if zone[5] == _0 else (y, x)
    first, last = (zone[1], zone[3]) if zone[5] == _0 else (zone[0], zone[2])
    away = abs(across - (first + last) * _HALF)
    width = max(pixel, np.float32(0.01))
    worn = np.float32(0.55) + np.float32(0.45) * noise_at(
        noise, 1, x * np.float32(6), y * np.float32(6)
    )
    line = (np.float32(0.06) + width * _HALF - abs(away - np.float32(0.12))) / width
    share = min(max(line, _0), _1) * np.float32(0.8) * worn
    r = colour[0] + (np.float32(0.5) - colour[0]) * share
    g = colour[1] + (np.float32(0.36) - colour[1]) * share
    b = colour[2] + (np.float32(0.06) - colour[2]) * share
    dash = along / np.float32(6)
    if dash - np.floor(dash) <= _HALF:
        line = (
            np.float32(0.06) + width * _HALF - abs(away - (last - first) * np.float32(0.25))
        ) / width
        share = min(max(line, _0), _1) * np.float32(0.8) * worn
        r += (np.float32(0.55) - r) * share
        g += (np.float32(0.55) - g) * share
        b += (np.float32(0.53) - b) * share
    return r, g, b


@compiled
def sky_colour(dx: np.float32, dy: np.float32, dz: np.float32, air: F32, noise: F32) -> Colour:
    """Return the light of the sky in a direction of length 1."""
    high = max(dz, _0)
    share = _1 / (_1 + np.float32(7) * high)
    r = air[ZENITH] + (air[HORIZON] - air[ZENITH]) * share
    g = air[ZENITH + 1] + (air[HORIZON + 1] - air[ZENITH + 1]) * share
    b = air[ZENITH + 2] + (air[HORIZON + 2] - air[ZENITH + 2]) * share
    if high > np.float32(0.02):
        u, v = (
            dx / (dz + np.float32(0.06)) * np.float32(5),
            dy / (dz + np.float32(0.06)) * np.float32(5),
        )
        cloud = noise_at(noise, 0, u, v) * np.float32(0.65)
        cloud += noise_at(noise, 0, u * np.float32(3.1), v * np.float32(3.1)) * np.float32(0.35)
        share = smooth(np.float32(0.48), np.float32(0.75), cloud) * air[CLOUDY]
        share *= smooth(np.float32(0.02), np.float32(0.15), high)
        r += (air[CLOUDS] - r) * share
        g += (air[CLOUDS + 1] - g) * share
        b += (air[CLOUDS + 2] - b) * share
    if air[HAZE_A_METRE] > np.float32(0.004):
        share = min(_1, air[HAZE_A_METRE] * np.float32(60)) / (_1 + np.float32(4) * high)
        r += (air[HAZE] - r) * share
        g += (air[HAZE + 1] - g) * share
        b += (air[HAZE + 2] - b) * share
    return r, g, b


@compiled
def shade_ground_and_sky(
    count: int,
    fragments: F32,
    owners: I32,
    view: F32,
    zones: F32,
    base: int,
    crowd: F32,
    crowd_corner: F32,
    air: F32,
    noise: F32,
) -> None:
    """Fill in the fragments that show the ground, and the light of those that show the sky.

    Args:
        count: how many fragments there are.
        fragments: (N, COLUMNS); of the sky NEAR becomes 0.
        owners: (N,) codes.
        view: of `View.array`.
        zones: (Z, 6) x0, y0, x1, y1, what the ground is there, and 1 for a road along y; the last
            one that covers a place holds.
        base: what the ground is elsewhere.
        crowd: (H, W) how crowded the ground is.
        crowd_corner: where that is.
        air: (AIR,).
        noise: levels of the noise.
    """
    for index in range(count):
        if owners[index] != -1:
            continue
        across = (fragments[index, f.X] - view[13]) / view[12]
        above = -(fragments[index, f.Y] - view[14]) / view[12]
        dx = view[9] + across * view[3] + above * view[6]
        dy = view[10] + across * view[4] + above * view[7]
        dz = view[11] + across * view[5] + above * view[8]
        length = _1 / np.sqrt(dx * dx + dy * dy + dz * dz)
        far = -view[2] / dz if dz < np.float32(-1e-4) else FARTHEST_M
        if far >= FARTHEST_M:
            fragments[index, f.NEAR] = _0
            colour = sky_colour(dx * length, dy * length, dz * length, air, noise)
            fragments[index, f.RED], fragments[index, f.GREEN], fragments[index, f.BLUE] = colour
            continue
        x, y = view[0] + dx * far, view[1] + dy * far
        fragments[index, f.NEAR] = _1 / far
        slant = _1 / max(np.float32(0.05), -dz * length)
        pixel = far / view[12] * (slant * _HALF + _HALF)
        kind, chosen = base, -1
        for number in range(len(zones)):
            if (
                zones[number, 0] <= x < zones[number, 2]
                and zones[number, 1] <= y < zones[number, 3]
            ):
                kind, chosen = int(zones[number, 4]), number
        colour = ground_colour(kind, x, y, pixel, noise)
        if kind == ASPHALT and chosen >= 0:
            colour = _lanes(colour, zones[chosen], x, y, pixel, noise)
        r, g, b = colour
        gloss, sharp = _0, _0
        if kind == TILES:
            gloss = np.float32(0.12)
        if air[WET] > _0:
            puddle = smooth(
                np.float32(0.45),
                np.float32(0.62),
                noise_at(noise, 2, x * np.float32(9), y * np.float32(9)),
            )
            puddle *= air[WET]
            dark = (_1 - np.float32(0.45) * air[WET]) * (_1 - _HALF * puddle)
            r, g, b = r * dark, g * dark, b * dark
            gloss, sharp = np.float32(0.12) * air[WET] + np.float32(0.95) * puddle, _1
        if air[SNOW] > _0:
            trodden = noise_at(noise, 1, x * np.float32(5), y * np.float32(5))
            white = air[SNOW] * smooth(np.float32(0.25), np.float32(0.45), trodden)
            r += (np.float32(0.70) - r) * white
            g += (np.float32(0.72) - g) * white
            b += (np.float32(0.76) - b) * white
        _put(fragments, index, (r, g, b), _0, _0, _1, x, y, _0)
        around = crowded_at(crowd, crowd_corner, x, y)
        fragments[index, f.OPEN] = _1 / (_1 + np.float32(1.2) * around)
        fragments[index, f.GLOSS], fragments[index, f.SHARP] = gloss, sharp
        fragments[index, f.WRAP], fragments[index, f.SLACK] = _0, np.float32(0.03)
        fragments[index, f.GLOW] = _0
