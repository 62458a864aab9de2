"""Distances to the nearest other heads, frame by frame."""

from __future__ import annotations

import numpy as np

from gtahead.arrays import Floats, Ints


def nearest_distances(points_xy: Floats, k: int) -> Floats:
    """Return (N,) mean distances to the k nearest other points, or to all where there are fewer.

    Two points at the same location have a distance of 0; a single point has NaN.
    """
    count = len(points_xy)
    others = min(k, count - 1)
    if others < 1:
        return np.full(count, np.nan)
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(points_xy).query(points_xy, k=others + 1)
    means: Floats = np.mean(distances[:, 1:], axis=1)
    return means


def mean_distances_by_frame(points_xy: Floats, starts: Ints, k: int) -> Floats:
    """Return for each head the mean distance to its k nearest others in the same frame.

    As `nearest_distances` frame by frame, by one compiled sweep from top to bottom.

    Args:
        points_xy: (N, 2) pixels, frame after frame.
        starts: (F + 1,) where each frame begins, and N.
        k: how many; to all others where there are fewer, NaN where a head is alone.

    Returns:
        (N,) pixels.
    """
    from gtahead.annotation.nearest_compiled import sweep

    points = np.ascontiguousarray(points_xy, np.float64)
    return sweep(points, np.asarray(starts, np.int64), k)
