"""Labels as other people's tools write them: read right, or refused out loud.

Each folder of `tests/labels` is a kind of labels that were once read wrongly, after public bug
reports; `expected.json` has what each of its inputs gives.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pytest
from helpers import image, put
from PIL import Image
from pyarrow import parquet

import gtahead
from gtahead import Dataset, GtaheadError, UsageError
from gtahead.findings import Findings
from gtahead.ingest.exports import split_by_folder, splits_of_lists
from gtahead.ingest.image_search import with_images_found
from gtahead.ingest.labelled import LabelledImage, rows_in_json

LABELS = Path(__file__).resolve().parents[1] / "labels"
EXPECTED = json.loads((LABELS / "expected.json").read_text(encoding="utf-8"))


def outcome(raw: Path, out: Path) -> dict[str, Any]:
    """Build a dataset; return its frames and the totals of its findings, or why there is none."""
    try:
        report = gtahead.build(raw, out, workers=1)
    except GtaheadError as error:
        return {"refused": str(error).replace(str(out), "OUT").replace(str(raw), "RAW")}
    frames = {
        frame.frame_id: {
            "split": frame.split,
            "size_wh": list(frame.size_wh),
            "boxes": [
                [*np_box, status]
                for np_box, status in zip(
                    frame.boxes_xyxy.round(1).tolist(), map(str, frame.status), strict=True
                )
            ],
        }
        for frame in Dataset.open(out)
    }
    found = {
        code: total
        for code, total in sorted(report.findings.totals.items())
        if code not in ("few-locations", "copied-images")
    }
    return {"exit": report.exit_code, "reader": report.reader, "findings": found, "frames": frames}


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_labels_are_read_right_or_refused(tmp_path: Path, case: str) -> None:
    assert outcome(LABELS / case, tmp_path / "out") == EXPECTED[case]


def test_every_input_has_its_outcome() -> None:
    there = {p.relative_to(LABELS).as_posix() for p in LABELS.glob("*/*") if p.is_dir()}
    there |= {"root-folder-name-decides-split/input/test_run"}
    there -= {"root-folder-name-decides-split/input"}
    assert set(EXPECTED) == there


SIZE = (200, 100)


def jpeg(seed: int = 1) -> bytes:
    return image(seed, SIZE)


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {name: len(frame["boxes"]) for name, frame in found["frames"].items()}


def splits(found: dict[str, Any]) -> dict[str, str]:
    return {name: frame["split"] for name, frame in found["frames"].items()}


HEAD = "0 0.5 0.5 0.1 0.2\n"


@pytest.mark.parametrize(
    ("names", "classes", "heads"),
    [
        ("names: [person, head]", "1", 1),
        ("names: [person, Heads]", "1", 1),
        ("names: [heads, head]", "1", 1),  # the exact word first
        ("names:\n  7: 'head'\n  0: \"person\"  # all of it", "7", 1),
        ("nc: 1\nnames: person", "0", 2),  # one class is taken, with a warning
        ("names: {0: person}", "0", 2),
    ],
)
def test_heads_are_the_class_called_head(
    tmp_path: Path, names: str, classes: str, heads: int
) -> None:
    own = f"{classes} 0.5 0.5 0.1 0.2\n"
    other = own if heads == 2 else "0 0.2 0.5 0.1 0.2\n"
    second = other if heads == 1 else f"{classes} 0.2 0.5 0.1 0.2\n"
    raw = put(
        tmp_path / "raw", {"crowd.yml": names, "labels/a.txt": own + second, "images/a.jpg": jpeg()}
    )
    found = outcome(raw, tmp_path / "out")
    assert counts(found) == {"raw/a": heads}
    assert ("class-taken-as-head" in found["findings"]) == (heads == 2)
    assert ("other-class" in found["findings"]) == (heads == 1)


def several(root: Path) -> dict[str, Path]:
    """Write datasets of two classes, person and face, of all formats that have classes."""
    boxes = [[10, 10, 20, 20], [50, 10, 20, 20]]
    names = ["person", "face"]
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}],
        "annotations": [
            {"id": n + 1, "image_id": 1, "category_id": n, "bbox": box}
            for n, box in enumerate(boxes)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
    }
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
        f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
        for name, (x, y, w, h) in zip(names, boxes, strict=True)
    )
    row = {"width": 200, "height": 100, "objects": {"bbox": boxes, "category": names}}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in (("a.jpg", jpeg()), ("a.json", json.dumps(row).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    yolo = "".join(
        f"{n} {(x + w / 2) / 200} {(y + h / 2) / 100} {w / 200} {h / 100}\n"
        for n, (x, y, w, h) in enumerate(boxes)
    )
    put(root / "coco", {"train.json": json.dumps(coco), "images/a.jpg": jpeg()})
    put(root / "voc", {"Annotations/a.xml": f"<annotation>{objects}</annotation>"})
    put(root / "voc", {"JPEGImages/a.jpg": jpeg()})
    put(root / "yolo", {"data.yaml": f"names: {names}", "labels/a.txt": yolo})
    put(root / "yolo", {"images/a.jpg": jpeg()})
    put(root / "webdataset", {"train-000.tar": out.getvalue()})
    lines = json.dumps({"file_name": "a.jpg", **row}) + "\n"
    put(root / "imagefolder", {"train/metadata.jsonl": lines, "train/a.jpg": jpeg()})
    kind = pa.struct(
        [("bbox", pa.list_(pa.list_(pa.float32()))), ("category", pa.list_(pa.string()))]
    )
    table = pa.table(
        {
            "width": pa.array([200]),
            "height": pa.array([100]),
            "image": pa.array([{"bytes": jpeg(), "path": "a.jpg"}]),
            "objects": pa.array([row["objects"]], kind),
        }
    )
    (root / "huggingface" / "data").mkdir(parents=True)
    parquet.write_table(table, root / "huggingface" / "data" / "train-00000-of-00001.parquet")
    return {path.name: path for path in sorted(root.iterdir())}


def test_several_classes_are_refused_until_one_is_named(tmp_path: Path) -> None:
    for name, raw in several(tmp_path / "raw").items():
        refused = outcome(raw, tmp_path / "out" / name)["refused"]
        assert "there are several classes, and none is called head" in refused, name
        assert "person" in refused, name
        assert "face" in refused, name
        report = gtahead.build(raw, tmp_path / "out" / name, head_class="Face", workers=1)
        (frame,) = Dataset.open(tmp_path / "out" / name)
        assert frame.boxes_xyxy.tolist() == [[50, 10, 70, 30]], name
        assert report.manifest["options"]["class"] == "Face"
        with pytest.raises(UsageError, match="no object is of the class"):
            gtahead.build(raw, tmp_path / "out2" / name, head_class="hat", workers=1)
        found = gtahead.validate(raw, head_class="face", workers=1).finish()
        assert set(found.totals) <= {"other-class", "category-zero", "coco-keys-missing"}, name
    for name in ("coco", "yolo"):
        gtahead.build(tmp_path / "raw" / name, tmp_path / "by" / name, head_class="1", workers=1)
        (frame,) = Dataset.open(tmp_path / "by" / name)
        assert frame.boxes_xyxy.tolist() == [[50, 10, 70, 30]]


def test_options_of_labels_are_refused_where_labels_leave_no_question(
    tmp_path: Path, tiny_captures: Path
) -> None:
    with pytest.raises(UsageError, match="for other people's labels"):
        gtahead.build(tiny_captures, tmp_path / "out", head_class="head", workers=1)
    raw = put(tmp_path / "raw", {"train.csv": "file,x,y\na.jpg,3,4\n", "images/a.jpg": jpeg()})
    with pytest.raises(UsageError, match="points-csv has no classes"):
        gtahead.build(raw, tmp_path / "out", head_class="head", workers=1)
    assert not (tmp_path / "out").exists()


def test_labels_without_any_head_are_no_dataset(tmp_path: Path) -> None:
    raw = put(
        tmp_path / "raw",
        {"data.yaml": "names: [person, head]", "labels/a.txt": HEAD, "images/a.jpg": jpeg()},
    )
    refused = outcome(raw, tmp_path / "out")["refused"]
    assert refused.startswith("OUT: none of the labelled objects is a head")
    assert not (tmp_path / "out").exists()


def test_classes_of_ht21_and_of_motchallenge(tmp_path: Path) -> None:
    """As TrackEval takes them: 1 is to be found; these others are neither hit nor missed."""
    rows = "".join(f"1,{n},{10 * n},10,8,8,1,{n},1\n" for n in (1, 2, 3, 4, 7))
    statuses = {}
    for name in ("HT21-01", "MOT17"):
        raw = put(tmp_path / name / "raw", {f"train/{name}/gt/gt.txt": rows})
        (frame,) = outcome(raw, tmp_path / name / "out")["frames"].values()
        statuses[name] = [box[4] for box in frame["boxes"]]
    assert statuses["HT21-01"] == ["counted", "ignored", "ignored", "ignored"]
    assert statuses["MOT17"] == ["counted", "ignored", "ignored"]  # 2 and 7


def test_names_of_classes_in_a_hub_tables_schema(tmp_path: Path) -> None:
    """As `datasets` writes it, with a list of structs and an index of pandas."""
    features = {
        "objects": {
            "feature": {
                "bbox": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"},
                "label": {"names": ["person", "head"], "_type": "ClassLabel"},
            },
            "_type": "List",
        }
    }
    heads = [{"bbox": [10, 10, 20, 20], "label": 1}, {"bbox": [1, 1, 90, 90], "label": 0}]
    kind = pa.list_(pa.struct([("bbox", pa.list_(pa.float32(), 4)), ("label", pa.int64())]))
    table = pa.table(
        {
            "image": pa.array([{"bytes": jpeg(1), "path": None}]),
            "objects": pa.array([heads], kind),
            "__index_level_0__": pa.array([7]),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path = tmp_path / "raw" / "default" / "validation" / "0000.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(table, path)
    found = outcome(tmp_path / "raw", tmp_path / "out")
    assert found["frames"] == {
        "validation/000000": {
            "split": "validation",
            "size_wh": [200, 100],
            "boxes": [[10, 10, 30, 30, "counted"]],
        }
    }
    assert found["findings"] == {"other-class": 1}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a/train/x", "a/val/y"], {"x": "train", "y": "validation"}),
        (["VALID/x", "Testing/y"], {"x": "validation", "y": "test"}),
        (["train_station/x", "latest/y"], {"x": None, "y": None}),
        (["test2017/train_station/x"], {"x": "test"}),
    ],
)
def test_a_split_is_a_folders_whole_name(
    tmp_path: Path, files: list[str], expected: dict[str, str | None]
) -> None:
    found = {}
    for file in files:
        split, _ = split_by_folder(PurePosixPath(file).parent)
        found[PurePosixPath(file).name] = split
    assert found == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["annotations/instances_val2017.json"], ["validation"]),
        (["train-00000-of-00001.parquet"], ["train"]),
        (["annotation_valid.odgt"], ["validation"]),
        (["train_station.json", "test_track.json"], [None, None]),
        (["street_train.json", "street_test.json"], ["train", "test"]),
        (["street_train.json"], [None]),
        (["test/street.json", "val/train_station.json"], ["test", "validation"]),
        (["trainval.txt"], [None]),
    ],
)
def test_a_list_means_a_split_by_its_name_or_its_folder(
    tmp_path: Path, files: list[str], expected: list[str | None]
) -> None:
    assert splits_of_lists(files) == expected


def test_lists_of_splits_with_blanks_and_paths_in_their_names(tmp_path: Path) -> None:
    objects = "<annotation></annotation>"
    files: dict[str, str | bytes] = {
        "ImageSets/Main/train.txt": "a photo\r\n",
        "ImageSets/Main/val.txt": "b  1\nnowhere\n",
        "ImageSets/Main/test.txt": "c.jpg -1\n",
    }
    for number, name in enumerate(("a photo", "b", "c")):
        files[f"Annotations/{name}.xml"] = objects
        files[f"JPEGImages/{name}.jpg"] = jpeg(number)
    found = outcome(put(tmp_path / "voc", files), tmp_path / "out")
    assert splits(found) == {
        "train/a photo": "train",
        "validation/b": "validation",
        "test/c": "test",
    }
    assert found["findings"] == {"split-list-unmatched": 1}
    yolo: dict[str, str | bytes] = {"train.txt": "./images/a.jpg\n", "valid.txt": "images\\b.jpg\n"}
    for number, name in enumerate("ab"):
        yolo |= {f"labels/{name}.txt": HEAD, f"images/{name}.jpg": jpeg(number)}
    found = outcome(put(tmp_path / "yolo", yolo), tmp_path / "out2")
    assert set(splits(found).values()) == {"train", "validation"}


@pytest.mark.parametrize(
    ("looked_for", "there"),
    [
        ("images/a b.jpg", "images/a%20b.jpg"),
        ("images/a.jpg", "images/A.JPEG"),
        ("images/caf\u00e9.jpg", "images/cafe\u0301.jpg"),
        ("train/images/a.jpg", "images/train/a.png"),
        ("img/a.jpg", "photos/a.jpg"),
        ("images/a.jpg.jpg", "images/a.jpg"),
    ],
)
def test_images_are_found_that_can_only_be_meant(
    tmp_path: Path, looked_for: str, there: str
) -> None:
    put(tmp_path, {there: jpeg()})
    wanted = LabelledImage("s", "a", "train", looked_for)
    (found,) = with_images_found(tmp_path, [wanted], Findings())
    assert found.file == there


def test_another_splits_or_anothers_image_is_never_taken(tmp_path: Path) -> None:
    put(tmp_path, {"test/images/a.jpg": jpeg(1), "images/b.jpg": jpeg(2), "s1/c.jpg": jpeg(3)})
    wanted = [
        LabelledImage("s", "a", "train", "train/images/a.jpg"),
        LabelledImage("s", "b", None, "images/b.jpg"),
        LabelledImage("s", "B", None, "images/B.jpg"),
        LabelledImage("s2", "c", None, "s2/c.jpg"),
    ]
    assert with_images_found(tmp_path, wanted, Findings()) == wanted


def test_no_image_found_though_images_lie_there_is_refused(tmp_path: Path) -> None:
    raw = put(tmp_path / "raw", {"train.csv": "file,x,y\na.jpg,3,4\n", "images/z.jpg": jpeg()})
    refused = outcome(raw, tmp_path / "out")["refused"]
    assert "none of the images that the labels name is there" in refused
    assert "looked for a.jpg, found images/z.jpg" in refused


def test_images_of_nwpu_in_five_parts(tmp_path: Path) -> None:
    label = json.dumps({"img_id": "0001.jpg", "human_num": 1, "points": [[20, 20]], "boxes": []})
    files: dict[str, str | bytes] = {}
    for number in (1, 2):
        files |= {f"jsons/000{number}.json": label}
        files |= {f"images_part{number}/000{number}.jpg": jpeg(number)}
    files |= {"train.txt": "0001 0 1\n", "val.txt": "0002 1 1\n"}
    found = outcome(put(tmp_path / "raw", files), tmp_path / "out")
    assert splits(found) == {"train/0001": "train", "validation/0002": "validation"}
    assert found["frames"]["train/0001"]["size_wh"] == [200, 100]


@pytest.mark.parametrize(
    ("rows", "images", "refused"),
    [
        ((0, 1, 2), (1, 2, 3), True),
        ((1, 2, 3), (0, 1, 2), True),
        ((1, 2, 3), (1, 2, 3), False),
        ((2, 3), (1, 2, 3), False),
    ],
)
def test_mot_frames_that_count_from_another_number_are_refused(
    tmp_path: Path, rows: tuple[int, ...], images: tuple[int, ...], refused: bool
) -> None:
    text = "".join(f"{n},1,10,10,5,5,1,1,1\n" for n in rows)
    files: dict[str, str | bytes] = {f"s/img1/{n:06d}.jpg": jpeg(n) for n in images}
    found = outcome(put(tmp_path / "raw", {"s/gt/gt.txt": text, **files}), tmp_path / "out")
    assert ("refused" in found) == refused
    if refused:
        assert "don't count from the same number" in found["refused"]


@pytest.mark.parametrize("option", [None, "upright", "stored"])
def test_what_labels_of_a_turned_photograph_mean(tmp_path: Path, option: str | None) -> None:
    """Stored 200 x 100 with orientation 6; the upright image is 100 x 200."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).save(turned, "JPEG", exif=exif, quality=95)
    yolo = {"labels/a.txt": "0 0.25 0.5 0.1 0.2\n", "data.yaml": "names: [head]"}
    points = {"train.csv": "file,x,y\na.jpg,30,40\n"}
    found = {}
    for name, files in (("yolo", yolo), ("points", points)):
        raw = put(tmp_path / name, {**files, "images/a.jpg": turned.getvalue()})
        report = gtahead.build(raw, tmp_path / f"{name}-out", labels_orientation=option, workers=1)
        assert ("orientation-assumed" in report.findings.totals) == (option is None)
        (frame,) = Dataset.open(tmp_path / f"{name}-out")
        assert frame.size_wh == (100, 200)
        found[name] = frame.points_xy.tolist()
    upright = {"yolo": [[25, 100]], "points": [[30, 40]]}
    stored = {"yolo": [[50, 50]], "points": [[60, 30]]}
    usual = {"yolo": upright["yolo"], "points": stored["points"]}
    assert found == {None: usual, "upright": upright, "stored": stored}[option]


def test_heads_that_fit_in_one_frame_only_decide_its_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).save(turned, "JPEG", exif=exif, quality=95)
    raw = put(
        tmp_path / "raw",
        {"train.csv": "file,x,y\na.jpg,30,40\na.jpg,90,180\n", "images/a.jpg": turned.getvalue()},
    )
    found = outcome(raw, tmp_path / "out")
    assert found["findings"] == {"exif-orientation": 1, "image-elsewhere": 1, "origin-assumed": 1}
    assert [round(box[0] + box[2]) for box in found["frames"]["train/a"]["boxes"]] == [60, 180]


@pytest.mark.parametrize(
    "values", [[1, 2], [[1, 2, 3]], [[1, 2], [3]], [["1", "2"]], [[True, 2]], {"a": 1}, 5, None]
)
def test_nothing_is_cut_or_run_together(values: Any) -> None:
    with pytest.raises(ValueError, match="2 numbers"):
        rows_in_json(values, (2,))
