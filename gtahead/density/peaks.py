"""Which heads a heatmap's peaks can tell apart."""

from __future__ import annotations

import numpy as np

from gtahead.arrays import Array, Booleans, rows_of


def separable(points_xy: Array, stride: int) -> Booleans:
    """Return the most heads that can all be found as peaks of a heatmap.

    A peak is above its eight neighbours, so of heads whose cells are one or touch, one is found at
    most. Which heads those are is a largest independent set of the cells; it is found exactly, as
    a linear programme over whole numbers: of the four cells of each 2 × 2 window, one at most.

    Args:
        points_xy: (N, 2) heads in pixels.
        stride: pixels per cell.

    Returns:
        (N,) which heads are found; of those in one cell, the first.

    Raises:
        ValueError: points of another shape or not finite, or a stride below 1.
    """
    if stride < 1:
        raise ValueError(f"a stride of {stride}")
    cells = np.floor(rows_of(points_xy, 2, "points_xy") / stride).astype(np.int64)
    cells, first = np.unique(cells, axis=0, return_index=True)
    found = np.zeros(len(points_xy), np.bool_)
    found[first[_apart(cells)]] = True
    return found


def _apart(cells: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Booleans:
    """Return a largest set of different cells, (N, 2), of which no two touch."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    steps = np.array([[0, 0], [-1, 0], [0, -1], [-1, -1]])
    windows = (cells[:, None] + steps).reshape(-1, 2)
    _, of_window, sizes = np.unique(windows, axis=0, return_inverse=True, return_counts=True)
    of_cell = np.repeat(np.arange(len(cells)), 4)
    shared = sizes[of_window] > 1
    if not shared.any():
        return np.ones(len(cells), np.bool_)
    rows = np.unique(of_window[shared], return_inverse=True)[1]
    at_most_one = csr_array(
        (np.ones(len(rows)), (rows, of_cell[shared])), (rows.max() + 1, len(cells))
    )
    solved = milp(
        -np.ones(len(cells)),
        constraints=LinearConstraint(at_most_one, -np.inf, 1),
        integrality=np.ones(len(cells)),
        bounds=Bounds(0, 1),
    )
    if solved.x is None:
        raise AssertionError(f"the linear programme of {len(cells)} cells failed: {solved.message}")
    return np.asarray(solved.x > 0.5)
