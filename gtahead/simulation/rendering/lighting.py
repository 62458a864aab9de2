"""Light on fragments, and fragments as pixels: sun or lamps, sky, gloss, haze, a film's curve."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.rendering import fragments as f
from gtahead.simulation.rendering import surroundings as s
from gtahead.simulation.rendering.noise import hashed_share
from gtahead.simulation.rendering.shadows import lit_share

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

# Columns of the lights: the sun's colour (3), the sky's (3), what the ground throws back (3).
SUN, SKY, GROUND = 0, 3, 6
LIGHTS = 9

# Columns of a lamp: place (3), colour (3).
LAMPS = 6
LAMP_REACH_M = np.float32(22.3)

CURVE = 4096
"""Steps of the film's curve."""
CURVE_STEPS = np.float32(1023)
"""Of them for a light of 1."""

DITHER = np.float32(3)
"""Levels of noise that hides the steps of 8 bits."""

_0, _1, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@functools.cache
def film_curve() -> F32:
    """Return the level, 0 to 255, of each step of light.

    After Narkowicz' fit of the ACES curve (2015), and a display's exponent. Rounded to 1/256 level,
    since powers differ in their last bit from system to system.
    """
    x = np.arange(CURVE) / float(CURVE_STEPS) * 0.85
    bent = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    return (np.round(255 * bent ** (1 / 2.2) * 256) / 256).astype(np.float32)


@compiled
def light_fragments(
    count: int,
    fragments: F32,
    view: F32,
    sun: F32,
    sun_map: F32,
    lights: F32,
    lamps: F32,
    lamp_maps: F32,
    lamp_views: F32,
    air: F32,
) -> None:
    """Turn what fragments give back into the light that comes from them, haze included.

    Args:
        count: how many there are.
        fragments: (N, COLUMNS): colours become light; those of the sky, NEAR 0, are light already.
        view: of `View.array`.
        sun: as `place_in_map` takes it; its third axis points to the sun.
        sun_map: (S, S).
        lights: (LIGHTS,).
        lamps: (L, LAMPS).
        lamp_maps: (L, S, S) what each lamp sees; (0, S, S) for lamps without shadows.
        lamp_views: (L, 14) as `place_in_map` takes them.
        air: (AIR,).
    """
    sunny = lights[SUN] + lights[SUN + 1] + lights[SUN + 2] > np.float32(0.001)
    for index in range(count):
        near = fragments[index, f.NEAR]
        if near == _0:
            continue
        x, y, z = (
            fragments[index, f.PLACE],
            fragments[index, f.PLACE + 1],
            fragments[index, f.PLACE + 2],
        )
        nx, ny, nz = (
            fragments[index, f.NORMAL],
            fragments[index, f.NORMAL + 1],
            fragments[index, f.NORMAL + 2],
        )
        r, g, b = fragments[index, f.RED], fragments[index, f.GREEN], fragments[index, f.BLUE]
        open_, gloss, wrap = (
            fragments[index, f.OPEN],
            fragments[index, f.GLOSS],
            fragments[index, f.WRAP],
        )
        dx, dy, dz = x - view[0], y - view[1], z - view[2]
        length = _1 / (np.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-9))
        dx, dy, dz = dx * length, dy * length, dz * length
        reached = (nx * sun[6] + ny * sun[7] + nz * sun[8] + wrap) / (_1 + wrap)
        lit = _0
        if reached > _0 and sunny:
            off = np.float32(0.02)
            lit = lit_share(
                sun_map, sun, x + nx * off, y + ny * off, z + nz * off, fragments[index, f.SLACK]
            )
        reached = max(reached, _0) * lit
        up = nz * _HALF + _HALF
        lr = lights[SUN] * reached + open_ * (lights[GROUND] + (lights[SKY] - lights[GROUND]) * up)
        lg = lights[SUN + 1] * reached + open_ * (
            lights[GROUND + 1] + (lights[SKY + 1] - lights[GROUND + 1]) * up
        )
        lb = lights[SUN + 2] * reached + open_ * (
            lights[GROUND + 2] + (lights[SKY + 2] - lights[GROUND + 2]) * up
        )
        hr, hg, hb = _0, _0, _0
        for number in range(len(lamps)):
            lamp = lamps[number]
            px, py, pz = lamp[0] - x, lamp[1] - y, lamp[2] - z
            away = px * px + py * py + pz * pz
            if away > LAMP_REACH_M * LAMP_REACH_M:
                continue
            one = _1 / np.sqrt(away + np.float32(0.01))
            facing = (nx * px + ny * py + nz * pz) * one
            facing = max((facing + np.float32(0.15)) / np.float32(1.15), _0)
            strength = facing / (_1 + away * np.float32(0.10))
            strength *= np.float32(0.35) + np.float32(0.65) * open_
            strength *= _1 - away / (LAMP_REACH_M * LAMP_REACH_M)
            if strength > _0 and number < len(lamp_maps):
                off = np.float32(0.03)
                seen = lit_share(
                    lamp_maps[number],
                    lamp_views[number],
                    x + nx * off,
                    y + ny * off,
                    z + nz * off,
                    np.float32(0.08) + fragments[index, f.SLACK],
                )
                strength *= np.float32(0.12) + np.float32(0.88) * seen
            lr, lg, lb = lr + lamp[3] * strength, lg + lamp[4] * strength, lb + lamp[5] * strength
            if gloss > np.float32(0.04):
                hx, hy, hz = px * one - dx, py * one - dy, pz * one - dz
                half = _1 / (np.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-6))
                shine = max((nx * hx + ny * hy + nz * hz) * half, _0)
                shine *= shine
                shine *= shine
                shine *= shine
                shine *= shine
                shine *= gloss / (_1 + away * np.float32(0.05))
                hr, hg, hb = hr + lamp[3] * shine, hg + lamp[4] * shine, hb + lamp[5] * shine
        r, g, b = r * lr + hr, g * lg + hg, b * lb + hb
        if gloss > _0:
            hx, hy, hz = sun[6] - dx, sun[7] - dy, sun[8] - dz
            half = _1 / (np.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-6))
            shine = max((nx * hx + ny * hy + nz * hz) * half, _0)
            shine *= shine
            shine *= shine
            shine *= shine
            shine *= shine
            if fragments[index, f.SHARP] > _0:
                shine *= shine
            shine *= gloss * lit
            # What a surface that is seen at a slant mirrors of the sky (after Schlick, 1994).
            slant = max(_1 + nx * dx + ny * dy + nz * dz, _0)
            mirror = slant * slant * slant * gloss * _HALF * open_
            if fragments[index, f.SHARP] > _0 and nz > np.float32(0.7):
                mirror += gloss * np.float32(0.06)
            r += shine * lights[SUN] + mirror * lights[SKY]
            g += shine * lights[SUN + 1] + mirror * lights[SKY + 1]
            b += shine * lights[SUN + 2] + mirror * lights[SKY + 2]
        glow = fragments[index, f.GLOW]
        r, g, b = r + glow, g + glow * np.float32(0.72), b + glow * np.float32(0.42)
        gone = air[s.HAZE_A_METRE] / near
        gone = _1 - _1 / (_1 + gone + _HALF * gone * gone)
        fragments[index, f.RED] = r + (air[s.HAZE] - r) * gone
        fragments[index, f.GREEN] = g + (air[s.HAZE + 1] - g) * gone
        fragments[index, f.BLUE] = b + (air[s.HAZE + 2] - b) * gone


