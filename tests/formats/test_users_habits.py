"""Datasets as people keep them: half-sorted, renamed, linked, with strange files beside them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers import image, put

import gtahead
from gtahead import Dataset, GtaheadError

SIZE = (200, 100)
HEAD = "0 0.5 0.5 0.1 0.2\n"
NAMES = {"data.yaml": "names: [head]\n"}


def jpeg(seed: int = 1) -> bytes:
    return image(seed, SIZE)


def read(raw: Path, **options: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """Build; return each frame's split and points, and what was found but for what is fine."""
    out = raw.parent / f"{raw.name}-set"
    report = gtahead.build(raw, out, workers=1, **options)
    frames = {f.frame_id: (f.split, f.points_xy.round(1).tolist()) for f in Dataset.open(out)}
    quiet = ("few-locations", "image-elsewhere")
    found = {code: n for code, n in report.findings.totals.items() if code not in quiet}
    return frames, found


def splits(frames: dict[str, Any]) -> dict[str, str]:
    return {name: split for name, (split, _) in frames.items()}


def voc(*boxes: tuple[int, int, int, int], filename: str = "", size: str = "") -> str:
    objects = "".join(
        f"<object><name>head</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    name = f"<filename>{filename}</filename>" if filename else ""
    return f"<annotation>{name}{size}{objects}</annotation>"


def coco(*names: str, box: tuple[int, ...] = (10, 10, 20, 20), **more: Any) -> str:
    return json.dumps(
        {
            "images": [
                {"id": n, "file_name": name, "width": 200, "height": 100}
                for n, name in enumerate(names)
            ],
            "annotations": [
                {"id": n + 1, "image_id": n, "category_id": 1, "bbox": box}
                for n in range(len(names))
            ],
            "categories": [{"id": 1, "name": "head"}],
            **more,
        }
    )


def test_splits_that_some_images_bring_are_kept(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {}
    for number in range(5):
        files |= {f"Annotations/{number}.xml": voc((5, 5, 20, 20))}
        files |= {f"JPEGImages/{number}.jpg": jpeg(number)}
    lists = {"train": "0\n1", "val": "2", "test": "3"}
    files |= {f"ImageSets/Main/{name}.txt": text for name, text in lists.items()}
    frames, found = read(put(tmp_path / "voc", files))
    assert splits(frames) == {
        "train/0": "train",
        "train/1": "train",
        "validation/2": "validation",
        "test/3": "test",
        "voc/4": "train",
    }
    assert found == {"split-missing": 1}


@pytest.mark.parametrize("kind", ["coco", "points.csv", "points.jsonl", "list.txt", "metadata"])
def test_a_split_in_the_path_of_an_image(tmp_path: Path, kind: str) -> None:
    names = ["train/0.jpg", "test/0.jpg"]
    texts = {
        "coco": ("annotations.json", coco(*names)),
        "points.csv": ("points.csv", "file,x,y\n" + "".join(f"{n},20,20\n" for n in names)),
        "points.jsonl": (
            "points.jsonl",
            "".join(json.dumps({"file": n, "points": [[20, 20]]}) + "\n" for n in names),
        ),
        "list.txt": ("list.txt", "".join(f"# {n}\n10,10,30,30\n" for n in names)),
        "metadata": (
            "metadata.jsonl",
            "".join(
                json.dumps({"file_name": n, "objects": {"bbox": [[10, 10, 20, 20]]}}) + "\n"
                for n in names
            ),
        ),
    }
    file, text = texts[kind]
    files: dict[str, str | bytes] = {file: text}
    frames, _ = read(put(tmp_path / "raw", files | {n: jpeg(i) for i, n in enumerate(names)}))
    assert splits(frames) == {"train/0": "train", "test/0": "test"}


def test_changed_lists_of_splits_are_noticed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {**NAMES, "train.txt": "images/a/0.jpg\n"}
    files |= {"val.txt": "images/b/0.jpg\n"}
    for number, name in enumerate("ab"):
        files |= {f"images/{name}/0.jpg": jpeg(number), f"labels/{name}/0.txt": HEAD}
    raw = put(tmp_path / "raw", files)
    assert splits(read(raw)[0]) == {"a/0": "train", "b/0": "validation"}
    put(raw, {"train.txt": "images/b/0.jpg\n", "val.txt": "images/a/0.jpg\n"})
    assert splits(read(raw)[0]) == {"a/0": "validation", "b/0": "train"}


def test_texts_beside_images_are_all_labels_once_one_is(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {**NAMES}
    texts = [HEAD, f"\n{HEAD}", "0 0.5 -0.001 0.1 0.1\n", "0 0.5 0.5 0.1 0.1 0.9\n"]
    texts.append("0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    for number, text in enumerate(texts):
        files |= {f"{number}.txt": text, f"{number}.jpg": jpeg(number)}
    frames, found = read(put(tmp_path / "raw", files))
    assert {name: len(points) for name, (_, points) in frames.items()} == {
        f"raw/{n}": 1 for n in range(4)
    }
    assert found == {"bad-frame-labels": 1, "head-outside-frame": 1}  # a polygon is no box


def test_linked_folders_capitals_and_hidden_files(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", {"0.txt": HEAD})
    files: dict[str, str | bytes] = {
        **NAMES,
        "images/train/0.jpg": jpeg(1),
        "images/val/1.JPG": jpeg(2),
        "labels/val/1.TXT": HEAD,
        "labels/val/._1.txt": b"\x00\x05",
        "labels/README.txt": "How this was labelled.",
        "__MACOSX/labels/._0.txt": b"\x00",
        ".ipynb_checkpoints/labels/0.txt": "x",
    }
    raw = put(tmp_path / "raw", files)
    (raw / "labels" / "train").symlink_to(elsewhere)
    frames, found = read(raw)
    assert [len(points) for _, points in frames.values()] == [1, 1]
    assert sorted(splits(frames).values()) == ["train", "validation"]
    assert found == {}


def test_a_folder_without_any_labels_is_told(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {**NAMES, "images/test/1.jpg": jpeg(2)}
    files |= {"images/train/0.jpg": jpeg(1), "labels/train/0.txt": HEAD}
    _, found = read(put(tmp_path / "raw", files))
    assert found == {"folder-without-labels": 1}


def test_two_tables_of_points_never_add_up(tmp_path: Path) -> None:
    text = "file,x,y\na.jpg,10,20\n"
    raw = put(tmp_path / "raw", {"points.csv": text, "copy.csv": text, "a.jpg": jpeg()})
    frames, found = read(raw)
    assert [len(points) for _, points in frames.values()] == [1, 1]
    assert found == {"same-image-twice": 1}
    both: dict[str, str | bytes] = {
        "train.csv": "file,x,y\n1.jpg,10,20\n",
        "val.csv": "file,x,y\n1.jpg,30,40\n",
        "train/1.jpg": jpeg(1),
        "val/1.jpg": jpeg(2),
    }
    frames, found = read(put(tmp_path / "both", both))
    assert frames == {"train/1": ("train", [[10, 20]]), "val/1": ("validation", [[30, 40]])}
    assert found == {}


def test_images_of_one_name_and_two_extensions(tmp_path: Path) -> None:
    text = "file,x,y\na.jpg,10,20\na.png,30,40\n"
    png = image(2, SIZE, ".png")
    frames, _ = read(put(tmp_path / "csv", {"points.csv": text, "a.jpg": jpeg(), "a.png": png}))
    assert {name: points for name, (_, points) in frames.items()} == {
        "points/a.jpg": [[10, 20]],
        "points/a.png": [[30, 40]],
    }
    raw = {"all.json": coco("a.jpg", "a.png"), "a.jpg": jpeg(), "a.png": png}
    assert list(read(put(tmp_path / "coco", raw))[0]) == ["all/a.jpg", "all/a.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,x,y,width,height\na.jpg,1,2,3,4\n", "the CSV has boxes"),
        ("file,x,y,class\na.jpg,1,2,person\na.jpg,3,4,face\n", "none is called head"),
        ("file,x,y\na.jpg,1,2,5\n", "more cells than the first one"),
        ("file,x,y\n,1,2\n", "the line names no file"),
    ],
)
def test_a_table_that_says_more_than_points_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    raw = put(tmp_path / "raw", {"points.csv": text, "a.jpg": jpeg()})
    with pytest.raises(GtaheadError, match=message):
        read(raw)


def test_columns_of_a_table_of_points(tmp_path: Path) -> None:
    text = "filename,x,y,label,ignored\na.jpg,10,20,head,1.0\na.jpg,30,40,Head,\na.jpg,5,6,hat,0\n"
    raw = put(tmp_path / "raw", {"points.csv": text, "a.jpg": jpeg()})
    gtahead.build(raw, tmp_path / "out", workers=1, head_class="head")
    (frame,) = Dataset.open(tmp_path / "out")
    assert frame.points_xy.tolist() == [[10, 20], [30, 40]]
    assert frame.status.tolist() == ["ignored", "counted"]


def test_lines_of_points_name_their_image(tmp_path: Path) -> None:
    lines = [{"image": f"{n}.jpg", "points": [[n, n]], "labels": ["head"]} for n in (3, 1, 2)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    files: dict[str, str | bytes] = {f"{n}.jpg": jpeg(n) for n in (1, 2, 3)}
    frames, _ = read(put(tmp_path / "raw", files | {"points.jsonl": text}))
    assert {name: points for name, (_, points) in frames.items()} == {
        f"points/{n}": [[n, n]] for n in (1, 2, 3)
    }
    with pytest.raises(GtaheadError, match="the line names no image"):
        read(put(tmp_path / "none", files | {"points.jsonl": '{"points": [[1, 1]]}\n'}))
    text = '{"file": "1.jpg", "points": [[1, 1], [2, 2]], "labels": ["head"]}\n'
    few = put(tmp_path / "few", files | {"points.jsonl": text})
    with pytest.raises(GtaheadError, match="1 classes for 2 points"):
        read(few)


def test_cvats_names_of_mots_classes(tmp_path: Path) -> None:
    rows = "1,1,10,10,80,80,1,1,1\n1,2,50,10,20,20,1,2,1\n"
    files: dict[str, str | bytes] = {"gt/gt.txt": rows, "gt/labels.txt": "person\nhead\n"}
    frames, found = read(put(tmp_path / "task", files | {"img1/000001.jpg": jpeg()}))
    assert frames == {"task/000001": ("train", [[59, 19]])}
    assert found == {"other-class": 1}


def test_cvats_names_that_differ_between_sequences_are_refused(tmp_path: Path) -> None:
    rows = "1,1,10,10,20,20,1,1,1\n"
    files: dict[str, str | bytes] = {}
    for sequence, names in (("one", "head\nperson\n"), ("two", "person\nhead\n")):
        files |= {f"{sequence}/gt/gt.txt": rows, f"{sequence}/gt/labels.txt": names}
        files |= {f"{sequence}/img1/000001.jpg": jpeg(len(files))}
    with pytest.raises(GtaheadError, match=r"two/gt/labels\.txt > line 1: sequences name their"):
        read(put(tmp_path / "raw", files))


def test_numbers_of_classes_that_are_shifted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"classes.txt": "person\nhead\n", "images/a.jpg": jpeg()}
    files |= {"labels/a.txt": "1 0.5 0.5 0.4 0.8\n2 0.5 0.2 0.1 0.1\n"}
    assert read(put(tmp_path / "raw", files))[1]["class-without-name"] == 1


def test_names_beside_nested_labels_and_names_that_differ_in_case(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "dataset/data.yaml": "names: [person, Head]\n",
        "dataset/classes.txt": "person\nhead\n",
        "dataset/images/train/a.jpg": jpeg(),
        "dataset/labels/train/a.txt": "0 0.5 0.5 0.4 0.8\n1 0.5 0.2 0.1 0.1\n",
    }
    frames, _ = read(put(tmp_path / "raw", files))
    assert [points for _, points in frames.values()] == [[[100, 20]]]
    put(tmp_path / "raw", {"dataset/classes.txt": "head\nperson\n"})
    with pytest.raises(GtaheadError, match="its names of classes aren't those of"):
        read(tmp_path / "raw")


@pytest.mark.parametrize("home", ["", "mine/"])
def test_splits_that_a_yaml_file_gives(tmp_path: Path, home: str) -> None:
    yaml = "path: ../x\ntrain: one/images\nval: [two/images]\ntest:\nnames: [head]\n"
    files: dict[str, str | bytes] = {f"{home}data.yaml": yaml}
    for number, name in enumerate(("one", "two")):
        files |= {f"{home}{name}/images/a.jpg": jpeg(number)}
        files |= {f"{home}{name}/labels/a.txt": HEAD}
    found = splits(read(put(tmp_path / "raw", files))[0])
    assert {frame.split("/")[-2][-3:]: split for frame, split in found.items()} == {
        "one": "train",
        "two": "validation",
    }


def test_labels_of_voc_wherever_they_lie(tmp_path: Path) -> None:
    box = voc((11, 11, 30, 30))
    files: dict[str, str | bytes] = {
        "annotations/a.xml": box,
        "images/a.png": image(1, SIZE, ".png"),
        "config.xml": "<configuration/>",
    }
    assert read(put(tmp_path / "kaggle", files))[0] == {"kaggle/a": ("train", [[20, 20]])}
    files = {"Annotations/0.xml": voc((11, 11, 30, 30), filename="C:\\x\\frame 7.jpg")}
    files |= {"JPEGImages/frame 7.jpg": jpeg()}
    assert list(read(put(tmp_path / "named", files))[0]) == ["named/frame 7"]


def test_the_size_in_voc_labels_decides_the_orientation(tmp_path: Path) -> None:
    import io

    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).save(turned, "JPEG", exif=exif, quality=95)
    for size, point in (((200, 100), [[80, 20]]), ((100, 200), [[20, 20]])):
        text = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        files: dict[str, str | bytes] = {"a.xml": voc((11, 11, 30, 30), size=text)}
        raw = put(tmp_path / f"{size[0]}", files | {"a.jpg": turned.getvalue()})
        frames, found = read(raw)
        assert [points for _, points in frames.values()] == [point]
        assert found == {"exif-orientation": 1}


def test_lists_of_coco_take_their_own_folders_images(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {}
    for number, split in enumerate(("train", "val")):
        files |= {
            f"annotations/instances_{split}.json": coco("1.jpg", box=(10 * number, 0, 20, 20))
        }
        files |= {f"images/{split}/1.jpg": jpeg(number)}
    frames, found = read(put(tmp_path / "raw", files))
    assert list(frames.values()) == [("train", [[10, 10]]), ("validation", [[20, 10]])]
    assert found == {}
    files = {}
    for number, split in enumerate(("train", "val")):  # as FiftyOne writes it
        files |= {f"{split}/labels.json": coco("1.jpg"), f"{split}/data/1.jpg": jpeg(number)}
    raw = put(tmp_path / "fiftyone", files)
    assert set(splits(read(raw)[0]).values()) == {"train", "validation"}
    opened = {f.split: f for f in Dataset.open(tmp_path / "fiftyone-set")}
    for split, folder in (("train", "train"), ("validation", "val")):
        stored = opened[split].image_path
        assert stored is not None
        assert stored.read_bytes() == (raw / folder / "data" / "1.jpg").read_bytes()
    files = {"all.json": coco("1.jpg"), "cam1/1.jpg": jpeg(1), "cam2/1.jpg": jpeg(2)}
    with pytest.raises(GtaheadError, match="in several folders"):
        read(put(tmp_path / "both", files))


def test_head_in_one_file_and_heads_in_another(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "train/_annotations.coco.json": coco("a.jpg"),
        "valid/_annotations.coco.json": coco("b.jpg", categories=[{"id": 1, "name": "heads"}]),
        "train/a.jpg": jpeg(1),
        "valid/b.jpg": jpeg(2),
    }
    frames, found = read(put(tmp_path / "raw", files))
    assert [len(points) for _, points in frames.values()] == [1, 1]
    assert found == {}


def test_labels_whose_name_is_written_otherwise_than_the_images(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        **NAMES,
        "images/IMG_1.JPG": jpeg(1),
        "labels/img_1.txt": HEAD,
        "images/Z\u00fcrich.jpg": jpeg(2),
        "labels/Zu\u0308rich.txt": HEAD,
        "images/c.jpg": jpeg(3),
    }
    frames, found = read(put(tmp_path / "raw", files))
    assert sorted(len(points) for _, points in frames.values()) == [0, 1, 1]
    assert found == {}


def test_lines_of_lists_are_joined_by_the_longest_end_of_their_path(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"obj.names": "head\n", "train.txt": "", "valid.txt": ""}
    for number, (name, split) in enumerate((("cam1", "train"), ("cam2", "valid"))):
        files |= {f"obj_train_data/{name}/0.jpg": jpeg(number)}
        files |= {f"obj_train_data/{name}/0.txt": HEAD}
        files |= {f"{split}.txt": f"data/obj_train_data/{name}/0.jpg\n"}
    frames, found = read(put(tmp_path / "raw", files))
    assert splits(frames) == {"cam1/0": "train", "cam2/0": "validation"}
    assert found == {}


def test_files_that_no_reader_knows_are_named(tmp_path: Path) -> None:
    raw = put(tmp_path / "raw", {"a.jpg": jpeg(), "a.json": '{"shapes": []}'})
    with pytest.raises(GtaheadError) as caught:
        read(raw)
    assert "images with labels in no layout that gtahead knows (a.json)" in str(caught.value)


def test_mot_images_with_others_among_them(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"s/gt/gt.txt": "1,1,10,10,20,20,1,1,1\n"}
    files |= {f"s/img1/frame_000{n}.jpg": jpeg(n) for n in (1, 2)}
    frames, found = read(put(tmp_path / "raw", files | {"s/img1/thumb_1.jpg": jpeg(9)}))
    assert list(frames) == ["s/frame_0001", "s/frame_0002"]
    assert found["image-without-record"] == 1


def test_lines_of_commas_alone(tmp_path: Path) -> None:
    rows = "1,1,10,10,20,20,1,1,1\n,,\n1,2,50,10,20,20,1,1,1,\n , \n"
    frames, _ = read(put(tmp_path / "raw", {"s/gt/gt.txt": rows, "s/img1/1.jpg": jpeg()}))
    assert frames == {"s/1": ("train", [[19, 19], [59, 19]])}


def test_results_that_name_images(tmp_path: Path) -> None:
    truth = put(tmp_path, {"truth.json": coco("a.jpg")}) / "truth.json"
    rows = [{"image_id": "a.jpg", "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9}]
    found = put(tmp_path, {"found.json": json.dumps(rows)}) / "found.json"
    assert gtahead.benchmark(found, truth, intervals=False).value["ap"] == pytest.approx(1)


def test_several_files_of_labels_for_one_image(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "Annotations/a_copy.xml": voc((11, 11, 30, 30), filename="a.jpg"),
        "Annotations/b.xml": voc((11, 11, 30, 30), (41, 11, 60, 30), filename="b.jpg"),
        "Annotations/b2.xml": voc((1, 1, 5, 5), filename="b.jpg"),
        "JPEGImages/a.jpg": jpeg(1),
        "JPEGImages/b.jpg": jpeg(2),
    }
    frames, found = read(put(tmp_path / "voc", files))
    assert {name: len(points) for name, (_, points) in frames.items()} == {"voc/a": 1, "voc/b": 2}
    assert found == {"duplicate-frame": 1}
    yolo: dict[str, str | bytes] = {**NAMES, "images/a.jpg": jpeg(), "labels/a.txt": HEAD}
    _, found = read(put(tmp_path / "yolo", yolo | {"Labels/a.txt": HEAD * 2}))
    assert found == {"duplicate-frame": 1}


def test_lists_of_splits_in_each_part(tmp_path: Path) -> None:
    """SCUT-HEAD's two parts, with equal names."""
    files: dict[str, str | bytes] = {}
    for number, part in enumerate(("A", "B")):
        files |= {f"{part}/ImageSets/Main/train.txt": f"{number}\n"}
        files |= {f"{part}/ImageSets/Main/test.txt": f"{1 - number}\n"}
        for name in ("0", "1"):
            files |= {f"{part}/Annotations/{name}.xml": voc((11, 11, 30, 30))}
            files |= {f"{part}/JPEGImages/{name}.jpg": jpeg(2 * number + int(name))}
    frames, found = read(put(tmp_path / "scut", files))
    assert sorted((name[-1], name[0], split) for name, split in splits(frames).items()) == [
        ("0", "A", "train"),
        ("0", "B", "test"),
        ("1", "A", "test"),
        ("1", "B", "train"),
    ]
    assert found == {}


def test_a_mask_is_never_taken_for_a_photograph(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"annotations/instances_train.json": coco("a.jpg", "b.jpg")}
    files |= {"images/b.jpg": jpeg(), "annotations/a.png": image(2, SIZE, ".png")}
    frames, found = read(put(tmp_path / "raw", files))
    assert list(frames) == ["instances_train/b"]
    assert found["image-missing"] == 1


def test_a_list_never_means_another_folders_image(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {**NAMES, "train.txt": "images/cam3/0.jpg\n"}
    files |= {"test.txt": "images/cam2/0.jpg\n"}  # which wasn't downloaded
    for number, name in enumerate(("cam1", "cam3")):
        files |= {f"images/{name}/0.jpg": jpeg(number), f"labels/{name}/0.txt": HEAD}
    frames, found = read(put(tmp_path / "raw", files))
    assert splits(frames)["cam3/0"] == "train"
    assert found == {"split-list-unmatched": 1, "split-missing": 1}


def test_a_yaml_file_that_gives_images_to_two_splits(tmp_path: Path) -> None:
    """One folder for both, as in Ultralytics' coco128.yaml, is for training; others are refused."""
    text = "train: images/train2017\nval: images/train2017\nnames: [head]\n"
    files: dict[str, str | bytes] = {"coco128.yaml": text, "docker.yml": "a: {{ x }}\n---\nb: 1\n"}
    files |= {"images/train2017/0.jpg": jpeg(), "labels/train2017/0.txt": HEAD}
    raw = put(tmp_path / "raw", files)
    frames, found = read(raw)
    assert splits(frames) == {"train/0": "train"}
    assert found["given-splits-leak"] == 1
    put(raw, {"coco128.yaml": "train: images\nval: images/train2017\nnames: [head]\n"})
    with pytest.raises(GtaheadError, match="gives an image to two splits"):
        read(raw)


def test_a_number_is_a_number_before_it_is_a_name(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"data.yaml": 'names: ["1", "2"]\n', "images/a.jpg": jpeg()}
    raw = put(tmp_path / "raw", files | {"labels/a.txt": f"{HEAD}1 0.2 0.2 0.1 0.1\n"})
    frames, found = read(raw, head_class="1")
    assert [points for _, points in frames.values()] == [[[40, 20]]]
    assert found == {"other-class": 1}


def test_a_project_called_heads_is_no_class(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "Heads", "supercategory": "none"},
        {"id": 1, "name": "human-head", "supercategory": "Heads"},
    ]
    files: dict[str, str | bytes] = {"train.json": coco("a.jpg", categories=categories)}
    frames, found = read(put(tmp_path / "raw", files | {"a.jpg": jpeg()}))
    assert [len(points) for _, points in frames.values()] == [1]
    assert found == {"class-taken-as-head": 1}


@pytest.mark.parametrize("large", [2**63, 10**30])
def test_an_id_of_mot_that_is_larger_than_64_bits_is_refused(tmp_path: Path, large: int) -> None:
    rows = f"1,{2**63 - 1},10,10,5,5,1,1,1\n1,{large},50,10,5,5,1,1,1\n"
    raw = put(tmp_path / "raw", {"s/img1/000001.jpg": jpeg(), "s/gt/gt.txt": rows})
    with pytest.raises(GtaheadError, match=r"line 2.*64 bits"):
        read(raw)


def points_csv(label: str, rows: Sequence[tuple[float, float, str]]) -> dict[str, str | bytes]:
    lines = "".join(f"a.jpg,{x},{y},{value}\n" for x, y, value in rows)
    return {"heads.csv": f"file,x,y,{label}\n{lines}", "a.jpg": jpeg()}


def lines_json(**row: Any) -> dict[str, str | bytes]:
    points = [[60, 72], [100, 10]]
    return {"heads.jsonl": json.dumps({"file": "a.jpg", "points": points, **row}), "a.jpg": jpeg()}


def image_folder(**objects: Any) -> dict[str, str | bytes]:
    boxes = [[50, 60, 20, 20], [90, 0, 20, 20]]
    row = {"file_name": "a.jpg", "objects": {"bbox": boxes, **objects}}
    return {"metadata.jsonl": json.dumps(row), "a.jpg": jpeg()}


def webdataset(**objects: Any) -> dict[str, str | bytes]:
    boxes = [[50, 60, 20, 20], [90, 0, 20, 20]]
    packed = io.BytesIO()
    label = json.dumps({"width": 200, "height": 100, "objects": {"bbox": boxes, **objects}})
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in (("a.jpg", jpeg()), ("a.json", label.encode())):
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return {"train-000000.tar": packed.getvalue()}


@pytest.mark.parametrize("words", [("Head", "HEAD"), ("head", " Head ")])
@pytest.mark.parametrize(
    "made",
    [
        lambda words: points_csv("label", [(60, 72, words[0]), (100, 10, words[1])]),
        lambda words: lines_json(labels=list(words)),
        lambda words: image_folder(category=list(words)),
        lambda words: webdataset(category=list(words)),
    ],
)
def test_head_is_head_in_any_case(tmp_path: Path, words: tuple[str, str], made: Any) -> None:
    frames, found = read(put(tmp_path / "raw", made(words)))
    assert [len(points) for _, points in frames.values()] == [2]
    assert "other-class" not in found


@pytest.mark.parametrize("name", ["ignored", "ignore", "iscrowd", "difficult"])
@pytest.mark.parametrize(
    "made",
    [
        lambda name: points_csv(name, [(60, 72, "true"), (100, 10, "0")]),
        lambda name: lines_json(**{name: [1, False]}),
        lambda name: image_folder(**{name: [True, "0"]}),
        lambda name: webdataset(**{name: [1, 0]}),
    ],
)
def test_flags_of_heads_to_ignore_are_read(tmp_path: Path, name: str, made: Any) -> None:
    put(tmp_path / "raw", made(name))
    gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    (frame,) = Dataset.open(tmp_path / "out")
    assert frame.status.tolist() == ["ignored", "counted"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (lines_json(boxes=[[1, 2, 3, 4], [1, 2, 3, 4]]), "boxes beside points"),
        (lines_json(ids=[1]), "1 ids for 2 points"),
        (lines_json(ignore=[1]), "ignore isn't 0 or 1 for each of 2 points"),
        ({"heads.csv": "file,x,y,x\na.jpg,1,2,3\n", "a.jpg": jpeg()}, "two columns have one name"),
        (image_folder(ignore=[2, 0]), "nothing is left|bad-frame-labels|isn't 0 or 1|no sequence"),
    ],
)
def test_values_of_heads_that_cant_be_told_are_refused(
    tmp_path: Path, files: dict[str, str | bytes], message: str
) -> None:
    with pytest.raises(GtaheadError, match=message):
        read(put(tmp_path / "raw", files))


def test_columns_that_nothing_is_read_from_are_named(tmp_path: Path) -> None:
    rows = [(60.0, 72.0, "1"), (100.0, 10.0, "0")]
    found = read(put(tmp_path / "raw", points_csv("visible", rows)))[1]
    assert found["unknown-column"] == 1
    files = {"heads.csv": "file,x,y,class,label\na.jpg,60,72,head,body\n", "a.jpg": jpeg()}
    assert read(put(tmp_path / "two", files))[1]["unknown-column"] == 1


def test_tables_that_number_classes_differently_are_refused(tmp_path: Path) -> None:
    from datasets import ClassLabel, Features, Value
    from datasets import Dataset as Table
    from datasets import Sequence as ListOf

    for split, names in (("train", ["body", "head"]), ("test", ["head", "body"])):
        features = Features(
            {
                "file_name": Value("string"),
                "objects": {
                    "bbox": ListOf(ListOf(Value("float32"), 4)),
                    "category": ListOf(ClassLabel(names=names)),
                },
            }
        )
        row = {"file_name": ["a.jpg"], "objects": [{"bbox": [[1, 2, 3, 4]], "category": [1]}]}
        (tmp_path / "raw").mkdir(exist_ok=True)
        path = tmp_path / "raw" / f"{split}.parquet"
        Table.from_dict(row, features=features).to_parquet(str(path))
    with pytest.raises(GtaheadError, match="name their classes differently"):
        read(tmp_path / "raw")


def coco_file(
    images: Sequence[tuple[int, str]], annotations: list[dict[str, Any]], **more: Any
) -> str:
    document: dict[str, Any] = {
        "images": [{"id": i, "file_name": n, "width": 200, "height": 100} for i, n in images],
        "annotations": [{"id": k, **one} for k, one in enumerate(annotations, 1)],
        "categories": [{"id": 1, "name": "head"}],
    }
    return json.dumps({**document, **more})


def test_results_are_joined_to_the_images_of_a_folder_by_its_own_numbers(tmp_path: Path) -> None:
    heads = [{"image_id": i, "category_id": 1, "bbox": [10 * i, 10, 20, 20]} for i in (1, 2, 3)]
    heads += [{"image_id": 3, "category_id": 1, "bbox": [100, 50, 20, 20]}]
    names = [(1, "c.jpg"), (2, "b.jpg"), (3, "a.jpg")]
    files: dict[str, str | bytes] = {"instances_test.json": coco_file(names, heads)}
    raw = put(tmp_path / "raw", {**files, **{name: jpeg(i) for i, name in names}})
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{**one, "score": 0.9} for one in heads]))
    for path in (raw, raw / "instances_test.json"):
        score = gtahead.benchmark(results, path, intervals=False)
        assert score.value["mae"] == 0
        assert "numbers-assumed" not in score.findings.totals
    gtahead.build(raw, tmp_path / "out", workers=1)
    for number in (int, str):
        rows = [{**one, "image_id": number(one["image_id"]), "score": 0.9} for one in heads]  # type: ignore[operator]
        results.write_text(json.dumps(rows))
        score = gtahead.benchmark(results, tmp_path / "out", intervals=False)
        assert score.findings.totals["numbers-assumed"] == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**NAMES, "labels/a.txt": "0 0.5 0.5 x 0.2\n"}, "can't be read whole"),
        ({"data.yaml": "names: [body, head]\n", "labels/a.txt": HEAD}, "none of the labelled"),
    ],
)
def test_a_ground_truth_that_a_build_would_not_take_whole_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], message: str
) -> None:
    raw = put(tmp_path / "raw", {**files, "images/a.jpg": jpeg()})
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(GtaheadError, match=message):
        gtahead.benchmark(tmp_path / "none.json", raw, intervals=False)


