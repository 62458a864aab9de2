"""What programs that aren't ours make of our files."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gtahead
from gtahead import Dataset

SPLITS = ("train", "validation", "test")


@pytest.fixture
def export(small_dataset: Path, tmp_path: Path) -> Any:
    def made(name: str, **options: Any) -> Path:
        gtahead.export(
            small_dataset, tmp_path / name, format=name, allow_lossy=True, workers=1, **options
        )
        return tmp_path / name

    return made


@pytest.fixture
def frames(small_dataset: Path) -> list[gtahead.dataset.Frame]:
    return list(Dataset.open(small_dataset))


def coco_scores(ground_truth: Path, kind: str = "bbox") -> Any:
    """AP of the ground truth's own boxes as detections, by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(ground_truth))
        rows = [row for row in coco.dataset["annotations"] if not row["iscrowd"]]
        keys = ("image_id", "category_id", "bbox", "keypoints")
        found = [{**{k: row[k] for k in keys if k in row}, "score": 1.0} for row in rows]
        scorer = COCOeval(coco, coco.loadRes(found), kind)
        if kind == "keypoints":
            scorer.params.kpt_oks_sigmas = np.array([0.05])
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return scorer.stats[0]


def test_pycocotools_scores_perfect_boxes_as_perfect(export: Any) -> None:
    out = export("coco")
    assert coco_scores(out / "annotations" / "instances_train.json") == pytest.approx(1.0)
    document = json.loads((out / "annotations" / "instances_test.json").read_text())
    assert len(document["images"]) == 2
    assert document["annotations"] == []
    for path in (out / "annotations").iterdir():
        for row in json.loads(path.read_text(encoding="utf-8"))["annotations"]:
            assert row["category_id"] == 1
            assert row["area"] > 0
            assert row["iscrowd"] == (row["gtahead"]["head"] == 8)  # the ignored one


def test_pycocotools_scores_perfect_keypoints_as_perfect(export: Any) -> None:
    labels = export("coco-keypoints") / "annotations" / "person_keypoints_train.json"
    assert coco_scores(labels, "keypoints") == pytest.approx(1.0)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["huggingface", "imagefolder"])
