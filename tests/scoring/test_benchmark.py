"""`gtahead benchmark` and `gtahead compare`, from files to figures."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead, make_sequence

import gtahead as library
from gtahead import Dataset, InputError, UsageError, schemas
from gtahead.arrays import Ragged
from gtahead.metrics import definitions
from gtahead.predictions import Predictions, write_predictions
from gtahead.scoring import Score, read_result, write_result

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

SEQUENCES = 9


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine sequences for testing, one each for training and validation; labels alone."""
    root = tmp_path_factory.mktemp("scored")
    rng = np.random.default_rng(0)
    for number in range(SEQUENCES + 2):
        split = ("train", "validation", "test")[min(number, 2)]
        rows = []
        for frame in range(3):
            for ped in range(int(rng.integers(2, 9)) + number):
                x, y = rng.uniform(1, 63), rng.uniform(1, 47)
                rows.append(f"{frame},{ped},{x:.2f},{y:.2f},{rng.uniform(5, 30):.2f}")
        weather = ("CLEAR", "RAIN")[number % 2]
        make_sequence(
            root / "captures",
            f"seq_{number:02d}",
            frames=4,
            rows=rows,
            split=split,
            location=f"location {number}",
            weather=weather,
            hour=2.0 * number,
        )
    library.build(root / "captures", root / "dataset", workers=1, images="none")
    return root / "dataset"


def submission(dataset: Path, number: int = 1, split: str = "test", **method: Any) -> Predictions:
    from make_submission import make

    made = make(Dataset.open(dataset), split, number)
    made.header["method"] |= method
    return made


@pytest.fixture
def scored(dataset: Path, tmp_path: Path) -> Score:
    write_predictions(tmp_path / "a.json", submission(dataset))
    return library.benchmark(tmp_path / "a.json", dataset, by=["all"], coco_compat=True)


def perfect(dataset: Path) -> Predictions:
    frames = list(Dataset.open(dataset).select(split="test"))
    boxes = [frame.boxes_xyxy[frame.counted] for frame in frames]
    none = Ragged.from_counts([0] * len(frames))
    return Predictions(
        "gtahead",
        [frame.frame_id for frame in frames],
        np.full(len(frames), np.nan),
        np.zeros(len(frames), np.bool_),
        np.ones(len(frames), np.bool_),
        np.empty((0, 2)),
        np.empty(0),
        none,
        np.concatenate(boxes),
        np.linspace(1, 0.51, sum(map(len, boxes))),
        Ragged.from_counts([len(part) for part in boxes]),
        header={"method": {"name": "perfect", "threshold": 0.5}},
    )


