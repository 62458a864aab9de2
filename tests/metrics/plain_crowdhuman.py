"""CrowdHuman's MR-2 and JI as its published evaluation has them, head by head: for comparison.

The rules are those of CrowdDet's toolkit, written out anew; it is on no package registry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import networkx

Box = tuple[float, float, float, float]


class Photo(NamedTuple):
    """An image: its size, heads with whether they are ignored, found boxes with their scores."""

    size: tuple[int, int]
    heads: list[tuple[Box, bool]]
    found: list[tuple[Box, float]]


def clip(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    return (
        min(max(box[0], 0), width - 1),
        min(max(box[1], 0), height - 1),
        max(min(box[2], width), 0),
        max(min(box[3], height), 0),
    )


def inter(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def iou(one: Box, other: Box) -> float:
    both = inter(one, other)
    return both / (area(one) + area(other) - both + 1e-6)


def part(box: Box, region: Box) -> float:
    return inter(box, region) / (area(box) + 1e-6)


def miss_rate(photos: Sequence[Photo]) -> float:
    listed: list[tuple[float, bool]] = []
    total = 0
    for photo in photos:
        heads = [(clip(box, photo.size), ignored) for box, ignored in photo.heads]
        heads.sort(key=lambda head: head[1])  # those that count first
        total += sum(not ignored for _, ignored in heads)
        taken = [False] * len(heads)
        for box, score in sorted(photo.found, key=lambda one: -one[1]):
            mine = clip(box, photo.size)
            best, chosen = 0.5, -1
            for at, (head, ignored) in enumerate(heads):
                if taken[at]:
                    continue
                if ignored:
                    if chosen >= 0:
                        break
                    if part(mine, head) > 0.5:
                        chosen = at
                elif iou(mine, head) > best:
                    best, chosen = iou(mine, head), at
            if chosen < 0:
                listed.append((score, False))
            elif not heads[chosen][1]:
                taken[chosen] = True
                listed.append((score, True))
    listed.sort(key=lambda one: -one[0])
    hits, false = 0, 0
    curve = []
    for _, hit in listed:
        hits, false = hits + hit, false + (not hit)
        curve.append((false / len(photos), 1 - hits / total))
    logs = []
    for anchor in (0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0):
        miss = next((rate for at, rate in curve if at >= anchor), curve[-1][1])
        logs.append(math.log(miss) if miss > 0 else -math.inf)
    return math.exp(sum(logs) / len(logs))


def pairs_of(boxes: Sequence[Box], heads: Sequence[Box]) -> list[tuple[int, int]]:
    """Pair boxes and heads by Galil's matching of the greatest weight."""
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(boxes) + len(heads)))
    for row, box in enumerate(boxes):
        for column, head in enumerate(heads):
            if (share := iou(box, head)) > 0.5:
                graph.add_edge(row, len(boxes) + column, weight=share)
    matched = networkx.max_weight_matching(graph)
    return [(min(pair), max(pair) - len(boxes)) for pair in matched]


def jaccard_index(photos: Sequence[Photo], threshold: float) -> float:
    total, images = 0.0, 0
    for photo in photos:
        clipped = [(clip(box, photo.size), ignored) for box, ignored in photo.heads]
        heads = [box for box, ignored in clipped if not ignored]
        regions = [box for box, ignored in clipped if ignored]
        boxes = [clip(box, photo.size) for box, score in photo.found if score > threshold]
        pairs = pairs_of(boxes, heads)

        def unsure(listed: Sequence[Box], paired: set[int], regions: Sequence[Box]) -> int:
            rest = [box for at, box in enumerate(listed) if at not in paired]
            return sum(any(part(box, region) > 0.5 for region in regions) for box in rest)

        n = len(boxes) - unsure(boxes, {row for row, _ in pairs}, regions)
        m = len(heads) - unsure(heads, {column for _, column in pairs}, regions)
        if n or m:
            total += len(pairs) / (m + n - len(pairs) + 1e-6)
            images += 1
    return total / images if images else math.nan