@pytest.mark.parametrize("orientation", [None, "upright", "stored"])
def test_a_ground_truth_of_turned_photographs(tmp_path: Path, orientation: str | None) -> None:
    from PIL import Image

    exif, turned = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.open(io.BytesIO(jpeg())).save(turned, "JPEG", exif=exif, quality=95)
    files = {**NAMES, "labels/a.txt": HEAD, "images/a.jpg": turned.getvalue()}
    raw = put(tmp_path / "raw", files)
    (tmp_path / "none.json").write_text("[]")

    def scored() -> dict[str, int]:
        score = gtahead.benchmark(
            tmp_path / "none.json", raw, labels_orientation=orientation, intervals=False
        )
        return score.findings.totals

    if orientation == "stored":
        with pytest.raises(GtaheadError, match="orientation tag turns"):
            scored()
    else:
        assert ("orientation-assumed" in scored()) == (orientation is None)


def test_coco_annotations_of_unknown_categories_and_without_a_place(tmp_path: Path) -> None:
    box = {"image_id": 1, "bbox": [10, 10, 20, 20]}
    heads = [{**box, "category_id": 1}, {**box, "category_id": 5}, {**box, "category_id": "1"}]
    heads += [{"image_id": 1, "category_id": 1}]
    files = {"instances.json": coco_file([(1, "a.jpg")], heads), "a.jpg": jpeg()}
    frames, found = read(put(tmp_path / "raw", files))
    assert [len(points) for _, points in frames.values()] == [2]
    assert found["class-without-name"] == found["breaks-schema"] == found["not-finite"] == 1
    checked = gtahead.validate(tmp_path / "raw", workers=1).finish().totals
    assert checked["no-position"] == 1
    assert "no-box" not in checked
    categories = [{"id": 1, "name": "head"}, {"id": 1, "name": "body"}]
    text = coco_file([(1, "a.jpg")], heads[:1], categories=categories)
    with pytest.raises(GtaheadError, match="two categories share an id"):
        read(put(tmp_path / "twice", {"instances.json": text, "a.jpg": jpeg()}))


