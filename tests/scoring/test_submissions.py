"""Predictions as other benchmarks take them: written, and read back to the same score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import gtahead

import gtahead as library
from gtahead import Dataset
from gtahead.predictions import Predictions


def found(dataset: Path, what: str = "boxes") -> Predictions:
    rng = np.random.default_rng(2)
    rows = {}
    for frame in Dataset.open(dataset).select(split="test"):
        keep = rng.random(len(frame.boxes_xyxy)) < 0.7
        boxes = np.round(frame.boxes_xyxy[keep] + rng.normal(0, 1, (int(keep.sum()), 4)), 2)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        scores = np.round(rng.random(len(boxes)), 3)
        rows[frame.frame_id] = (
            {"count": float(len(boxes)) + 0.25}
            if what == "counts"
            else {"boxes": boxes, "scores": scores}
        )
    return Predictions.of(rows, method="m", threshold=0.4)


@pytest.mark.parametrize(
    ("form", "same"),
    [
        ("coco", ["mae", "f1_large", "ap", "ap50", "mr2"]),
        ("nwpu", ["mae", "f1_large", "game3"]),
        ("nwpu-counts", ["mae", "rmse", "nae"]),
        ("jhu", ["mae"]),
    ],
)
def test_the_score_stays(form: str, same: list[str], tiny_dataset: Path, tmp_path: Path) -> None:
    given = found(tiny_dataset)
    wanted = library.benchmark(given, tiny_dataset, intervals=False).value
    out = tmp_path / "out.txt"
    report = library.export_predictions(given, out, format=form, data=tiny_dataset)
    threshold = 0.4 if form == "coco" else None
    got = library.benchmark(out, tiny_dataset, threshold=threshold, intervals=False).value
    for name in same:
        assert got[name] == pytest.approx(wanted[name], abs=1e-3), name
    assert report.images == 16
    if form != "coco":
        assert report.threshold == 0.4
        lines = out.read_text().splitlines()
        assert len(lines) == 16


def test_without_a_dataset_images_keep_their_names(tiny_dataset: Path, tmp_path: Path) -> None:
    given = found(tiny_dataset)
    library.export_predictions(given, tmp_path / "a.json", format="coco")
    listed = json.loads((tmp_path / "a.json").read_text())
    assert {one["image_id"] for one in listed} <= set(given.images)
    assert listed[0]["category_id"] == 1
    ap50 = [
        library.benchmark(one, tiny_dataset, threshold=0.4, intervals=False).value["ap50"]
        for one in (tmp_path / "a.json", given)
    ]
    assert ap50[0] == pytest.approx(ap50[1], abs=1e-4)


def test_what_a_format_lacks_is_said(tiny_dataset: Path, tmp_path: Path) -> None:
    counts = found(tiny_dataset, "counts")
    (tmp_path / "c.txt").write_text("".join(f"{n} 3.25\n" for n in counts.images))
    for form, said in (("coco", "have no boxes"), ("nwpu", "counts alone")):
        words = ["--format", form, "--out", tmp_path / "x"]
        done = gtahead("export-predictions", tmp_path / "c.txt", *words)
        assert done.code == 1
        assert said in done.err
        assert not (tmp_path / "x").exists()
    words = ["--format", "jhu", "--out", tmp_path / "x.txt", "--json"]
    done = gtahead("export-predictions", tmp_path / "c.txt", *words)
    assert done.code == 0, done.err
    assert done.json["heads"] == 3.25 * 16
    assert (tmp_path / "x.txt").read_text().splitlines()[0].endswith(" 3.25")


def test_wrong_predictions_are_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("nowhere 3\n")
    words = ["--format", "jhu", "--out", tmp_path / "x", "--data", tiny_dataset]
    done = gtahead("export-predictions", tmp_path / "c.txt", *words)
    assert done.code == 1
    assert "the predictions are wrong: " in done.err
    assert "no such image" in done.err
    done = gtahead("export-predictions", tmp_path / "c.txt", "--format", "x", "--out", "y")
    assert done.code == 2
    with pytest.raises(library.UsageError, match="threshold must be"):
        library.export_predictions(
            found(tiny_dataset), tmp_path / "y", format="nwpu", threshold=1.5
        )
    spaced = Predictions.of({"a b": {"count": 3}})
    with pytest.raises(library.InputError, match="can't name such an image"):
        library.export_predictions(spaced, tmp_path / "y", format="jhu")


def test_dots_are_part_of_names(tmp_path: Path) -> None:
    rows = {name: {"points": [[1, 2]]} for name in ("s/cam.1", "s/cam.2.jpg", "t/cam.3")}
    library.export_predictions(Predictions.of(rows), tmp_path / "a", format="nwpu")
    assert [line.split()[0] for line in (tmp_path / "a").read_text().splitlines()] == [
        *("cam.1", "cam.2", "cam.3")
    ]
    alike = Predictions.of({name: {"count": 1} for name in ("s/a.png", "t/a.png", "t/b")})
    library.export_predictions(alike, tmp_path / "b", format="jhu")
    assert (tmp_path / "b").read_text().split() == ["s/a", "1", "t/a", "1", "t/b", "1"]
    twice = Predictions.of({name: {"count": 1} for name in ("a.png", "a.jpg")})
    library.export_predictions(twice, tmp_path / "c", format="jhu")
    assert (tmp_path / "c").read_text().split() == ["a.png", "1", "a.jpg", "1"]


def test_scores_are_written_in_full(tmp_path: Path) -> None:
    """Rounding would move a head over the threshold, and make ties."""
    scores = [0.4, 0.39996, 1 / 3]
    found = Predictions.of({"a": {"boxes": [[0, 0, 9, 9]] * 3, "scores": scores}})
    library.export_predictions(found, tmp_path / "a.json", format="coco")
    assert [one["score"] for one in json.loads((tmp_path / "a.json").read_text())] == scores


def test_coco_leaves_no_image_out(tmp_path: Path) -> None:
    rows = {"a": {"boxes": [[0, 0, 9, 9]]}, "b": {"points": [[1, 2]]}, "c": {"points": []}}
    with pytest.raises(library.InputError, match=r"no boxes \(got '1 of 3 images'\)"):
        library.export_predictions(Predictions.of(rows), tmp_path / "a", format="coco")


def test_without_scores_all_heads_are_written(tmp_path: Path) -> None:
    """As `benchmark` counts them: scores that are all the same tell nothing."""
    found = Predictions.of({"a": {"points": [[1, 2], [3, 4]], "scores": [0.3, 0.3]}})
    report = library.export_predictions(found, tmp_path / "a", format="nwpu")
    assert (report.heads, report.threshold) == (2, None)


def test_the_command_knows_every_format() -> None:
    from gtahead.cli.benchmark import command as benchmark
    from gtahead.cli.export_predictions import command as export
    from gtahead.reports.tables import FORMS
    from gtahead.scoring.submissions import SUBMISSIONS

    for command, known in ((export, SUBMISSIONS), (benchmark, FORMS)):
        (option,) = [one for one in command.params if one.name == "form"]
        assert list(option.type.choices) == list(known)


def test_ids_stay_what_they_are(tmp_path: Path) -> None:
    boxes = {"bbox": [1, 2, 3, 4], "score": 0.5, "category_id": 1}
    (tmp_path / "a.json").write_text(json.dumps([{"image_id": n, **boxes} for n in (7, 9)]))
    library.export_predictions(tmp_path / "a.json", tmp_path / "b.json", format="coco")
    assert [one["image_id"] for one in json.loads((tmp_path / "b.json").read_text())] == [7, 9]
    named = Predictions.of({name: {"boxes": [[0, 0, 9, 9]]} for name in ("a/1.jpg", "b/2.png")})
    library.export_predictions(named, tmp_path / "c.json", format="coco")
    listed = json.loads((tmp_path / "c.json").read_text())
    assert [one["image_id"] for one in listed] == ["a/1.jpg", "b/2.png"]


def test_a_list_of_points_holds_no_counts(tmp_path: Path) -> None:
    rows = {"a": {"count": 500}, "b": {"points": [[1, 2]]}, "c": {"count": 0}}
    with pytest.raises(library.InputError, match=r"1 of 3 images"):
        library.export_predictions(Predictions.of(rows), tmp_path / "a", format="nwpu")
    del rows["a"]
    library.export_predictions(Predictions.of(rows), tmp_path / "a", format="nwpu")
    assert (tmp_path / "a").read_text() == "b 1 1 2\nc 0\n"


def test_positions_keep_their_decimals(tmp_path: Path) -> None:
    points = [[1234.567, 1234567.25], [3839.996, 0.0004]]
    found = Predictions.of({"a": {"points": points}})
    library.export_predictions(found, tmp_path / "a", format="nwpu")
    assert (tmp_path / "a").read_text() == "a 2 1234.567 1234567.25 3839.996 0\n"


@pytest.mark.parametrize("name", ["a,1", "a\rb", "a\u2028b", "\ud800", "a\x85b"])
def test_names_that_would_break_a_list(name: str, tmp_path: Path) -> None:
    found = Predictions.of({name: {"points": [[1, 2]]}}) if name != "\ud800" else tmp_path / "s"
    (tmp_path / "s").write_text(
        '{"format":"gtahead-predictions","version":1,'
        '"predictions":[{"image":"\\ud800","points":[[1,2,1]]}]}'
    )
    with pytest.raises(library.InputError):
        library.export_predictions(found, tmp_path / "a", format="nwpu-counts")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("count", "fits"), [(2.0, True), (2.4, True), (2.6, False), (1.0, False)])
def test_counts_beside_lists_may_be_rounded(count: float, fits: bool, tmp_path: Path) -> None:
    found = Predictions.of({"a": {"points": [[1, 2], [3, 4]], "count": count}})
    if fits:
        library.export_predictions(found, tmp_path / "a", format="nwpu")
        assert (tmp_path / "a").read_text() == "a 2 1 2 3 4\n"
    else:
        with pytest.raises(library.InputError, match="counts that differ"):
            library.export_predictions(found, tmp_path / "a", format="nwpu")


def test_counts_beside_lists_are_not_lost(tmp_path: Path) -> None:
    found = Predictions.of({"a": {"points": [[1, 2], [3, 4]], "count": 57.3}})
    for form in ("nwpu", "coco"):
        with pytest.raises(library.InputError, match=r"counts that differ|no boxes"):
            library.export_predictions(found, tmp_path / "x", format=form)
    library.export_predictions(found, tmp_path / "x", format="nwpu-counts")
    assert (tmp_path / "x").read_text() == "a 57.3\n"


def test_numbers_that_cocos_tools_cannot_hold(tmp_path: Path) -> None:
    row = {"category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    (tmp_path / "a.json").write_text(json.dumps([{"image_id": 10**30, **row}]))
    with pytest.raises(library.InputError):
        library.export_predictions(tmp_path / "a.json", tmp_path / "b.json", format="coco")
