"""Findings are shown on the frames that they name, whatever was checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest
from helpers import SIZE_WH, edit_sequence, gtahead, image, make_sequence, put, turned

import gtahead as library
from gtahead.reports import examples
from gtahead.reports.examples import IMAGE_BYTES, IMAGE_PX, _frames_of
from gtahead.reports.pages import embedded_image

FIGURE = re.compile(
    r"<code>([\w-]+)</code> · \d+</summary>(?:(?!</details>).)*?<svg [^>]*>(.*?)</svg>"
    r"<figcaption><code>([^<]+)</code>",
    re.DOTALL,
)


def shown(path: Path, page: Path) -> dict[str, tuple[str, str]]:
    """Return the frame and what is drawn of it by code."""
    assert gtahead("validate", path, "--html", page).code in (0, 1)
    text = page.read_text(encoding="utf-8")
    return {code: (name, drawn) for code, drawn, name in FIGURE.findall(text)}


def coco(boxes: dict[str, list[float]]) -> bytes:
    names = list(boxes)
    wide, high = SIZE_WH
    images = [
        {"id": 7 + at, "file_name": name, "width": wide, "height": high}
        for at, name in enumerate(names)
    ]
    annotations = [
        {"id": at + 1, "image_id": 7 + at, "category_id": 1, "bbox": boxes[name], "area": 4}
        | {"iscrowd": 0}
        for at, name in enumerate(names)
    ]
    kinds = [{"id": 1, "name": "head"}]
    return orjson.dumps({"images": images, "annotations": annotations, "categories": kinds})


def test_boxes_of_a_coco_file_on_their_images(tmp_path: Path) -> None:
    boxes: dict[str, list[float]] = {
        "a.jpg": [8, 8, 5, 5],
        "b.jpg": [12.5, 20, 0, 6],
        "c.jpg": [60, 10, 9, 9],
    }
    files = {f"images/{name}": image(at) for at, name in enumerate(boxes)}
    root = put(tmp_path / "labels", {"instances.json": coco(boxes), **files})
    found = shown(root, tmp_path / "page.html")
    assert found["box-without-area"][0] == "b"
    assert 'd="M12.5 20.0H12.5V26.0H12.5z"' in found["box-without-area"][1]
    assert found["box-over-border"][0] == "c"
    assert 'd="M60.0 10.0H69.0V19.0H60.0z"' in found["box-over-border"][1]


def test_what_is_of_no_image_has_none(tmp_path: Path) -> None:
    document = orjson.loads(coco({"a.jpg": [8, 8, 5, 0]}))
    document["annotations"].append({**document["annotations"][0], "id": 2, "image_id": 99})
    files = {"instances.json": orjson.dumps(document), "a.jpg": image()}
    found = shown(put(tmp_path / "labels", files), tmp_path / "page.html")
    assert "box-without-area" in found
    assert "reference-to-nothing" not in found


def test_a_file_of_labels_shows_the_image_that_is_called_as_it(tmp_path: Path) -> None:
    files = {f"{name}.jpg": image(at) for at, name in enumerate("ab")}
    labels = {"a.txt": "0 0.5 0.5 0.2 0.2\n", "b.txt": "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 -1 0.2\n"}
    root = put(
        tmp_path / "labels",
        {f"images/train/{name}": data for name, data in files.items()}
        | {f"labels/train/{name}": text for name, text in labels.items()}
        | {"data.yaml": "train: images/train\nnames: [head]\n"},
    )
    found = shown(root, tmp_path / "page.html")
    assert {name for name, _ in found.values()} == {"b"}


def test_a_head_of_a_capture_is_marked(tmp_path: Path) -> None:
    make_sequence(tmp_path / "captures", "street", rows=["0,1,20,10,8", "1,5,-3,20,8"])
    name, drawn = shown(tmp_path / "captures", tmp_path / "page.html")["head-outside-frame"]
    assert name == "000001"
    assert 'class="miss"' in drawn
    assert 'cx="-3.0" cy="20.0"' in drawn


def test_an_image_outside_the_folder_is_no_part_of_a_page(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "captures", "street", rows=["0,1,20,10,8"])
    (tmp_path / "private.jpg").write_bytes(image(9))

    def lead_out(document: dict[str, Any]) -> None:
        document["frames"][1]["file"] = "../../private.jpg"

    edit_sequence(folder, lead_out)
    found = shown(tmp_path / "captures", tmp_path / "page.html")
    assert "unsafe-path" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "unsafe-path" not in found


def test_the_very_image_is_shown(tmp_path: Path) -> None:
    """Not another of the same name: of another split, of another folder, or another entry's."""
    names = "train/1.jpg", "val/sub/1.jpg", "val/2.jpg"
    images = {f"images/{name}": image(at) for at, name in enumerate(names)}
    lists = {
        "annotations/instances_train.json": coco({"1.jpg": [3, 3, 0, 5]}),
        "annotations/instances_val.json": coco({"sub/1.jpg": [9, 9, 9, 9], "2.jpg": [2, 2, 5, 0]}),
    }
    root = put(tmp_path / "labels", {**images, **lists})
    checked = library.validate(root, workers=1)
    found = checked.finish()
    frames = _frames_of(checked)
    assert frames is not None
    shown = {one.where.file: frames.find(one.where) for one in found.examples["box-without-area"]}
    train, val = (shown[name] for name in lists)
    assert train is not None
    assert val is not None
    assert (train.frame, train.box_xyxy) == ("1", [3, 3, 3, 8])
    assert (val.frame, val.box_xyxy) == ("2", [2, 2, 7, 2])
    for example, name in ((train, names[0]), (val, names[2])):
        expected = embedded_image(images[f"images/{name}"], IMAGE_PX, IMAGE_BYTES)
        assert example.image == expected


