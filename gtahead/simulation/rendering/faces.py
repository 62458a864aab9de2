"""Skin, eyes and hair of heads, by where on the head a point lies."""

from __future__ import annotations

import numpy as np

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.rendering.noise import noise_at, smooth
from gtahead.simulation.rendering.paints import (
    F32,
    HAIR,
    LIPS,
    ONE,
    SCALP,
    SEED,
    SKIN,
    STUBBLE,
    ZERO,
    Colour,
    mixed,
    paint_at,
    scaled,
)


@compiled
def _hairline(z: np.float32) -> np.float32:
    """Return the y above which the scalp carries hair."""
    if z > np.float32(1.3):
        return np.float32(7.93) + (z - np.float32(1.3)) * np.float32(0.4)
    if z > np.float32(0.75):
        return np.float32(7.62) + (z - np.float32(0.75)) * np.float32(0.55)
    if z > np.float32(0.3):
        return np.float32(7.45) + (z - np.float32(0.3)) * np.float32(0.38)
    if z > np.float32(0.1):
        return np.float32(6.85) + (z - np.float32(0.1)) * np.float32(3)
    if z > np.float32(-0.2):
        return np.float32(6.5) + (z + np.float32(0.2)) * np.float32(1.1)
    return np.float32(6.45)


@compiled
def face_of(
    x: np.float32, y: np.float32, z: np.float32, paint: F32, noise: F32, pixel: np.float32
) -> Colour:
    """Return the colour of the head's skin; `pixel` is a pixel's size on it, in decimetres."""
    aside = abs(x)
    seed = paint[SEED]
    skin = paint_at(paint, SKIN)
    fine = noise_at(noise, 2, x * np.float32(30) + seed, y * np.float32(30) + z * np.float32(17))
    coarse = noise_at(noise, 4, x * np.float32(9) + seed, y * np.float32(9))
    skin = scaled(skin, np.float32(0.88) + np.float32(0.12) * fine + np.float32(0.12) * coarse)
    if z > np.float32(0.7):
        # Blood under cheeks and nose.
        u, v = aside - np.float32(0.42), y - np.float32(6.98)
        red = max(ONE - (u * u + v * v) * np.float32(9), ZERO)
        u, v = aside, y - np.float32(7.0)
        red = max(red, (ONE - (u * u * np.float32(30) + v * v * np.float32(14))) * np.float32(0.8))
        red *= np.float32(0.16)
        skin = skin[0], skin[1] * (ONE - red), skin[2] * (ONE - red)
    hair = paint_at(paint, HAIR)
    if y < np.float32(6.9) and y > np.float32(6.05) and z > np.float32(0.45):
        grain = np.float32(0.6) + np.float32(0.8) * noise_at(
            noise, 0, x * np.float32(60) + seed, y * np.float32(60)
        )
        beard = smooth(
            np.float32(6.95), np.float32(6.72), y + np.float32(0.25) * (aside - np.float32(0.3))
        )
        beard *= smooth(np.float32(0.4), np.float32(0.75), z)
        skin = mixed(skin, hair, min(paint[STUBBLE] * beard * grain, ONE))
    if z > np.float32(1.2):
        u = x / np.float32(0.275)
        v = (y - np.float32(6.603)) / (np.float32(0.125) - np.float32(0.10) * aside)
        lips = smooth(np.float32(1.15), np.float32(0.75), u * u + v * v) * np.float32(0.5)
        rosy = (
            skin[0] * np.float32(0.8) + paint[LIPS],
            skin[1] * np.float32(0.52),
            skin[2] * np.float32(0.53),
        )
        skin = mixed(skin, rosy, lips)
        if aside < np.float32(0.25):
            gap = abs(y - np.float32(6.606))
            closed = smooth(np.float32(0.03) + pixel * np.float32(0.5), np.float32(0.008), gap)
            skin = scaled(skin, ONE - closed * np.float32(0.5))
    if z > np.float32(0.8):
        outer = max(aside - np.float32(0.38), ZERO)
        brow = np.float32(7.585) + np.float32(0.07) * smooth(
            np.float32(0.08), np.float32(0.36), aside
        )
        brow -= np.float32(2.2) * outer * outer
        if np.float32(0.09) < aside < np.float32(0.58):
            dark = smooth(np.float32(0.055), np.float32(0.015), abs(y - brow))
            dark *= smooth(np.float32(0.58), np.float32(0.46), aside)
            dark *= smooth(np.float32(0.09), np.float32(0.14), aside)
            skin = mixed(skin, scaled(hair, np.float32(0.8)), dark * np.float32(0.6))
        u, v = (
            (aside - np.float32(0.31)) / np.float32(0.2),
            (y - np.float32(7.29)) / np.float32(0.1),
        )
        socket = smooth(np.float32(1.7), np.float32(0.9), u * u + v * v) * np.float32(0.25)
        skin = scaled(skin, ONE - socket)
    line = _hairline(z)
    if y > line - np.float32(0.12) and aside < np.float32(0.82):
        ragged = y + np.float32(0.16) * (fine - np.float32(0.5))
        grown = smooth(line - np.float32(0.12), line + np.float32(0.14), ragged)
        strands = np.float32(0.75) + np.float32(0.5) * fine
        skin = mixed(skin, scaled(hair, strands), min(grown * paint[SCALP], ONE))
    return skin


@compiled
def eye_of(x: np.float32, y: np.float32, paint: F32) -> Colour:
    """Return the colour of an eye: white, iris, pupil, the shade of the lid."""
    u, v = abs(x) - np.float32(0.3077), y - np.float32(7.284)
    away = u * u + v * v
    colour = np.float32(0.42), np.float32(0.40), np.float32(0.385)
    if away < np.float32(0.0052):
        colour = np.float32(0.05) + paint[LIPS], np.float32(0.035), np.float32(0.02)
    if away < np.float32(0.001):
        colour = np.float32(0.004), np.float32(0.004), np.float32(0.004)
    if y > np.float32(7.35):
        colour = scaled(colour, np.float32(0.45))
    return colour


@compiled
def hair_of(
    x: np.float32, y: np.float32, z: np.float32, paint: F32, noise: F32, pixel: np.float32
) -> tuple[Colour, np.float32]:
    """Return colour and gloss of hair: strands that hang, and wander a little."""
    level = 0 if pixel < np.float32(0.05) else (2 if pixel < np.float32(0.16) else 4)
    seed = paint[SEED]
    wander = noise_at(noise, 2, y * np.float32(8), z * np.float32(8) + seed) * np.float32(40)
    across = x * np.float32(110) + z * np.float32(80) + seed + wander
    strand = noise_at(noise, level, across, y * np.float32(12))
    lock = noise_at(noise, 3, across * np.float32(0.22), y * np.float32(5) + seed)
    bright = np.float32(0.30) + np.float32(0.75) * strand + np.float32(0.55) * lock
    return scaled(paint_at(paint, HAIR), bright), np.float32(0.03) + np.float32(0.09) * strand
