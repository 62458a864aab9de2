"""The k nearest others, compiled: each head looks up and down until nobody nearer can come."""

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
            for place in range(first, first + count):
                out[place] = np.nan
            continue
        order = np.argsort(points_xy[first : first + count, 1])
        x, y = np.empty(count), np.empty(count)
        for place in range(count):
            x[place] = points_xy[first + order[place], 0]
            y[place] = points_xy[first + order[place], 1]
        for mine in range(count):
            for place in range(wanted):
                best[place] = np.inf
            for step in (-1, 1):
                other = mine + step
                while 0 <= other < count:
                    down = (y[other] - y[mine]) ** 2
                    if down >= best[wanted - 1]:
                        break  # so is everybody beyond
                    square = down + (x[other] - x[mine]) ** 2
                    if square < best[wanted - 1]:
                        place = wanted - 1
                        while place > 0 and best[place - 1] > square:
                            best[place] = best[place - 1]
                            place -= 1
                        best[place] = square
                    other += step
            total = 0.0
            for place in range(wanted):
                total += np.sqrt(best[place])
            out[first + order[mine]] = total / wanted


def sweep(points_xy: Floats, starts: Ints, k: int) -> Floats:
    """Give (N,) mean distances; see `nearest.mean_distances_by_frame`."""
    out = np.empty(len(points_xy))
    _sweep(points_xy, starts, k, out)
    return out
