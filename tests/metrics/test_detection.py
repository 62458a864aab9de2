"""Detection: equal to pycocotools where no cap bites, perfect where predictions are."""

from __future__ import annotations

import contextlib
import io
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import imported_from

from gtahead.metrics.crowdhuman import RULE, jaccard_index, miss_rate, overlaps_of
from gtahead.metrics.detection import average_precision, match_boxes
from gtahead.scoring.curves import curves_of, detection_metrics

with imported_from(Path(__file__).parent, "plain_detection") as (plain_detection,):
    match_one = plain_detection.match_one


def scene(seed: int, frames: int = 8) -> tuple[np.ndarray, ...]:
    """Draw boxes and heads, some ignored, with many equal scores."""
    rng = np.random.default_rng(seed)
    heads, boxes, scores, ignored = [], [], [], []
    starts, head_starts = [0], [0]
    for _ in range(frames):
        count = int(rng.integers(0, 60))
        corner = rng.uniform(0, 1000, (count, 2))
        true = np.concatenate([corner, corner + rng.uniform(8, 60, (count, 2))], axis=1)
        found = true[rng.random(count) < 0.8]
        found = found + rng.normal(0, 3, found.shape)
        corner = rng.uniform(0, 1000, (int(rng.integers(0, 50)), 2))
        false = np.concatenate([corner, corner + rng.uniform(8, 60, corner.shape)], axis=1)
        both = np.concatenate([found, false])
        both[:, 2:] = np.maximum(both[:, 2:], both[:, :2] + 1)
        heads.append(true)
        ignored.append(rng.random(count) < 0.1)
        boxes.append(both)
        scores.append(rng.integers(0, 20, len(both)) / 20)
        starts.append(starts[-1] + len(both))
        head_starts.append(head_starts[-1] + count)
    return (
        np.concatenate(boxes),
        np.concatenate(scores),
        np.array(starts),
        np.concatenate(heads),
        np.array(head_starts),
        np.concatenate(ignored),
    )


def by_pycocotools(values: tuple[np.ndarray, ...], cap: int) -> tuple[np.ndarray, np.ndarray]:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    boxes, scores, starts, heads, head_starts, ignored = values

    def xywh(box: np.ndarray) -> list[float]:
        return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]

    ground_truth, found = [], []
    for image in range(len(starts) - 1):
        for row in range(head_starts[image], head_starts[image + 1]):
            bbox = xywh(heads[row])
            ground_truth.append(
                {
                    "id": row + 1,
                    "image_id": image + 1,
                    "category_id": 1,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": int(ignored[row]),
                }
            )
        for row in range(starts[image], starts[image + 1]):
            one = {"image_id": image + 1, "category_id": 1, "bbox": xywh(boxes[row])}
            found.append({**one, "score": float(scores[row])})
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "info": {},
            "images": [{"id": image + 1} for image in range(len(starts) - 1)],
            "annotations": ground_truth,
            "categories": [{"id": 1, "name": "head"}],
        }
        data.createIndex()
        run = cocoeval.COCOeval(data, data.loadRes(found), "bbox")
        run.params.maxDets = [1, 10, cap]
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, 0, 0, 2].mean(axis=1), run.eval["recall"][:, 0, 0, 2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cap", [None, 1000, 20])
def test_equal_to_pycocotools(seed: int, cap: int | None) -> None:
    values = scene(seed)
    precisions, recalls = average_precision(match_boxes(*values, cap=cap))
    wanted, wanted_recalls = by_pycocotools(values, cap or 10**6)
    assert precisions == pytest.approx(wanted, abs=1e-6)
    assert recalls == pytest.approx(wanted_recalls, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_are_matched_as_by_the_plain_reference(seed: int) -> None:
    boxes, scores, starts, heads, head_starts, ignored = scene(seed, 4)
    found = match_boxes(boxes, scores, starts, heads, head_starts, ignored)
    order = np.concatenate(
        [a + np.argsort(-scores[a:b], kind="stable") for a, b in pairwise(starts)]
    )
    wanted = np.concatenate(
        [
            match_one(boxes[order[a:b]], heads[c:d], ignored[c:d])
            for (a, b), (c, d) in zip(pairwise(starts), pairwise(head_starts), strict=True)
        ],
        axis=1,
    )
    by_score = np.argsort(-scores[order], kind="stable")
    assert (found.outcomes == wanted[:, by_score]).all()


@pytest.mark.parametrize("heads", [340, 1000, 5000])
def test_perfect_boxes_are_perfect(heads: int) -> None:
    rng = np.random.default_rng(heads)
    corner = rng.uniform(0, 1900, (heads, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 30, (heads, 1))], axis=1)
    at, none = np.array([0, heads]), np.zeros(heads, np.bool_)
    detections = match_boxes(boxes, np.ones(heads), at, boxes, at, none)
    precisions, recalls = average_precision(detections)
    assert precisions.tolist() == [1] * 10
    assert recalls.tolist() == [1] * 10
    assert miss_rate(match_boxes(boxes, np.ones(heads), at, boxes, at, none, rule=RULE)) == 0
    index = jaccard_index(overlaps_of(boxes, at, boxes, at, none), ~none)
    assert index.tolist() == pytest.approx([1], abs=1e-6)


def test_a_cap_of_100_ruins_perfect_boxes_of_340_heads() -> None:
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 1900, (340, 2))
    boxes = np.concatenate([corner, corner + 20], axis=1)
    at, none = np.array([0, 340]), np.zeros(340, np.bool_)
    capped = match_boxes(boxes, np.ones(340), at, boxes, at, none, cap=100)
    assert average_precision(capped)[0].mean() == pytest.approx(0.297, abs=0.001)


