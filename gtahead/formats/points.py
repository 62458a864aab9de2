"""What formats of points share."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from gtahead.formats.format import Batch
from gtahead.formats.textrows import Ints, fixed_within

HOLDS = frozenset({"points", "ids", "ignored"})


def point_cents(batch: Batch, decimals: int = 2) -> list[Ints]:
    """Give x and y as whole multiples of 10^-decimals; heads in their picture stay there."""
    limits = batch.sizes_wh[batch.frame_of_heads]
    points = batch.heads.points_xy
    return [fixed_within(points[:, k], limits[:, k], decimals) for k in (0, 1)]


def slices_of(text: bytes, starts: Ints, bounds: Ints) -> Iterable[bytes]:
    """Cut rows into one piece a frame."""
    for first, last in pairwise(starts[bounds].tolist()):
        yield text[first:last]
