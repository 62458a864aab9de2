"""The maps in plain NumPy, head by head: what the compiled ones are compared with."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats

Map = npt.NDArray[np.float32]


def weights(
    position: float, sigma: float, extent: int, stride: int, cut: float
) -> tuple[int, Floats]:
    """Integrate a Gaussian over the cells of one axis.

    Args:
        position: of the centre, 0 <= position < extent.
        sigma: in pixels.
        extent: of the image along the axis; the last cell ends there.
        stride: pixels per cell.
        cut: kernels end at so many sigmas.

    Returns:
        The first cell, and the mass in it and the following ones.
    """
    from scipy.special import erf

    first = max(math.floor((position - cut * sigma) / stride), 0)
    last = min(math.floor((position + cut * sigma) / stride), (extent - 1) // stride)
    edges = np.minimum(np.arange(first, last + 2, dtype=np.float64) * stride, extent)
    mass: Floats = np.diff(0.5 * erf((edges - position) / (sigma * math.sqrt(2))))
    return first, mass


def density(
    points: Floats,
    sigmas: Floats,
    size_wh: tuple[int, int],
    stride: int,
    renormalise: bool,
    cut: float,
    out: Map,
) -> None:
    """Add every head's mass to `out`."""
    for (x, y), (sigma_x, sigma_y) in zip(points.tolist(), sigmas.tolist(), strict=True):
        left, across = weights(x, sigma_x, size_wh[0], stride, cut)
        top, down = weights(y, sigma_y, size_wh[1], stride, cut)
        if renormalise:
            down = down / (across.sum() * down.sum())
        patch = down.astype(np.float32)[:, None] * across.astype(np.float32)
        out[top : top + len(down), left : left + len(across)] += patch


def heatmap(points: Floats, sigmas: Floats, stride: int, cut: float, out: Map) -> None:
    """Raise `out` to every head's Gaussian; sigmas are in cells."""
    rows, columns = out.shape
    for (x, y), (sigma_x, sigma_y) in zip(points.tolist(), sigmas.tolist(), strict=True):
        column, row = math.floor(x / stride), math.floor(y / stride)
        reach_x, reach_y = math.floor(cut * sigma_x), math.floor(cut * sigma_y)
        left, right = max(column - reach_x, 0), min(column + reach_x, columns - 1) + 1
        top, bottom = max(row - reach_y, 0), min(row + reach_y, rows - 1) + 1
        across = np.exp(-((np.arange(left, right) - column) ** 2) / (2 * sigma_x**2))
        down = np.exp(-((np.arange(top, bottom) - row) ** 2) / (2 * sigma_y**2))
        patch = down.astype(np.float32)[:, None] * across.astype(np.float32)
        np.maximum(out[top:bottom, left:right], patch, out=out[top:bottom, left:right])
