"""The loops that render the maps, compiled by numba for one thread."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.compiling import compiled

Map = npt.NDArray[np.float32]

TINY = 1e-150
"""Sigmas below have no square."""


@compiled
def _weights(
    position: float, sigma: float, extent: int, stride: int, cut: float, mass: Floats
) -> tuple[int, int, float]:
    """Fill `mass` with the Gaussian's mass per cell; return the first, their number, the sum."""
    first = max(math.floor((position - cut * sigma) / stride), 0)
    last = min(math.floor((position + cut * sigma) / stride), (extent - 1) // stride)
    scale = 1.0 / (sigma * math.sqrt(2.0))
    before = math.erf((first * stride - position) * scale)
    total = 0.0
    for cell in range(first, last + 1):
        after = math.erf((min((cell + 1) * stride, extent) - position) * scale)
        mass[cell - first] = 0.5 * (after - before)
        total += mass[cell - first]
        before = after
    return first, last + 1 - first, total


@compiled
def _density(
    points: Floats,
    sigmas: Floats,
    width: int,
    height: int,
    stride: int,
    renormalise: bool,
    cut: float,
    out: Map,
) -> None:
    rows, columns = out.shape
    down, across = np.empty(rows), np.empty(columns)
    narrow = np.empty(columns, np.float32)
    for head in range(len(points)):
        left, wide, sum_x = _weights(points[head, 0], sigmas[head, 0], width, stride, cut, across)
        top, tall, sum_y = _weights(points[head, 1], sigmas[head, 1], height, stride, cut, down)
        scale = 1.0 / (sum_x * sum_y) if renormalise else 1.0
        for j in range(wide):
            narrow[j] = np.float32(across[j])
        for i in range(tall):
            factor = np.float32(down[i] * scale)
            row = out[top + i, left : left + wide]
            for j in range(wide):
                row[j] += factor * narrow[j]


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
    _density(points, sigmas, size_wh[0], size_wh[1], stride, renormalise, cut, out)


@compiled
def _falling(sigma: float, reach: int, values: Map) -> None:
    """Fill `values` with exp(-d^2 / (2 sigma^2)) for d = 0, 1 ... reach: one exponential in all."""
    step = math.exp(-1.0 / (2.0 * sigma * sigma)) if sigma > TINY else 0.0
    twice = step * step
    value = 1.0
    for distance in range(reach + 1):
        values[distance] = np.float32(value)
        value *= step
        step *= twice


@compiled
def heatmap(points: Floats, sigmas: Floats, stride: int, cut: float, out: Map) -> None:
    """Take the maximum of `out` and every head's Gaussian, in place; sigmas are in cells."""
    rows, columns = out.shape
    half = np.empty(max(rows, columns) + 1, np.float32)
    across, down = np.empty(columns, np.float32), np.empty(rows, np.float32)
    for head in range(len(points)):
        column = math.floor(points[head, 0] / stride)
        row = math.floor(points[head, 1] / stride)
        sigma_x, sigma_y = sigmas[head, 0], sigmas[head, 1]
        # Reaches may exceed every integer: they are cut in floating point.
        reach_x = int(min(math.floor(cut * sigma_x), columns))
        reach_y = int(min(math.floor(cut * sigma_y), rows))
        left, right = max(column - reach_x, 0), min(column + reach_x, columns - 1)
        top, bottom = max(row - reach_y, 0), min(row + reach_y, rows - 1)
        _falling(sigma_x, reach_x, half)
        for j in range(left, right + 1):
            across[j - left] = half[abs(j - column)]
        if sigma_x != sigma_y or reach_y > reach_x:
            _falling(sigma_y, reach_y, half)
        for i in range(top, bottom + 1):
            down[i - top] = half[abs(i - row)]
        wide = right + 1 - left
        for i in range(bottom + 1 - top):
            factor = down[i]
            line = out[top + i, left : left + wide]
            for j in range(wide):
                value = factor * across[j]
                line[j] = value if value > line[j] else line[j]


@compiled
def fidt(points: Floats, stride: int, values: Map, out: Map) -> None:
    """Raise the cells around each head to the value for their squared distance in cells."""
    rows, columns = out.shape
    reach = int(math.sqrt(len(values) - 1))
    for head in range(len(points)):
        column = math.floor(points[head, 0] / stride)
        row = math.floor(points[head, 1] / stride)
        if out[row, column] == values[0]:
            continue  # another head of the same cell
        for i in range(max(row - reach, 0), min(row + reach, rows - 1) + 1):
            left = len(values) - 1 - (i - row) ** 2
            half = int(math.sqrt(left)) if left >= 0 else -1
            for j in range(max(column - half, 0), min(column + half, columns - 1) + 1):
                value = values[(i - row) ** 2 + (j - column) ** 2]
                out[i, j] = max(out[i, j], value)
