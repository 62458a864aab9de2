"""Other people's files as they are: odd names, breaks, marks, gaps; and damage of every kind."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damage import mutated
from helpers import image

import gtahead
from gtahead import Dataset, GtaheadError, InputError
from gtahead.building import BuildReport
from gtahead.formats import FORMATS

SIZE = (64, 48)


def built(raw: Path, reader: str = "auto") -> tuple[BuildReport, dict[str, gtahead.dataset.Frame]]:
    out = raw.with_name("dataset")
    report = gtahead.build(raw, out, reader=reader, workers=1)
    assert report.ledger.heads.came == report.ledger.heads.kept + sum(
        report.ledger.heads.dropped.values()
    )
    return report, {frame.frame: frame for frame in Dataset.open(out)}


def voc_object(name: str, box: tuple[float, float, float, float]) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>"


def make_voc(raw: Path, objects: str, size: tuple[int, int] = SIZE) -> Path:
    for folder in ("Annotations", "JPEGImages"):
        (raw / folder).mkdir(parents=True)
    (raw / "JPEGImages" / "a.jpg").write_bytes(image(1))
    (raw / "JPEGImages" / "b.jpg").write_bytes(image(2))
    sizes = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    for name, inner in (("a", objects), ("b", "")):
        text = f"\ufeff<annotation>\r\n{sizes}{inner}</annotation>"
        (raw / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8", newline="")
    return raw


def test_voc_with_a_mistyped_class_another_class_and_a_wrong_size(tmp_path: Path) -> None:
    objects = voc_object("headdd", (1, 1, 10, 12)) + voc_object("person", (1, 1, 40, 40))
    raw = make_voc(tmp_path / "raw", objects + voc_object("head", (5, 5, 8, 9)), size=(0, 1))
    report, frames = built(raw)
    assert report.findings.totals["class-taken-as-head"] == 1
    assert report.findings.totals["other-class"] == 1
    assert frames["a"].boxes_xyxy.tolist() == [[0, 0, 10, 12], [4, 4, 8, 9]]
    assert frames["a"].size_wh == SIZE
    assert frames["b"].count == 0


def test_voc_whose_size_isn_t_the_images(tmp_path: Path) -> None:
    raw = make_voc(tmp_path / "raw", voc_object("head", (5, 5, 8, 9)), size=(1920, 1080))
    report, frames = built(raw)
    assert report.findings.totals["size-differs"] == 2
    assert frames["a"].size_wh == SIZE


def test_voc_refuses_entities(tmp_path: Path) -> None:
    raw = make_voc(tmp_path / "raw", voc_object("head", (5, 5, 8, 9)))
    bomb = '<!DOCTYPE a [<!ENTITY x "head">]><annotation><object><name>&x;</name></object></annotation>'
    (raw / "Annotations" / "a.xml").write_text(bomb)
    report, frames = built(raw)
    assert report.findings.totals["bad-frame-labels"] == 1
    assert "it declares entities" in str(next(iter(report.findings)))
    assert list(frames) == ["b"]


def test_crowdhuman_with_a_mask_a_mark_and_crlf(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "Images").mkdir(parents=True)
    (raw / "Images" / "a,1.jpg").write_bytes(image(1))
    rows = [
        {"tag": "person", "hbox": [1, 2, 8, 8], "head_attr": {"ignore": 0, "occ": 1}},
        {"tag": "person", "hbox": [9, 9, 8, 8], "head_attr": {"ignore": 1}},
        {"tag": "mask", "hbox": [20, 20, 20, 20], "head_attr": {}, "extra": {"ignore": 1}},
        {"tag": "person", "fbox": [0, 0, 9, 9], "head_attr": {}},
    ]
    text = "\ufeff" + json.dumps({"ID": "a,1", "gtboxes": rows}) + "\r\n\r\n"
    (raw / "annotation_val.odgt").write_text(text, encoding="utf-8", newline="")
    report, frames = built(raw)
    assert frames["a,1"].status.tolist() == ["counted", "ignored", "ignored"]
    assert frames["a,1"].split == "validation"
    assert report.findings.totals["other-class"] == 1


def test_lists_with_crlf_strays_and_a_broken_line(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "images").mkdir(parents=True)
    for number in (1, 2, 10):
        (raw / "images" / f"IMG_{number}.jpg").write_bytes(image(number))
    lines = ["1 2 5 6 4 8 1 -3 70 4 8 1 ", "2 0", "3 2 1 1 4 8 1"]
    (raw / "A_gt.txt").write_text("\r\n".join(lines) + "\r\n", newline="")
    report, frames = built(raw, "fidtm")
    assert list(frames) == ["IMG_1", "IMG_10"]  # IMG_10 is the second name as text
    assert frames["IMG_1"].status.tolist() == ["counted", "absent"]
    assert report.findings.totals["bad-frame-labels"] == 1
    assert "the frame's labels can't be read: line 3: 7 numbers instead of 12" in str(
        [str(finding) for finding in report.findings]
    )


@pytest.mark.parametrize("nesting", range(4))
def test_shanghaitech_however_matlab_nested_it(tmp_path: Path, nesting: int) -> None:
    from scipy.io import savemat

    raw = tmp_path / "raw" / "test_data"
    (raw / "ground_truth").mkdir(parents=True)
    (raw / "images").mkdir()
    (raw / "images" / "IMG_1.jpg").write_bytes(image(1))
    value: object = {"location": np.array([[3.5, 4.5], [63.9, 47.9]]), "number": 2.0}
    for _ in range(nesting):
        cell = np.empty((1, 1), object)
        cell[0, 0] = value
        value = cell
    savemat(raw / "ground_truth" / "GT_IMG_1.mat", {"image_info": value})
    _, frames = built(tmp_path / "raw")
    assert frames["IMG_1"].points_xy == pytest.approx(
        np.array([[3.5, 4.5], [63.9, 47.9]]), abs=1 / 512
    )


def test_yolo_of_several_classes(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for folder in ("images/train", "labels/train"):
        (raw / folder).mkdir(parents=True)
    for name in "ab":
        (raw / "images" / "train" / f"{name}.jpg").write_bytes(image(ord(name)))
    (raw / "labels" / "train" / "a.txt").write_text("1 0.5 0.5 0.25 0.25\n0 0.1 0.1 0.1 0.1\n")
    (raw / "data.yaml").write_text("train: images/train\nnames:\n  0: person\n  1: 'head'\n")
    report, frames = built(raw)
    assert frames["a"].boxes_xyxy.tolist() == [[24, 18, 40, 30]]
    assert frames["b"].count == 0  # YOLO's own convention: no file, no object
    assert report.findings.totals["other-class"] == 1


@pytest.mark.parametrize(
    "names",
    [
        "names: [person, head]",
        "names: {1: head, 0: person}",
        "names:\r\n- person # a comment\r\n\r\n- 'head'\r\nnc: 2",
        "names:\n  1: head\n  0: person",
        'nc: 2\nnames: ["person",\n  "head"]',
    ],
)
def test_yolo_names_as_yaml_writes_them(tmp_path: Path, names: str) -> None:
    raw = tmp_path / "raw"
    for folder in ("images/train", "labels/train"):
        (raw / folder).mkdir(parents=True)
    (raw / "images" / "train" / "a.jpg").write_bytes(image(1))
    (raw / "labels" / "train" / "a.txt").write_text("1 0.5 0.5 0.25 0.25\n0 0.1 0.1 0.1 0.1\n")
    (raw / "data.yaml").write_bytes(names.encode())
    _, frames = built(raw)
    assert frames["a"].boxes_xyxy.tolist() == [[24, 18, 40, 30]]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("names: [head", "data.yaml > line 1: not YAML: while parsing a flow sequence"),
        ("names: 5", "data.yaml > names: names must be a list, or a mapping"),
        ("names: {a: head, b: person}", "data.yaml > names: names must be a list, or a mapping"),
    ],
)
def test_yolo_names_that_cannot_be_read(tmp_path: Path, names: str, says: str) -> None:
    raw = tmp_path / "raw"
    for folder in ("images/train", "labels/train"):
        (raw / folder).mkdir(parents=True)
    (raw / "images" / "train" / "a.jpg").write_bytes(image(1))
    (raw / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    (raw / "data.yaml").write_text(names)
    with pytest.raises(InputError) as caught:
        built(raw)
    assert str(caught.value).startswith(says)


def test_turned_images_with_labels_of_either_kind(tmp_path: Path) -> None:
    """Sizes that labels give tell which way up they were made."""
    import io

    from PIL import Image

    raw = tmp_path / "raw"
    (raw / "images").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    images = []
    for number, (width, height) in enumerate([(64, 48), (48, 64)], 1):
        out = io.BytesIO()
        Image.open(io.BytesIO(image(number))).save(out, "JPEG", exif=exif)
        (raw / "images" / f"{number}.jpg").write_bytes(out.getvalue())
        images.append(
            {"id": number, "file_name": f"{number}.jpg", "width": width, "height": height}
        )
    rows = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 10, 4], "iscrowd": 0}
        for n in (1, 2)
    ]
    document = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "head"}]}
    (raw / "train.json").write_text(json.dumps(document))
    _, frames = built(raw)
    assert {frame.size_wh for frame in frames.values()} == {(48, 64)}
    assert frames["1"].boxes_xyxy.tolist() == [[44, 0, 48, 10]]  # turned with its image
    assert frames["2"].boxes_xyxy.tolist() == [[0, 0, 10, 4]]  # made on the upright one


READ = [name for name, one in FORMATS.items() if one.reader is not None]
_LABELS = {
    ".json",
    ".jsonl",
    ".csv",
    ".txt",
    ".xml",
    ".mat",
    ".odgt",
    ".ini",
    ".parquet",
    ".tar",
    ".yaml",
}


def damage(small_dataset: Path, folder: Path, name: str, rounds: int, seed: int) -> int:
    """Damage exports in every way: a build ends well or says what is wrong, and books every head."""
    gtahead.export(small_dataset, folder / "out", format=name, allow_lossy=True, workers=1)
    files = sorted(p for p in (folder / "out").rglob("*") if p.suffix in _LABELS)
    files = [path for path in files if path.name != "export.json"]
    chance = random.Random(seed)
    good = 0
    for _ in range(rounds):
        path = chance.choice(files)
        whole = path.read_bytes()
        path.write_bytes(mutated(whole, chance))
        shutil.rmtree(folder / "dataset", ignore_errors=True)
        try:
            report = gtahead.build(folder / "out", folder / "dataset", reader=name, workers=1)
        except GtaheadError:
            continue  # said in one line: anything else ends the test
        finally:
            path.write_bytes(whole)
        good += 1
        heads = report.ledger.heads
        assert heads.came == heads.kept + sum(heads.dropped.values())
        assert len(Dataset.open(folder / "dataset")) == report.ledger.frames.kept
    return good


@pytest.mark.parametrize("name", READ)
def test_damaged_files_never_end_in_a_traceback(
    small_dataset: Path, tmp_path: Path, name: str
) -> None:
    damage(small_dataset, tmp_path, name, 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
def test_many_damaged_files(small_dataset: Path, tmp_path: Path, name: str) -> None:
    damage(small_dataset, tmp_path, name, 250, 2)


@pytest.mark.parametrize("name", READ)
def test_empty_and_missing_files(small_dataset: Path, tmp_path: Path, name: str) -> None:
    gtahead.export(small_dataset, tmp_path / "out", format=name, allow_lossy=True, workers=1)
    files = sorted(p for p in (tmp_path / "out").rglob("*") if p.suffix in _LABELS)
    some = [path for path in files if path.name != "export.json"]
    ways: list[Callable[[Path], object]] = [lambda path: path.write_bytes(b""), Path.unlink]
    for way in ways:
        path = some[0]
        whole = path.read_bytes()
        way(path)
        shutil.rmtree(tmp_path / "dataset", ignore_errors=True)
        with contextlib.suppress(GtaheadError):
            gtahead.build(tmp_path / "out", tmp_path / "dataset", reader=name, workers=1)
        path.write_bytes(whole)


def test_heads_of_a_image_that_is_listed_twice_are_booked(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    lines = ["# a/x.jpg", "1,2,9,12", "# a/x.jpg", "3,4,9,9", "4,4,9,9"]
    raw.mkdir()
    (raw / "train.txt").write_text("\n".join(lines))
    report, _ = built(raw, "headhunter")
    assert report.ledger.frames.dropped == {"duplicate-frame": 1}
    assert report.ledger.heads.came == 3
    assert report.ledger.heads.dropped == {"duplicate-frame": 2}
