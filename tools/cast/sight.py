"""What is seen of a mesh, and how much of the sky it sees: a z-buffer from many directions."""

from __future__ import annotations

import numba
import numpy as np

from gtahead.arrays import Booleans, Floats, Ints


@numba.njit(cache=True)
def _draw(places: Floats, triangles: Ints, nearest: Floats, seen: Ints) -> None:
    """Draw triangles of (x, y, towards the eye); `seen` gets the number, or -1 for a back face."""
    side = nearest.shape[0]
    for number in range(len(triangles)):
        a, b, c = (
            places[triangles[number, 0]],
            places[triangles[number, 1]],
            places[triangles[number, 2]],
        )
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0:
            continue
        low_y = max(0, int(np.ceil(min(a[1], b[1], c[1]) - 0.5)))
        high_y = min(side - 1, int(np.floor(max(a[1], b[1], c[1]) - 0.5)))
        low_x = max(0, int(np.ceil(min(a[0], b[0], c[0]) - 0.5)))
        high_x = min(side - 1, int(np.floor(max(a[0], b[0], c[0]) - 0.5)))
        for row in range(low_y, high_y + 1):
            for column in range(low_x, high_x + 1):
                x, y = column + 0.5, row + 0.5
                u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                w = 1.0 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                near = u * a[2] + v * b[2] + w * c[2]
                if near > nearest[row, column]:
                    nearest[row, column] = near
                    seen[row, column] = number if area > 0 else -1


def directions(number: int) -> Floats:
    """Return directions spread evenly over the sphere, (number, 3)."""
    at = np.arange(number) + 0.5
    up = 1 - 2 * at / number
    turn, flat = np.pi * (1 + 5**0.5) * at, np.sqrt(1 - up * up)
    return np.stack([flat * np.cos(turn), up, flat * np.sin(turn)], axis=1)


def _turned(direction: Floats) -> Floats:
    """Return axes, (3, 3), of which the third is the direction."""
    aside = np.cross(direction, [0, 0, 1.0] if abs(direction[2]) < 0.9 else [1.0, 0, 0])
    aside /= np.linalg.norm(aside)
    return np.stack([aside, np.cross(direction, aside), direction])


def _drawn(
    places: Floats, triangles: Ints, direction: Floats, centre: Floats, scale: float, side: int
) -> tuple[Floats, Floats, Ints]:
    at = ((places - centre) @ _turned(direction).T) * [scale, scale, 1] + [side / 2, side / 2, 0]
    nearest, seen = np.full((side, side), -1e9), np.full((side, side), -1, np.int64)
    _draw(at, triangles, nearest, seen)
    return at, nearest, seen


def seen_triangles(
    places: Floats, triangles: Ints, centre: Floats, scale: float, number: int = 90, side: int = 700
) -> Booleans:
    """Return which triangles are seen from outside at all, (T,)."""
    found = np.zeros(len(triangles), np.bool_)
    for direction in directions(number):
        seen = np.unique(_drawn(places, triangles, direction, centre, scale, side)[2])
        found[seen[seen >= 0]] = True
    return found


def openness(
    places: Floats,
    normals: Floats,
    triangles: Ints,
    centre: Floats,
    scale: float,
    slack: float,
    number: int = 160,
    side: int = 512,
) -> Floats:
    """Return how much of the sky that a vertex faces is free, (V,), 0 to 1: ambient occlusion.

    Args:
        places: (V, 3) of vertices, moved out of the surface a little.
        normals: (V, 3) of them.
        triangles: (T, 3) that hide.
        centre: of the picture.
        scale: pixels per unit.
        slack: how far behind something a vertex may lie and still be free.
        number: of directions.
        side: of the picture in pixels.
    """
    free, all_ = np.zeros(len(places)), np.zeros(len(places))
    for direction in directions(number):
        at, nearest, _ = _drawn(places, triangles, direction, centre, scale, side)
        column = np.clip(at[:, 0].astype(int), 0, side - 1)
        row = np.clip(at[:, 1].astype(int), 0, side - 1)
        facing = np.clip(normals @ direction, 0, 1)
        free += facing * (at[:, 2] + slack >= nearest[row, column])
        all_ += facing
    return np.asarray(free / np.maximum(all_, 1e-6))
