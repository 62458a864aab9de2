"""Sizes of heads by their position in the image: a plane fitted to known or guessed sizes.

Of people on one level, those higher up in the image look smaller. So the sizes of some
heads, or rough guesses for all, tell the size everywhere in the image: size = a + b v + c u, with v
down and u to the right, c being 0 unless the camera is rolled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats

MIN_HEADS = 8
MIN_SPREAD = 0.1
"""Rows of the heads must spread over this share of the height (10 to 90 %). Of 23 real images
from SCUT-HEAD a tenth lets 12 be fitted, no worse than `knn`; a fifth let 2."""

HUBER = 1.345
"""Residuals beyond so many robust standard deviations count less; 95 % efficient if normal."""

ROUNDS = 25


@dataclass(frozen=True)
class Plane:
    """Head sizes in pixels, as a plane over the image."""

    a: float
    b: float
    c: float

    def at(self, points_xy: Floats) -> Floats:
        """Return (N,) sizes."""
        sizes: Floats = self.a + self.b * points_xy[:, 1] + self.c * points_xy[:, 0]
        return sizes


def fit_sizes(
    points_xy: Floats, sizes: Floats, height_px: float, *, rolled: bool = False
) -> Plane | None:
    """Fit a plane robustly: Huber's loss, by reweighted least squares.

    Args:
        points_xy: (N, 2) heads of one camera, one frame or several.
        sizes: (N,) pixels, all finite.
        height_px: of the image.
        rolled: whether the camera is, so that sizes change from left to right too.

    Returns:
        The plane; None where it can't be fitted: fewer than 8 heads, rows spread over less than
        a tenth of the height, or sizes that don't grow downwards though the camera is upright.
    """
    if len(sizes) < MIN_HEADS:
        return None
    low, high = np.quantile(points_xy[:, 1], [0.1, 0.9])
    if high - low < MIN_SPREAD * height_px:
        return None
    columns = [np.ones(len(sizes)), points_xy[:, 1] / height_px]
    if rolled:
        columns.append(points_xy[:, 0] / height_px)
    design = np.stack(columns, axis=1)
    weights = np.ones(len(sizes))
    found = np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        root = np.sqrt(weights)[:, None]
        new, _, _, _ = np.linalg.lstsq(design * root, sizes * root[:, 0], rcond=None)
        off = np.abs(sizes - design @ new)
        scale = max(1.4826 * float(np.median(off)), 1e-6)
        weights = np.minimum(1.0, HUBER * scale / np.maximum(off, 1e-12))
        if np.allclose(new, found, rtol=1e-9, atol=1e-9):
            break
        found = new
    a, b = float(found[0]), float(found[1]) / height_px
    c = float(found[2]) / height_px if rolled else 0.0
    return Plane(a, b, c) if rolled or b > 0 else None
