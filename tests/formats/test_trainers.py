"""Exports as the usual trainers load them: their own code, on the photographs of a small dataset."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import image, make_sequence, put

import gtahead
from gtahead import Dataset

SIZE = (320, 240)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs in three splits, one of them without heads."""
    root = tmp_path_factory.mktemp("trainers")
    files: dict[str, str | bytes] = {}
    rows = "file,x,y\n"
    for number in range(12):
        name = f"IMG_{number + 1}.jpg"
        files[name] = image(number, SIZE)
        rows += "".join(f"{name},{20 + 25 * n},{60 + 15 * (n % 4)}\n" for n in range(number))
    raw = put(root / "raw", {**files, "points.csv": rows})
    gtahead.build(raw, root / "set", origin="photographs", split="60:20:20", workers=1)
    return root / "set"


def exported(dataset: Path, out: Path, name: str, **options: Any) -> Path:
    gtahead.export(dataset, out, format=name, **options)
    return out


def outside(script: str, *words: object, folder: Path) -> dict[str, Any]:
    """Run a script with the environment of trainers, in a folder of its own; what it prints."""
    python = os.environ.get("GTAHEAD_TRAINERS")
    if python is None:
        pytest.skip("GTAHEAD_TRAINERS names no Python with ultralytics: `make test-slow` makes it")
    folder.mkdir()
    env = {**os.environ, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    env |= {"YOLO_CONFIG_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, "-c", script, *map(str, words)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


ULTRALYTICS = """
import json, sys
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset

data = check_det_dataset(sys.argv[1], autodownload=False)
model = YOLO("yolo11n.yaml")
seen = {}

def count(trainer):
    seen["images"] = len(trainer.train_loader.dataset)
    seen["boxes"] = sum(len(one["cls"]) for one in trainer.train_loader.dataset.labels)

model.add_callback("on_train_start", count)
model.train(data=sys.argv[1], epochs=1, imgsz=64, batch=2, workers=0, device="cpu", plots=False,
            pretrained=False, amp=False, verbose=False)
print(json.dumps({**seen, "names": data["names"], "train": data["train"], "val": data["val"]}))
"""


@pytest.mark.slow
def test_ultralytics_trains_on_yolo_from_any_folder(photographs: Path, tmp_path: Path) -> None:
    yolo = exported(photographs, tmp_path / "yolo", "yolo")
    found = outside(ULTRALYTICS, yolo / "data.yaml", folder=tmp_path / "elsewhere")
    train = [frame for frame in Dataset.open(photographs) if frame.split == "train"]
    assert found["images"] == len(train)
    assert found["boxes"] == sum(frame.count for frame in train)
    assert found["names"] == {"0": "head"}
    assert found["train"] == str(yolo / "images" / "train")
    assert found["val"] == str(yolo / "images" / "val")


TRANSFORMERS = """
import json, sys
import numpy as np
from datasets import load_dataset
from transformers import DetrImageProcessor

processor = DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 128})

def formatted(image_id, category, area, bbox):  # as the guide to object detection has it
    annotations = [
        {"image_id": image_id, "category_id": c, "iscrowd": 0, "area": a, "bbox": list(b)}
        for c, a, b in zip(category, area, bbox)
    ]
    return {"image_id": image_id, "annotations": annotations}

def transform(examples):
    images = [np.array(one.convert("RGB")) for one in examples["image"]]
    heads = zip(examples["image_id"], examples["objects"])
    targets = [formatted(i, o["category"], o["area"], o["bbox"]) for i, o in heads]
    return processor(images=images, annotations=targets, return_tensors="pt")

table = load_dataset(sys.argv[1], split="train")
batch = transform(table[:])
print(json.dumps({
    "images": len(batch["labels"]),
    "boxes": [len(one["boxes"]) for one in batch["labels"]],
    "area": [float(area) for one in table for area in one["objects"]["area"]],
    "bbox": [list(map(float, box)) for one in table for box in one["objects"]["bbox"]],
}))
"""


@pytest.mark.slow
def test_transformers_reads_the_hub_table(photographs: Path, tmp_path: Path) -> None:
    hub = exported(photographs, tmp_path / "hub", "huggingface")
    found = outside(TRANSFORMERS, hub, folder=tmp_path / "elsewhere")
    train = [frame for frame in Dataset.open(photographs) if frame.split == "train"]
    assert found["boxes"] == [frame.count for frame in train]
    sides = np.array(found["bbox"])[:, 2:]
    assert np.array(found["area"]) == pytest.approx(sides.prod(axis=1), rel=1e-5)


def test_torchvision_reads_coco(photographs: Path, tmp_path: Path) -> None:
    from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2

    coco = exported(photographs, tmp_path / "coco", "coco")
    for split, word in (("train", "train"), ("validation", "val"), ("test", "test")):
        frames = [frame for frame in Dataset.open(photographs) if frame.split == split]
        file = coco / "annotations" / f"instances_{word}.json"
        table = wrap_dataset_for_transforms_v2(CocoDetection(coco / "images", file))
        assert len(table) == len(frames)
        for (shown, target), frame in zip(table, frames, strict=True):
            assert shown.size == frame.size_wh
            assert len(target.get("boxes", ())) == frame.count


def test_coco_registered_as_detectron2_does(photographs: Path, tmp_path: Path) -> None:
    """What `load_coco_json` asks of a file, written out: detectron2 isn't in the registries."""
    from pycocotools.coco import COCO

    coco = exported(photographs, tmp_path / "coco", "coco")
    for word in ("train", "val", "test"):
        api = COCO(str(coco / "annotations" / f"instances_{word}.json"))
        ids = sorted(api.imgs)
        annotations = [api.imgToAnns[one] for one in ids]
        assert len({a["id"] for mine in annotations for a in mine}) == sum(map(len, annotations))
        assert [c["name"] for c in api.loadCats(sorted(api.getCatIds()))] == ["head"]
        for one, mine in zip(api.loadImgs(ids), annotations, strict=True):
            assert (coco / "images" / one["file_name"]).is_file()
            assert all(a["image_id"] == one["id"] and a.get("ignore", 0) == 0 for a in mine)
            assert all(a["iscrowd"] == 0 and a["area"] > 0 and len(a["bbox"]) == 4 for a in mine)


def csrnet_pair(image_path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Load an image and its map as CSRNet's `load_data` does."""
    import h5py
    from PIL import Image

    gt_path = str(image_path).replace(".jpg", ".h5").replace("images", "ground_truth")
    shown = Image.open(image_path).convert("RGB")
    with h5py.File(gt_path) as file:
        return np.asarray(shown), np.asarray(file["density"])


@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_a_csrnet_loader_reads_density_maps(photographs: Path, tmp_path: Path, layout: str) -> None:
    options = {"store": "h5", "stride": 1, "layout": layout}
    maps = exported(photographs, tmp_path / "maps", "density", **options)
    frames = {frame.frame: frame for frame in Dataset.open(photographs)}
    found = sorted(maps.glob("*/images/*.jpg" if layout == "flat" else "*/images/*/*.jpg"))
    assert [path.stem for path in found] == sorted(
        frames, key=lambda n: (frames[n].split != "test", frames[n].split == "validation", n)
    )
    for path in found:
        shown, target = csrnet_pair(path)
        assert target.shape == shown.shape[:2]
        assert target.sum() == pytest.approx(frames[path.stem].count, rel=1e-3)
    checked = gtahead.validate(maps, against=photographs, workers=1).finish().totals
    assert checked == {}


@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_maps_as_npy(photographs: Path, tmp_path: Path, layout: str) -> None:
    maps = exported(photographs, tmp_path / "maps", "density", store="npy", layout=layout)
    files = sorted(maps.glob("*/ground_truth/**/*.npy"))
    counts = {frame.frame: frame.count for frame in Dataset.open(photographs)}
    assert {path.stem: round(float(np.load(path).sum()), 2) for path in files} == counts
    assert gtahead.validate(maps, against=photographs, workers=1).finish().totals == {}
    first, *_, last = files
    first.write_bytes(first.read_bytes()[:60])
    last.write_bytes(b"\x80\x04K\x01.")  # a pickle
    assert gtahead.validate(maps, workers=1).finish().totals == {"map-unreadable": 2}


def test_flat_names_that_occur_twice_have_their_sequence(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a", "b"):
        make_sequence(raw, name, frames=2)
    gtahead.build(raw, tmp_path / "set", split="1:0:0", workers=1)
    maps = exported(tmp_path / "set", tmp_path / "maps", "density", layout="flat", allow_lossy=True)
    found = [path.name for path in sorted((maps / "train" / "ground_truth").iterdir())]
    assert found == [f"{n}__00000{i}.npz" for n in "ab" for i in (0, 1)]


def test_lists_of_points_as_fidtm_reads_them(photographs: Path, tmp_path: Path) -> None:
    """`id n`, then `x y` and three numbers for each head; ids are those of sorted images."""
    lists = exported(photographs, tmp_path / "fidtm", "fidtm")
    frames = [frame for frame in Dataset.open(photographs) if frame.split == "test"]
    names = sorted(path.stem for path in (lists / "test" / "images").glob("*.jpg"))
    assert len(names) == len(frames)
    for line, frame in zip((lists / "test_gt.txt").read_text().splitlines(), frames, strict=True):
        number, count, *values = line.split()
        points = np.array(values, float).reshape(-1, 5)[:, :2]
        assert int(count) == len(points) == frame.count
        assert np.abs(points - np.floor(frame.points_xy)).max(initial=0) == 0
        assert 1 <= int(number) <= len(names)


def test_an_index_of_maps_that_leads_elsewhere_is_no_bug(photographs: Path, tmp_path: Path) -> None:
    maps = exported(photographs, tmp_path / "maps", "density")
    index = (maps / "frames.csv").read_text()
    (maps / "frames.csv").write_text(index.replace("points/IMG", "/etc/IMG").replace("IMG_2", ""))
    totals = gtahead.validate(maps, workers=1).finish().totals
    assert totals["map-unreadable"] > 0
