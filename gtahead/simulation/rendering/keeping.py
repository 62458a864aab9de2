"""Pixels that keep what they showed: what nobody hides or shades looks as it did without.

For a fixed camera the bare place is shaded once. Of each of its pixels it is remembered from which
cells of the sun's map and of the crowded ground it was shaded; where neither has changed, and
neither a person nor a car that drives is seen, the pixel is the same to the last bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.rendering import fragments as f
from gtahead.simulation.rendering.shadows import place_in_map
from gtahead.simulation.rendering.visibility import SAMPLES

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

FREE, NEVER = -1, -2
"""Instead of a cell: the pixel hangs on none, or is shaded anew always."""

_HALF, _ZERO = np.float32(0.5), np.float32(0)


@compiled
def remember(
    count: int,
    fragments: F32,
    owners: I32,
    pixels: I32,
    first_row: int,
    sun: F32,
    sun_side: int,
    crowd_shape: tuple[int, int],
    crowd_corner: F32,
    sun_cells: I32,
    crowd_cells: I32,
) -> None:
    """Remember from which cells a band of the bare place was shaded.

    Args:
        count: of fragments.
        fragments: (N, COLUMNS), shaded.
        owners: (N,) codes.
        pixels: (N,) of each.
        first_row: of the band.
        sun: as `place_in_map` takes it.
        sun_side: of its map.
        crowd_shape: of the grid of how crowded the ground is.
        crowd_corner: where that is.
        sun_cells: (H, W), gets a cell of the sun's map.
        crowd_cells: (H, W), gets a cell of the crowded ground.
    """
    width = sun_cells.shape[1]
    for index in range(count):
        row, column = first_row + pixels[index] // width, pixels[index] % width
        alone = (index == 0 or pixels[index - 1] != pixels[index]) and (
            index == count - 1 or pixels[index + 1] != pixels[index]
        )
        sun_cells[row, column] = crowd_cells[row, column] = FREE if alone else NEVER
        if not alone or fragments[index, f.NEAR] == _ZERO:
            continue
        x, y, z = (
            fragments[index, f.PLACE],
            fragments[index, f.PLACE + 1],
            fragments[index, f.PLACE + 2],
        )
        off = np.float32(0.02)
        u, v, _ = place_in_map(
            sun,
            x + fragments[index, f.NORMAL] * off,
            y + fragments[index, f.NORMAL + 1] * off,
            z + fragments[index, f.NORMAL + 2] * off,
            sun_side,
        )
        i, j = int(np.floor(u - _HALF)), int(np.floor(v - _HALF))
        if 1 <= i < sun_side - 3 and 1 <= j < sun_side - 3:
            sun_cells[row, column] = j * sun_side + i
        if owners[index] == -1:
            i = int(np.floor((x - crowd_corner[0]) * crowd_corner[2] - _HALF))
            j = int(np.floor((y - crowd_corner[1]) * crowd_corner[2] - _HALF))
            if 0 <= i < crowd_shape[1] - 1 and 0 <= j < crowd_shape[0] - 1:
                crowd_cells[row, column] = j * crowd_shape[1] + i


@compiled
def touched(bare: F32, now: F32, before: int, behind: int, found: U8) -> None:
    """Mark the cells whose look-ups reach a cell that has changed.

    Args:
        bare: (H, W) without people.
        now: (H, W) with them.
        before: a look-up at a cell reaches so many cells back.
        behind: and so many further.
        found: (H, W), gets 1.
    """
    height, width = bare.shape
    for row in range(height):
        for column in range(width):
            if bare[row, column] == now[row, column]:
                continue
            for j in range(max(row - behind, 0), min(row + before + 1, height)):
                for i in range(max(column - behind, 0), min(column + before + 1, width)):
                    found[j, i] = 1


@compiled
def keep_pixels(
    codes: I32,
    still: int,
    sun_cells: I32,
    crowd_cells: I32,
    sun_touched: U8,
    crowd_touched: U8,
    kept: U8,
) -> None:
    """Mark the pixels that look as without people and traffic.

    Args:
        codes: (2H, 2W) of samples.
        still: how many triangles the scenery has; those of further numbers drive.
        sun_cells: (H, W) as remembered.
        crowd_cells: (H, W) as remembered.
        sun_touched: cells of the sun's map.
        crowd_touched: cells of the crowded ground.
        kept: (H, W), gets 1.
    """
    height, width = kept.shape
    last = -1 - still  # of the scenery's codes
    suns, crowds = sun_touched.ravel(), crowd_touched.ravel()
    for row in range(height):
        top = row * SAMPLES
        for column in range(width):
            sun, crowd = sun_cells[row, column], crowd_cells[row, column]
            if sun == NEVER:
                continue
            left = column * SAMPLES
            bare = True
            for code in (
                codes[top, left],
                codes[top, left + 1],
                codes[top + 1, left],
                codes[top + 1, left + 1],
            ):
                bare &= last <= code < 0
            if not bare:
                continue
            if (sun >= 0 and suns[sun]) or (crowd >= 0 and crowds[crowd]):
                continue
            kept[row, column] = 1
