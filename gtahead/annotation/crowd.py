"""Sizes of heads from the spacing of a crowd alone, by a formula fitted to labelled photographs.

In a crowd, heads stand the nearer to one another the smaller they look. The logarithm of a head's
side is a sum of how far its neighbours are, how that compares with heads around them, with the
image's perspective, and with the image as a whole. Six weights were fitted over 1,100 photographs
of NWPU-Crowd and SCUT-HEAD, and cross-validated over images; see docs/boxes.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gtahead.arrays import Floats

CONSTANTS: Mapping[str, float] = {
    "photographs": -0.565,
    "unknown": -0.565,
    "game": -1.55,
    "simulated": -1.48,
}
"""The sum's constant, by the origin of the images. People who walk through a game stand 2.6 times
farther apart for their size than crowds that are photographed."""

SPACING, RELIEF, PERSPECTIVE, IMAGE, FEW = 0.25, 0.40, 1.20, 0.94, 0.50
"""Weights: of a head's spacing against that around it, of that against the perspective, of the
perspective against the image, of the image, and of how much too small a crowd is to tell."""

NEAREST, AROUND, ENOUGH = 3, 8, 16
CLOSEST_PX = 0.5


def crowd_sides(points_xy: Floats, height_px: float, origin: str) -> Floats:
    """Return the sides of the heads of one image.

    Args:
        points_xy: (N, 2) heads, N at least 2.
        height_px: of the image.
        origin: of the image; a word of `gtahead.origins.ORIGINS`.

    Returns:
        (N,) pixels, neither floored nor capped.
    """
    from scipy.spatial import cKDTree

    count = len(points_xy)
    distances, near = cKDTree(points_xy).query(points_xy, k=min(AROUND + 1, count))
    spacing = np.log(np.maximum(distances[:, 1 : NEAREST + 1], CLOSEST_PX).mean(axis=1))
    around = spacing[near].mean(axis=1)
    down = (points_xy[:, 1] - points_xy[:, 1].mean()) / height_px
    slope = (down * (around - around.mean())).sum() / ((down**2).sum() + 0.01 * count + 0.2)
    perspective = around.mean() + max(0.0, float(slope)) * down
    typical, height = float(np.median(spacing)), float(np.log(height_px))
    logarithm = (
        height
        + CONSTANTS[origin]
        + SPACING * (spacing - around)
        + RELIEF * (around - perspective)
        + PERSPECTIVE * (perspective - typical)
        + IMAGE * (typical - height)
        - FEW * max(0.0, float(np.log(ENOUGH / count)))
    )
    sides: Floats = np.exp(logarithm)
    return sides
