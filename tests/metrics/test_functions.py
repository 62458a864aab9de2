"""Metrics on arrays: the command's digits, other libraries' values, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead

from gtahead import Dataset, metrics
from gtahead.metrics import CrowdMetric


def scene(seed: int, images: int = 6) -> tuple[list[Any], ...]:
    """Draw boxes of heads, found boxes with scores, and which heads are ignored, by image."""
    rng = np.random.default_rng(seed)
    boxes, scores, heads, ignored = [], [], [], []
    for _ in range(images):
        count = int(rng.integers(0, 40))
        corner = rng.uniform(0, 400, (count, 2))
        true = np.concatenate([corner, corner + rng.uniform(8, 40, (count, 2))], axis=1)
        found = true[rng.random(count) < 0.8]
        found = found + rng.normal(0, 2, found.shape)
        corner = rng.uniform(0, 400, (int(rng.integers(0, 15)), 2))
        false = np.concatenate([corner, corner + rng.uniform(8, 40, corner.shape)], axis=1)
        both = np.concatenate([found, false])
        both[:, 2:] = np.maximum(both[:, 2:], both[:, :2] + 1)
        boxes.append(both)
        scores.append(rng.permutation(len(both)) / max(len(both), 1))
        heads.append(true)
        ignored.append(rng.random(count) < 0.1)
    return boxes, scores, heads, ignored


def centres(boxes: list[Any]) -> list[Any]:
    return [(one[:, :2] + one[:, 2:]) / 2 for one in boxes]


def test_counting_by_the_formulas() -> None:
    rng = np.random.default_rng(0)
    pred, true = rng.uniform(0, 900, 50), rng.integers(0, 900, 50)
    true[:3] = 0
    error = pred - true
    assert metrics.mae(pred, true) == pytest.approx(np.abs(error).mean(), rel=1e-12)
    assert metrics.rmse(pred, true) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-12)
    assert metrics.bias(pred, true) == pytest.approx(error.mean(), rel=1e-12)
    some = true > 0
    assert metrics.nae(pred, true) == pytest.approx((np.abs(error)[some] / true[some]).mean())
    explained = 1 - (error**2).sum() / ((true - true.mean()) ** 2).sum()
    assert metrics.r2(pred, true) == pytest.approx(explained, rel=1e-9)
    assert np.isnan(metrics.mae([], []))
    assert np.isnan(metrics.nae([1.0], [0.0]))
    assert np.isnan(metrics.r2([1, 2], [3, 3]))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_game_of_points_and_of_maps(level: int) -> None:
    rng = np.random.default_rng(level)
    width, height = 250, 130
    pred, true = (rng.uniform(0, (width, height), (n, 2)) for n in (70, 90))
    cells = 2**level
    tables = [
        np.histogram2d(xy[:, 1], xy[:, 0], cells, [(0, height), (0, width)])[0]
        for xy in (pred, true)
    ]
    wanted = np.abs(tables[0] - tables[1]).sum()
    assert metrics.game(pred, true, (width, height), level) == pytest.approx(wanted)
    assert metrics.game([pred, pred], [true, true], [(width, height)] * 2, level) == wanted
    fine = np.histogram2d(pred[:, 1], pred[:, 0], [height, width], [(0, height), (0, width)])[0]
    # A map of single pixels: its cells are cut where the grid's edges lie inside a pixel.
    assert metrics.game(fine, true, (width, height), level) == pytest.approx(wanted, abs=3)
    if level == 0:
        assert metrics.game(pred, true, (width, height), 0) == metrics.mae([70], [90])
        coarse = fine.reshape(13, 10, 25, 10).sum(axis=(1, 3))
        assert metrics.game(coarse, true, (width, height), 0) == pytest.approx(20)


def test_a_map_of_odd_size_is_cut_exactly() -> None:
    density = np.ones((3, 5)) / 15
    assert metrics.game(density, np.empty((0, 2)), (50, 30), 1) == pytest.approx(1)
    four = [[12.5, 7.5], [37.5, 7.5], [12.5, 22.5], [37.5, 22.5]]
    assert metrics.game(density * 4, four, (50, 30), 1) == pytest.approx(0, abs=1e-12)


def test_maps_whose_last_cells_reach_beyond_the_image(tiny_dataset: Path) -> None:
    frame = max(Dataset.open(tiny_dataset), key=lambda frame: frame.count)
    points = frame.points_xy[frame.counted]
    for stride in (16, 50):
        density = frame.density(stride)
        fine = np.kron(density / stride**2, np.ones((stride, stride)))
        cut = fine[: frame.size_wh[1], : frame.size_wh[0]].copy()
        cut[-1] += fine[frame.size_wh[1] :, : frame.size_wh[0]].sum(axis=0)
        cut[:, -1] += fine[: len(cut), frame.size_wh[0] :].sum(axis=1)
        wanted = metrics.game(cut, points, frame.size_wh, 1)
        got = metrics.game(density, points, frame.size_wh, 1, stride=stride)
        assert got == pytest.approx(wanted, abs=0.2)
        with pytest.raises(ValueError, match="say its stride"):
            metrics.game(density, points, frame.size_wh, 1)
    with pytest.raises(ValueError, match="don't cover"):
        metrics.game(frame.density(16), points, frame.size_wh, 1, stride=8)


def test_localisation_against_a_plain_matching() -> None:
    from scipy.optimize import linear_sum_assignment

    boxes, _, heads, ignored = scene(3)
    found, real = centres(boxes), centres(heads)
    hits = false = 0
    for points, xy, flags in zip(found, real, ignored, strict=True):
        near = np.linalg.norm(points[:, None] - xy[None], axis=2) <= 5
        pairs = near[:, ~flags]
        rows, columns = linear_sum_assignment(~pairs)
        taken = rows[pairs[rows, columns]]
        hits += len(taken)
        rest = np.setdiff1d(np.arange(len(points)), taken)
        false += int((~near[np.ix_(rest, np.flatnonzero(flags))].any(axis=1)).sum())
    total = sum(int((~flags).sum()) for flags in ignored)
    got = metrics.localisation(found, real, 5, ignored=ignored)
    assert (got.hits, got.missed) == (hits, total - hits)
    assert got.recall == pytest.approx(hits / total)
    assert got.precision == pytest.approx(hits / (hits + got.false))
    assert got.false <= false + 1  # the pairs aren't unique, their number is
    radii = [np.full(len(xy), 5.0) for xy in real]
    assert metrics.localisation(found, real, radii, ignored=ignored) == got


def test_empty_lists_and_numbers_of_any_type() -> None:
    box = [[0.0, 0, 9, 9]]
    assert metrics.average_precision([], [], box)["ap"] == 0
    point = [[1.0, 1], [5, 5]]
    for radius in (3, np.float32(3), np.int64(3), np.array(3.0)):
        assert metrics.localisation(point, point, radius).hits == 2
    assert metrics.localisation([], [], []).hits == 0
    many = np.tile(np.array(box), (3, 1, 1))
    assert metrics.average_precision(many, np.ones((3, 1)), many)["ap50"] == pytest.approx(1)


def test_detection_against_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchmetrics.detection")
    boxes, scores, heads, _ = scene(5)
    other = detection.MeanAveragePrecision(max_detection_thresholds=[1, 10, 1000])
    other.update(
        [
            {
                "boxes": torch.tensor(b),
                "scores": torch.tensor(s),
                "labels": torch.zeros(len(b), dtype=torch.int64),
            }
            for b, s in zip(boxes, scores, strict=True)
        ],
        [
            {"boxes": torch.tensor(h), "labels": torch.zeros(len(h), dtype=torch.int64)}
            for h in heads
        ],
    )
    theirs = other.compute()
    mine = metrics.average_precision(boxes, scores, heads)
    assert mine["ap50"] == pytest.approx(float(theirs["map_50"]), abs=1e-6)
    assert mine["ap75"] == pytest.approx(float(theirs["map_75"]), abs=1e-6)
    assert mine["ar"] == pytest.approx(float(theirs["mar_1000"]), abs=1e-6)
    tensors = [torch.tensor(one, dtype=torch.float64) for one in boxes]
    assert metrics.average_precision(tensors, scores, heads) == mine


def test_intervals_of_any_metric() -> None:
    rng = np.random.default_rng(2)
    true = rng.integers(20, 90, 24)
    found = true + rng.integers(-9, 10, 24)
    error = np.abs(found - true)
    (span,) = [metrics.interval(metrics.mae, found, true, scale="linear")]
    reach = 2.0687 * error.std(ddof=1) / np.sqrt(24)
    assert (span.low, span.high) == pytest.approx(
        (error.mean() - reach, error.mean() + reach), 1e-4
    )
    sequences = [f"seq_{n // 4}" for n in range(24)]
    by_sequence = metrics.interval(metrics.mae, found, true, clusters=sequences)
    without = [np.delete(error, np.s_[4 * n : 4 * n + 4]).mean() for n in range(6)]
    spread = np.sqrt(((np.log(without) - np.mean(np.log(without))) ** 2).sum() * 5 / 6)
    assert by_sequence.high == pytest.approx(error.mean() * np.exp(2.5706 * spread), 1e-4)
    points = [rng.uniform(0, 99, (n, 2)) for n in true]
    moved = [one + rng.normal(0, 9, one.shape) for one in points]
    game = metrics.interval(metrics.game, moved, points, size_wh=(100, 100), level=2)
    assert game.low < metrics.game(moved, points, (100, 100), level=2) < game.high
    assert metrics.interval(metrics.mae, [1, 2], [1, 2]) is None
    for wrong, said in (
        (lambda: metrics.interval(metrics.mae), "no arrays"),
        (lambda: metrics.interval(metrics.mae, [1] * 7, [2] * 7, scale="x"), "no such scale: 'x'"),
        (lambda: metrics.game([[1, 1]], [[1, 1]], (0.5, 9)), "less than a pixel"),
    ):
        with pytest.raises(ValueError, match=said):
            wrong()
    with pytest.raises(ValueError, match="different lengths: 3, 2, 3"):
        metrics.interval(metrics.mae, [1, 2, 3], [1, 2])


def test_the_metric_gives_the_commands_digits(tiny_dataset: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows, preds, targets = [], [], []
    for frame in Dataset.open(tiny_dataset).split("test"):
        keep = rng.random(len(frame.points_xy)) < 0.7
        boxes = np.round(frame.boxes_xyxy[keep] + rng.normal(0, 1.5, (int(keep.sum()), 4)), 2)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        scores = np.round(rng.random(len(boxes)), 3)
        sides = np.round(boxes[:, 2:] - boxes[:, :2], 2)
        boxes[:, 2:] = boxes[:, :2] + sides  # files have width and height
        listed = np.column_stack([boxes[:, :2], sides, scores]).tolist()
        rows.append({"image": frame.frame_id, "boxes": listed})
        preds.append({"boxes": boxes, "scores": scores})
        there = frame.status != "absent"
        targets.append(
            {
                "points": frame.points_xy[there],
                "boxes": frame.boxes_xyxy[there],
                "ignored": frame.status[there] == "ignored",
                "size_wh": frame.size_wh,
            }
        )
    document = {
        "format": "gtahead-predictions",
        "version": 1,
        "method": {"name": "m", "threshold": 0.3, "threshold_selected_on": "validation"},
        "predictions": rows,
    }
    (tmp_path / "found.json").write_text(json.dumps(document))
    words = [
        "benchmark",
        tmp_path / "found.json",
        "--data",
        tiny_dataset,
        "--no-intervals",
        "--json",
    ]
    scored = gtahead(*words)
    assert scored.code == 0, scored.err
    wanted = {name: row["value"] for name, row in scored.json["metrics"].items()}
    metric = CrowdMetric(threshold=0.3)
    for first in range(0, len(preds), 3):
        metric.update(preds[first : first + 3], targets[first : first + 3])
    assert repr(metric) == f"CrowdMetric(threshold=0.3: {len(preds)} images)"
    got = metric.compute()
    assert got == {name: value for name, value in wanted.items() if value is not None}
    assert {"mae", "game3", "f1_small", "ap", "mr2", "ji_best"} <= set(got)
    counts = [int((row["scores"] >= 0.3).sum()) for row in preds]
    real = [int((~row["ignored"]).sum()) for row in targets]
    assert metrics.mae(counts, real) == got["mae"]
    args = [[row["boxes"] for row in preds], [row["scores"] for row in preds]]
    args.append([row["boxes"] for row in targets])
    ignored = [row["ignored"] for row in targets]
    assert metrics.average_precision(*args, ignored=ignored)["ap"] == got["ap"]
    more = {"ignored": ignored, "size_wh": [row["size_wh"] for row in targets]}
    assert metrics.miss_rate(*args, **more) == got["mr2"]
    assert metrics.jaccard_index(*args, **more, threshold=0.3) == got["ji"]
    metric.reset()
    with pytest.raises(ValueError, match="no images yet"):
        metric.compute()


def test_scores_at_the_threshold_count_in_every_metric() -> None:
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    metric = CrowdMetric(threshold=0.5)
    found = {"boxes": boxes, "scores": np.array([0.5, 0.4])}
    metric.update([found], [{"points": boxes[:1, :2] + 5, "boxes": boxes[:1], "size_wh": (40, 40)}])
    got = metric.compute()
    assert (got["mae"], got["f1_large"], got["ji"]) == pytest.approx((0, 1, 1), abs=1e-5)


def test_what_a_metric_takes() -> None:
    metric = CrowdMetric()
    metric.update([{"count": 3}, {"points": []}], [{"points": [[1, 2]]}, {"boxes": []}])
    assert metric.compute()["mae"] == 1
    assert "ap" not in metric.compute()
    assert "game1" not in metric.compute()
    for pred, target, said in [
        ({"points": [[1, 2]], "scores": [2.0]}, {"points": []}, "isn't from 0 to 1"),
        ({"points": [[1, 2]], "scores": [0.5, 0.5]}, {"points": []}, "2 scores of 1 heads"),
        ({"boxes": [[1, 2]]}, {"points": []}, r"boxes have the shape \(1, 2\)"),
        ({"point": [[1, 2]]}, {"points": []}, "a prediction has 'point'"),
        ({"points": [[np.nan, 2]]}, {"points": []}, "points aren't all finite"),
        ({}, {"points": []}, "neither points, boxes nor a count"),
        ({"count": 1}, {"labels": []}, "neither points nor boxes"),
        ({"count": float("inf")}, {"points": []}, "a count of inf"),
        ({"count": 1}, {"boxes": [[np.nan] * 4]}, "boxes without points aren't all finite"),
        ({"count": 1}, {"points": [[1, 2]], "ignored": [0, 1]}, "1 points, 1 boxes and 2 flags"),
        ({"count": 1}, {"points": [[1, 2]], "ignored": [7]}, "not by their numbers"),
        ({"count": 1}, {"points": [[1, 2]], "size_wh": (-4, 4)}, "not a width and a height"),
        ({"count": [1, 2]}, {"points": [[1, 2]]}, "2 counts of one image"),
        ({"boxes": [[9, 9, 1, 1]]}, {"points": []}, "row 0 is 9, 9, 1, 1"),
    ]:
        with pytest.raises(ValueError, match=said):
            metric.update([pred], [target])
    with pytest.raises(ValueError, match="1 images, targets of 0"):
        metric.update([{"count": 1}], [])
    with pytest.raises(ValueError, match="not from 0 to 1"):
        CrowdMetric(threshold=5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.mae([1, 2], [1]), "2 predicted counts and 1 true ones"),
        (lambda: metrics.mae([np.nan], [1]), "predicted counts aren't all finite"),
        (lambda: metrics.localisation([[[1, 2, 3]]], [[[1, 2]]], 4), r"shape \(1, 3\)"),
        (
            lambda: metrics.localisation([[[1, 2]]], [[[1, 2]]] * 2, 4),
            "1 images, ground truth of 2",
        ),
        (lambda: metrics.localisation([[1, 2]], [[1, 2]], [4, 5]), "radii of"),
        (lambda: metrics.average_precision([[0, 0, 1, 1]], [], [[0, 0, 1, 1]]), "scores of"),
        (lambda: metrics.game([[1, 1]], [[1, 1]], (0, 5)), "less than a pixel"),
        (lambda: metrics.localisation([[1, 1]], [[1, 1]], -1), "a radius isn't"),
        (lambda: metrics.localisation([[1, 1]], [[1, 1]], 3, ignored=[5]), "by flags"),
        (lambda: metrics.jaccard_index([[0, 0, 1, 1]], [np.nan], [[0, 0, 1, 1]]), "scores aren't"),
        (lambda: metrics.game([[1, 1]], [[1, 1]], (9, 5), -1), "from 0 to 10"),
        (lambda: metrics.game([[1, 1]], [[1, 1]], (9, 5), 1.5), "whole number"),  # type: ignore[arg-type]
        (lambda: metrics.mae([[1, 1], [2, 2]], [1, 2]), r"the shape \(2, 2\)"),
        (lambda: metrics.mae(np.ones((2, 4, 4)), [1, 2]), r"the shape \(2, 4, 4\)"),
        (lambda: metrics.mae(["1", "2"], [1, 2]), "aren't numbers"),
        (lambda: metrics.mae([1j, 2], [1, 2]), "aren't numbers"),
        (lambda: metrics.mae(np.ma.array([1, 9], mask=[0, 1]), [1, 2]), "masked"),
        (
            lambda: metrics.average_precision([[9, 9, 0, 0]], [1], [[0, 0, 9, 9]]),
            "x0, y0, x1, y1, but row 0 is 9, 9, 0, 0",
        ),
        (lambda: metrics.average_precision([], [], [[0, 0, 9, 9]], cap=0), "a cap of 0"),
        (lambda: metrics.hit_radii([[1, 2, 3]]), r"the shape \(1, 3\)"),
        (
            lambda: metrics.interval(metrics.localisation, *([[[1, 1]]] * 6,) * 2, radius=4),
            "value=",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_tensors_in_lists_and_in_any_format_of_boxes() -> None:
    torch = pytest.importorskip("torch")
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    counts = [one.sum() for one in torch.full((4, 3, 3), 0.5, requires_grad=True)]
    assert metrics.mae(counts, [4, 5, 4, 5]) == 0.5
    assert metrics.mae([one.bfloat16() for one in counts], [4, 5, 4, 5]) == 0.5
    corners = np.array([[10.0, 20, 30, 60]])
    for form, values in (
        ("XYXY", [[10, 20, 30, 60]]),
        ("XYWH", [[10, 20, 20, 40]]),
        ("CXCYWH", [[20, 40, 20, 40]]),
    ):
        boxes = tv_tensors.BoundingBoxes(torch.tensor(values), format=form, canvas_size=(99, 99))
        assert metrics.average_precision(boxes, [1.0], corners)["ap"] == pytest.approx(1)
        metric = CrowdMetric()
        metric.update([{"boxes": corners}], [{"boxes": boxes}])
        assert metric.compute()["ap50"] == pytest.approx(1)
    turned = tv_tensors.BoundingBoxes(torch.ones(1, 5), format="XYWHR", canvas_size=(9, 9))
    with pytest.raises(ValueError, match="XYWHR"):
        metrics.average_precision(turned, [1.0], corners)


def test_a_map_of_two_columns_is_a_map_where_it_has_a_stride() -> None:
    narrow = np.full((4, 2), 0.25)
    points = [[5, 5], [5, 20]]
    assert metrics.game(narrow, points, (16, 32), level=0, stride=8) == 0
    assert metrics.game(narrow, points, (16, 32), level=0) == 2  # four points


def test_r2_loses_no_digit_and_is_undefined_for_equal_counts() -> None:
    for equal in (np.full(6, 0.1), np.full(7, 0.3), np.full(9, 33.3)):
        assert np.isnan(metrics.r2(np.arange(len(equal)), equal))
    true = 1e6 + np.array([0.1, 0.5, 0.2, 0.9])
    found = true + np.array([0.2, -0.3, 0.1, 0.4])
    expected = 1 - ((found - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    assert metrics.r2(found, true) == pytest.approx(expected, rel=1e-6)


def test_intervals_are_given_where_they_hold() -> None:
    # One crowd in seven decides about the error: nothing holds.
    assert metrics.interval(metrics.rmse, [1] * 6 + [9000], [2] * 6 + [1000]) is None
    pred, true = [11, 22, 30, 42, 57, 60], [10, 20, 33, 40, 50, 61]
    by_default = metrics.interval(metrics.bias, pred, true)
    assert by_default is not None
    assert by_default == metrics.interval(metrics.bias, pred, true, scale="linear")
    assert by_default.low < metrics.bias(pred, true) < by_default.high
    within = metrics.interval(metrics.r2, pred, true)
    assert within is None or within.high <= 1
    # Clusters may be a tensor, and a value be one of several.
    clusters = np.repeat(np.arange(6), 2)
    expected = metrics.interval(metrics.mae, pred * 2, true * 2, clusters=clusters)
    torch = pytest.importorskip("torch")
    for given in (torch.tensor(clusters), list(torch.tensor(clusters)), clusters.tolist()):
        assert metrics.interval(metrics.mae, pred * 2, true * 2, clusters=given) == expected
    points = [[[1.0, 1.0], [float(n), 9.0]] for n in range(20, 28)]
    moved = [[[1.0, 1.0], [float(n + n % 3), 9.0]] for n in range(20, 28)]
    args = {"radius": 1.0, "value": "f1"}
    shares = metrics.interval(metrics.localisation, moved, points, **args)  # type: ignore[arg-type]
    assert shares is not None
    assert 0 < shares.low < shares.high < 1


def test_radii_of_hits_are_what_a_matching_takes() -> None:
    boxes = [[0, 0, 10, 10], [20, 0, 26, 8]]
    small, large = metrics.hit_radii(boxes).T
    assert (small.tolist(), large.tolist()) == ([5, 3], [np.hypot(10, 10) / 2, 5])
    assert metrics.localisation([[9, 9], [25, 7]], [[5, 5], [23, 4]], large).hits == 2
    assert metrics.localisation([[9, 9], [25, 7]], [[5, 5], [23, 4]], small).hits == 0


def test_columns_of_pandas_go_by_position() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    table = pandas.DataFrame({"true": rng.integers(20, 60, 30), "pred": rng.integers(20, 60, 30)})
    table = table.sample(frac=1, random_state=1)
    expected = metrics.interval(metrics.mae, table["pred"].to_numpy(), table["true"].to_numpy())
    assert expected is not None
    assert metrics.interval(metrics.mae, table["pred"], table["true"]) == expected
    assert metrics.interval(metrics.mae, table["pred"], table["true"].to_numpy()) == expected
    assert metrics.mae(table["pred"].astype(object), table["true"]) == metrics.mae(
        table["pred"], table["true"]
    )
    for clusters in ({1, 2}, [[1]] * 30):
        with pytest.raises(ValueError, match="one name for each image"):
            metrics.interval(metrics.mae, table["pred"], table["true"], clusters=clusters)
    with pytest.raises(ValueError, match="masked"):
        metrics.mae([np.ma.array([1.0], mask=[1])], [1])


def test_halves_of_pixels_survive_half_precision() -> None:
    torch = pytest.importorskip("torch")
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    values = torch.tensor([[3000, 3000, 33, 33]], dtype=torch.float16)
    boxes = tv_tensors.BoundingBoxes(values, format="CXCYWH", canvas_size=(4000, 4000))
    assert metrics.hit_radii(boxes)[0, 0] == 16.5