def test_validate_says_that_classes_are_unclear(tmp_path: Path) -> None:
    box = {"image_id": 1, "bbox": [10, 10, 20, 20]}
    categories = [
        {"id": 0, "name": "head"},
        *({"id": n, "name": name, "supercategory": "head"} for n, name in ((1, "a1"), (2, "b2"))),
    ]
    heads = [{**box, "category_id": 1}, {**box, "category_id": 2}]
    text = coco_file([(1, "a.jpg")], heads, categories=categories)
    raw = put(tmp_path / "raw", {"instances.json": text, "a.jpg": jpeg()})
    report = gtahead.validate(raw, workers=1).finish()
    assert report.totals["classes-unclear"] == 1


def test_yaml_splits_that_name_nothing_are_said(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "data.yaml": "train: images/nope\nval: [images/b.jpg]\ntest: 5\nnames: [head]\n"
    }
    for name in "abc":
        files |= {f"images/{name}.jpg": jpeg(ord(name)), f"labels/{name}.txt": HEAD}
    frames, found = read(put(tmp_path / "raw", files))
    assert found["split-list-unmatched"] == 2  # train, and 5
    assert [split for name, (split, _) in frames.items() if name.endswith("b")] == ["validation"]


def test_sequences_of_ht21_among_others_are_refused(tmp_path: Path) -> None:
    rows = "1,1,10,10,5,5,1,1,1\n"
    files: dict[str, str | bytes] = {}
    for name in ("HT21-01", "MOT17-02"):
        files |= {f"{name}/gt/gt.txt": rows, f"{name}/img1/000001.jpg": jpeg(len(files))}
    with pytest.raises(GtaheadError, match="HT21 and of others"):
        read(put(tmp_path / "raw", files))


