"""Maps of heads, rendered from points: density maps, heatmaps, focal inverse distance maps.

Maps are rendered at their own stride, never resized, and on demand: an image's takes milliseconds.
Pixels are continuous with the origin at the top-left corner; cell (i, j) of a map of stride s
covers j s <= x < (j + 1) s, and a map has ceil(W / s) columns and ceil(H / s) rows. Only heads in
the image are rendered: 0 <= x < W and 0 <= y < H.

The loops are compiled by numba, which is imported at the first map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.density.peaks import separable

Map = npt.NDArray[np.float32]
Border = Literal["renormalise", "clip"]

CUT = 4.0
"""Kernels end at so many sigmas; the cell that holds the end is filled."""

FIDT_ALPHA, FIDT_BETA, FIDT_CONSTANT, FIDT_LEAST = 0.02, 0.75, 1.0, 0.01
"""Of the focal inverse distance map, as Liang et al. (FIDTM) print and set them."""

__all__ = [
    "Cells",
    "cell_sums",
    "cells_of",
    "count_of",
    "map_shape",
    "peaks_of",
    "render_density",
    "render_fidt",
    "render_heatmap",
    "separable",
]


def map_shape(size_wh: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return rows and columns of a map.

    Example:
        >>> map_shape((1920, 1080), 16)
        (68, 120)
    """
    return -(-size_wh[1] // stride), -(-size_wh[0] // stride)


def render_density(
    points_xy: npt.ArrayLike,
    sigmas_px: npt.ArrayLike,
    size_wh: tuple[int, int],
    *,
    stride: int = 1,
    border: Border = "renormalise",
) -> Map:
    """Render a density map: each head is a Gaussian of mass 1, integrated over the cells.

    Args:
        points_xy: (N, 2) head centres in pixels; those outside the image aren't rendered.
        sigmas_px: in pixels of the full image, above 0: one, (N,), or (N, 2) along x and y.
        size_wh: width and height of the image.
        stride: pixels per cell.
        border: "renormalise" divides each kernel by its mass inside the image, so that the map's
            sum is the number of heads in it, at any sigma, border and stride. "clip" loses what
            lies outside, as the papers' maps do.

    Returns:
        (ceil(H / stride), ceil(W / stride)) float32.

    Raises:
        ValueError: a point that isn't finite, a sigma that isn't above 0 and finite, or a size or
            stride below 1; the message names the head.

    Source:
        Adaptive kernels: Zhang et al., CVPR 2016. The integral is a product of differences of erf.
    """
    points, sigmas = _checked(points_xy, sigmas_px, size_wh, stride)
    if border not in ("renormalise", "clip"):
        raise ValueError(f"border must be renormalise or clip, not {border!r}")
    from gtahead.density import compiled

    out = np.zeros(map_shape(size_wh, stride), np.float32)
    compiled.density(points, sigmas, size_wh, stride, border == "renormalise", CUT, out)
    return out


def render_heatmap(
    points_xy: npt.ArrayLike, sigmas_px: npt.ArrayLike, size_wh: tuple[int, int], *, stride: int = 4
) -> Map:
    """Render a heatmap: the maximum of Gaussians that sit on the heads' cells, with peaks of 1.

    Args:
        points_xy: as for `render_density`.
        sigmas_px: likewise.
        size_wh: likewise.
        stride: likewise.

    Returns:
        (ceil(H / stride), ceil(W / stride)) float32 in [0, 1]; exactly 1 in the cell of each head.
        `cells_of` gives what the cells lose: the location inside, and heads that share one.

    Raises:
        ValueError: as `render_density`.
    """
    points, sigmas = _checked(points_xy, sigmas_px, size_wh, stride)
    from gtahead.density import compiled

    out = np.zeros(map_shape(size_wh, stride), np.float32)
    compiled.heatmap(points, sigmas / stride, stride, CUT, out)
    return out


def render_fidt(
    points_xy: npt.ArrayLike,
    size_wh: tuple[int, int],
    *,
    stride: int = 1,
    alpha: float = FIDT_ALPHA,
    beta: float = FIDT_BETA,
    constant: float = FIDT_CONSTANT,
    least: float = FIDT_LEAST,
) -> Map:
    """Render a focal inverse distance transform map: 1 / (P^(alpha P + beta) + constant).

    P is the distance, in pixels, of a cell to the nearest head's cell. Heads in one cell are one
    peak.

    Args:
        points_xy: as for `render_density`.
        size_wh: likewise.
        stride: likewise.
        alpha: of the formula, at least 0.
        beta: of the formula, above 0.
        constant: of the formula, above 0; with 1 the peaks are 1.
        least: smaller values become 0, as the authors' program does; at 0 none do.

    Returns:
        (ceil(H / stride), ceil(W / stride)) float32; all 0 without heads.

    Raises:
        ValueError: as `render_density`, or a parameter out of its range.

    Source:
        Liang et al., Focal Inverse Distance Transform Maps for Crowd Localization.
    """
    points, _ = _checked(points_xy, 1.0, size_wh, stride)
    if not (alpha >= 0 and beta > 0 and constant > 0 and least >= 0):
        msg = f"alpha {alpha}, beta {beta}, constant {constant}, least {least}: out of range"
        raise ValueError(msg)
    out = np.zeros(map_shape(size_wh, stride), np.float32)
    if len(points):
        most = out.shape[0] + out.shape[1]  # cells that any distance can be
        values = _fidt_values(most, stride, alpha, beta, constant, least)
        if len(values) > (most // 4) ** 2:
            _fidt_everywhere(points, stride, values, out)
        else:
            from gtahead.density import compiled

            compiled.fidt(points, stride, values, out)
    return out


@lru_cache(maxsize=16)
def _fidt_values(
    most: int, stride: int, alpha: float, beta: float, constant: float, least: float
) -> Map:
    """Tabulate the map by squared distance in cells, up to where it becomes 0 for good."""

    def value(distance: npt.NDArray[np.floating[Any]]) -> Floats:
        with np.errstate(over="ignore"):
            found: Floats = 1.0 / (distance ** (alpha * distance + beta) + constant)
        return found

    # The formula falls with the distance from 1 px on, below which there is only 0.
    shown = np.flatnonzero(value(np.arange(most + 1) * float(stride)) >= least)
    reach = int(shown[-1]) + 1 if len(shown) else 0
    table = value(np.sqrt(np.arange(reach**2 + 1)) * stride)
    last = np.flatnonzero(table >= least)
    cut: Map = table[: int(last[-1]) + 1 if len(last) else 1].astype(np.float32)
    cut.flags.writeable = False
    return cut


def count_of(density: npt.NDArray[Any]) -> float:
    """Return the number of heads in a density map: its sum, in double precision."""
    return float(np.sum(density, dtype=np.float64))


def cell_sums(
    density: npt.ArrayLike, cells: int, size_wh: tuple[float, float], stride: float | None = None
) -> Floats:
    """Sum a density map over a grid of equal cells of its image, as GAME counts.

    A cell of the map that an edge of the grid cuts is spread evenly over both sides.

    Args:
        density: (h, w) heads per cell of the map.
        cells: of the grid along each side.
        size_wh: width and height of the image.
        stride: pixels per cell of the map: the last cells may reach beyond the image. None for maps
            that cover the image exactly.

    Returns:
        (cells, cells) heads.

    Raises:
        ValueError: cells that aren't finite, don't divide the image, or don't cover it.

    Example:
        >>> cell_sums([[1, 0, 0, 0], [0, 0, 0, 2]], 2, (400, 200)).tolist()
        [[1.0, 0.0], [0.0, 2.0]]
    """
    values = np.asarray(density)
    # Some columns at a time: a map may be large, and its copies in double precision larger.
    parts = [
        _sums_of_rows(values[:, first : first + _COLUMNS_AT_ONCE], cells, size_wh[1], stride)
        for first in range(0, values.shape[1], _COLUMNS_AT_ONCE)
    ]
    return _sums_of_rows(np.concatenate(parts, axis=1).T, cells, size_wh[0], stride).T


_COLUMNS_AT_ONCE = 512


def _sums_of_rows(
    density: npt.NDArray[Any], cells: int, side: float, stride: float | None
) -> Floats:
    """Sum the rows of a map, (h, w), in equal parts of an image's side, (cells, w)."""
    values = density.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the density map isn't finite")
    there = len(values)
    if stride is None and side % there:
        sizes = f"{there} cells of a map on {side:g} pixels"
        raise ValueError(f"{sizes}: say its stride, as the last cell may reach beyond the image")
    covered = there if stride is None else side / stride
    if not there - 1 < covered <= there:
        raise ValueError(f"{there} cells of {stride} pixels don't cover {side:g} pixels")
    summed = np.insert(np.cumsum(values, axis=0), 0, 0, axis=0)
    edges = np.linspace(0, covered, cells + 1)
    edges[-1] = there  # what a kernel has in the last cell is in the image
    below = np.minimum(edges.astype(np.int64), there - 1)
    low, high = summed[below], summed[below + 1]
    return np.asarray(np.diff(low + (edges - below)[:, None] * (high - low), axis=0))


@dataclass(frozen=True)
class Cells:
    """Where heads lie in the cells of a map.

    Attributes:
        cells: (N, 2) row and column, of the heads in the image.
        offsets: (N, 2) location within the cell along x and y, in [0, 1).
        heads: (N,) which heads they are.
        shared: how many heads lie in a cell that another, earlier head already has.
    """

    cells: Ints
    offsets: Floats
    heads: Ints
    shared: int


def cells_of(points_xy: npt.ArrayLike, size_wh: tuple[int, int], *, stride: int = 4) -> Cells:
    """Find the cells of heads, their offsets in the cells, and how many share a cell.

    Raises:
        ValueError: as `render_density`.
    """
    given = np.asarray(points_xy, np.float64).reshape(-1, 2)
    points, _ = _checked(given, 1.0, size_wh, stride)
    here = np.flatnonzero(_inside(given, size_wh))
    scaled = points / stride
    cells = np.floor(scaled).astype(np.int64)
    different = len(np.unique(cells, axis=0)) if len(cells) else 0
    return Cells(cells[:, ::-1], scaled - cells, here, len(cells) - different)


def peaks_of(
    heatmap: npt.NDArray[Any],
    *,
    stride: int = 4,
    threshold: float = 0.5,
    offsets: Floats | None = None,
) -> Floats:
    """Find the peaks of a heatmap: cells at least as high as their eight neighbours.

    Decoding a heatmap rendered from the ground truth gives the ceiling of every method that
    predicts such maps: heads that share a cell are found once.

    Args:
        heatmap: (h, w).
        stride: pixels per cell.
        threshold: least value of a peak.
        offsets: (h, w, 2) locations within the cells along x and y; None takes the middle.

    Returns:
        (N, 3) x and y in pixels and the value, highest first, ties by row and column.
    """
    padded = np.pad(np.asarray(heatmap, np.float64), 1, constant_values=-np.inf)
    rows, columns = heatmap.shape
    around = np.max(
        [
            padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            if (i, j) != (0, 0)
        ],
        axis=0,
    )
    found = np.argwhere((heatmap >= around) & (heatmap >= threshold))
    position = np.full((len(found), 2), 0.5)
    if offsets is not None:
        position = np.asarray(offsets, np.float64)[found[:, 0], found[:, 1]]
    values = np.asarray(heatmap, np.float64)[found[:, 0], found[:, 1]]
    order = np.argsort(-values, kind="stable")
    points = (found[:, ::-1] + position) * stride
    return np.column_stack([points, values])[order]


def _fidt_everywhere(points: Floats, stride: int, values: Map, out: Map) -> None:
    """Look up each cell's value by its squared distance, in cells, to the nearest head's cell.

    For heads that reach everywhere, one transform of the whole map is faster.
    """
    from scipy.ndimage import distance_transform_edt

    empty = np.ones(out.shape, np.bool_)
    columns, rows = np.floor(points / stride).astype(np.int64).T
    empty[rows, columns] = False
    squares = np.rint(distance_transform_edt(empty) ** 2).astype(np.int64)
    near = squares < len(values)
    out[near] = values[squares[near]]


def _inside(points: Floats, size_wh: tuple[int, int]) -> Booleans:
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x >= 0) & (y >= 0) & (x < size_wh[0]) & (y < size_wh[1]), np.bool_)


