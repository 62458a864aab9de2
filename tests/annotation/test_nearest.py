from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.annotation.nearest import mean_distances_by_frame, nearest_distances

PLACE = st.one_of(st.floats(-100, 2000), st.sampled_from([0.0, 5.0, 5.5]))


@given(st.lists(st.lists(st.tuples(PLACE, PLACE), max_size=12), max_size=5), st.integers(1, 6))
def test_the_sweep_finds_what_trees_find(frames: list[list[tuple[float, float]]], k: int) -> None:
    points = np.array([point for frame in frames for point in frame]).reshape(-1, 2)
    starts = np.cumsum([0, *(len(frame) for frame in frames)])
    found = mean_distances_by_frame(points, starts, k)
    wanted = [nearest_distances(points[a:b], k) for a, b in pairwise(starts)]
    assert found == pytest.approx(np.concatenate([np.empty(0), *wanted]), nan_ok=True)
    assert np.isnan(found).sum() == sum(len(frame) == 1 for frame in frames)


def test_large_frames_too() -> None:
    points = np.random.default_rng(0).uniform(0, [1920, 1080], (3000, 2))
    starts = np.array([0, 0, 2500, 2501, 3000])
    found = mean_distances_by_frame(points, starts, 3)
    assert found[:2500] == pytest.approx(nearest_distances(points[:2500], 3))
    assert np.isnan(found[2500])