def test_perfect_predictions(dataset: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.json", perfect(dataset))
    score = library.benchmark(tmp_path / "a.json", dataset)
    values = score.value
    assert not score.findings.totals.keys() & {"systematic-shift"}
    for name in ("mae", "rmse", "nae", "bias", "game3"):
        assert values[name] == 0
    for name in ("f1_small", "f1_large", "r2", "ap50", "ji"):
        assert values[name] == pytest.approx(1)
    assert values["ap"] == pytest.approx(1, abs=0.06)  # boxes of a few pixels, written in 1/1000


def test_a_result_is_whole_and_keeps_its_schema(scored: Score, tmp_path: Path) -> None:
    document = scored.document
    assert list(schemas.faults(json.loads(json.dumps(document)), "result")) == []
    write_result(tmp_path / "r.json", document)
    assert read_result(tmp_path / "r.json") == json.loads(json.dumps(document))
    assert document["data"]["sequences"] == SEQUENCES
    assert set(document["data"]["fingerprints"]) == {"points", "labels"}
    assert document["threshold"] == {"value": 0.4, "how": "declared", "selected_on": "none"}
    entry = document["metrics"]["mae"]
    assert entry["low"] < entry["value"] < entry["high"]
    for name in ("f1_large", "ap", "ar", "game3", "bias"):
        entry = document["metrics"][name]
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert document["coco_compat"]["boxes_cut"] == 0
    assert document["coco_compat"]["ap"] == document["metrics"]["ap"]["value"]
    assert {row["group"] for row in document["by"]["weather"]} == {"CLEAR", "RAIN"}
    assert document["baselines"].keys() == {"train_mean", "sequence_mean"}
    assert document["ceilings"]["decode"][0]["mae"] <= document["ceilings"]["decode"][2]["mae"]
    assert gtahead("validate", tmp_path / "r.json").code == 0


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet"])
def test_validate_checks_predictions(dataset: Path, tmp_path: Path, name: str) -> None:
    made = submission(dataset)
    write_predictions(tmp_path / name, made)
    option = ["--from", "predictions"] if name.endswith("parquet") else []
    done = gtahead("validate", tmp_path / name, *option)
    assert (done.code, done.out.splitlines()[-1]) == (0, "✓ passed: 2 checks")
    made.box_scores[0] = 2
    write_predictions(tmp_path / name, made)
    done = gtahead("validate", tmp_path / name, *option)
    assert done.code == 1
    assert "error[bad-score]" in done.out


def test_the_same_file_gives_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.json", submission(dataset))
    for name in ("one", "two"):
        score = library.benchmark(tmp_path / "a.json", dataset)
        write_result(tmp_path / name, score.document)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_parts_add_up_to_the_whole(scored: Score) -> None:
    sequences = definitions.summed(scored.states, scored.ground_truth.clusters[1], SEQUENCES)
    halves = [
        {n: v[some].sum() for n, v in sequences.items()} for some in (slice(4), slice(4, None))
    ]
    together = {name: halves[0][name] + halves[1][name] for name in sequences}
    for name, value in definitions.values_of(together).items():
        assert float(value) == pytest.approx(scored.value[name], rel=1e-12, nan_ok=True)
    for name in ("weather", "sequence", "density", "hour", "location"):
        rows = scored.document["by"][name]
        assert sum(row["heads"] for row in rows) == scored.document["data"]["heads"]
    for name in ("side", "distance"):
        rows = scored.document["by"][name]
        found = sum(row["heads"] * (row["metrics"]["recall"] or 0) for row in rows)
        assert found == pytest.approx(scored.states["hits_large"].sum())


def test_counts_alone_are_scored_as_counts(dataset: Path, tmp_path: Path) -> None:
    frames = list(Dataset.open(dataset).select(split="test"))
    lines = [f"{frame.frame_id} {frame.count + 1}\n" for frame in frames]
    (tmp_path / "a.txt").write_text("".join(lines))
    score = library.benchmark(tmp_path / "a.txt", dataset)
    assert (score.value["mae"], score.value["bias"]) == (1, 1)
    assert "f1_large" not in score.value
    assert score.document["undefined"]["localisation"] == "the predictions are counts alone"


def test_ignored_heads_count_nowhere_but_in_counting(tmp_path: Path) -> None:
    ground_truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 10, 10], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [60, 60, 10, 10], "iscrowd": 1},
        ],
        "categories": [{"id": 1, "name": "head"}],
    }
    found = [
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 10, 10], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [60, 60, 10, 10], "score": 0.95},
    ]
    (tmp_path / "ground_truth.json").write_text(json.dumps(ground_truth))
    (tmp_path / "found.json").write_text(json.dumps(found))
    values = library.benchmark(
        tmp_path / "found.json", tmp_path / "ground_truth.json", intervals=False
    ).value
    assert (values["f1_large"], round(values["ji"], 5), values["mae"]) == (1, 1, 1)
    assert values["ap"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.json", {"bbox": None}, "neither a box nor a point"),
        ("t.json", {"bbox": [5, 5, -3, 4]}, "negative width"),
        ("t.txt", "1 1 2 3 -4 5 1\n", "negative"),
        ("t.txt", "1 1 2 3\n", "numbers instead of"),
        ("t.txt", "1 0\n1 0\n", "twice"),
        ("t.txt", "", "empty"),
    ],
)
def test_a_ground_truth_that_cant_be_one_is_refused(
    tmp_path: Path, name: str, content: Any, said: str
) -> None:
    (tmp_path / "p.txt").write_text("1 1 2 3\n")
    if isinstance(content, dict):
        ground_truth = {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 100, "height": 100}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, **content}],
            "categories": [{"id": 1, "name": "head"}],
        }
        content = json.dumps(ground_truth)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        library.benchmark(tmp_path / "p.txt", tmp_path / name)


def test_what_is_no_file_is_refused(dataset: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "p.txt").write_text("1 1 2 3\n")
    for found, ground_truth in (
        (tmp_path / "pipe", dataset),
        (tmp_path / "p.txt", tmp_path / "pipe"),
    ):
        with pytest.raises(InputError, match="not a regular file"):
            library.benchmark(found, ground_truth)


