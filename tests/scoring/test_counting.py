"""Counting against plain loops: GAME's cells, and every figure by its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from gtahead.arrays import Ragged
from gtahead.metrics import definitions
from gtahead.metrics.ground_truth import GroundTruth, hit_radii
from gtahead.predictions import Images
from gtahead.scoring import baselines
from gtahead.scoring.thresholds import sweep


def ground_truth_of(
    images: list[np.ndarray], size: tuple[int, int], ignored: int = 0
) -> GroundTruth:
    """Make a ground truth of points; the last `ignored` of all are ignored."""
    count = sum(map(len, images))
    flags = np.arange(count) >= count - ignored
    return GroundTruth(
        "made",
        None,
        Images(
            [f"{k}" for k in range(len(images))],
            np.array([size] * len(images), np.int64).reshape(-1, 2),
            None,
            np.arange(len(images)),
        ),
        Ragged.from_counts([len(p) for p in images]),
        np.concatenate([np.empty((0, 2)), *images]),
        np.full((count, 4), np.nan),
        np.full((count, 2), np.nan),
        flags,
    )


def game(found: np.ndarray, heads: np.ndarray, size: tuple[int, int], level: int) -> float:
    cells = 2**level
    total = 0
    for row in range(cells):
        for column in range(cells):
            counts = []
            for points in (found, heads):
                inside = 0
                for x, y in points.tolist():
                    at = [
                        min(max(int(np.floor(v * cells / side)), 0), cells - 1)
                        for v, side in zip((x, y), size, strict=True)
                    ]
                    inside += at == [column, row]
                counts.append(inside)
            total += abs(counts[0] - counts[1])
    return total


def test_a_perfect_heatmap_needs_the_sizes() -> None:
    heads = [np.array([[0.5, 0.5]])]
    known = baselines.ceilings(ground_truth_of(heads, (1, 1)))  # even of a single pixel
    assert [row["mae"] for row in known["decode"]] == [0, 0, 0]
    for size in ((0, 0), (0, 48), (64, 0)):
        assert "decode" not in baselines.ceilings(ground_truth_of(heads, size))


@settings(max_examples=examples(15))
@given(st.integers(0, 10**6), st.sampled_from([(64, 48), (97, 33)]))
def test_game_equals_plain_loops(seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)

    def points() -> np.ndarray:
        # Also outside, and on the cells' edges.
        some = rng.uniform(-0.2, 1.2, (int(rng.integers(0, 9)), 2)) * size
        return np.where(rng.random(some.shape) < 0.3, np.round(some * 8 / 64) * 64 / 8, some)

    heads, found = [points(), points()], [points(), points()]
    by_image = Ragged.from_counts([len(p) for p in found])
    states = definitions.game_states(ground_truth_of(heads, size), np.concatenate(found), by_image)
    for level in definitions.GAME_LEVELS:
        wanted = [game(f, h, size, level) for f, h in zip(found, heads, strict=True)]
        assert states[f"game{level}"].tolist() == wanted


def test_metrics_are_their_definitions() -> None:
    rng = np.random.default_rng(2)
    real = np.array([0.0, 3, 10, 0, 7, 150])
    ground_truth = ground_truth_of([rng.uniform(0, 9, (int(n), 2)) for n in real], (10, 10))
    found = np.array([2.0, 3, 8.5, 0, 9, 120])
    values = definitions.values_of(
        definitions.totals(definitions.counting_states(ground_truth.counts, found))
    )
    off = found - real
    assert values["mae"] == pytest.approx(np.abs(off).mean())
    assert values["rmse"] == pytest.approx(np.sqrt((off**2).mean()))
    assert values["bias"] == pytest.approx(off.mean())
    some = real > 0
    assert values["nae"] == pytest.approx((np.abs(off)[some] / real[some]).mean())
    spread = ((real - real.mean()) ** 2).sum()
    assert values["r2"] == pytest.approx(1 - (off**2).sum() / spread)


def test_ignored_heads_are_no_heads() -> None:
    heads = np.array([[1.0, 1], [5, 5], [8, 8]])
    ground_truth = ground_truth_of([heads], (10, 10), ignored=1)
    assert ground_truth.counts.tolist() == [2]
    states = definitions.game_states(ground_truth, heads[:2], Ragged.from_counts([2]))
    assert states["game3"].tolist() == [0]


def test_radii_of_hits() -> None:
    boxes = np.array([[0.0, 0, 6, 8], [0, 0, 1, 1], [np.nan] * 4])
    assert hit_radii(boxes)[:2].tolist() == [[3, 5], [1, 1]]
    assert np.isnan(hit_radii(boxes)[2]).all()


def test_heads_of_one_cell_decode_as_one() -> None:
    heads = np.array([[1.0, 1], [2, 3], [6, 1], [20, 1]])  # the last is outside
    ground_truth = ground_truth_of([heads, np.empty((0, 2))], (16, 16))
    rows = baselines.ceilings(ground_truth)["decode"]
    # Those that touch are found once: two are left at stride 2, one at 4 and 8.
    assert [row["mae"] for row in rows] == [1.0, 1.5, 1.5]
    guessed = baselines.trivial(ground_truth)
    assert guessed == {"own_mean": {"mae": 2.0, "rmse": 2.0}}


def test_what_pseudo_boxes_reach_is_the_same_every_time() -> None:
    """Results of years are compared: the boxes are resized by the same chance for ever."""
    corners = np.random.default_rng(0).uniform(0, 400, (200, 2))
    ground_truth = replace(
        ground_truth_of([corners[:90] + 10, corners[90:] + 10], (512, 512)),
        boxes_xyxy=np.hstack([corners, corners + 20]),
        head_values={"box_error_px": np.full(200, 9.0)},
    )
    found = baselines.ceilings(ground_truth)["pseudo_boxes"]
    assert {name: round(value, 6) for name, value in found.items()} == {
        "ap": 0.16841, "ap50": 0.482043, "ap75": 0.071316, "known": 1.0,
    }  # fmt: skip


def test_no_images_at_all() -> None:
    ground_truth = ground_truth_of([], (10, 10))
    sums = definitions.totals(definitions.counting_states(ground_truth.counts, np.empty(0)))
    assert np.isnan(definitions.values_of(sums)["mae"])


def test_a_sweep_has_every_radius() -> None:
    heads = np.array([[10.0, 10.0], [300.0, 10.0]])
    ground_truth = ground_truth_of([heads], (400, 400))
    found = sweep(ground_truth, heads + [[30, 0], [99.5, 0]], Ragged.from_counts([2]))
    assert found["radii_px"] == list(range(1, 101))
    assert found["recall"] == [0.0] * 29 + [0.5] * 70 + [1.0]
    assert found["precision"] == found["f1"] == found["recall"]
    assert found["mean_f1"] == pytest.approx(0.36)
