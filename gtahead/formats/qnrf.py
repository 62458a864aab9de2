"""UCF-QNRF: a .mat per image, `annPoints`."""

from __future__ import annotations

import re
from pathlib import Path

from gtahead.formats.base import Batch, ExportFrame, Format
from gtahead.formats.matlab import MATLAB_ORIGIN, load_points, save_mat
from gtahead.ingest.exports import Index, images_below, split_by_folder
from gtahead.ingest.labelled import Listing
from gtahead.ingest.labelled_reader import reader_of

_FOLDERS = {"train": "Train", "validation": "Val", "test": "Test"}


def _write(batch: Batch) -> None:
    for frame, heads in batch:
        path = batch.path(_FOLDERS[batch.split], f"img_{frame.padded_number}_ann.mat")
        save_mat(path, {"annPoints": heads.points_xy})


def _image(split: str, frame: ExportFrame) -> str:
    return f"{_FOLDERS[split]}/img_{frame.padded_number}{frame.extension}"


_NAME = re.compile(r"(.+)_ann\.mat")


def _folders(root: Path) -> list[Path]:
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    return [f for f in folders if any(_NAME.fullmatch(path.name) for path in f.iterdir())]


def _recognise(root: Path) -> str | None:
    folders = _folders(root)
    if not folders:
        return None
    return f"{folders[0].relative_to(root).as_posix()} holds *_ann.mat"


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    images = []
    for folder in _folders(root):
        name = folder.relative_to(root).as_posix()
        prefix = "" if name == "." else f"{name}/"
        split, _ = split_by_folder(folder.relative_to(root))
        there = images_below(folder)
        labels = {m[1]: path.name for path in folder.iterdir() if (m := _NAME.fullmatch(path.name))}
        for stem in sorted(set(labels) | {s for s in there if "/" not in s}):
            file = f"{prefix}{there.get(stem, stem + '.jpg')}"
            own = f"{prefix}{labels[stem]}" if stem in labels else None
            sequence = root.name if name == "." else name
            images.append(index.image(file, sequence, split=split, labels=own))
    return Listing(images, [], load_points(root, "annPoints"), {"tool": "UCF-QNRF"})


QNRF = Format(
    name="qnrf",
    title="UCF-QNRF, .mat per image",
    kind="points",
    origin=MATLAB_ORIGIN,
    precision_px=0.0,
    supports=frozenset({"points"}),
    layout=(
        "<Train|Val|Test>/img_0001.jpg\n<Train|Val|Test>/img_0001_ann.mat   annPoints\nframes.csv"
    ),
    notes=("Points are read as they are, as every loader does."),
    checked_with="scipy",
    write=_write,
    image=_image,
    reader=reader_of("qnrf", "UCF-QNRF (*_ann.mat)", _recognise, _scan, origin="photographs"),
)