def test_frames_without_heads_are_scored(dataset: Path, tmp_path: Path) -> None:
    """Frame 3 of each sequence is empty: a head found there is false."""
    made = perfect(dataset)
    empty = [name.endswith("000003") for name in made.images]
    assert sum(empty) == SEQUENCES
    made.counts[:] = np.where(empty, 2, np.nan)
    write_predictions(tmp_path / "a.json", made)
    assert library.benchmark(tmp_path / "a.json", dataset, intervals=False).value["mae"] == 0.5


def test_counts_over_thresholds_are_those_at_each() -> None:
    rng = np.random.default_rng(0)
    sizes = [0, 5, 3000, 7, 0]
    scores = np.round(rng.uniform(0, 1, sum(sizes)), 2)
    counts = np.array([np.nan, 3.5, np.nan, np.nan, np.nan])
    per_image = np.split(scores, np.cumsum(sizes)[:-1])
    rows = {
        str(row): {"points": np.zeros((len(some), 2)), "scores": some}
        for row, some in enumerate(per_image)
    }
    found = replace(Predictions.of(rows), counts=counts)
    thresholds = np.array([0.0, 0.01, 0.25, 0.5, 0.999, 1.0])
    expected = [[(one >= least).sum() for one in per_image] for least in thresholds]
    expected = np.where(np.isnan(counts), expected, counts)
    assert (definitions.counts_over(found, thresholds) == expected).all()
    assert (definitions.counts_of(found, 0.25) == expected[2]).all()


def test_the_threshold_is_chosen_on_validation(dataset: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.json", submission(dataset))
    write_predictions(tmp_path / "v.json", submission(dataset, split="validation"))
    score = library.benchmark(
        tmp_path / "a.json", dataset, validation=tmp_path / "v.json", intervals=False
    )
    reported = score.document["threshold"]
    assert reported["how"].startswith("chosen on validation")
    assert 0 <= reported["f1_best"] <= 1
    assert reported["f1_at_f1_best"] > 0
    others = library.benchmark(
        tmp_path / "v.json",
        dataset,
        split="validation",
        threshold=reported["value"],
        intervals=False,
    )
    curve = others.document["curve"]
    assert others.value["mae"] <= min(row["mae"] for row in curve) + 1e-9
    for options, said in (
        ({"threshold": 0.5, "validation": tmp_path / "v.json"}, "both"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"by": ["shoe size"]}, "no such breakdown"),
        ({"by": ["level"]}, "has no data for it"),
    ):
        with pytest.raises(UsageError, match=said):
            library.benchmark(tmp_path / "a.json", dataset, **options)  # type: ignore[arg-type]
    write_predictions(tmp_path / "wrong.json", submission(dataset))
    with pytest.raises(InputError, match="validation split can't be scored"):
        library.benchmark(tmp_path / "a.json", dataset, validation=tmp_path / "wrong.json")


