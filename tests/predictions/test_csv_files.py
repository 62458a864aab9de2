"""CSV with a header: counts, points, boxes; and ids that are text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import gtahead

from gtahead.errors import InputError
from gtahead.findings import Findings
from gtahead.predictions import Predictions, read_predictions


def read(tmp_path: Path, text: str) -> tuple[Predictions, Findings]:
    (tmp_path / "a.csv").write_text(text)
    findings = Findings()
    return read_predictions(tmp_path / "a.csv", findings), findings


@pytest.mark.parametrize(
    "text",
    [
        "image,count\na/1,3.5\nb/2,0\n",
        '"file_name";"Count"\r\na/1;3.5\r\n\r\nb/2;0\r\n',
        "Id\tpredicted\tnote\na/1\t3.5\tx\nb/2\t0\t\n",
        "\ufeffcount, frame_id\n3.5, a/1\n0, b/2\n",
    ],
)
def test_counts(text: str, tmp_path: Path) -> None:
    found, findings = read(tmp_path, text)
    assert not findings.totals
    assert found.images == ["a/1", "b/2"]
    assert found.counts.tolist() == [3.5, 0]
    assert found.kind == "counts"


def test_points(tmp_path: Path) -> None:
    text = "image,x,y,score\na,1,2,0.5\nb,3,4,1\na,5,6.5,0.25\nc,,,\n"
    found, findings = read(tmp_path, text)
    assert not findings.totals
    assert found.images == ["a", "b", "c"]
    assert found.points_xy.tolist() == [[1, 2], [5, 6.5], [3, 4]]
    assert found.point_scores.tolist() == [0.5, 0.25, 1]
    assert found.points_by_image.counts.tolist() == [2, 1, 0]
    assert found.has_points.all()
    assert not found.lists_empty
    without, _ = read(tmp_path, "image,x,y\na,1,2\n")
    assert without.point_scores.tolist() == [1]


def test_boxes(tmp_path: Path) -> None:
    found, findings = read(tmp_path, "image,x,y,w,h,conf\na,1,2,3,4,0.5\n")
    assert not findings.totals
    assert found.boxes_xyxy.tolist() == [[1, 2, 4, 6]]
    assert found.box_scores.tolist() == [0.5]
    assert not found.has_points.any()


def test_cells_that_are_wrong_have_their_line(tmp_path: Path) -> None:
    _, findings = read(tmp_path, "image,count\na,x\nb,-1\n,3\nc\n")
    assert findings.totals == {"bad-prediction": 3, "bad-count": 1}
    shown = [str(one) for one in findings.examples["bad-prediction"]]
    assert "line 2" in shown[0]
    assert "line 4" in shown[1]
    _, findings = read(tmp_path, "image,x,y,score\na,1,?,1\na,1,nan,1\na,1,2,7\n")
    assert findings.totals == {"bad-prediction": 1, "not-a-number": 1, "bad-score": 1}
    assert "line 2, y" in str(findings.examples["bad-prediction"][0])
    assert "line 4" in str(findings.examples["bad-score"][0])


@pytest.mark.parametrize(
    ("text", "lacking"), [("image,width\na,3\n", "`count`"), ("x,y\n1,2\n", "`image`")]
)
def test_columns_that_are_missing(text: str, lacking: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"the columns lack {lacking}"):
        read(tmp_path, text)


def test_a_list_of_counts_is_no_csv(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "IMG_1 3\nIMG_2 5\n")
    assert found.counts.tolist() == [3, 5]


@pytest.mark.parametrize("ids", ["name", "file", "number", "number as text"])
def test_coco_lists_of_any_ids(ids: str, tiny_dataset: Path, tmp_path: Path) -> None:
    """Which images are named how: by name, file, number, or a number that is text."""
    from gtahead import Dataset

    whole = Dataset.open(tiny_dataset)
    numbers = {name: at for at, name in enumerate(whole.frame_ids, 1)}
    listed = []
    for frame in whole.select(split="test"):
        name = frame.frame_id
        key = {
            "name": name,
            "file": f"images/{name}.jpg",
            "number": numbers[name],
            "number as text": str(numbers[name]),
        }[ids]
        for x0, y0, x1, y1 in frame.boxes_xyxy[frame.counted].tolist():
            box = [x0, y0, x1 - x0, y1 - y0]
            listed.append({"image_id": key, "category_id": 1, "bbox": box, "score": 0.9})
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(listed))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--no-intervals", "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["ap50"]["value"] == pytest.approx(1)
    assert done.json["metrics"]["mae"]["value"] == 0


def test_ids_of_other_data_are_noticed(tiny_dataset: Path, tmp_path: Path) -> None:
    from gtahead import Dataset

    whole = Dataset.open(tiny_dataset)
    test = set(whole.select(split="test").frame_ids)
    numbers = [at for at, name in enumerate(whole.frame_ids, 1) if name in test]
    rng = np.random.default_rng(0)
    listed = [
        {"image_id": int(key), "bbox": [*rng.uniform(0, 300, 2), 9, 9], "score": 0.9}
        for key in rng.choice(numbers[:3], 40)
    ]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(listed))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--check-only")
    assert done.code == 0
    lost = len(test) - 3
    assert f"images have no detections: {lost} of {len(test)}, the first is" in done.err
    assert "are read as numbers of images" in done.err


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("image,count,x,y", "both counts and positions"),
        ("image,x,y,width,score", "a width without a height"),
        ("image,count,pred", "several columns may be the count"),
    ],
)
def test_headers_that_mean_two_things(header: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, f"{header}\na,1,1,1,1\n")


def test_lines_of_any_ends_keep_their_numbers(tmp_path: Path) -> None:
    _, findings = read(tmp_path, "\n\nimage,count\n\na,1_000\n")
    assert "line 5" in str(findings.examples["bad-prediction"][0])
    found, _ = read(tmp_path, "image,count\ra,3\r")
    assert found.counts.tolist() == [3]
    found, _ = read(tmp_path, "image count\na 3\nb 4\n")
    assert found.counts.tolist() == [3, 4]


@pytest.mark.parametrize("text", ["image,count\na,12,5\n", "image,x,y\na,10,5,20,6\n"])
def test_cells_beyond_the_header_are_no_silence(text: str, tmp_path: Path) -> None:
    _, findings = read(tmp_path, text)
    assert findings.totals == {"bad-prediction": 1}
    (noted,) = findings.examples["bad-prediction"]
    assert "line 2" in str(noted)
    assert "more cells than the header" in str(noted)
    assert not read(tmp_path, "image,count\na,12,\nb,3,,\n")[1].totals  # empty ones are nothing


@pytest.mark.parametrize("name", [".", "/", "//", "/.", "a/.."])
def test_names_that_name_nothing_are_no_images(
    name: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "l.txt").write_text(f"{name} 5\n")
    rows = {"format": "gtahead-predictions", "version": 1}
    rows |= {"predictions": [{"image": name, "count": 5}]}
    (tmp_path / "p.json").write_text(json.dumps(rows))
    for file in ("l.txt", "p.json"):
        done = gtahead("benchmark", tmp_path / file, "--data", tiny_dataset)
        assert done.code == 1, done.err
        assert "no such image" in done.err