def test_datasets_loads_it(
    export: Any,
    frames: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    streaming: bool,
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(
        str(export(name)), cache_dir=str(tmp_path / "cache"), streaming=streaming
    )
    assert set(loaded) == set(SPLITS)
    rows = [row for split in SPLITS for row in loaded[split]]
    expected = sorted(frames, key=lambda frame: (SPLITS.index(frame.split), frame.frame_id))
    assert len(rows) == len(expected)
    for row, frame in zip(rows, expected, strict=True):
        assert f"{row['sequence']}/{row['frame']}" == frame.frame_id
        assert row["image"].size == frame.size_wh == (row["width"], row["height"])
        assert row["num_heads"] == len(row["objects"]["bbox"]) == frame.count
        assert len(row["ignored"]["bbox"]) == (frame.status == "ignored").sum()
        points = np.array(row["objects"]["point"]).reshape(-1, 2)
        assert points == pytest.approx(frame.points_xy[frame.counted], abs=1e-3)


def test_datasets_loads_labels_alone(
    export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    out = export("huggingface")
    loaded = datasets.load_dataset(str(out), "annotations", cache_dir=str(tmp_path / "cache"))
    assert loaded["test"].num_rows == 2
    names = loaded["train"].features["objects"]["category"]
    assert "head" in str(names)


def test_scipy_reads_shanghaitech_as_its_loaders_do(export: Any, frames: list[Any]) -> None:
    from scipy.io import loadmat

    out = export("shanghaitech")
    expected = [frame for frame in frames if frame.split == "train"]
    for number, frame in enumerate(expected, 1):
        mat = loadmat(out / "train_data" / "ground-truth" / f"GT_IMG_{number}.mat")
        inner = mat["image_info"][0, 0][0, 0]  # as CSRNet's make_dataset takes it
        assert inner[0].shape == (frame.count, 2)
        assert inner[0] == pytest.approx(frame.points_xy[frame.counted])
        assert int(inner[1][0, 0]) == frame.count
        with Image.open(out / "train_data" / "images" / f"IMG_{number}.jpg") as image:
            assert image.size == frame.size_wh


def test_scipy_reads_qnrf(export: Any, frames: list[Any]) -> None:
    from scipy.io import loadmat

    out = export("qnrf")
    frame = next(frame for frame in frames if frame.split == "validation")
    assert loadmat(out / "Val" / "img_0001_ann.mat")["annPoints"] == pytest.approx(frame.points_xy)


@pytest.mark.parametrize("name", ["yolo", "voc"])
def test_globox_reads_boxes(export: Any, frames: list[Any], name: str) -> None:
    from globox import AnnotationSet

    out = export(name)
    if name == "yolo":
        found = AnnotationSet.from_yolo_v5(
            out / "labels" / "train" / "alpha", image_folder=out / "images" / "train" / "alpha"
        )
        of = {f"alpha/{Path(one.image_id).stem}": one for one in found}
    else:
        found = AnnotationSet.from_pascal_voc(out / "Annotations")
        of = {Path(one.image_id).stem.replace("__", "/"): one for one in found}
    mine = [frame for frame in frames if frame.frame_id in of]
    assert len(mine) == len(of) >= 3
    for frame in mine:
        boxes = of[frame.frame_id].boxes
        there = frame.counted if name == "yolo" else frame.status != "absent"
        assert len(boxes) == there.sum()
        low = sorted((box.xmin, box.ymin) for box in boxes)
        limits = [*frame.size_wh, *frame.size_wh]
        expected = np.clip(frame.boxes_xyxy[there], 0, limits)
        first = 1 if name == "voc" else 0  # VOC counts from 1
        off = 0.51 if name == "voc" else 0.01
        assert low == [
            pytest.approx((x, y), abs=off) for x, y in sorted((expected[:, :2] + first).tolist())
        ]
        assert {box.label for box in boxes} <= {"head", "0"}


def test_motmetrics_reads_mot(export: Any, frames: list[Any]) -> None:
    import motmetrics

    out = export("mot")
    table = motmetrics.io.loadtxt(out / "train" / "alpha" / "gt" / "gt.txt", fmt="mot16")
    mine = [frame for frame in frames if frame.sequence == "alpha"]
    assert len(table) == sum((frame.status != "absent").sum() for frame in mine)
    for number, frame in enumerate(mine, 1):
        for head, box in zip(frame.head_ids, frame.boxes_xyxy, strict=True):
            row = table.loc[(number, head)]
            assert (row["X"], row["Y"]) == pytest.approx((box[0], box[1]), abs=0.01)
    text = (out / "train" / "alpha" / "seqinfo.ini").read_text()
    assert "seqLength=3\nimWidth=64\nimHeight=48\n" in text


def test_pandas_reads_points(export: Any, frames: list[Any]) -> None:
    import pandas as pd

    lines = pd.read_json(export("points-json") / "train.jsonl", lines=True)
    mine = [frame for frame in frames if frame.split == "train"]
    assert list(lines["frame_id"]) == [frame.frame_id for frame in mine]
    assert [len(points) for points in lines["points"]] == [frame.count for frame in mine]
    table = pd.read_csv(export("points-csv") / "train.csv")
    counted = table[table["ignored"] == 0].groupby("frame_id").size()
    assert counted.to_dict() == {frame.frame_id: frame.count for frame in mine if frame.count}


def test_webdataset_streams_samples(export: Any, frames: list[Any]) -> None:
    import webdataset

    shard = export("webdataset") / "train-000000.tar"
    mine = [frame for frame in frames if frame.split == "train"]
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode("pil"))
    assert len(samples) == len(mine)
    for sample, frame in zip(samples, mine, strict=True):
        assert sample["json"]["frame_id"] == frame.frame_id
        assert sample["jpg"].size == frame.size_wh
        assert len(sample["json"]["objects"]["bbox"]) == frame.count


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("stride", [1, 4])
def test_maps_sum_to_the_count(export: Any, frames: list[Any], dtype: str, stride: int) -> None:
    out = export("density", stride=stride, dtype=dtype)
    for frame in frames:
        word = {"validation": "val"}.get(frame.split, frame.split)
        stored = np.load(out / word / "ground_truth" / f"{frame.frame_id}.npz")
        about = json.loads(bytes(stored["about"]))
        assert stored["density"].dtype == dtype
        assert stored["density"].shape == (
            -(-frame.size_wh[1] // stride),
            -(-frame.size_wh[0] // stride),
        )
        assert abs(stored["density"].sum(dtype=np.float64) - frame.count) <= 1e-3 * max(
            1, frame.count
        )
        assert (about["heads"], about["stride"], about["sigma"]) == (
            frame.count,
            stride,
            "box:ratio=0.25",
        )


def test_h5py_reads_maps_where_csrnet_looks(export: Any, frames: list[Any]) -> None:
    import h5py

    out = export("density", stride=1, store="h5")
    image = out / "train" / "images" / "alpha" / "000000.jpg"
    # The very replacement that CSRNet's image.py makes.
    path = str(image).replace(".jpg", ".h5").replace("images", "ground_truth")
    with h5py.File(path) as file:
        values = np.asarray(file["density"])
        assert values.sum() == pytest.approx(frames[0].count, abs=1e-3)
        assert file["density"].attrs["border"] == "renormalise"
    out = export("heatmap", stride=4, store="h5")
    with h5py.File(out / "train" / "ground_truth" / "alpha" / "000000.h5") as file:
        assert np.asarray(file["heatmap"]).max() == 1.0


def test_plain_parsers_read_the_lists(export: Any, frames: list[Any]) -> None:
    """Formats without a library of their own: read as their programs' loaders do, line by line."""
    mine = [frame for frame in frames if frame.split == "train"]
    lists = {"nwpu": "train_gt_loc.txt", "fidtm": "train_gt.txt"}
    for name, file in lists.items():
        lines = (export(name) / file).read_text().splitlines()
        for line, frame in zip(lines, mine, strict=True):
            words = list(map(int, line.split()))  # as NWPU's eval/utils.py: a line of whole numbers
            points = np.array(words[2:]).reshape(-1, 5)
            assert words[1] == len(points) == frame.count
            assert (points[:, :2] == np.floor(frame.points_xy[frame.counted])).all()
            assert (points[:, 2] >= 1).all()
    rows = json.loads((export("nwpu", overwrite=True) / "jsons" / "0001.json").read_text())
    assert rows["human_num"] == len(rows["points"]) == len(rows["boxes"]) == mine[0].count
    people = [
        json.loads(line)
        for line in (export("crowdhuman") / "annotation_train.odgt").read_text("utf-8").splitlines()
    ]
    assert [len(row["gtboxes"]) for row in people] == [(f.status != "absent").sum() for f in mine]
    assert people[0]["gtboxes"][0]["hbox"] == [0, 0, 1, 1]
    jhu = export("jhu") / "train" / "gt" / "0001.txt"
    assert np.loadtxt(jhu, dtype=int)[:, :4].tolist()[0] == [0, 0, 1, 1]
    listed = re.split(
        r"^# (.*)\n", (export("headhunter") / "train.txt").read_text("utf-8"), flags=re.M
    )
    assert [Path(name).suffix for name in listed[1::2]] == [".jpg"] * len(mine)
    first = np.loadtxt(io.StringIO(listed[2]), delimiter=",")
    assert first == pytest.approx(mine[0].boxes_xyxy[mine[0].counted], abs=0.01)


def test_torchvision_reads_coco(export: Any, frames: list[Any]) -> None:
    pytest.importorskip("torchvision", reason="torchvision isn't installed: tools/check_readers.py")
    from torchvision.datasets import CocoDetection

    out = export("coco")
    with contextlib.redirect_stdout(io.StringIO()):
        data = CocoDetection(str(out / "images"), str(out / "annotations" / "instances_train.json"))
    mine = [frame for frame in frames if frame.split == "train"]
    assert len(data) == len(mine)
    for (image, rows), frame in zip(data, mine, strict=True):
        assert image.size == frame.size_wh
        assert sum(not row["iscrowd"] for row in rows) == frame.count


def test_nothing_of_it_needs_the_library(export: Any) -> None:
    """A reader's process doesn't know gtahead: links, relative names and plain files must do."""
    out = export("coco")
    code = (
        "import json, os, sys; root = sys.argv[1];"
        "doc = json.load(open(f'{root}/annotations/instances_train.json', encoding='utf-8'));"
        "print(all(os.path.isfile(f'{root}/images/' + i['file_name']) for i in doc['images']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        timeout=60,
    )
    assert done.stdout.strip() == "True"
