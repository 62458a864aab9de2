"""Shadows: a map of what the sun, or a lamp, sees first, and how crowded the ground is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.rendering.visibility import pixel_bounds, row_span

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

FAR = np.float32(-1e9)
"""In a map: nothing is there."""

CONTACT_REACH_M = np.float32(0.75)
_HALF, _ZERO, _ONE = np.float32(0.5), np.float32(0), np.float32(1)


@compiled
def place_in_map(
    light: F32, x: np.float32, y: np.float32, z: np.float32, side: int
) -> tuple[np.float32, np.float32, np.float32]:
    """Return column, row and height towards the light of a point, for a map of some side.

    A light is 14 numbers: two axes across its rays and one towards it, the map's cells per metre
    its middle along the three axes, and 1 where it is a lamp: then the third axis points up, rays
    leave from the middle, and u and v are per metre below it.
    """
    u = x * light[0] + y * light[1] + z * light[2] - light[10]
    v = x * light[3] + y * light[4] + z * light[5] - light[11]
    towards = x * light[6] + y * light[7] + z * light[8] - light[12]
    if light[13] > _ZERO:
        below = max(-towards, np.float32(0.05))
        u, v = u / below, v / below
        towards = -below
    middle = np.float32(side) * _HALF
    return u * light[9] + middle, v * light[9] + middle, towards


@compiled
def draw_into_map(
    world: F32,
    first_vertex: int,
    vertex_count: int,
    triangles: I32,
    first_triangle: int,
    triangle_count: int,
    light: F32,
    depths: F32,
    placed: F32,
) -> None:
    """Draw a mesh into a light's map.

    Args:
        world: (N, 3) metres.
        first_vertex: of the mesh.
        vertex_count: of the mesh.
        triangles: (T, 3), numbered from the first vertex on.
        first_triangle: of the mesh.
        triangle_count: of the mesh.
        light: as `place_in_map` takes it.
        depths: (S, S) the map: towards the light, of what it sees first.
        placed: (M, 3) room for so many vertices.
    """
    side = depths.shape[0]
    for vertex in range(vertex_count):
        at = first_vertex + vertex
        u, v, towards = place_in_map(light, world[at, 0], world[at, 1], world[at, 2], side)
        placed[vertex, 0], placed[vertex, 1], placed[vertex, 2] = u, v, towards
    for number in range(first_triangle, first_triangle + triangle_count):
        i, j, k = triangles[number, 0], triangles[number, 1], triangles[number, 2]
        ax, ay, az = placed[i, 0], placed[i, 1], placed[i, 2]
        bx, by, bz = placed[j, 0], placed[j, 1], placed[j, 2]
        cx, cy, cz = placed[k, 0], placed[k, 1], placed[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == _ZERO:
            continue
        if light[13] > _ZERO and max(az, bz, cz) > np.float32(-0.1):
            continue  # beside or above the lamp
        left, right, first_row, last_row = pixel_bounds(ax, ay, bx, by, cx, cy, side, side)
        if first_row > last_row or left > right:
            continue
        share = _ONE / area
        slope_x = ((bz - az) * (cy - ay) - (cz - az) * (by - ay)) * share
        slope_y = ((cz - az) * (bx - ax) - (bz - az) * (cx - ax)) * share
        turn = _ONE if area > _ZERO else -_ONE
        for row in range(first_row, last_row + 1):
            y = np.float32(row) + _HALF
            low, high = row_span(
                ax, ay, bx, by, cx, cy, turn, y, np.float32(left), np.float32(right)
            )
            begin, end = int(np.ceil(low)), int(np.floor(high))
            towards = az + (np.float32(begin) + _HALF - ax) * slope_x + (y - ay) * slope_y
            for column in range(begin, end + 1):
                depths[row, column] = max(depths[row, column], towards)
                towards += slope_x


@compiled
def draw_people_into_map(
    people: I64,
    world: F32,
    first_vertex: I64,
    vertex_count: I64,
    triangles: I32,
    first_triangle: I64,
    triangle_count: I64,
    light: F32,
    depths: F32,
    placed: F32,
) -> None:
    """Draw people into a light's map; arguments as for `draw_into_map`, a value per person."""
    for person in people:
        draw_into_map(
            world,
            first_vertex[person],
            vertex_count[person],
            triangles,
            first_triangle[person],
            triangle_count[person],
            light,
            depths,
            placed,
        )


@compiled
def lit_share(
    depths: F32, light: F32, x: np.float32, y: np.float32, z: np.float32, slack: np.float32
) -> np.float32:
    """Return how much of the light reaches a point, 0 to 1: over four by four cells of the map."""
    side = depths.shape[0]
    u, v, towards = place_in_map(light, x, y, z, side)
    u, v, towards = u - _HALF, v - _HALF, towards + slack
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 1 or j < 1 or i >= side - 3 or j >= side - 3:
        return _ONE
    # Where the corners and the middle agree there is no edge.
    reached = int(depths[j - 1, i - 1] <= towards) + int(depths[j - 1, i + 2] <= towards)
    reached += int(depths[j + 2, i - 1] <= towards) + int(depths[j + 2, i + 2] <= towards)
    reached += int(depths[j, i] <= towards) + int(depths[j + 1, i + 1] <= towards)
    if reached == 6:
        return _ONE
    if reached == 0:
        return _ZERO
    along, down = u - np.float32(i), v - np.float32(j)
    total = _ZERO
    for row in range(-1, 3):
        tall = _ONE - down if row == -1 else (down if row == 2 else _ONE)
        for column in range(-1, 3):
            if depths[j + row, i + column] <= towards:
                wide = _ONE - along if column == -1 else (along if column == 2 else _ONE)
                total += tall * wide
    return total * np.float32(1 / 9)


@compiled
def crowd_ground(cells: F32, corner: F32, places: F32) -> None:
    """Add people, and what else stands on the ground, to a grid of how crowded it is.

    Args:
        cells: (H, W), added to.
        corner: x and y of the first cell's corner, and cells per metre.
        places: (N, 2) metres.
    """
    height, width = cells.shape
    reach = CONTACT_REACH_M * corner[2]
    for index in range(len(places)):
        u, v = (
            (places[index, 0] - corner[0]) * corner[2],
            (places[index, 1] - corner[1]) * corner[2],
        )
        for row in range(max(int(v - reach), 0), min(int(v + reach) + 1, height - 1) + 1):
            for column in range(max(int(u - reach), 0), min(int(u + reach) + 1, width - 1) + 1):
                x, y = np.float32(column) + _HALF - u, np.float32(row) + _HALF - v
                near = _ONE - (x * x + y * y) / (reach * reach)
                if near > _ZERO:
                    cells[row, column] += near * near


@compiled
def crowded_at(cells: F32, corner: F32, x: np.float32, y: np.float32) -> np.float32:
    """Return how crowded the ground is at a place, between four cells."""
    u, v = (x - corner[0]) * corner[2] - _HALF, (y - corner[1]) * corner[2] - _HALF
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 0 or j < 0 or i >= cells.shape[1] - 1 or j >= cells.shape[0] - 1:
        return _ZERO
    along, down = u - np.float32(i), v - np.float32(j)
    upper = cells[j, i] * (_ONE - along) + cells[j, i + 1] * along
    lower = cells[j + 1, i] * (_ONE - along) + cells[j + 1, i + 1] * along
    return np.float32(upper * (_ONE - down) + lower * down)
