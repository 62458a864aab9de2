"""The matching of points as a compiled loop: only pairs that are near enough are ever looked at."""

from __future__ import annotations

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.compiling import compiled


@compiled
def match_all(
    points: Floats,
    starts: Ints,
    heads: Floats,
    radii: Floats,
    head_starts: Ints,
    ignored: Booleans,
    head_of: Ints,
    on_ignored: Booleans,
) -> None:
    """Pair points with heads, image by image; see `gtahead.metrics.matching`."""
    for frame in range(len(starts) - 1):
        a, b = starts[frame], starts[frame + 1]
        c, d = head_starts[frame], head_starts[frame + 1]
        if a < b and c < d:
            _match_image(
                points[a:b], heads[c:d], radii[c:d], ignored[c:d], head_of[a:b], on_ignored[a:b], c
            )


@compiled
def _match_image(
    points: Floats,
    heads: Floats,
    radii: Floats,
    ignored: Booleans,
    head_of: Ints,
    on_ignored: Booleans,
    offset: int,
) -> None:
    count, total = len(points), len(heads)
    order = np.argsort(points[:, 1], kind="mergesort")
    ys = points[order, 1]
    # Twice through the near pairs: to count them, and to keep each head's by distance.
    begins = np.zeros(total + 1, np.int64)
    near = np.empty(0, np.int64)
    far = np.empty(0, np.float64)
    for filling in range(2):
        for head in range(total):
            x, y, radius = heads[head, 0], heads[head, 1], radii[head]
            reach = radius * (1 + 1e-12) + 1e-9
            position = np.searchsorted(ys, y - reach)
            found = 0
            while position < count and ys[position] <= y + reach:
                point = order[position]
                position += 1
                dx, dy = points[point, 0] - x, points[point, 1] - y
                distance = np.sqrt(dx * dx + dy * dy)
                if distance > radius:
                    continue
                if ignored[head]:
                    on_ignored[point] = True
                elif filling == 0:
                    begins[head + 1] += 1
                else:
                    at = begins[head] + found
                    while at > begins[head] and (
                        far[at - 1] > distance or (far[at - 1] == distance and near[at - 1] > point)
                    ):
                        near[at], far[at] = near[at - 1], far[at - 1]
                        at -= 1
                    near[at], far[at] = point, distance
                    found += 1
        if filling == 0:
            for head in range(total):
                begins[head + 1] += begins[head]
            near = np.empty(begins[total], np.int64)
            far = np.empty(begins[total], np.float64)
    served = np.zeros(total, np.bool_)
    allowed = ~on_ignored
    seen = np.full(count, -1, np.int64)
    stack = np.empty(total, np.int64)
    taken = np.empty(count + 1, np.int64)
    following = np.empty(total, np.int64)
    search = 0
    for last in range(2):
        if last == 1:
            if allowed.all():
                break
            allowed[:] = True
        dead = ~allowed
        for head in range(total):
            if not served[head] and begins[head] < begins[head + 1]:
                served[head] = _augment(
                    head, begins, near, head_of, dead, seen, search, stack, taken, following
                )
                search += 1
    for point in range(count):
        if head_of[point] >= 0:
            head_of[point] += offset


@compiled
def _augment(
    root: int,
    begins: Ints,
    near: Ints,
    head_of: Ints,
    dead: Booleans,
    seen: Ints,
    search: int,
    stack: Ints,
    taken: Ints,
    following: Ints,
) -> bool:
    """Look for an augmenting path from an unmatched head to a free point, and flip it.

    Points of a search that fails never lie on such a path again: they are dead.
    """
    depth = 0
    stack[0] = root
    following[root] = begins[root]
    visited = 0
    while depth >= 0:
        head = stack[depth]
        if following[head] == begins[head]:
            for edge in range(begins[head], begins[head + 1]):
                point = near[edge]
                if head_of[point] < 0 and not dead[point]:
                    for level in range(depth, -1, -1):
                        # The point that served this head before goes to the one above it.
                        before = near[following[stack[level - 1]] - 1] if level > 0 else -1
                        head_of[point] = stack[level]
                        point = before
                    return True
        moved = False
        while following[head] < begins[head + 1]:
            point = near[following[head]]
            following[head] += 1
            if seen[point] != search and not dead[point]:
                seen[point] = search
                taken[visited] = point
                visited += 1
                depth += 1
                stack[depth] = head_of[point]
                following[stack[depth]] = begins[stack[depth]]
                moved = True
                break
        if not moved:
            depth -= 1
    for index in range(visited):
        dead[taken[index]] = True
    return False
