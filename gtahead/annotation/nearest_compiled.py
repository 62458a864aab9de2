"""The k nearest others, compiled: each head is compared with those above and below it."""

from __future__ import annotations

import numpy as np

from gtahead.arrays import Floats, Ints
from gtahead.compiling import compiled


@compiled
def _sweep(points_xy: Floats, starts: Ints, k: int, out: Floats) -> None:
    """Fill `out` with mean distances; see `nearest.mean_distances_by_frame`."""
    best = np.empty(k)
    for frame in range(len(starts) - 1):
        first, count = starts[frame], starts[frame + 1] - starts[frame]
        wanted = min(k, count - 1)
        if wanted < 1:
            for position in range(first, first + count):
                out[position] = np.nan
            continue
        order = np.argsort(points_xy[first : first + count, 1])
        x, y = np.empty(count), np.empty(count)
        for position in range(count):
            x[position] = points_xy[first + order[position], 0]
            y[position] = points_xy[first + order[position], 1]
        for mine in range(count):
            for position in range(wanted):
                best[position] = np.inf
            for step in (-1, 1):
                other = mine + step
                while 0 <= other < count:
                    down = (y[other] - y[mine]) ** 2
                    if down >= best[wanted - 1]:
                        break  # so is everybody beyond
                    square = down + (x[other] - x[mine]) ** 2
                    if square < best[wanted - 1]:
                        position = wanted - 1
                        while position > 0 and best[position - 1] > square:
                            best[position] = best[position - 1]
                            position -= 1
                        best[position] = square
                    other += step
            total = 0.0
            for position in range(wanted):
                total += np.sqrt(best[position])
            out[first + order[mine]] = total / wanted


def sweep(points_xy: Floats, starts: Ints, k: int) -> Floats:
    """Return (N,) mean distances; see `nearest.mean_distances_by_frame`."""
    out = np.empty(len(points_xy))
    _sweep(points_xy, starts, k, out)
    return out
