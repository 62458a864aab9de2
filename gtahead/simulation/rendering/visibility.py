"""What is seen where: people and scenery drawn into a z-buffer with four samples a pixel.

Each sample keeps 1/depth of what is nearest, and its code: a person's number and triangle, a
triangle of the scenery, or nothing, which is ground or sky. An edge that two triangles share is
computed from its lower end in both, so that neither leaves a crack.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

SAMPLES = 2
"""Samples of a pixel along each side."""

TRIANGLE_BITS = 13
"""Of a code: a figure has up to 8,191 triangles, a frame up to 262,143 people."""

NOTHING = -1
"""The code where neither a person nor scenery is; scenery has -2 and less."""

NEAREST_M = np.float32(0.25)
"""Scenery is cut at this depth; a person's triangle with a corner that is nearer isn't drawn."""

_HALF, _ZERO, _ONE = np.float32(0.5), np.float32(0), np.float32(1)


@compiled
def skin(
    places: F32,
    normals: F32,
    bones: U8,
    weights: F32,
    matrices: F32,
    count: int,
    stance: F32,
    world: F32,
    world_normals: F32,
    first: int,
) -> None:
    """Bend a figure into a pose and put it where it stands.

    Args:
        places: (V, 3) of the figure, metres.
        normals: (V, 3).
        bones: (V, 3) that move each vertex.
        weights: (V, 3).
        matrices: (20, 3, 4) of the pose.
        count: how many vertices are needed.
        stance: x, y, z, size, cosine and sine of the heading.
        world: (N, 3), written from `first` on.
        world_normals: (N, 3), written from `first` on.
        first: where to write.
    """
    x0, y0, z0, size, cosine, sine = stance
    for vertex in range(count):
        px, py, pz = places[vertex]
        nx, ny, nz = normals[vertex]
        x = y = z = u = v = w = _ZERO
        for k in range(3):
            share = weights[vertex, k]
            if share == _ZERO:
                continue
            m = matrices[bones[vertex, k]]
            x += share * (m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3])
            y += share * (m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3])
            z += share * (m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3])
            u += share * (m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz)
            v += share * (m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz)
            w += share * (m[2, 0] * nx + m[2, 1] * ny + m[2, 2] * nz)
        to = first + vertex
        world[to, 0] = (x * cosine - y * sine) * size + x0
        world[to, 1] = (x * sine + y * cosine) * size + y0
        world[to, 2] = z * size + z0
        length = _ONE / (np.sqrt(u * u + v * v + w * w) + np.float32(1e-9))
        world_normals[to, 0] = (u * cosine - v * sine) * length
        world_normals[to, 1] = (u * sine + v * cosine) * length
        world_normals[to, 2] = w * length


@compiled
def project(world: F32, view: F32, screen: F32) -> None:
    """Project points onto the grid of samples.

    Args:
        world: (N, 3) metres.
        view: of `View.array`.
        screen: (N, 3), gets x and y in samples and 1/depth, which is below 0 for what is too near
            or behind the camera.
    """
    scale = np.float32(SAMPLES)
    for point in range(len(world)):
        x, y, z = world[point, 0] - view[0], world[point, 1] - view[1], world[point, 2] - view[2]
        depth = x * view[9] + y * view[10] + z * view[11]
        if depth < NEAREST_M:
            screen[point, 2] = -_ONE
            continue
        near = _ONE / depth
        focal = view[12] * scale * near
        screen[point, 0] = view[13] * scale + focal * (x * view[3] + y * view[4] + z * view[5])
        screen[point, 1] = view[14] * scale - focal * (x * view[6] + y * view[7] + z * view[8])
        screen[point, 2] = near


@compiled
def row_span(
    ax: np.float32,
    ay: np.float32,
    bx: np.float32,
    by: np.float32,
    cx: np.float32,
    cy: np.float32,
    side: np.float32,
    y: np.float32,
    low: np.float32,
    high: np.float32,
) -> tuple[np.float32, np.float32]:
    """Return which samples of a row lie inside a triangle: from ceil(first) to floor(second).

    Args:
        ax: of the first corner, in samples.
        ay: of the first corner.
        bx: of the second corner.
        by: of the second corner.
        cx: of the third corner.
        cy: of the third corner.
        side: 1 where the corners turn clockwise on the screen, else -1.
        y: of the row's samples.
        low: the least that may be returned.
        high: the greatest that may be returned.
    """
    px, py, qx, qy = ax, ay, bx, by
    for edge in range(3):
        if edge == 1:
            px, py, qx, qy = bx, by, cx, cy
        elif edge == 2:
            px, py, qx, qy = cx, cy, ax, ay
        fall = (qy - py) * side
        if fall == _ZERO:
            if (qx - px) * (y - py) * side < _ZERO:
                high = -_ONE
            continue
        # From the lower end, whichever triangle asks: neighbours get the same number.
        if py < qy or (py == qy and px < qx):
            x = px + (y - py) * ((qx - px) / (qy - py))
        else:
            x = qx + (y - qy) * ((px - qx) / (py - qy))
        x -= _HALF
        if fall > _ZERO:
            high = min(high, x)
        else:
            low = max(low, x)
    return low, high


@compiled
def pixel_bounds(
    ax: np.float32,
    ay: np.float32,
    bx: np.float32,
    by: np.float32,
    cx: np.float32,
    cy: np.float32,
    width: int,
    height: int,
) -> tuple[int, int, int, int]:
    """Return first and last column and row of the pixels whose middles a triangle may hold.

    Outside the image, the last is before the first.
    """
    low_x, high_x = min(ax, bx, cx), max(ax, bx, cx)
    low_y, high_y = min(ay, by, cy), max(ay, by, cy)
    if high_x < _ZERO or high_y < _ZERO or low_x > width or low_y > height:
        return 0, -1, 0, -1  # far outside, where numbers may not fit an integer
    return (
        max(int(np.ceil(low_x - _HALF)), 0),
        min(int(np.floor(high_x - _HALF)), width - 1),
        max(int(np.ceil(low_y - _HALF)), 0),
        min(int(np.floor(high_y - _HALF)), height - 1),
    )


@compiled
def _fill(
    screen: F32, i: int, j: int, k: int, nearest: F32, codes: I32, code: np.int32, two_sided: bool
) -> None:
    """Draw the triangle of three points of x, y and 1/depth, if all are before the camera."""
    ax, ay, az = screen[i, 0], screen[i, 1], screen[i, 2]
    bx, by, bz = screen[j, 0], screen[j, 1], screen[j, 2]
    cx, cy, cz = screen[k, 0], screen[k, 1], screen[k, 2]
    if az <= _ZERO or bz <= _ZERO or cz <= _ZERO:
        return
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    # The screen's y goes down: what turns counter-clockwise in the world has area below 0.
    if area == _ZERO or (area > _ZERO and not two_sided):
        return
    height, width = nearest.shape
    left, right, first_row, last_row = pixel_bounds(ax, ay, bx, by, cx, cy, width, height)
    if first_row > last_row or left > right:
        return
    first, last = np.float32(left), np.float32(right)
    share = _ONE / area
    slope_x = ((bz - az) * (cy - ay) - (cz - az) * (by - ay)) * share
    slope_y = ((cz - az) * (bx - ax) - (bz - az) * (cx - ax)) * share
    side = _ONE if area > _ZERO else -_ONE
    for row in range(first_row, last_row + 1):
        y = np.float32(row) + _HALF
        low, high = row_span(ax, ay, bx, by, cx, cy, side, y, first, last)
        begin, end = int(np.ceil(low)), int(np.floor(high))
        if begin > end:
            continue
        near = az + (np.float32(begin) + _HALF - ax) * slope_x + (y - ay) * slope_y
        for column in range(begin, end + 1):
            if near > nearest[row, column]:
                nearest[row, column] = near
                codes[row, column] = code
            near += slope_x


@compiled
def draw_scenery(
    world: F32, view: F32, triangles: I32, first: int, screen: F32, nearest: F32, codes: I32
) -> None:
    """Draw the scenery's triangles, from both sides; those that reach behind the camera are cut.

    Args:
        world: (V, 3) metres.
        view: of `View.array`.
        triangles: (T, 3).
        first: the number of the first of them.
        screen: (V, 3) as `project` has made it.
        nearest: (H, W) 1/depth of what is nearest.
        codes: (H, W) what that is.
    """
    part, cut = np.empty((4, 3), np.float32), np.empty((4, 3), np.float32)
    for number in range(len(triangles)):
        i, j, k = triangles[number, 0], triangles[number, 1], triangles[number, 2]
        code = np.int32(-2 - first - number)
        before = int(screen[i, 2] > _ZERO) + int(screen[j, 2] > _ZERO) + int(screen[k, 2] > _ZERO)
        if before == 3:
            _fill(screen, i, j, k, nearest, codes, code, True)
        elif before > 0:
            corners = _cut(world, view, i, j, k, part)
            project(part[:corners], view, cut[:corners])
            for last in range(2, corners):
                _fill(cut, 0, last - 1, last, nearest, codes, code, True)


@compiled
def _cut(world: F32, view: F32, i: int, j: int, k: int, part: F32) -> int:
    """Write what of a triangle lies before the camera; return its number of corners, 3 or 4."""
    count = 0
    limit = NEAREST_M * np.float32(1.001)  # so that rounding leaves it before the camera
    for edge in range(3):
        a, b = (i, j) if edge == 0 else ((j, k) if edge == 1 else (k, i))
        ax, ay, az = world[a, 0], world[a, 1], world[a, 2]
        bx, by, bz = world[b, 0], world[b, 1], world[b, 2]
        near = (ax - view[0]) * view[9] + (ay - view[1]) * view[10] + (az - view[2]) * view[11]
        far = (bx - view[0]) * view[9] + (by - view[1]) * view[10] + (bz - view[2]) * view[11]
        if near >= limit:
            part[count, 0], part[count, 1], part[count, 2] = ax, ay, az
            count += 1
        if (near >= limit) != (far >= limit):
            share = (limit - near) / (far - near)
            part[count, 0] = ax + (bx - ax) * share
            part[count, 1] = ay + (by - ay) * share
            part[count, 2] = az + (bz - az) * share
            count += 1
    return count


@compiled
def draw_people(
    order: I64,
    screen: F32,
    first_vertex: I64,
    first_triangle: I64,
    triangle_count: I64,
    triangles: I32,
    two_sided: U8,
    nearest: F32,
    codes: I32,
) -> None:
    """Draw people, the nearest first.

    Args:
        order: (n,) their numbers.
        screen: (N, 3) of all their vertices.
        first_vertex: (P,) of each person in `screen`.
        first_triangle: (P,) of each person's figure and level in `triangles`.
        triangle_count: (P,) how many there are.
        triangles: (T, 3) of all figures, from a figure's first vertex on.
        two_sided: (T,) whether a triangle is seen from behind.
        nearest: (H, W) 1/depth of what is nearest.
        codes: (H, W) what that is.
    """
    for person in order:
        at, start = first_vertex[person], first_triangle[person]
        for number in range(triangle_count[person]):
            place = start + number
            i, j, k = triangles[place, 0], triangles[place, 1], triangles[place, 2]
            code = np.int32((person << TRIANGLE_BITS) + number)
            _fill(screen, at + i, at + j, at + k, nearest, codes, code, two_sided[place] > 0)


@compiled
def count_heads(
    people: I64,
    screen: F32,
    first_vertex: I64,
    first_triangle: I64,
    triangle_count: I64,
    triangles: I32,
    two_sided: U8,
    of_head: U8,
    codes: I32,
    counts: I64,
) -> None:
    """Count the samples of each head that are seen, and those that it has were it alone.

    The same spans make both, in and outside of the image, so a share is never above 1.

    Args:
        people: (n,) whose heads.
        screen: as for `draw_people`, and so are the following.
        first_vertex: (P,).
        first_triangle: (P,).
        triangle_count: (P,).
        triangles: (T, 3).
        two_sided: (T,).
        of_head: (T,) whether a triangle belongs to the head.
        codes: (H, W) as drawn.
        counts: (P, 2), gets seen and all samples.
    """
    height, width = codes.shape
    for person in people:
        at, start = first_vertex[person], first_triangle[person]
        left = top = np.float32(1e9)
        right = bottom = np.float32(-1e9)
        for number in range(triangle_count[person]):
            if of_head[start + number] == 0:
                continue
            for k in range(3):
                corner = screen[at + triangles[start + number, k]]
                if corner[2] <= _ZERO:
                    right = np.float32(1e9)
                else:
                    left, right = min(left, corner[0]), max(right, corner[0])
                    top, bottom = min(top, corner[1]), max(bottom, corner[1])
        if left > right or right >= np.float32(1e9) or right - left > 8192 or bottom - top > 8192:
            continue
        x0, y0 = int(np.floor(left)), int(np.floor(top))
        stamp = np.zeros((int(bottom) - y0 + 2, int(right) - x0 + 2), np.uint8)
        for number in range(triangle_count[person]):
            place = start + number
            if of_head[place] == 0:
                continue
            i, j, k = at + triangles[place, 0], at + triangles[place, 1], at + triangles[place, 2]
            ax, ay, bx, by = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1]
            cx, cy = screen[k, 0], screen[k, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area == _ZERO or (area > _ZERO and two_sided[place] == 0):
                continue
            side = _ONE if area > _ZERO else -_ONE
            first, last = np.ceil(min(ax, bx, cx) - _HALF), np.floor(max(ax, bx, cx) - _HALF)
            first_row = int(np.ceil(min(ay, by, cy) - _HALF))
            last_row = int(np.floor(max(ay, by, cy) - _HALF))
            for row in range(first_row, last_row + 1):
                y = np.float32(row) + _HALF
                low, high = row_span(ax, ay, bx, by, cx, cy, side, y, first, last)
                for column in range(int(np.ceil(low)), int(np.floor(high)) + 1):
                    if stamp[row - y0, column - x0]:
                        continue
                    stamp[row - y0, column - x0] = 1
                    counts[person, 1] += 1
                    if row < 0 or column < 0 or row >= height or column >= width:
                        continue
                    code = codes[row, column]
                    own = code >= 0 and code >> TRIANGLE_BITS == person
                    if own and of_head[start + (code & ((1 << TRIANGLE_BITS) - 1))]:
                        counts[person, 0] += 1
