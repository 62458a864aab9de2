"""Fragments: what a pixel shows, one for each surface in it, as columns of an array.

A band of rows is shaded at a time, so that its fragments stay in the processor's cache.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.rendering.visibility import SAMPLES, TRIANGLE_BITS

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

ROWS = 16
"""Rows of pixels in a band."""

MOST = SAMPLES * SAMPLES
"""Fragments of a pixel."""

# Columns of a fragment.
X, Y = 0, 1
"""Where in the image it is seen, pixels."""
NEAR, WEIGHT = 2, 3
"""1/depth, and its share of the pixel."""
RED, GREEN, BLUE = 4, 5, 6
"""How much light the surface gives back, linear; then the light itself."""
NORMAL = 7  # to 9
PLACE = 10  # to 12, metres
OPEN = 13
"""How much of the sky it sees."""
GLOSS, SHARP = 14, 15
"""How much it mirrors, and whether as glass and paint do, 1, or broadly, 0."""
WRAP = 16
"""How far light reaches around it, as it does on skin, hair and leaves."""
SLACK = 17
"""How far behind what casts a shadow it may lie, metres."""
GLOW = 18
"""Light of its own."""
COLUMNS = 19


@compiled
def gather(
    codes: I32,
    nearest: F32,
    first_row: int,
    rows: int,
    first_triangle: I64,
    parts: U8,
    kept: U8,
    fragments: F32,
    owners: I32,
    pixels: I32,
) -> int:
    """List a band's fragments: samples of a pixel that show the same surface are one.

    Args:
        codes: (H, W) of samples, as drawn.
        nearest: (H, W) 1/depth.
        first_row: of the band, in pixels.
        rows: of the band.
        first_triangle: (P,) of each person's figure and level in `parts`.
        parts: (T,) of all figures.
        kept: (h, w) where 1 the pixel keeps what it showed before: nothing is listed.
        fragments: (N, COLUMNS), gets X, Y, NEAR and WEIGHT.
        owners: (N,), gets each fragment's code.
        pixels: (N,), gets its pixel: rows of the band times the width, plus the column.

    Returns:
        How many there are, pixel by pixel.
    """
    width = codes.shape[1] // SAMPLES
    count = 0
    mask = (1 << TRIANGLE_BITS) - 1
    share = np.float32(1 / MOST)
    for row in range(rows):
        top = (first_row + row) * SAMPLES
        for column in range(width):
            if kept[first_row + row, column]:
                continue
            left = column * SAMPLES
            begin = count
            first = codes[top, left]
            if (
                first == codes[top, left + 1]
                and first == codes[top + 1, left]
                and first == codes[top + 1, left + 1]
            ):
                fragments[count, X] = np.float32(column) + np.float32(0.5)
                fragments[count, Y] = np.float32(first_row + row) + np.float32(0.5)
                fragments[count, NEAR] = nearest[top, left]
                fragments[count, WEIGHT] = np.float32(1)
                owners[count] = first
                pixels[count] = row * width + column
                count += 1
                continue
            for sample in range(MOST):
                y, x = top + sample // SAMPLES, left + sample % SAMPLES
                code = codes[y, x]
                found = False
                for known in range(begin, count):
                    other = owners[known]
                    same = other == code
                    if not same and code >= 0 and other >= 0:
                        person = code >> TRIANGLE_BITS
                        start = first_triangle[person]
                        same = person == other >> TRIANGLE_BITS and (
                            parts[start + (code & mask)] == parts[start + (other & mask)]
                        )
                    if same:
                        fragments[known, WEIGHT] += share
                        found = True
                        break
                if not found:
                    fragments[count, X] = (np.float32(x) + np.float32(0.5)) / np.float32(SAMPLES)
                    fragments[count, Y] = (np.float32(y) + np.float32(0.5)) / np.float32(SAMPLES)
                    fragments[count, NEAR] = nearest[y, x]
                    fragments[count, WEIGHT] = share
                    owners[count] = code
                    pixels[count] = row * width + column
                    count += 1
            if count == begin + 1:  # the same surface in all samples: seen at the middle
                fragments[begin, X] = np.float32(column) + np.float32(0.5)
                fragments[begin, Y] = np.float32(first_row + row) + np.float32(0.5)
    return count