@compiled
def develop(count: int, fragments: F32, pixels: I32, first_row: int, curve: F32, image: U8) -> None:
    """Put fragments into pixels: each is developed, then they are mixed; so edges stay clean.

    Args:
        count: how many there are, pixel by pixel.
        fragments: (N, COLUMNS) lit.
        pixels: (N,) of each.
        first_row: of the band.
        curve: the film's.
        image: (H, W, 3), red first.
    """
    width = image.shape[1]
    index = 0
    while index < count:
        pixel = pixels[index]
        r, g, b = _0, _0, _0
        while index < count and pixels[index] == pixel:
            weight = fragments[index, f.WEIGHT]
            r += weight * curve[min(int(max(fragments[index, f.RED], _0) * CURVE_STEPS), CURVE - 1)]
            g += (
                weight
                * curve[min(int(max(fragments[index, f.GREEN], _0) * CURVE_STEPS), CURVE - 1)]
            )
            b += (
                weight * curve[min(int(max(fragments[index, f.BLUE], _0) * CURVE_STEPS), CURVE - 1)]
            )
            index += 1
        row, column = first_row + pixel // width, pixel % width
        more = (hashed_share(column, row, 77) - _HALF) * DITHER + _HALF
        image[row, column, 0] = np.uint8(min(max(r + more, _0), np.float32(255)))
        image[row, column, 1] = np.uint8(min(max(g + more, _0), np.float32(255)))
        image[row, column, 2] = np.uint8(min(max(b + more, _0), np.float32(255)))