def test_no_heads_and_no_boxes() -> None:
    none, box = np.empty((0, 4)), np.array([[0.0, 0, 9, 9]])
    zero, one = np.array([0, 0]), np.array([0, 1])
    flags = np.zeros(0, np.bool_)
    nothing = match_boxes(box, np.ones(1), one, none, zero, flags)
    assert np.isnan(average_precision(nothing)[0]).all()
    missed = match_boxes(none, np.empty(0), zero, box, one, np.zeros(1, np.bool_))
    assert average_precision(missed)[0].tolist() == [0] * 10
    missed = match_boxes(none, np.empty(0), zero, box, one, np.zeros(1, np.bool_), rule=RULE)
    assert miss_rate(missed) == 1
    index = jaccard_index(overlaps_of(none, zero, none, zero, flags), flags)
    assert np.isnan(index).all()


def test_jaccard_takes_the_pairs_of_the_greatest_sum() -> None:
    """Against every possible choice, on small scenes of boxes that overlap much."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 6))
        heads = np.array([[0.0, 0, 20, 20]]) + rng.integers(0, 8, (count, 1))
        boxes = np.array([[0.0, 0, 20, 20]]) + rng.integers(0, 8, (count, 1))
        at, flags = np.array([0, count]), np.zeros(count, np.bool_)
        found = overlaps_of(boxes, at, heads, at, flags)
        edges = list(zip(found.rows, found.columns, found.shares, strict=True))
        best, pairs = 0.0, 0
        for size in range(count + 1):
            for some in combinations(edges, size):
                if len({e[0] for e in some}) == size == len({e[1] for e in some}):
                    total = sum(e[2] for e in some)
                    if total > best + 1e-12:
                        best, pairs = total, size
        (index,) = jaccard_index(found, ~flags)
        assert index == pytest.approx(pairs / (2 * count - pairs))


@pytest.mark.parametrize("seed", range(3))
def test_curves_give_nearly_the_same_figures(seed: int) -> None:
    values = scene(seed, 12)
    detections = match_boxes(*values)
    clusters = np.arange(12) % 5
    gathered = curves_of(detections, match_boxes(*values, rule=RULE), clusters, 5, cuts=10**6)
    found = detection_metrics(
        gathered.hits.sum(axis=0)[None] * 1.0,
        gathered.false.sum(axis=0)[None] * 1.0,
        np.array([gathered.positives.sum()]),
        np.array([12]),
    )
    precisions, recalls = average_precision(detections)
    # Equal scores are one cut here, and recall has no steps.
    assert found["ap"][0] == pytest.approx(precisions.mean(), abs=0.015)
    assert found["ar"][0] == pytest.approx(recalls.mean(), abs=1e-12)
    rng = np.random.default_rng(seed)
    values = (values[0], rng.permutation(len(values[1])) / 1e4, *values[2:])
    distinct, misses = match_boxes(*values), match_boxes(*values, rule=RULE)
    gathered = curves_of(distinct, misses, clusters, 5, cuts=10**6)
    assert type(gathered).from_dict(gathered.as_dict()).hits.tolist() == gathered.hits.tolist()
    found = detection_metrics(
        gathered.hits.sum(axis=0)[None] * 1.0,
        gathered.false.sum(axis=0)[None] * 1.0,
        np.array([gathered.positives.sum()]),
        np.array([12]),
    )
    precisions, _ = average_precision(distinct)
    assert found["ap"][0] == pytest.approx(precisions.mean(), abs=0.01)
    assert found["mr2"][0] == pytest.approx(miss_rate(misses), abs=1e-12)
