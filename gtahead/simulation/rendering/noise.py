"""Noise for surfaces: a tile of smooth values at levels of blur, and hashes of whole numbers."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.chance import Chance

F32 = npt.NDArray[np.float32]

SIDE = 256
"""Of the tile; features are 8 to 32 cells wide."""

BLURS = 8
"""Levels; each is blurred twice as far as the one before."""

_OCTAVES = ((8, 1.0), (16, 0.9), (32, 0.8), (64, 0.7), (128, 0.6), (256, 0.5))
_ZERO, _ONE, _TWO, _THREE = np.float32(0), np.float32(1), np.float32(2), np.float32(3)


@functools.cache
def noise_levels() -> F32:
    """Return the tile at all levels, (BLURS, SIDE, SIDE), from 0 to 1; it repeats seamlessly."""
    total = np.zeros((SIDE, SIDE))
    for index, (cells, weight) in enumerate(_OCTAVES):
        grid = Chance(index, cells).uniform(count=cells * cells).reshape(cells, cells)
        at = np.arange(SIDE) * cells / SIDE
        low = at.astype(np.int64)
        share = at - low
        share = share * share * (3 - 2 * share)
        high = (low + 1) % cells
        rows = grid[low] * (1 - share)[:, None] + grid[high] * share[:, None]
        total += weight * (rows[:, low] * (1 - share) + rows[:, high] * share)
    total = (total - total.min()) / (total.max() - total.min())
    levels = [total]
    for level in range(1, BLURS):
        step = 2 ** (level - 1)
        blurred = (levels[-1] + np.roll(levels[-1], step, 0)) * 0.5
        levels.append((blurred + np.roll(blurred, step, 1)) * 0.5)
    return np.array(levels, np.float32)


@compiled
def noise_at(levels: F32, level: int, x: np.float32, y: np.float32) -> np.float32:
    """Return the tile's value at a place, in cells, between four cells."""
    floor_x, floor_y = np.floor(x), np.floor(y)
    i, j = int(floor_x) & (SIDE - 1), int(floor_y) & (SIDE - 1)
    u, v = x - floor_x, y - floor_y
    right, down = (i + 1) & (SIDE - 1), (j + 1) & (SIDE - 1)
    upper = levels[level, j, i] * (_ONE - u) + levels[level, j, right] * u
    lower = levels[level, down, i] * (_ONE - u) + levels[level, down, right] * u
    return np.float32(upper * (_ONE - v) + lower * v)


@compiled
def hashed_share(i: int, j: int, k: int) -> np.float32:
    """Return a value from 0 to 1 that three whole numbers determine."""
    word = np.uint32(i) * np.uint32(374761393) + np.uint32(j) * np.uint32(668265263)
    word = word + np.uint32(k) * np.uint32(2246822519)
    word = (word ^ (word >> np.uint32(13))) * np.uint32(1274126177)
    word = word ^ (word >> np.uint32(16))
    return np.float32(word & np.uint32(0xFFFF)) * np.float32(1 / 65535)


@compiled
def smooth(low: np.float32, high: np.float32, x: np.float32) -> np.float32:
    """Return 0 before low, 1 behind high, and a smooth step in between; high may be below low."""
    share = min(max((x - low) / (high - low), _ZERO), _ONE)
    return share * share * (_THREE - _TWO * share)


@compiled
def line_share(
    x: np.float32, period: np.float32, width: np.float32, footprint: np.float32
) -> np.float32:
    """Return how much of a pixel's footprint lies on lines of a width at every period."""
    if footprint > period:
        return width / period
    reach = (width + footprint) * np.float32(0.5)
    along = x - np.floor(x / period) * period
    away = min(along, period - along)
    most = min(width / footprint, _ONE)
    return min(max((reach - away) / footprint, _ZERO), most)