def test_a_copy_that_nothing_lists_is_no_other_image(tmp_path: Path) -> None:
    make_sequence(tmp_path / "captures", "street", rows=["0,1,20,10,8"])
    frames = tmp_path / "captures" / "street" / "frames"
    (frames / "copy").mkdir()
    (frames / "copy" / "000001.jpg").write_bytes(image(77))
    (frames / "000009.jpg").write_bytes(image(78))
    found = shown(tmp_path / "captures", tmp_path / "page.html")
    assert "image-without-record" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "image-without-record" not in found


def test_what_lies_beside_the_frame_is_in_the_picture(tmp_path: Path) -> None:
    files = {"a.jpg": image(1), "b.jpg": image(2)}
    boxes: dict[str, list[float]] = {"a.jpg": [70, 10, 9, 9], "b.jpg": [5000, 10, 9, 9]}
    root = put(tmp_path / "labels", {"instances.json": coco(boxes), **files})
    checked = library.validate(root, workers=1)
    beside, far = checked.finish().examples["box-outside-frame"]
    frames = _frames_of(checked)
    assert frames is not None
    near, nothing = frames.find(beside.where), frames.find(far.where)
    assert near is not None
    assert nothing is not None
    left, top, width, height = near.view_xywh
    assert (left, top, height) == (0, 0, 48)
    assert 79 < width < 82
    assert (nothing.box_xyxy, nothing.view_xywh) == (None, (0, 0, 64, 48))


def test_an_image_is_read_once_also_where_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"0,{head},{-5 - head},20,8" for head in range(1, 12)]
    make_sequence(tmp_path / "captures", "street", rows=rows)
    read = mock.Mock(side_effect=lambda *_: None)
    monkeypatch.setattr(examples, "embedded_image", read)
    assert shown(tmp_path / "captures", tmp_path / "page.html") == {}
    assert read.call_count == 1
    read.reset_mock()
    page = tmp_path / "none.html"
    done = gtahead("validate", tmp_path / "captures", "--images", "none", "--html", page)
    assert done.code == 0
    assert page.exists()
    assert read.call_count == 0


def test_heads_of_a_turned_image_are_marked_only_where_they_are(tmp_path: Path) -> None:
    """Pixels of labels are those of the image as stored; the page shows it upright."""
    make_sequence(tmp_path / "captures", "street", rows=["0,1,20,10,8", "1,5,-3,20,8"])
    files = sorted((tmp_path / "captures" / "street" / "frames").iterdir())
    files[1].write_bytes(turned(image(1), 3))
    name, drawn = shown(tmp_path / "captures", tmp_path / "page.html")["head-outside-frame"]
    assert name == "000001"
    assert "miss" not in drawn
    labels = {"a.jpg": turned(image(1), 3), "instances.json": coco({"a.jpg": [60, 10, 9, 9]})}
    root = put(tmp_path / "labels", labels)
    for words in ([], ["--labels-orientation", "stored"]):
        page = tmp_path / "coco.html"
        assert gtahead("validate", root, *words, "--html", page).code == 0
        figures = FIGURE.findall(page.read_text(encoding="utf-8"))
        drawn = {code: marked for code, marked, _ in figures}["box-over-border"]
        assert ("miss" in drawn) == (not words)  # COCO's tools show images upright
