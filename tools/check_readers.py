"""Do readers that can't be installed beside our own dependencies accept what we write?

    python tools/check_readers.py --work DIR                # datasets 3.6
    python tools/check_readers.py --work DIR --torchvision  # and torchvision: several GB

Simulates captures, adds a split whose frames are all empty, exports, and loads the exports in
environments of their own, made under DIR: `datasets` 3.6, plain and streaming, images and labels
alone; torchvision's CocoDetection. Prints what was seen; ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

import gtahead
from gtahead.dataset import SPLITS, Dataset

DATASETS = """
import json, sys
import datasets
datasets.disable_progress_bars()
found = {}
for name, streaming in (("huggingface", False), ("huggingface", True), ("imagefolder", False)):
    folder, cache = f"{sys.argv[1]}/{name}", sys.argv[2]
    loaded = datasets.load_dataset(folder, streaming=streaming, cache_dir=cache)
    key = f"{name}, streaming" if streaming else name
    found[key] = {
        split: [
            [f"{row['sequence']}/{row['frame']}", len(row["objects"]["bbox"]), *row["image"].size]
            for row in rows
        ]
        for split, rows in loaded.items()
    }
labels = datasets.load_dataset(f"{sys.argv[1]}/huggingface", "annotations", cache_dir=sys.argv[2])
found["annotations"] = {
    split: [
        [
            f"{row['sequence']}/{row['frame']}",
            len(row["objects"]["bbox"]),
            row["width"],
            row["height"],
        ]
        for row in rows
    ]
    for split, rows in labels.items()
}
print(json.dumps([datasets.__version__, found]))
"""

TORCHVISION = """
import contextlib, io, json, sys
import torchvision
from torchvision.datasets import CocoDetection
root, found = f"{sys.argv[1]}/coco", {}
for split in ("train", "val", "test"):
    with contextlib.redirect_stdout(io.StringIO()):
        data = CocoDetection(f"{root}/images", f"{root}/annotations/instances_{split}.json")
    found[split] = [
        [info["file_name"].rsplit(".", 1)[0], sum(not a["iscrowd"] for a in rows), *image.size]
        for info, (image, rows) in zip(data.coco.loadImgs(data.ids), data)
    ]
print(json.dumps([torchvision.__version__, {"CocoDetection": found}]))
"""


def prepare(folder: Path) -> Path:
    """Make captures with a test split of empty frames, the dataset, and the exports."""
    for name in ("captures", "dataset", "exports"):  # of an earlier run
        shutil.rmtree(folder / name, ignore_errors=True)
    captures = folder / "captures"
    gtahead.simulate(captures, preset="tiny")
    for path in sorted(captures.iterdir()):
        document = json.loads((path / "sequence.json").read_text(encoding="utf-8"))
        document["split"] = "train"
        (path / "sequence.json").write_text(json.dumps(document), encoding="utf-8")
    for split in ("validation", "test"):
        empty = captures / f"empty_{split}"
        (empty / "frames").mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(split)).integers(0, 255, (48, 64, 3)).astype(np.uint8)
        (empty / "frames" / "0.jpg").write_bytes(bytes(cv2.imencode(".jpg", pixels)[1]))
        document = {
            "format": "gtahead-capture",
            "version": 1,
            "width": 64,
            "height": 48,
            "split": split,
            "frames": [{"frame": 0, "file": "frames/0.jpg"}],
        }
        (empty / "sequence.json").write_text(json.dumps(document))
        (empty / "heads.csv").write_text("frame,ped_id,x,y\n")
    gtahead.build(captures, folder / "dataset")
    for name in ("huggingface", "imagefolder", "coco"):
        gtahead.export(folder / "dataset", folder / "exports" / name, format=name)
    return folder / "exports"


def python_with(folder: Path, *packages: str) -> Path:
    """Return the Python of an environment with some packages."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def check(python: Path, code: str, exports: Path, cache: Path) -> bool:
    """Run a reader and compare what it saw with the dataset."""
    done = subprocess.run(
        [str(python), "-c", code, str(exports), str(cache)], capture_output=True, text=True
    )
    if done.returncode:
        print(done.stderr)
        return False
    version, found = json.loads(done.stdout.splitlines()[-1])
    expected: dict[str, list[list[object]]] = {split: [] for split in SPLITS}
    for frame in Dataset.open(exports.parent / "dataset"):
        expected[str(frame.split)].append([frame.frame_id, frame.count, *frame.size_wh])
    fine = True
    for name, splits in found.items():
        seen = {"validation" if split == "val" else split: rows for split, rows in splits.items()}
        same = seen == expected
        fine &= same
        frames = sum(map(len, seen.values()))
        heads = sum(int(row[1]) for rows in seen.values() for row in rows)
        print(f"{version}: {name}: {frames} frames, {heads} heads: {'same' if same else 'DIFFERS'}")
    return fine


def main() -> None:
    """Prepare, install, check."""
    parser = argparse.ArgumentParser(description="Outside readers in environments of their own")
    parser.add_argument("--work", type=Path, required=True, help="a folder for environments")
    parser.add_argument("--torchvision", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    exports = prepare(options.work)
    old = python_with(options.work / "datasets-3.6", "datasets==3.6.0", "pillow")
    fine = check(old, DATASETS, exports, options.work / "cache")
    if options.torchvision:
        packages = ("torch", "torchvision", "pycocotools")
        python = python_with(options.work / "torchvision", *packages)
        fine &= check(python, TORCHVISION, exports, options.work / "cache")
    sys.exit(not fine)


if __name__ == "__main__":
    main()
