"""Rules against true boxes, on a dataset."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
from helpers import gtahead

from gtahead import Dataset, InputError, annotate, build, simulate
from gtahead.annotation.rule_errors import BANDS, bands_of, evaluate
from gtahead.marks import MARKS
from gtahead.simulation import Preset


@pytest.fixture(scope="module")
def target(tiny_captures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    build(tiny_captures, folder / "set", images="none")
    return folder / "set"


def test_camera_and_joints_are_good_at_every_pitch(target: Path) -> None:
    rules = evaluate(target, workers=1).rules
    for rule in ("camera", "joints"):
        pitches = rules[rule]["by"]["pitch"]
        assert len(pitches) >= 2
        for band, reported in pitches.items():
            assert reported["mean_iou"] >= 0.70, (rule, band)
    assert rules["knn"]["all"]["mean_iou"] < rules["camera"]["all"]["mean_iou"]


def test_figures_are_those_of_boxes_in_the_dataset(target: Path, tmp_path: Path) -> None:
    """`camera` again, without what evaluates: annotate, read both boxes, compare."""
    reported = evaluate(target).rules["camera"]["all"]
    true = {frame.frame_id: frame for frame in Dataset.open(target)}
    built = tmp_path / "set"
    (built / "heads").mkdir(parents=True)
    for path in target.rglob("*.*"):
        if path.is_file():
            (built / path.relative_to(target)).write_bytes(path.read_bytes())
    annotate(built, boxes="camera")
    errors, ious = [], []
    for frame in Dataset.open(built):
        ours, theirs = (one.boxes_xyxy[one.counted] for one in (frame, true[frame.frame_id]))
        area = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (ours, theirs)]
        errors.append(np.sqrt(area[0] / area[1]) - 1)
        low, high = np.maximum(ours, theirs)[:, :2], np.minimum(ours, theirs)[:, 2:]
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        ious.append(shared / (area[0] + area[1] - shared))
    error, iou = np.concatenate(errors), np.concatenate(ious)
    assert reported["heads"] == len(error)
    assert reported["bias"] == pytest.approx(np.median(error), abs=6e-4)
    assert reported["median"] == pytest.approx(np.median(np.abs(error)), abs=6e-4)
    assert reported["p90"] == pytest.approx(np.quantile(np.abs(error), 0.9), abs=6e-4)
    assert reported["mean_iou"] == pytest.approx(iou.mean(), abs=6e-4)


def test_every_head_falls_into_one_band(target: Path) -> None:
    found = evaluate(target, workers=2)
    assert found.rules == evaluate(target, workers=1).rules
    for rule in ("camera", "knn"):
        reported = found.rules[rule]
        for quantity in BANDS:
            assert (
                sum(b["heads"] for b in reported["by"][quantity].values())
                == reported["all"]["heads"]
            )
            assert set(reported["by"][quantity]) <= {name for name, _, _ in bands_of(quantity)}


def test_it_does_not_matter_which_boxes_stand(
    target: Path, tiny_captures: Path, tmp_path: Path
) -> None:
    build(tiny_captures, tmp_path / "set", images="none", boxes="fixed")
    assert evaluate(tmp_path / "set").rules == evaluate(target).rules


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    few = Preset("few", (320, 180), (2,), (20,), 1)
    simulate(tmp_path / "capture", preset=few, images=False, layout="jta-mods")
    build(tmp_path / "capture", tmp_path / "set", images="none")
    with pytest.raises(InputError, match="no head that counts has a true box"):
        evaluate(tmp_path / "set")


def test_table_and_json(target: Path) -> None:
    was = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in target.rglob("*.parquet")}
    reported = gtahead("annotate", target, "--evaluate")
    assert reported.code == 0, reported.err
    for word in ("mean IoU by pitch", "perspective:knn", "bias"):
        assert word in reported.out
    document = orjson.loads(gtahead("annotate", target, "--evaluate", "--json").out)
    assert document["rules"] == evaluate(target).rules
    assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in was} == was
    both = gtahead("annotate", target, "--evaluate", "--boxes", "knn")
    assert both.code == 2
    assert "leave the others out" in both.err


def test_the_image_shows_rules_over_true_boxes(tiny_dataset: Path, tmp_path: Path) -> None:
    png = tmp_path / "rules.png"
    done = gtahead("annotate", tiny_dataset, "--evaluate", "--image", png)
    assert done.code == 0, done.err
    sheet = cv2.imread(str(png))
    assert sheet.shape[:2] == (34 + 3 * (480 + 34), 3 * 640)
    sheet = sheet[34:]  # the key
    for number in range(7):
        row, column = divmod(number, 3)
        tile = sheet[row * 514 + 34 : (row + 1) * 514, column * 640 : (column + 1) * 640]
        tile = tile.astype(int)
        assert (np.abs(tile - MARKS["counted"].bgr).sum(axis=2) < 20).sum() > 50  # the rule's
        assert (tile.min(axis=2) > 245).sum() > 20  # true boxes
    nowhere = gtahead("annotate", tiny_dataset, "--evaluate", "--image", tmp_path / "no" / "r.png")
    assert nowhere.code == 1
    assert "no such folder for the image" in nowhere.err
    assert str(tmp_path / "no" / "r.png") in nowhere.err


def test_a_image_needs_images(target: Path, tmp_path: Path) -> None:
    refused = gtahead("annotate", target, "--evaluate", "--image", tmp_path / "r.png")
    assert refused.code == 1
    assert "labels alone" in refused.err
    alone = gtahead("annotate", target, "--boxes", "knn", "--image", tmp_path / "r.png")
    assert alone.code == 2
    assert not (tmp_path / "r.png").exists()
