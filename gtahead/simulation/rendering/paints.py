"""What a person's surfaces are painted with, and colours that are mixed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled

F32 = npt.NDArray[np.float32]

# Columns of a person's paint; colours are linear, red first.
SKIN, HAIR, TOP, SECOND, BOTTOM, SHOES, HAT, BAG = 0, 3, 6, 9, 12, 15, 18, 21
SLEEVE = 24
"""Where sleeves end, down the arm."""
HEM = 25
"""y at which trousers end."""
WAIST = 26
"""y at which the top ends."""
PATTERN = 27
"""Of the top, one of the following."""
PLAIN, STRIPES, JACKET, CHECKED, PRINTED, SUIT, BUTTONS, HOODIE, QUILTED, SAFETY, FLORAL = range(11)
SCALP = 28
"""How much of the hair's colour is on the scalp itself."""
SEED = 29
"""A number of the person's own, by which cloth and hair are moved in the noise."""
NECK = 30
"""y down to which the neck is open."""
STUBBLE = 31
LIPS = 32
SOCKS = 33
"""How bright."""
STRAPS = 34
"""0 none, 1 of a backpack, 2 across the chest."""
COVERED = 35
"""Whether a scarf covers the neck."""
BOOTS = 36
"""y up to which shoes reach."""
DENIM = 37
"""How faded the trousers are."""
PAINTS = 38

Colour = tuple[np.float32, np.float32, np.float32]
ZERO, ONE = np.float32(0), np.float32(1)


@compiled
def mixed(a: Colour, b: Colour, share: np.float32) -> Colour:
    """Go from one colour to another, by a share of the way."""
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


@compiled
def scaled(a: Colour, by: np.float32) -> Colour:
    """Make a colour so many times as bright."""
    return a[0] * by, a[1] * by, a[2] * by


@compiled
def paint_at(paint: F32, column: int) -> Colour:
    """Return the colour that begins at a column of a person's paint."""
    return paint[column], paint[column + 1], paint[column + 2]
