"""Density maps, heatmaps and focal inverse distance maps: what holds for any heads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import imported_from
from hypothesis import given
from hypothesis import strategies as st

from gtahead.density import (
    CUT,
    cells_of,
    count_of,
    map_shape,
    peaks_of,
    render_density,
    render_fidt,
    render_heatmap,
)

with imported_from(Path(__file__).parent, "plain") as (plain,):
    pass

SIZE = st.tuples(st.integers(1, 90), st.integers(1, 70))
STRIDE = st.integers(1, 9)
SIGMA = st.floats(1e-3, 300)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Heads anywhere in and round an image, borders and corners included, some in one location."""
    size = draw(SIZE)
    x = st.one_of(st.floats(-5, size[0] + 5), st.sampled_from([0.0, size[0] / 2, float(size[0])]))
    y = st.one_of(st.floats(-5, size[1] + 5), st.sampled_from([0.0, size[1] / 2, float(size[1])]))
    points = draw(st.lists(st.tuples(x, y), max_size=8))
    sigmas = draw(st.lists(st.tuples(SIGMA, SIGMA), min_size=len(points), max_size=len(points)))
    if points and draw(st.booleans()):
        points, sigmas = [*points, points[0]], [*sigmas, sigmas[0]]
    return np.array(points).reshape(-1, 2), np.array(sigmas).reshape(-1, 2), size