def test_the_command(dataset: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.json", submission(dataset))
    done = gtahead("benchmark", tmp_path / "a.json", "--data", dataset, "--by", "weather,side")
    assert done.code == 0
    assert "MAE" in done.out
    assert "9 sequences" in done.out
    tables = done.out.partition("by weather")[2].splitlines()
    assert tables[0] == " (precision, recall, F1: large radius)"
    assert tables[1].split() == [
        "images",
        "heads",
        "MAE",
        "bias",
        "precision",
        "recall",
        "F1",
        "F1,",
        "8",
        "px",
    ]
    assert max(map(len, tables)) <= 80
    assert "nothing in" in done.out
    assert "n = 0" not in done.out
    done = gtahead("benchmark", tmp_path / "a.json", "--data", dataset, "--json", "--no-intervals")
    assert json.loads(done.out)["format"] == "gtahead-result"
    done = gtahead("benchmark", tmp_path / "a.json", "--data", dataset, "--check-only")
    assert (done.code, done.out) == (0, "a.json: no findings\n")
    done = gtahead("benchmark", "--template", "--data", dataset)
    (tmp_path / "t.json").write_text(done.out)
    done = gtahead("benchmark", tmp_path / "t.json", "--data", dataset, "--quiet")
    assert (done.code, done.out) == (0, "")
    assert gtahead("benchmark", "--data", dataset).code == 2
    both = ("--data", dataset, "--ground-truth", tmp_path / "a.json")
    assert gtahead("benchmark", tmp_path / "a.json", *both).code == 2
    ground_truth = ("--ground-truth", tmp_path / "a.json", "--split", "test")
    done = gtahead("benchmark", tmp_path / "a.json", *ground_truth)
    assert (done.code, "no splits" in done.err) == (2, True)
    assert gtahead("benchmark", tmp_path / "no.json", "--data", dataset).code == 1
    assert gtahead("benchmark", tmp_path / "a.json", "--data", tmp_path / "no").code == 1
    for path in (tmp_path / "x/y", tmp_path):
        done = gtahead("benchmark", tmp_path / "a.json", "--data", dataset, "--out", path)
        assert (done.code, done.out) == (1, "")
    wrong = {"format": "gtahead-predictions", "version": 1, "predictions": []}
    (tmp_path / "w.json").write_text(json.dumps(wrong))
    done = gtahead(
        "benchmark", tmp_path / "w.json", "--data", dataset, "--out", tmp_path / "r.json"
    )
    assert done.code == 1
    assert "36" in done.err.replace("and 16 more", "36")
    assert not (tmp_path / "r.json").exists()


def result(dataset: Path, path: Path, seed: int = 1, **method: Any) -> Path:
    made = submission(dataset, seed, seed=seed, **method)
    write_predictions(path.with_suffix(".pred.json"), made)
    score = library.benchmark(path.with_suffix(".pred.json"), dataset, intervals=False)
    write_result(path, score.document)
    return path


def test_a_file_against_itself_differs_by_nothing(dataset: Path, tmp_path: Path) -> None:
    one = result(dataset, tmp_path / "a.json")
    ((_, differences),) = library.compare([one, one]).others
    assert {d.metric for d in differences} >= {"mae", "rmse", "f1_large", "ap", "ap50"}
    for difference in differences:
        assert difference.difference == 0
        assert difference.p == 1
        uneven = difference.metric in ("rmse", "r2")  # seven sequences of a spread over 0.3
        assert (difference.interval is None) is uneven
        assert uneven or (difference.interval.low, difference.interval.high) == (0, 0)


def test_a_clear_difference_is_reported(dataset: Path, tmp_path: Path) -> None:
    one = result(dataset, tmp_path / "a.json")
    write_predictions(tmp_path / "p.pred.json", perfect(dataset))
    score = library.benchmark(tmp_path / "p.pred.json", dataset, intervals=False)
    write_result(tmp_path / "p.json", score.document)
    ((_, differences),) = library.compare([one, tmp_path / "p.json"]).others
    by_name = {d.metric: d for d in differences}
    for name in ("mae", "f1_large", "ap"):
        span = by_name[name].interval
        assert span is not None
        assert span.low > 0 or span.high < 0
        assert by_name[name].p == pytest.approx(2 / 2**SEQUENCES)
    done = gtahead("compare", one, tmp_path / "p.json")
    assert done.code == 0
    first, second, head, *_ = done.out.splitlines()
    assert (first[:3], second) == ("A: ", "B: perfect")
    assert head.split() == ["A", "B", "A", "−", "B", "95", "%", "interval", "p", "least"]
    assert "\n9 sequences; p: " in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert json.loads(gtahead("compare", one, tmp_path / "p.json", "--json").out)["clusters"] == 9


def test_several_are_corrected_and_arms_are_paired(dataset: Path, tmp_path: Path) -> None:
    files = [
        result(dataset, tmp_path / f"{arm}{seed}.json", seed, arm=arm)
        for arm, seed in (("x", 1), ("x", 2), ("y", 1), ("y", 2))
    ]
    three = library.compare(files[:3])
    for (_, differences), other in zip(three.others, (1, 2), strict=True):
        alone = library.compare([files[0], files[other]]).others[0][1]
        for one, single in zip(differences, alone, strict=True):
            assert one.p == single.p
            assert one.p_holm is not None
            assert single.p is not None
            assert one.p_holm >= single.p
    arms = library.compare(files, group="arm")
    ((name, differences),) = arms.others
    assert (arms.first, name) == ("x", "y")
    assert next(d for d in differences if d.metric == "mae").difference == 0  # the same seeds
    with pytest.raises(InputError, match="different seeds"):
        library.compare(files[:3], group="arm")
    with pytest.raises(InputError, match="no such key"):
        library.compare(files, group="loss")
    with pytest.raises(UsageError, match="alone"):
        library.compare(files[:1])


def test_what_cant_be_compared_is_refused(dataset: Path, tmp_path: Path) -> None:
    one = result(dataset, tmp_path / "a.json")

    def changed(**more: Any) -> Path:
        document = json.loads(one.read_text())
        for key, value in more.items():
            document[key] = {**document[key], **value} if isinstance(value, dict) else value
        path = tmp_path / f"changed-{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(document))
        return path

    prints = {"points": "0" * 64, "labels": "1" * 64}
    curves = json.loads(one.read_text())["clusters"]["curves"]
    for other, said in (
        (changed(metric_version=1), "another version of the metrics"),
        (changed(data={"fingerprints": prints}), "different data"),
        (changed(data={"policy": "all"}), "different data"),
        (changed(format="coco"), "not a result"),
        (changed(metrics={"mae": 3}), "damaged"),
        (changed(clusters={"states": {"images": [1]}}), "not one number"),
        (changed(clusters={"states": {}}), "no metric"),
        (changed(clusters={"curves": {"hits": []}}), "damaged"),
        (changed(clusters={"curves": {**curves, "hits": ["x"]}}), "not curves"),
        (changed(clusters={"curves": {**curves, "positives": [1]}}), "not curves"),
        (changed(metrics={"mae": {"value": 1, "low": 0}}), "damaged"),
        (tmp_path / "nothing.json", "can't be read"),
    ):
        with pytest.raises(InputError, match=said):
            library.compare([one, other])
        done = gtahead("compare", one, other)
        assert done.code == 1
        assert said in done.err


def coco_truth(folder: Path) -> Path:
    """Write a COCO file of persons (1) and heads (4) in two images."""
    heads = [(1, [10, 10, 20, 20]), (1, [50, 10, 20, 20]), (2, [30, 40, 16, 20])]
    document = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100} for n in (1, 2)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": 4, "bbox": box}
            for n, (image, box) in enumerate(heads, 1)
        ]
        + [{"id": 9, "image_id": 1, "category_id": 1, "bbox": [5, 5, 60, 90]}],
        "categories": [{"id": 1, "name": "person"}, {"id": 4, "name": "head"}],
    }
    path = folder / "truth.json"
    path.write_text(json.dumps(document))
    return path