def _checked(
    points_xy: npt.ArrayLike, sigmas_px: npt.ArrayLike, size_wh: tuple[int, int], stride: int
) -> tuple[Floats, Floats]:
    """Check the arguments, and return the (n, 2) points in the image with their (n, 2) sigmas."""
    if min(size_wh) < 1 or stride < 1 or int(stride) != stride:
        msg = f"size {size_wh[0]} x {size_wh[1]} and stride {stride}: whole numbers from 1 on"
        raise ValueError(msg)
    points = np.asarray(points_xy, np.float64)
    points = points.reshape(-1, 2) if points.size == 0 else points
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (N, 2), not {points.shape}")
    sigmas = np.asarray(sigmas_px, np.float64)
    if sigmas.ndim == 1 and len(sigmas) == len(points):
        sigmas = sigmas[:, None]
    elif sigmas.ndim not in (0, 2) or (sigmas.ndim == 2 and len(sigmas) != len(points)):
        msg = f"sigmas must be one, (N,) or (N, 2) for {len(points)} heads, not {sigmas.shape}"
        raise ValueError(msg)
    _refuse(points, np.isfinite(points), "location isn't finite")
    with np.errstate(invalid="ignore"):
        good = np.asarray((sigmas > 0) & (sigmas < np.inf))
    if not good.all():
        sigmas, good = np.broadcast_to(sigmas, points.shape), np.broadcast_to(good, points.shape)
        _refuse(sigmas, good, "sigma isn't a finite number above 0")
    here = _inside(points, size_wh)
    sigmas = np.broadcast_to(sigmas, points.shape)
    if not here.all():
        points, sigmas = points[here], sigmas[here]
    return np.ascontiguousarray(points), np.ascontiguousarray(sigmas)


def _refuse(values: Floats, good: Booleans, what: str) -> None:
    """Raise a ValueError that names the first head with a bad value."""
    if not good.all():
        fine = good.all(axis=1)
        head = int(np.argmin(fine))
        reported = ", ".join(f"{value:g}" for value in values[head])
        others = int((~fine).sum()) - 1
        more = f"; and {others} more" if others else ""
        raise ValueError(f"head {head}: its {what} (got {reported}){more}")