def in_image(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return ((points >= 0) & (points < size)).all(axis=1)


@given(crowd=crowds(), stride=STRIDE)
def test_the_sum_is_the_count(
    crowd: tuple[np.ndarray, np.ndarray, tuple[int, int]], stride: int
) -> None:
    points, sigmas, size = crowd
    count = int(in_image(points, size).sum())
    density = render_density(points, sigmas, size, stride=stride)
    assert density.shape == map_shape(size, stride)
    assert density.dtype == np.float32
    assert (density >= 0).all()
    assert abs(count_of(density) - count) <= 1e-3 * max(1, count)
    clipped = render_density(points, sigmas, size, stride=stride, border="clip")
    assert count_of(clipped) <= count_of(density) + 1e-4


@given(crowd=crowds(), stride=STRIDE)
def test_maps_are_those_of_the_plain_reference(
    crowd: tuple[np.ndarray, np.ndarray, tuple[int, int]], stride: int
) -> None:
    points, sigmas, size = crowd
    inside = in_image(points, size)
    points, sigmas = points[inside], sigmas[inside]
    for border in ("renormalise", "clip"):
        wanted = np.zeros(map_shape(size, stride), np.float32)
        plain.density(points, sigmas, size, stride, border == "renormalise", CUT, wanted)
        made = render_density(points, sigmas, size, stride=stride, border=border)
        assert made == pytest.approx(wanted, abs=1e-6)
    wanted = np.zeros(map_shape(size, stride), np.float32)
    plain.heatmap(points, sigmas / stride, stride, CUT, wanted)
    assert render_heatmap(points, sigmas, size, stride=stride) == pytest.approx(wanted, abs=1e-6)


@given(crowd=crowds(), stride=STRIDE)
def test_distance_maps_are_those_of_the_formula(
    crowd: tuple[np.ndarray, np.ndarray, tuple[int, int]], stride: int
) -> None:
    points, _, size = crowd
    cells = np.floor(points[in_image(points, size)] / stride)
    rows, columns = map_shape(size, stride)
    made = render_fidt(points, size, stride=stride)
    if not len(cells):
        assert not made.any()
        return
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    distance = stride * np.sqrt(((grid[:, :, None] - cells) ** 2).sum(axis=3)).min(axis=2)
    wanted = 1 / (distance ** (0.02 * distance + 0.75) + 1)
    assert made == pytest.approx(np.where(wanted < 0.01, 0, wanted), abs=1e-6)


@given(crowd=crowds(), stride=STRIDE)
def test_heads_are_peaks_of_exactly_one(
    crowd: tuple[np.ndarray, np.ndarray, tuple[int, int]], stride: int
) -> None:
    points, sigmas, size = crowd
    here = points[in_image(points, size)]
    cells = np.floor(here / stride).astype(int)
    for made in (
        render_heatmap(points, sigmas, size, stride=stride),
        render_fidt(points, size, stride=stride),
    ):
        assert ((made >= 0) & (made <= 1)).all()
        assert (made[cells[:, 1], cells[:, 0]] == 1.0).all()
        assert made.any() == (len(here) > 0)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("sigma", [0.3, 4.0, 5000.0])
def test_borders_and_corners_keep_their_count(stride: int, sigma: float) -> None:
    width, height = 101, 67
    last_x, last_y = np.nextafter(width, 0), np.nextafter(height, 0)
    positions = [(x, y) for x in (0, 50, last_x) for y in (0, 33, last_y)]
    for position in positions:
        density = render_density([position], sigma, (width, height), stride=stride)
        assert np.isfinite(density).all()
        assert count_of(density) == pytest.approx(1, abs=1e-5)
    assert count_of(
        render_density(positions, sigma, (width, height), stride=stride)
    ) == pytest.approx(9, abs=1e-4)


def test_mass_by_hand() -> None:
    """A head on the corner of four cells gives each a quarter; one in a middle keeps 68 %."""
    four = render_density([(4.0, 4.0)], 0.5, (8, 8), stride=4)
    assert four == pytest.approx(np.full((2, 2), 0.25))
    one = render_density([(5.0, 1.0)], 1.0, (10, 2), stride=2, border="clip")
    assert one[0, 2] == pytest.approx(0.682689**2, abs=1e-5)
    # Renormalised along both axes, the cut tails go to the inside.
    assert count_of(render_density([(5.0, 1.0)], 1.0, (10, 2), stride=2)) == pytest.approx(1)


def test_wide_and_tall_kernels() -> None:
    wide = render_density([(200.0, 50.0)], [(20.0, 2.0)], (400, 100))
    across = np.sqrt((wide.sum(axis=0) * (np.arange(400) + 0.5 - 200) ** 2).sum())
    down = np.sqrt((wide.sum(axis=1) * (np.arange(100) + 0.5 - 50) ** 2).sum())
    assert (across, down) == (pytest.approx(20.0, abs=0.05), pytest.approx(2.0, abs=0.05))
    with pytest.raises(ValueError, match=r"sigmas must be one, \(N,\) or \(N, 2\) for 1 heads"):
        render_density([(50.0, 50.0)], [1.0, 2.0], (100, 100))


def test_clipped_borders_lose_mass_as_the_papers_do() -> None:
    corner = render_density([(0.0, 0.0)], 5.0, (100, 100), border="clip")
    assert count_of(corner) == pytest.approx(0.25, abs=1e-4)


def test_nobody() -> None:
    for made in (
        render_density([], [], (20, 10), stride=3),
        render_density(np.empty((0, 2)), 4.0, (20, 10), stride=3),
        render_density([(-1.0, 5.0), (20.0, 5.0)], 4.0, (20, 10), stride=3),
        render_heatmap([], 1.0, (20, 10), stride=3),
        render_fidt([], (20, 10), stride=3),
    ):
        assert made.shape == (4, 7)
        assert not made.any()
    assert len(peaks_of(np.zeros((4, 7)))) == 0


@pytest.mark.parametrize(
    ("points", "sigmas", "message"),
    [
        ([(1, 1), (np.nan, 2)], 1.0, "head 1: its location isn't finite (got nan, 2)"),
        (
            [(1, 1), (2, 2)],
            [1.0, 0.0],
            "head 1: its sigma isn't a finite number above 0 (got 0, 0)",
        ),
        (
            [(1, 1), (2, 2)],
            [(1, 1), (1, -3)],
            "head 1: its sigma isn't a finite number above 0 (got 1, -3)",
        ),
        ([(1, 1)] * 3, np.nan, "and 2 more"),
        ([(1, 1)], np.inf, "got inf"),
        ([(1, 1, 1)], 1.0, "points must be (N, 2), not (1, 3)"),
    ],
)
def test_what_cant_be_rendered_is_named(points: object, sigmas: object, message: str) -> None:
    for render in (render_density, render_heatmap):
        with pytest.raises(ValueError, match=re.escape(message)):
            render(points, sigmas, (10, 10))  # type: ignore[operator]


def test_parameters_out_of_range() -> None:
    for size, stride in (((0, 5), 1), ((5, 5), 0), ((5, 5), 1.5)):
        with pytest.raises(ValueError, match="whole numbers from 1 on"):
            render_density([], [], size, stride=stride)
    with pytest.raises(ValueError, match="border must be"):
        render_density([], [], (5, 5), border="reflect")
    with pytest.raises(ValueError, match="out of range"):
        render_fidt([], (5, 5), constant=0)


def test_fidt_by_its_formula() -> None:
    made = render_fidt([(10.5, 5.5), (10.2, 5.9)], (60, 12), least=0.0)
    distance = np.hypot(np.arange(60) - 10, 0)
    assert made[5] == pytest.approx(1 / (distance ** (0.02 * distance + 0.75) + 1), abs=1e-6)
    cut = render_fidt([(10.5, 5.5)], (60, 12))
    assert ((cut == 0) == (made < 0.01)).all()


def test_fidt_measures_in_pixels_at_any_stride() -> None:
    made = render_fidt([(10.0, 10.0)], (80, 80), stride=4)
    assert made[2, 4] == pytest.approx(1 / (8 ** (0.02 * 8 + 0.75) + 1), abs=1e-6)


def test_cells_say_what_they_lose() -> None:
    cells = cells_of([(0.0, 0.0), (3.9, 0.1), (-1, 3), (4.0, 7.0)], (8, 8), stride=4)
    assert cells.cells.tolist() == [[0, 0], [0, 0], [1, 1]]
    assert cells.offsets.tolist() == [[0, 0], [0.975, 0.025], [0, 0.75]]
    assert (cells.heads.tolist(), cells.shared) == ([0, 1, 3], 1)


def test_peaks_are_found_again() -> None:
    """The decode ceiling: what comes back of the ground truth through the map."""
    random = np.random.default_rng(2)
    points = random.uniform(0, [400, 300], (60, 2))
    heat = render_heatmap(points, 6.0, (400, 300), stride=4)
    cells = cells_of(points, (400, 300), stride=4)
    offsets = np.full((*heat.shape, 2), 0.5)
    offsets[cells.cells[:, 0], cells.cells[:, 1]] = cells.offsets
    found = peaks_of(heat, stride=4, threshold=0.99, offsets=offsets)
    assert len(found) == 60 - cells.shared
    near = np.linalg.norm(points[:, None] - found[:, :2], axis=2).min(axis=1)
    assert np.sort(near)[: 60 - cells.shared].max() < 1e-9


def test_twelve_thousand_heads() -> None:
    points = np.random.default_rng(0).uniform(0, [1920, 1080], (12_000, 2))
    assert count_of(render_density(points, 3.0, (1920, 1080))) == pytest.approx(12_000, abs=0.5)
