"""ShanghaiTech: a .mat per image, `image_info` in a cell as its own program left it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gtahead.formats.base import Batch, ExportFrame, Format
from gtahead.formats.matlab import MATLAB_ORIGIN, load_points, save_mat
from gtahead.ingest.exports import Index, images_below, split_by_folder
from gtahead.ingest.labelled import Listing
from gtahead.ingest.labelled_reader import reader_of

_FOLDERS = {"train": "train_data", "validation": "val_data", "test": "test_data"}


def _write(batch: Batch) -> None:
    for frame, heads in batch:
        info = np.empty((1, 1), object)
        struct = np.empty((1, 1), dtype=[("location", object), ("number", object)])
        struct[0, 0] = (heads.points_xy, np.array([[float(len(heads))]]))
        info[0, 0] = struct
        folder = _FOLDERS[batch.split]
        path = batch.path(folder, "ground-truth", f"GT_IMG_{frame.number}.mat")
        save_mat(path, {"image_info": info})


def _image(split: str, frame: ExportFrame) -> str:
    return f"{_FOLDERS[split]}/images/IMG_{frame.number}{frame.extension}"


_NAME = re.compile(r"GT_(.+)\.mat")

_GROUND_TRUTH = ("ground-truth", "ground_truth")


def _folders(root: Path) -> list[Path]:
    """Find folders of labels, at most three levels down: the set, a part, or a split of it."""
    found = []
    for pattern in ("", "*/", "*/*/"):
        for name in _GROUND_TRUTH:
            found += [path for path in sorted(root.glob(f"{pattern}{name}")) if path.is_dir()]
    return found


def _recognise(root: Path) -> str | None:
    for folder in _folders(root):
        if any(_NAME.fullmatch(path.name) for path in folder.iterdir()):
            return f"{folder.relative_to(root).as_posix()} holds GT_*.mat"
    return None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    images = []
    for folder in _folders(root):
        home = folder.parent
        split, _ = split_by_folder(home.relative_to(root))
        sequence = "__".join(home.relative_to(root).parts) or root.name
        there = images_below(home / "images")
        prefix = (home / "images").relative_to(root).as_posix()
        labels = {
            match[1]: path.relative_to(root).as_posix()
            for path in sorted(folder.iterdir())
            if (match := _NAME.fullmatch(path.name))
        }
        for stem in sorted(set(labels) | set(there)):
            file = f"{prefix}/{there.get(stem, stem + '.jpg')}"
            labels_file = labels.get(stem)
            images.append(index.image(file, sequence, split=split, labels=labels_file))
    about = {"tool": "ShanghaiTech"}
    return Listing(images, [], load_points(root, "image_info"), about)


SHANGHAITECH = Format(
    name="shanghaitech",
    title="ShanghaiTech, .mat per image",
    kind="points",
    origin=MATLAB_ORIGIN,
    precision_px=0.0,
    supports=frozenset({"points"}),
    layout=(
        "<train|val|test>_data/images/IMG_1.jpg\n"
        "<train|val|test>_data/ground-truth/GT_IMG_1.mat   image_info{1,1}.location, .number\n"
        "frames.csv"
    ),
    notes=(
        "MAT v5 files without date and platform. Read too: part A and part B as they are, "
        "grey images, and `image_info` however MATLAB nested it. The files don't say "
        "whether points count from 0 or from 1: they are read as they are, as every loader "
        "does."
    ),
    checked_with="scipy",
    write=_write,
    image=_image,
    reader=reader_of(
        "shanghaitech",
        "ShanghaiTech (ground-truth/GT_*.mat)",
        _recognise,
        _scan,
        origin="photographs",
    ),
)
