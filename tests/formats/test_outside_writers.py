"""Labels as the tools' own code writes them: the hub's library, pycocotools, Ultralytics, labelImg."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import image
from PIL import Image

import gtahead
from gtahead import Dataset, UsageError

SIZE = (200, 100)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_table_of_datasets_own_to_parquet(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "objects": {
                "bbox": datasets.List(datasets.List(datasets.Value("float32"), length=4)),
                "category": datasets.List(datasets.ClassLabel(names=["person", "head"])),
            },
        }
    )
    photo = Image.open(io.BytesIO(image(1, SIZE)))
    rows = {
        "image": [photo],
        "objects": [{"bbox": [[10, 10, 20, 20], [5, 5, 80, 90]], "category": [1, 0]}],
    }
    table = datasets.Dataset.from_dict(rows, features=features)
    path = tmp_path / "raw" / "data" / "validation-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    table.to_parquet(str(path))
    report = gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    (frame,) = Dataset.open(tmp_path / "out")
    assert (frame.split, frame.size_wh) == ("validation", SIZE)
    assert frame.boxes_xyxy.tolist() == [[10, 10, 30, 30]]
    assert report.findings.totals["other-class"] == 1


def test_a_coco_file_of_pycocotools_kind(tmp_path: Path) -> None:
    """Masks as RLE beside boxes, NumPy's floats, a crowd, a category of another id."""
    mask = pytest.importorskip("pycocotools.mask")
    drawn = np.zeros((100, 200), np.uint8, order="F")
    drawn[20:40, 30:60] = 1
    code = mask.encode(drawn)
    row = {
        "id": 1,
        "image_id": 42,
        "category_id": 7,
        "segmentation": {"size": code["size"], "counts": code["counts"].decode()},
        "area": float(mask.area(code)),
        "bbox": mask.toBbox(code).tolist(),
        "iscrowd": 0,
    }
    crowd = {**row, "id": 2, "iscrowd": 1, "bbox": [100.0, 20.0, 50.0, 30.0]}
    document = {
        "info": {"year": 2026, "contributor": ""},
        "licenses": [],
        "images": [{"id": 42, "file_name": "000042.jpg", "width": 200, "height": 100}],
        "annotations": [row, crowd],
        "categories": [
            {"id": 7, "name": "head", "supercategory": "person"},
            {"id": 1, "name": "person", "supercategory": ""},
        ],
    }
    write(tmp_path / "raw/annotations/instances_val2017.json", json.dumps(document))
    write(tmp_path / "raw/val2017/000042.jpg", image(1, SIZE))
    gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    (frame,) = Dataset.open(tmp_path / "out")
    assert frame.split == "validation"
    assert frame.boxes_xyxy.tolist() == [[30, 20, 60, 40], [100, 20, 150, 50]]
    assert frame.status.tolist() == ["counted", "ignored"]


ULTRALYTICS = """\
# Heads dataset
# Example usage: yolo train data=heads.yaml

# Train/val/test sets as 1) dir: path/to/imgs, 2) file: path/to/imgs.txt, or 3) list
path: heads # dataset root dir
train: images/train # train images (relative to 'path') 4 images
val: images/val # val images (relative to 'path') 4 images
test: # test images (optional)

# Classes
names:
  0: person
  1: head

# Download script/URL (optional)
download: |
  from pathlib import Path
  names: [0, 1]
"""


def test_a_yaml_file_of_ultralytics_kind(tmp_path: Path) -> None:
    write(tmp_path / "raw/heads.yaml", ULTRALYTICS)
    for number, split in enumerate(("train", "val")):
        write(tmp_path / f"raw/images/{split}/{number}.jpg", image(number, SIZE))
        text = "1 0.500000 0.500000 0.100000 0.200000\n0 0.5 0.5 0.4 0.8\n"
        write(tmp_path / f"raw/labels/{split}/{number}.txt", text)
    write(tmp_path / "raw/labels/train.cache", b"\x93NUMPY")
    gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    frames = list(Dataset.open(tmp_path / "out"))
    assert [frame.split for frame in frames] == ["train", "validation"]
    assert [frame.boxes_xyxy.tolist() for frame in frames] == [[[90, 40, 110, 60]]] * 2


LABELIMG = """\
<annotation>
\t<folder>photos</folder>
\t<filename>IMG 1.JPG</filename>
\t<path>C:\\Users\\me\\photos\\IMG 1.JPG</path>
\t<source>
\t\t<database>Unknown</database>
\t</source>
\t<size>
\t\t<width>200</width>
\t\t<height>100</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>head</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>11</xmin>
\t\t\t<ymin>21</ymin>
\t\t\t<xmax>30</xmax>
\t\t\t<ymax>50</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""


def test_a_folder_of_labelimgs_kind(tmp_path: Path) -> None:
    """XML beside the photographs, whose extension is in capitals."""
    write(tmp_path / "raw/IMG 1.xml", LABELIMG)
    write(tmp_path / "raw/IMG 1.JPG", image(1, SIZE))
    write(tmp_path / "raw/predefined_classes.txt", "person\nhead\n")
    report = gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    (frame,) = Dataset.open(tmp_path / "out")
    assert frame.boxes_xyxy.tolist() == [[10, 20, 30, 50]]
    assert set(report.findings.totals) == set()


def test_val_valid_and_validation_are_one_word(tmp_path: Path) -> None:
    write(tmp_path / "raw/heads.yaml", ULTRALYTICS)
    for number, split in enumerate(("train", "val")):
        write(tmp_path / f"raw/images/{split}/{number}.jpg", image(number, SIZE))
        write(tmp_path / f"raw/labels/{split}/{number}.txt", "1 0.5 0.5 0.1 0.2\n")
    gtahead.build(tmp_path / "raw", tmp_path / "out", workers=1)
    opened = Dataset.open(tmp_path / "out")
    found = {tuple(opened.select(split=word).frame_ids) for word in ("val", "valid", "validation")}
    assert found == {("validation/1",)}
    for word in ("val", "valid"):
        gtahead.export(tmp_path / "out", tmp_path / word, format="coco", split=word, workers=1)
        names = [path.name for path in (tmp_path / word / "annotations").iterdir()]
        assert names == ["instances_val.json"]
    with pytest.raises(UsageError, match="no such split"):
        opened.select(split="vall")
