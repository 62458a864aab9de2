"""Predictions of arrays, and of what other libraries give; scored without a file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import gtahead

import gtahead as library
from gtahead import Dataset, InputError, UsageError
from gtahead.predictions import Predictions, write_predictions


def found_in(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Find seven of ten heads, a little off, by frame id."""
    rng = np.random.default_rng(0)
    found = {}
    for frame in dataset:
        keep = rng.random(len(frame.points_xy)) < 0.7
        # Half pixels, which every library keeps.
        boxes = np.round(frame.boxes_xyxy[keep] * 2) / 2
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        found[frame.frame_id] = {"boxes": boxes, "scores": rng.random(len(boxes))}
    return found


def test_arrays_score_as_their_file_does(tiny_dataset: Path, tmp_path: Path) -> None:
    test = Dataset.open(tiny_dataset).split("test")
    found = found_in(test)
    predictions = Predictions.of(found, method="mine", threshold=0.25)
    heads = sum(len(row["boxes"]) for row in found.values())
    assert repr(predictions) == f"Predictions({len(test)} images, {heads} heads)"
    score = library.benchmark(predictions, test)
    write_predictions(tmp_path / "found.json", predictions)
    words = ("--data", tiny_dataset, "--json")
    by_command = gtahead("benchmark", tmp_path / "found.json", *words)
    assert by_command.code == 0, by_command.err
    assert by_command.json["metrics"] == json.loads(json.dumps(score.document["metrics"]))
    assert by_command.json["data"] == score.document["data"]
    assert score.document["method"] == {"name": "mine"}
    assert score.document["threshold"]["value"] == 0.25
    assert library.benchmark(predictions, tiny_dataset, intervals=False).value == score.value
    assert (
        library.benchmark(predictions, Dataset.open(tiny_dataset), intervals=False).value
        == score.value
    )
    mae, f1, ap50 = (score.value[name] for name in ("mae", "f1_large", "ap50"))
    assert repr(score) == f"Score(MAE {mae:.1f}, F1 {f1:.2f}, AP50 {ap50:.2f})"
    assert "<td>MAE</td>" in score._repr_html_()
    assert "95 % interval" in score._repr_html_()


def test_a_part_is_scored_as_a_part(tiny_dataset: Path) -> None:
    whole = Dataset.open(tiny_dataset)
    part = whole.split("test")[:5]
    score = library.benchmark(Predictions.of(found_in(part)), part, intervals=False)
    assert score.document["data"]["images"] == 5
    assert score.document["data"]["fingerprints"] == {}
    assert score.document["data"]["name"].endswith("dataset, 5 of 56 images")
    mixed = whole.sample(9, seed=4)
    assert (
        library.benchmark(Predictions.of(found_in(mixed)), mixed, intervals=False).document["data"][
            "split"
        ]
        is None
    )
    with pytest.raises(UsageError, match="no images to score"):
        library.benchmark(Predictions.of({}), whole[:0], intervals=False)
    missing = library.benchmark(Predictions.of(found_in(part[:3])), part, intervals=False)
    assert not missing.document
    assert repr(missing).startswith("Score(nothing: ")
    with pytest.raises(InputError, match="nothing was scored"):
        assert missing.value
    with pytest.raises(ValueError, match="not from 0 to 1"):
        Predictions.of({}, threshold=50)


def test_what_other_libraries_give(tiny_dataset: Path) -> None:
    test = Dataset.open(tiny_dataset).split("test")
    found = found_in(test)
    wanted = library.benchmark(Predictions.of(found), test, threshold=0.5, intervals=False).value
    torch = pytest.importorskip("torch")
    tensors = {
        name: {
            "boxes": torch.tensor(row["boxes"]),
            "scores": torch.tensor(row["scores"]),
            "labels": torch.ones(1),
        }
        for name, row in found.items()
    }
    results = {
        name: SimpleNamespace(boxes=SimpleNamespace(xyxy=row["boxes"], conf=row["scores"]))
        for name, row in tensors.items()
    }
    made = [Predictions.from_transformers(tensors), Predictions.from_ultralytics(results)]
    supervision = pytest.importorskip("supervision")
    made.append(
        Predictions.from_supervision(
            {
                name: supervision.Detections(xyxy=row["boxes"], confidence=row["scores"])
                for name, row in found.items()
            }
        )
    )
    for predictions in made:
        assert library.benchmark(predictions, test, threshold=0.5, intervals=False).value == wanted


def test_frames_for_supervision(tiny_dataset: Path) -> None:
    supervision = pytest.importorskip("supervision")
    frame = max(Dataset.open(tiny_dataset), key=lambda frame: frame.count)
    detections = frame.to_supervision()
    assert isinstance(detections, supervision.Detections)
    assert len(detections) == frame.count
    assert detections.tracker_id.tolist() == frame.head_ids[frame.counted].tolist()
    again = Predictions.from_supervision({frame.frame_id: detections})
    assert (again.box_scores == 1).all()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"boxes": [[0, 0, 1, 1]], "scores": [1.5]}, "a: a score isn't from 0 to 1"),
        ({"boxes": [[0, 0, 1]]}, "a: boxes have the shape"),
        ({"masks": []}, "a: a prediction has 'masks'"),
        ({}, "a: a prediction has neither"),
    ],
)
def test_rows_that_do_not_fit(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Predictions.of({"a": row})


def test_cocos_list(tiny_dataset: Path) -> None:
    part = Dataset.open(tiny_dataset).select(split="test")
    numbers = {name: at for at, name in enumerate(part.frame_ids, 7)}
    listed = [
        {
            "image_id": numbers[name],
            "category_id": 3,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": score,
        }
        for name, row in found_in(part).items()
        for box, score in zip(np.asarray(row["boxes"]), np.asarray(row["scores"]), strict=True)
    ]
    other = {"image_id": 7, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 1.0}
    names = {at: name for name, at in numbers.items()}
    found = Predictions.from_coco([*listed, other], names, category=3, method="m", threshold=0.5)
    assert found.images == part.frame_ids  # those without results too
    wanted = library.benchmark(Predictions.of(found_in(part)), part, threshold=0.5)
    assert library.benchmark(found, part).value["ap"] == pytest.approx(wanted.value["ap"])
    for change, said in (
        ({"image_id": 99}, "result 0: image 99 has no name"),
        ({"bbox": [0, 0, 5]}, "result 0: not a bbox"),
        ({"score": None}, "result 0: not a bbox"),
        ({"bbox": [0, 0, -5, 5]}, "result 0: a box without area"),
    ):
        with pytest.raises(ValueError, match=said):
            Predictions.from_coco([{**other, **change}], names)
    with pytest.raises(ValueError, match="several categories"):
        Predictions.from_coco([other, listed[0]], names)
    with pytest.raises(ValueError, match="same name"):
        Predictions.from_coco([], {1: "a", 2: "a"})
