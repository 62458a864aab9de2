"""One-to-one matching of found points to heads, with as many hits as possible.

A found point may be any head's whose radius it lies within. Of all ways to pair them one with the
most pairs is taken, so the numbers of hits, misses and false heads are unique; the pairs aren't:
heads are served in their order, each by its nearest point, ties by index. A found point that is
paired with nothing and lies on an ignored head is neither hit nor false, so points that lie on none
are paired first.

Source of the rule: the evaluation of NWPU-Crowd (Wang et al., 2020), which pairs by augmenting
paths on the matrix of all distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints


@dataclass(frozen=True, eq=False)
class Matching:
    """Which heads were found by which points.

    Attributes:
        head_of: (P,) index of the head that a found point is paired with; -1 where there is none.
        on_ignored: (P,) whether a found point lies on an ignored head.
    """

    head_of: Ints
    on_ignored: Booleans

    @property
    def hits(self) -> Booleans:
        """(P,) which found points are paired."""
        return np.asarray(self.head_of >= 0, np.bool_)

    @property
    def false(self) -> Booleans:
        """(P,) which found points belong to no head."""
        return np.asarray((self.head_of < 0) & ~self.on_ignored, np.bool_)

    def found(self, heads: int) -> Booleans:
        """(N,) which of N heads are paired."""
        out = np.zeros(heads, np.bool_)
        out[self.head_of[self.hits]] = True
        return out


def match_points(
    points_xy: Floats,
    starts: Ints,
    heads_xy: Floats,
    radii: Floats,
    head_starts: Ints,
    ignored: Booleans | None = None,
) -> Matching:
    """Pair found points with heads, image by image.

    Args:
        points_xy: (P, 2) found points in pixels, image after image.
        starts: (F + 1,) where each image's found points begin.
        heads_xy: (N, 2) heads in pixels.
        radii: (N,) how far off a hit of each head may be, inclusive, in pixels.
        head_starts: (F + 1,) where each image's heads begin.
        ignored: (N,) heads that are neither hit nor missed; none unless given.
    """
    if ignored is None:
        ignored = np.zeros(len(heads_xy), np.bool_)
    from gtahead.metrics.matching_compiled import match_all

    head_of = np.full(len(points_xy), -1, np.int64)
    on_ignored = np.zeros(len(points_xy), np.bool_)
    match_all(
        np.ascontiguousarray(points_xy, np.float64),
        np.asarray(starts, np.int64),
        np.ascontiguousarray(heads_xy, np.float64),
        np.ascontiguousarray(radii, np.float64),
        np.asarray(head_starts, np.int64),
        np.ascontiguousarray(ignored, np.bool_),
        head_of,
        on_ignored,
    )
    return Matching(head_of, on_ignored)
