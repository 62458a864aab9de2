"""JHU-Crowd++: a text file per image, whole numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gtahead.arrays import Columns
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format
from gtahead.formats.box_files import box_columns, own_text, rows_of_numbers
from gtahead.formats.chunks import join_each_split, write_chunk, write_small
from gtahead.formats.nwpu_lists import LIST_ORIGIN, pixel_of
from gtahead.formats.text import RowFormat, slices_of
from gtahead.ingest.exports import Index, images_below, split_by_folder
from gtahead.ingest.labelled import LabelledImage, Listing, load_each, own_labels
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables.canonical import CAPTURED

_ROW = RowFormat(0, " ", 0, " ", 0, " ", 0, " ", 0, " 0\n")


def _image(split: str, frame: ExportFrame) -> str:
    return f"{SPLIT_WORDS[split]}/images/{frame.padded_number}{frame.extension}"


def _images_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}/image_labels.txt"


def _write(batch: Batch) -> None:
    boxes = batch.heads.boxes_xyxy
    known = np.asarray(np.isfinite(boxes).all(axis=1))
    batch.note("no-box-in-text", int((~known).sum()))
    sides = np.maximum(1, np.rint(np.where(known[:, None], boxes[:, 2:] - boxes[:, :2], 1.0)))
    whole = np.where(known[:, None], sides, 0).astype(np.int64)  # 0 x 0 where nobody knows
    occlusion = np.where(batch.heads.occluded == 1, 2, 1)
    columns = [*pixel_of(batch), whole[:, 0], whole[:, 1], occlusion]
    text, starts = _ROW.render(columns)
    word = SPLIT_WORDS[batch.split]
    folder = batch.path(word, "gt", "0").parent
    labels = []
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.by_frame), strict=True):
        write_small(f"{folder}/{frame.padded_number}.txt", rows)
        weather = frame.about["weather"] or "normal"
        count = rows.count(b"\n")
        labels.append(f"{frame.padded_number},{count},crowd,{weather},0\n".encode())
    write_chunk(batch, _images_file(batch.split), labels)


def _folders(root: Path) -> list[Path]:
    return [
        folder
        for folder in [root, *sorted(path for path in root.iterdir() if path.is_dir())]
        if (folder / "gt").is_dir()
        and any((folder / "gt").glob("*.txt"))
        and not (folder / "gt" / "gt.txt").exists()  # that's MOT's
    ]


def _recognise(root: Path) -> str | None:
    folders = _folders(root)
    return f"{(folders[0] / 'gt').relative_to(root).as_posix()}/ is there" if folders else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    images = []
    for folder in _folders(root):
        home = folder.relative_to(root).as_posix()
        prefix = "" if home == "." else f"{home}/"
        split, _ = split_by_folder(folder.relative_to(root))
        there = images_below(folder / "images")
        labels = {path.stem: f"{prefix}gt/{path.name}" for path in (folder / "gt").glob("*.txt")}
        for stem in sorted(set(labels) | set(there)):
            file = f"{prefix}images/{there.get(stem, stem + '.jpg')}"
            own = labels.get(stem)
            name = folder.name
            images.append(index.image(file, name, split=split, labels=own))

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        del findings, location
        lines = own_text(own_labels(root, image)).splitlines()
        rows = rows_of_numbers(lines, (6,), None)
        points, sides = rows[:, :2], rows[:, 2:4]
        boxes = np.concatenate([points - sides / 2, points + sides / 2], axis=1)
        boxes[(sides == 0).all(axis=1)] = np.nan
        return {"x": points[:, 0], "y": points[:, 1], **box_columns(boxes)}

    load = load_each(read, ["x", "y", *CAPTURED])
    return Listing(images, [], load, {"tool": "JHU-Crowd++"})


JHU = Format(
    name="jhu",
    title="JHU-Crowd++, .txt per image",
    kind="points",
    origin=LIST_ORIGIN,
    precision_px=1.5,
    supports=frozenset({"boxes"}),
    layout=(
        "<train|val|test>/images/0001.jpg\n"
        "<train|val|test>/gt/0001.txt   a line per head: x y w h occlusion blur\n"
        "<train|val|test>/image_labels.txt\n"
        "frames.csv"
    ),
    notes=(
        "Whole numbers: the pixel that holds the point, and the box around it, 0 0 where "
        "there is none. "
        "`occlusion` is 2 where a head is occluded, else 1; it isn't read, since JHU "
        "counts occluded heads. The fields of `image_labels.txt` follow the dataset's "
        "description; no file of it was seen."
    ),
    checked_with="numpy; not JHU's own code",
    write=_write,
    finish=join_each_split(_images_file),
    image=_image,
    reader=reader_of("jhu", "JHU-Crowd++ (gt/*.txt)", _recognise, _scan, origin="photographs"),
)
