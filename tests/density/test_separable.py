"""Which heads can be peaks: the largest set, by brute force and on a known list."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from gtahead.density import peaks_of, separable


def brute(cells: set[tuple[int, int]]) -> int:
    """Count the most cells of which no two touch, by trying all sets."""
    for size in range(len(cells), 0, -1):
        for chosen in combinations(sorted(cells), size):
            if all(max(abs(a - c), abs(b - d)) > 1 for (a, b), (c, d) in combinations(chosen, 2)):
                return size
    return 0


@pytest.mark.parametrize("seed", range(30))
def test_the_most_heads_are_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 4 * 6, (int(rng.integers(0, 15)), 2))
    keep = separable(points, 4)
    cells = np.floor(points / 4).astype(int)
    assert keep.sum() == brute(set(map(tuple, cells.tolist())))
    kept = cells[keep]
    apart = np.abs(kept[:, None] - kept[None]).max(axis=2) + 9 * np.eye(len(kept), dtype=int)
    assert (apart > 1).all()


def test_they_are_peaks_and_a_touching_one_is_not() -> None:
    """Outputs of a network don't tie: where cells touch, the higher is found alone."""
    points = np.array([[2.0, 2], [6, 2], [22, 2], [30, 2]])  # the first two touch at stride 4
    assert separable(points, 4).sum() == 3
    assert separable(points, 2).sum() == 4
    for stride, found in ((4, 3), (2, 4)):
        heat = np.zeros((16 // stride, 40 // stride))
        for value, (x, y) in zip((1.0, 0.9, 0.8, 0.7), points, strict=True):
            heat[int(y / stride), int(x / stride)] = value
        assert len(peaks_of(heat, stride=stride)) == found


def test_nobody_and_one_place() -> None:
    assert separable(np.empty((0, 2)), 4).tolist() == []
    assert separable(np.full((5, 2), 9.0), 4).tolist() == [True, False, False, False, False]
    assert separable(np.array([[-3.0, -3], [1, 1]]), 4).sum() == 1


@pytest.mark.parametrize(
    ("points", "stride", "message"),
    [([[1.0, np.nan]], 4, "aren't all finite"), ([[1.0]], 4, "shape"), ([[1.0, 2]], 0, "stride")],
)
def test_what_cannot_be(points: list[list[float]], stride: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        separable(np.array(points), stride)


def test_floors_of_shanghaitech_a(shared_data: Path) -> None:
    """Raster order gives 46.07 and 7.29; the largest sets are a little larger."""
    listed = shared_data / "fidtm" / "A_gt.txt"
    if not listed.exists():
        pytest.skip("needs FIDTM's list of ShanghaiTech A")
    images = [
        np.array(line.split()[2:], float).reshape(-1, 5)[:, :2]
        for line in listed.read_text().splitlines()
    ]
    assert (len(images), sum(map(len, images))) == (182, 78_970)
    for stride, floor in ((2, 7.110), (4, 44.720), (8, 146.527)):
        lost = [int((~separable(points, stride)).sum()) for points in images]
        assert np.mean(lost) == pytest.approx(floor, abs=0.001)