def results(folder: Path, category: int | None, other: int | None = None) -> Path:
    """Write COCO's results: all heads, and a person for each if `other` says their category."""
    rows: list[dict[str, Any]] = []
    for image, box in ((1, [10, 10, 20, 20]), (1, [50, 10, 20, 20]), (2, [30, 40, 16, 20])):
        rows.append({"image_id": image, "category_id": category, "bbox": box, "score": 0.9})
        if other is not None:
            person = [box[0] - 5, box[1] - 5, 40, 60]
            rows.append({"image_id": image, "category_id": other, "bbox": person, "score": 0.8})
    path = folder / "results.json"
    path.write_text(json.dumps([{k: v for k, v in row.items() if v is not None} for row in rows]))
    return path


def test_results_of_other_categories_are_never_scored(tmp_path: Path) -> None:
    truth = coco_truth(tmp_path)
    for other in (None, 1):
        score = library.benchmark(results(tmp_path, 4, other), truth, intervals=False)
        assert score.value["mae"] == 0
        assert score.value["ap"] == 1
        assert ("other-class" in score.findings.totals) == (other is not None)
    assert library.benchmark(results(tmp_path, None), truth, intervals=False).value["ap"] == 1
    with pytest.raises(InputError, match="no result is of the category of heads") as caught:
        library.benchmark(results(tmp_path, 2), truth, intervals=False)
    assert "2 (3), not 4" in str(caught.value)


def test_the_category_can_be_given(dataset: Path, tmp_path: Path) -> None:
    """A ground truth without categories of its own: of several in the results one is to be named."""
    truth = coco_truth(tmp_path)
    assert (
        library.benchmark(results(tmp_path, 1), truth, intervals=False, head_class="1").value["mae"]
        == 1
    )
    folder = tmp_path / "raw"
    (folder / "annotations").mkdir(parents=True)
    truth.rename(folder / "annotations" / "instances_test.json")
    library.build(folder, tmp_path / "set", workers=1, images="none")
    several = results(tmp_path, 4, 1)
    with pytest.raises(InputError, match="results of several categories"):
        library.benchmark(several, tmp_path / "set", intervals=False)
    score = library.benchmark(several, tmp_path / "set", intervals=False, head_class="4")
    assert score.value["ap"] == 1
    one = library.benchmark(results(tmp_path, 4), tmp_path / "set", intervals=False)
    assert one.findings.totals["class-taken-as-head"] == 1
    assert one.value["ap"] == 1


def test_nothing_found_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    score = library.benchmark(tmp_path / "none.json", coco_truth(tmp_path), intervals=False)
    assert score.value["ap"] == 0
    assert score.value["f1_8px"] == 0
    assert score.value["recall_8px"] == 0
    assert score.value["mae"] == 1.5
