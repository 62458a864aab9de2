"""Findings are shown on the frames that they name, whatever was checked."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import orjson
from helpers import SIZE_WH, edit_sequence, gtahead, image, make_sequence, put
from PIL import Image

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


def test_heads_of_a_turned_image_are_marked_only_where_they_are(tmp_path: Path) -> None:
    """Pixels of labels are those of the image as stored; the page shows it upright."""
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(io.BytesIO(image(1))) as whole:
        whole.save(turned, "JPEG", exif=exif)
    make_sequence(tmp_path / "captures", "street", rows=["0,1,20,10,8", "1,5,-3,20,8"])
    files = sorted((tmp_path / "captures" / "street" / "frames").iterdir())
    files[1].write_bytes(turned.getvalue())
    name, drawn = shown(tmp_path / "captures", tmp_path / "page.html")["head-outside-frame"]
    assert name == "000001"
    assert "miss" not in drawn
