"""Points and heads paired the plain way, image by image: what the compiled sweep has to give."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.metrics.matching import Matching


def match_points(
    points_xy: Floats,
    starts: Ints,
    heads_xy: Floats,
    radii: Floats,
    head_starts: Ints,
    ignored: Booleans,
) -> Matching:
    pairs_of, ignored_of = [np.empty(0, np.int64)], [np.empty(0, np.bool_)]
    for (a, b), (c, d) in zip(pairwise(starts), pairwise(head_starts), strict=True):
        pairs, on = _match_one(points_xy[a:b], heads_xy[c:d], radii[c:d], ignored[c:d])
        pairs_of.append(np.where(pairs >= 0, pairs + c, -1))
        ignored_of.append(on)
    return Matching(np.concatenate(pairs_of), np.concatenate(ignored_of))


def _match_one(
    points_xy: Floats, heads_xy: Floats, radii: Floats, ignored: Booleans
) -> tuple[Ints, Booleans]:
    """Pair one image's points: the plain reference."""
    dx = points_xy[:, None, 0] - heads_xy[None, :, 0]
    dy = points_xy[:, None, 1] - heads_xy[None, :, 1]
    distance = np.sqrt(dx * dx + dy * dy)
    within = distance <= radii
    on_ignored = np.asarray((within & ignored).any(axis=1), np.bool_)
    within &= ~ignored
    near = [
        [int(point) for point in np.argsort(column, kind="stable") if fits[point]]
        for column, fits in zip(distance.T, within.T, strict=True)
    ]
    head_of = np.full(len(points_xy), -1, np.int64)

    def augment(head: int, allowed: Booleans, seen: set[int]) -> bool:
        points = [point for point in near[head] if allowed[point]]
        free = [point for point in points if head_of[point] < 0]
        for point in free[:1] or points:
            if point not in seen:
                seen.add(point)
                if head_of[point] < 0 or augment(int(head_of[point]), allowed, seen):
                    head_of[point] = head
                    return True
        return False

    for allowed in (~on_ignored, np.ones(len(points_xy), np.bool_)):
        served = set(head_of.tolist())
        for head in range(len(heads_xy)):
            if head not in served:
                augment(head, allowed, set())
    return head_of, on_ignored
