"""Matching of points: as many hits as there can be, whatever way they are found."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import examples, imported_from
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from gtahead.metrics.matching import match_points

with imported_from(Path(__file__).parent, "plain_matching") as (plain_matching,):
    pass


def crowd(seed: int, points: int, heads: int, side: float = 40) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return (
        np.round(rng.uniform(0, side, (points, 2)), rng.integers(0, 3)),
        np.round(rng.uniform(0, side, (heads, 2)), rng.integers(0, 3)),
        np.round(rng.uniform(0.5, 6, heads)),
        rng.random(heads) < 0.2,
    )


@settings(max_examples=examples(40))
@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 40))
def test_hits_are_the_most_and_those_of_the_plain_reference(
    seed: int, points: int, heads: int
) -> None:
    xy, heads_xy, radii, ignored = crowd(seed, points, heads)
    starts, head_starts = np.array([0, points // 2, points]), np.array([0, heads // 2, heads])
    one = match_points(xy, starts, heads_xy, radii, head_starts, ignored)
    other = plain_matching.match_points(xy, starts, heads_xy, radii, head_starts, ignored)
    assert one.head_of.tolist() == other.head_of.tolist()
    assert one.on_ignored.tolist() == other.on_ignored.tolist()
    pairs = one.head_of[one.hits]
    assert len(set(pairs.tolist())) == len(pairs)
    assert not ignored[pairs].any()
    near = np.hypot(*(xy[one.hits] - heads_xy[pairs]).T) <= radii[pairs] + 1e-9
    assert near.all()
    for (a, b), (c, d) in zip(pairwise(starts), pairwise(head_starts), strict=True):
        table = np.sqrt(((xy[a:b, None] - heads_xy[None, c:d]) ** 2).sum(axis=2)) <= radii[c:d]
        table[:, ignored[c:d]] = False
        if table.size:
            best = maximum_bipartite_matching(csr_array(table), perm_type="column")
            assert (best >= 0).sum() == one.hits[a:b].sum()


def test_points_on_ignored_heads_leave_hits_to_others() -> None:
    """Two points near one head, one of them on an ignored head: the other one is the hit."""
    points = np.array([[0.0, 0], [3, 0]])
    heads = np.array([[1.0, 0], [-1, 0]])
    at, ignored = np.array([0, 2]), np.array([False, True])
    for match in (match_points, plain_matching.match_points):
        found = match(points, at, heads, np.array([2.5, 1.5]), at, ignored)
        assert found.head_of.tolist() == [-1, 0]
        assert found.false.tolist() == [False, False]


def test_a_distance_of_the_radius_is_a_hit() -> None:
    one = np.array([[3.0, 4.0]])
    at = np.array([0, 1])
    none = np.zeros(1, np.bool_)
    for match in (match_points, plain_matching.match_points):
        for radius, hit in ((5.0, True), (np.nextafter(5.0, 0), False)):
            found = match(one, at, np.zeros((1, 2)), np.array([radius]), at, none)
            assert found.hits.tolist() == [hit]


def test_nothing_found_and_nothing_there() -> None:
    none, one = np.array([0, 0]), np.array([0, 1])
    empty, point = np.empty((0, 2)), np.zeros((1, 2))
    assert match_points(empty, none, point, np.ones(1), one).found(1).tolist() == [False]
    assert match_points(point, one, empty, np.empty(0), none).false.tolist() == [True]


@pytest.mark.parametrize("points", [10_000])
def test_ten_thousand_points_in_one_location(points: int) -> None:
    xy = np.full((points, 2), 5.0)
    heads = np.full((340, 2), 5.0)
    found = match_points(xy, np.array([0, points]), heads, np.ones(340), np.array([0, 340]))
    assert found.hits.sum() == 340