def test_broken_images_in_tables_are_found_without_decoding(tmp_path: Path) -> None:
    from datasets import Dataset as Table

    whole = jpeg()
    boxes = {"bbox": [[1.0, 2.0, 3.0, 4.0]]}
    rows = {
        "image": [{"bytes": b, "path": None} for b in (whole, whole[: len(whole) // 2], b"")],
        "objects": [boxes] * 3,
    }
    (tmp_path / "raw").mkdir()
    Table.from_dict(rows).to_parquet(str(tmp_path / "raw" / "train.parquet"))
    found = gtahead.validate(tmp_path / "raw", workers=1).finish().totals
    assert found["image-truncated"] == found["image-empty"] == 1


@pytest.mark.parametrize(
    ("there", "lines"),
    [
        (["train", "val", "test"], ["train: images/train", "val: images/val", "test: images/test"]),
        (["train"], ["train: images/train", "val: images/train"]),
        (["test"], ["train: images/test", "val: images/test", "test: images/test"]),
    ],
)
def test_the_yaml_of_a_yolo_export_is_what_ultralytics_wants(
    tmp_path: Path, there: list[str], lines: list[str]
) -> None:
    """No `path`, which would be taken from the current folder; always `train` and `val`."""
    files: dict[str, str | bytes] = {**NAMES}
    for number, split in enumerate(there):
        files |= {f"images/{split}/a{number}.jpg": jpeg(number)}
        files |= {f"labels/{split}/a{number}.txt": HEAD}
    gtahead.build(put(tmp_path / "raw", files), tmp_path / "set", workers=1)
    gtahead.export(tmp_path / "set", tmp_path / "yolo", format="yolo", allow_lossy=True)
    text = (tmp_path / "yolo" / "data.yaml").read_text()
    own = [line.partition("  #")[0] for line in text.splitlines() if "images" in line]
    assert own == lines
    assert "path" not in text
    back = gtahead.build(tmp_path / "yolo", tmp_path / "back", workers=1)
    there_too = {"val": "validation"}
    wanted = {there_too.get(split, split) for split in there}
    assert {str(frame.split) for frame in Dataset.open(tmp_path / "back")} == wanted
    assert back.exit_code == 0


def test_a_label_or_a_flag_of_a_whole_line_holds_for_its_points(tmp_path: Path) -> None:
    lines = [
        {"file": "a.jpg", "points": [[10, 10], [20, 20]], "label": "head", "ignored": True},
        {"file": "b.jpg", "points": [[30, 30]], "label": "person"},
        {"file": "c.jpg", "points": [[30, 30]], "label": "head", "iscrowd": 0, "name": "pier"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    images = {f"{name}.jpg": jpeg(n) for n, name in enumerate("abc")}
    raw = put(tmp_path / "raw", {"heads.jsonl": text, **images})
    report = gtahead.build(raw, tmp_path / "out", workers=1)
    found = {f.frame: f.status.tolist() for f in Dataset.open(tmp_path / "out")}
    assert found == {"a": ["ignored", "ignored"], "b": [], "c": ["counted"]}
    assert report.findings.totals["unknown-column"] == 1  # a name is no class


@pytest.mark.parametrize("name", ["coco", "yolo", "points-csv"])
def test_a_split_of_images_is_scored_alone_in_a_folder_too(tmp_path: Path, name: str) -> None:
    files: dict[str, str | bytes] = {"heads.csv": "file,x,y\n"}
    rows = "".join(f"{n}.jpg,{20 + 9 * k},{30 + k}\n" for n in range(9) for k in range(1 + n % 4))
    files = {f"{n}.jpg": jpeg(n) for n in range(9)} | {"heads.csv": f"file,x,y\n{rows}"}
    gtahead.build(put(tmp_path / "raw", files), tmp_path / "set", origin="photographs", workers=1)
    gtahead.export(tmp_path / "set", tmp_path / "there", format=name)
    (tmp_path / "none.json").write_text("[]")
    wanted = gtahead.benchmark(tmp_path / "none.json", tmp_path / "set", intervals=False)
    score = gtahead.benchmark(
        tmp_path / "none.json", tmp_path / "there", split="test", intervals=False
    )
    assert score.value["mae"] == wanted.value["mae"]
    assert score.document["data"]["images"] == wanted.document["data"]["images"]


@pytest.mark.parametrize("folder", [False, True])
def test_results_name_images_by_ids_that_are_text(tmp_path: Path, folder: bool) -> None:
    boxes = {name: [10 * n, 10, 20, 20] for n, name in enumerate("xyz")}
    document = json.loads(coco_file([], []))
    document["images"] = [
        {"id": one, "file_name": f"{9 - n}.jpg", "width": 200, "height": 100}
        for n, one in enumerate(boxes)
    ]
    document["annotations"] = [
        {"id": n, "image_id": one, "category_id": 1, "bbox": box}
        for n, (one, box) in enumerate(boxes.items(), 1)
    ]
    files = {"instances.json": json.dumps(document), **{f"{9 - n}.jpg": jpeg(n) for n in range(3)}}
    raw = put(tmp_path / "raw", files)
    results = [{**one, "score": 0.9} for one in document["annotations"]]
    (tmp_path / "results.json").write_text(json.dumps(results))
    against = raw if folder else raw / "instances.json"
    score = gtahead.benchmark(tmp_path / "results.json", against, intervals=False)
    assert score.value["mae"] == 0
    assert score.value["ap50"] == pytest.approx(1, abs=0.01)


def test_flags_in_parquet_may_be_text(tmp_path: Path) -> None:
    from datasets import Dataset as Table

    objects = {"bbox": [[1.0, 2.0, 9.0, 9.0], [50.0, 2.0, 9.0, 9.0]], "difficult": ["true", "0"]}
    image_of = {"bytes": jpeg(), "path": None}
    (tmp_path / "raw").mkdir()
    path = str(tmp_path / "raw" / "train.parquet")
    Table.from_dict({"image": [image_of], "objects": [objects]}).to_parquet(path)
    gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    (frame,) = Dataset.open(tmp_path / "out")
    assert frame.status.tolist() == ["ignored", "counted"]


def test_numbers_in_one_part_and_names_in_another(tmp_path: Path) -> None:
    boxes = [[50, 60, 20, 20], [90, 0, 20, 20]]
    parts = {"train": {"category": [0, 1]}, "test": {"label": ["head", "head"]}}
    files: dict[str, str | bytes] = {}
    for n, (split, kinds) in enumerate(parts.items()):
        row = {"file_name": "a.jpg", "objects": {"bbox": boxes, **kinds}}
        files |= {f"{split}/metadata.jsonl": json.dumps(row), f"{split}/a.jpg": jpeg(n)}
    assert read(put(tmp_path / "raw", files))[1]["class-without-name"] == 1


def test_a_key_that_yaml_has_twice_is_refused(tmp_path: Path) -> None:
    files = {"data.yaml": "names: {0: head, 0: person}\n", "images/a.jpg": jpeg()}
    with pytest.raises(GtaheadError, match=r"data\.yaml.*0 is there twice"):
        read(put(tmp_path / "raw", files | {"labels/a.txt": HEAD}))


def test_images_that_are_one_on_windows(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "a.jpg": image(1, (200, 100)),
            "A.jpg": image(2, (200, 100)),
            "what?.jpg": image(3, (200, 100)),
            "points.csv": "file,x,y\na.jpg,9,9\nA.jpg,9,9\nwhat?.jpg,9,9\n",
        },
    )
    report = gtahead.build(tmp_path, tmp_path.with_suffix(".set"), workers=1)
    assert report.findings.totals["bad-frame-name"] == 2
    assert report.ledger.heads.dropped == {"bad-frame-name": 2}
